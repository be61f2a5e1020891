"""VAT numbers of companies: how they are written, and what the tax authorities answered."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

import stdnum.eu.vat
import stdnum.fr.tva
import stdnum.mc.tva
from stdnum.exceptions import ValidationError
from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.accounts.errors import AccountsErrorCode
from models.billing.territory import EU_COUNTRY_CODES, SIREN_COUNTRY_CODES
from models.errors import Refusal

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.viewer import Viewer

RECHECK_INTERVAL = timedelta(days=30)  # a number can be withdrawn at any time
INVALID_RECHECK_INTERVAL = timedelta(days=1)  # new numbers take some days to be published
RETRY_DELAY = timedelta(minutes=1)
MAX_RETRY_DELAY = timedelta(hours=1)

_NUMBER_LENGTH = 100  # characters: the number and separators
_UNISSUED_PREFIX = "0000"  # how no SIREN begins
_GREEK_PREFIX = "EL"  # where ISO 3166 has GR


class VatNumberStatus(StrEnum):
    """What is known about a VAT number."""

    PENDING = "PENDING"
    VALID = "VALID"
    INVALID = "INVALID"
    UNKNOWN = "UNKNOWN"


class VatCheck(Model):
    """What the tax authorities answered about an account's VAT number. One row per account: another
    number replaces it.

    `consultation_number` is the proof that they give, `registered_name` the name that they have.
    `due_at` is when they are queried next. While they don't answer, the earlier answer stays.
    """

    id = fields.BigIntField(primary_key=True)
    account: fields.OneToOneRelation["Account"] = fields.OneToOneField(
        "models.Account", related_name=False
    )
    vat_number = fields.CharField(max_length=20)
    status = fields.CharEnumField(
        VatNumberStatus, max_length=10, default=VatNumberStatus.PENDING, description="answer"
    )
    checked_at: datetime | None = fields.DatetimeField(null=True)
    consultation_number = fields.CharField(max_length=60, null=True)
    registered_name = fields.CharField(max_length=300, null=True)
    due_at: datetime = fields.DatetimeField(db_index=True)
    failures = fields.IntField(default=0)

    account_id: int

    class Meta:
        table = "vat_check"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["VatCheck"]:
        """Agents see all checks, members their company's."""
        if viewer.is_agent:
            return QuerySet(cls)
        return cls.filter(account_id=viewer.account.pk) if viewer.account else cls.filter(id=None)

    @classmethod
    async def confirmed(
        cls, account: "Account", db: BaseDBAsyncClient | None = None
    ) -> "VatCheck | None":
        """The check of an account's VAT number, None unless the number is confirmed and belongs to
        the country in which the company is registered.
        """
        number = account.vat_number
        if number is None or not is_of_country(number, account.country):
            return None
        return await cls.get_or_none(
            account_id=account.pk, vat_number=number, status=VatNumberStatus.VALID, using_db=db
        )


def parse_vat_number(text: str, country: str, siren: str | None) -> str:
    """Return a VAT number without separators, such as FR83404833048. It must be of the company's
    country, and a French one of the company's SIREN.

    Verifies check digits (python-stdnum); whether the number exists is for the tax authorities to
    say. Raises VAT_NUMBER_INVALID, and SIREN_MISMATCH for another company's number.
    """
    try:
        number = _validate(text, country) if len(text) <= _NUMBER_LENGTH else ""
    except ValidationError:
        number = ""
    if not number:
        raise Refusal(AccountsErrorCode.VAT_NUMBER_INVALID, "input", "vatNumber")
    if number.startswith("FR") and siren is not None and number[4:] != siren:
        raise Refusal(AccountsErrorCode.SIREN_MISMATCH, "input", "vatNumber")
    return number


def _validate(text: str, country: str) -> str:
    """The number, empty for another country's. Raises ValidationError."""
    if country == "MC":
        return f"FR{str(stdnum.mc.tva.validate(text)).removeprefix('FR')}"
    if country in SIREN_COUNTRY_CODES:
        number = str(stdnum.fr.tva.validate(text))  # without the country
        return "" if number[2:].startswith(_UNISSUED_PREFIX) else f"FR{number}"
    number = str(stdnum.eu.vat.validate(text))
    if number.startswith("GR"):
        number = f"{_GREEK_PREFIX}{number[2:]}"
    return number if is_of_country(number, country) else ""


def is_of_country(number: str, country: str) -> bool:
    """Whether a VAT number belongs to this country: a member state, or a territory that is treated
    as France.
    """
    if country in SIREN_COUNTRY_CODES or country == "MC":
        return number.startswith("FR")
    prefix = _GREEK_PREFIX if country == "GR" else country
    return country in EU_COUNTRY_CODES and number.startswith(prefix)
