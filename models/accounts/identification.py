"""What identifies a company or an association that signs up."""

import re
from dataclasses import dataclass

from models.accounts.account import Organization, parse_siren
from models.accounts.errors import AccountsErrorCode
from models.accounts.vat_number import parse_vat_number
from models.billing.territory import SIREN_COUNTRY_CODES
from models.checks import Checks
from models.countries import parse_country_code
from models.errors import Refusal
from models.text import line

_REGISTRATION_NUMBER_LENGTH = 50
# Of the national register of associations: W, the registry's department, and a number.
_RNA = re.compile(r"W[0-9][0-9A-Z][0-9]{7}")


@dataclass(frozen=True)
class Identification:
    """Where a legal entity is registered, and its numbers there."""

    organization: Organization
    country: str
    siren: str | None = None
    registration_number: str | None = None
    vat_number: str | None = None


def parse_identification(
    organization: Organization,
    country: str,
    siren: str | None,
    registration_number: str | None,
    vat_number: str | None,
) -> Identification:
    """Check what identifies a legal entity.

    A company in France needs its SIREN (Code de commerce, Article R123-220). A company elsewhere
    needs the number in the register of its country. An association in France may have a SIREN, the
    number in the register of associations (RNA), both, or neither, as is possible in Alsace and
    Moselle.

    Raises SIREN_REQUIRED, SIREN_INVALID, REGISTRATION_NUMBER_REQUIRED, RNA_INVALID, BLANK,
    TOO_LONG, CARD_NUMBER, VAT_NUMBER_INVALID, SIREN_MISMATCH, and VALUE_INVALID for the country.
    """
    with Checks() as check:
        country_code = check(parse_country_code, country)
        is_french = country_code in SIREN_COUNTRY_CODES
        siren = check(parse_siren, siren) if siren is not None else None
        if country_code is not None and check.is_valid:
            check(_require_number, organization, is_french, siren, registration_number)
        if registration_number is not None:
            registration_number = check(
                _parse_registration_number, registration_number, organization, is_french
            )
        if vat_number is not None and country_code is not None:
            vat_number = check(parse_vat_number, vat_number, country_code, siren)
    return Identification(organization, country_code, siren, registration_number, vat_number)


def _require_number(
    organization: Organization, is_french: bool, siren: str | None, registration_number: str | None
) -> None:
    if organization is Organization.ASSOCIATION or siren:
        return
    if is_french:
        raise Refusal(AccountsErrorCode.SIREN_REQUIRED, "input", "siren")
    if registration_number is None:
        code = AccountsErrorCode.REGISTRATION_NUMBER_REQUIRED
        raise Refusal(code, "input", "registrationNumber")


def _parse_registration_number(text: str, organization: Organization, is_french: bool) -> str:
    number = line(text, "registrationNumber", _REGISTRATION_NUMBER_LENGTH)
    if organization is Organization.ASSOCIATION and is_french:
        number = re.sub(r"[\s.-]", "", number).upper()
        if not _RNA.fullmatch(number):
            raise Refusal(AccountsErrorCode.RNA_INVALID, "input", "registrationNumber")
    return number
