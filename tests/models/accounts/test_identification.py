"""P1.4: companies in France sign up with their SIREN, everyone else with what identifies them."""

import pytest

from models.accounts.account import Organization
from models.accounts.identification import Identification, parse_identification
from models.errors import Refusal

COMPANY, ASSOCIATION = Organization.COMPANY, Organization.ASSOCIATION
Numbers = tuple[str | None, str | None, str | None]  # SIREN, registration number, VAT number


@pytest.mark.parametrize(
    ("organization", "country", "numbers", "parsed"),
    [
        (COMPANY, "fr", ("404 833 048", None, None), ("404833048", None, None)),
        (COMPANY, "RE", ("404833048", None, None), ("404833048", None, None)),
        (
            COMPANY,
            "FR",
            ("404833048", None, "FR 83 404833048"),
            ("404833048", None, "FR83404833048"),
        ),
        (COMPANY, "MC", (None, " 56 S  00557", None), (None, "56 S 00557", None)),
        (
            COMPANY,
            "MC",
            (None, "56S00557", "FR53000004605"),
            (None, "56S00557", "FR53000004605"),
        ),
        (COMPANY, "BE", (None, "0697.449.992", None), (None, "0697.449.992", None)),
        (
            COMPANY,
            "DE",
            (None, "HRB 1234", "DE136695976"),
            (None, "HRB 1234", "DE136695976"),
        ),
        (COMPANY, "NC", (None, "RIDET 1 234 567.001", None), (None, "RIDET 1 234 567.001", None)),
        (COMPANY, "CH", (None, "CHE-107.787.577", None), (None, "CHE-107.787.577", None)),
        (COMPANY, "BE", ("404833048", None, None), ("404833048", None, None)),
        (ASSOCIATION, "FR", (None, "w75 1234567", None), (None, "W751234567", None)),
        (ASSOCIATION, "FR", (None, "W9R1001234", None), (None, "W9R1001234", None)),
        (ASSOCIATION, "FR", (None, None, None), (None, None, None)),
        (ASSOCIATION, "FR", ("404833048", "W751234567", None), ("404833048", "W751234567", None)),
        (ASSOCIATION, "BE", (None, None, None), (None, None, None)),
    ],
)
def test_p1_4_what_identifies_a_company_is_accepted(
    organization: Organization, country: str, numbers: Numbers, parsed: Numbers
) -> None:
    identification = parse_identification(organization, country, *numbers)
    assert identification == Identification(organization, country.upper(), *parsed)


@pytest.mark.parametrize(
    ("organization", "country", "numbers", "faults"),
    [
        (COMPANY, "FR", (None, None, None), {("SIREN_REQUIRED", "siren")}),
        (COMPANY, "GP", (None, "123", None), {("SIREN_REQUIRED", "siren")}),
        (COMPANY, "FR", ("404833049", None, None), {("SIREN_INVALID", "siren")}),
        (
            COMPANY,
            "BE",
            (None, None, None),
            {("REGISTRATION_NUMBER_REQUIRED", "registrationNumber")},
        ),
        (COMPANY, "BE", (None, " ", None), {("BLANK", "registrationNumber")}),
        (COMPANY, "BE", (None, "1" * 51, None), {("TOO_LONG", "registrationNumber")}),
        (
            COMPANY,
            "BE",
            (None, "0697449992", "DE136695976"),
            {("VAT_NUMBER_INVALID", "vatNumber")},
        ),
        (
            COMPANY,
            "FR",
            ("404833048", None, "FR44732829320"),
            {("SIREN_MISMATCH", "vatNumber")},
        ),
        (ASSOCIATION, "FR", (None, "12345", None), {("RNA_INVALID", "registrationNumber")}),
        (COMPANY, "XX", (None, None, None), {("VALUE_INVALID", "country")}),
        (
            COMPANY,
            "FR",
            ("1", "", "2"),
            {
                ("SIREN_INVALID", "siren"),
                ("BLANK", "registrationNumber"),
                ("VAT_NUMBER_INVALID", "vatNumber"),
            },
        ),
    ],
)
def test_p1_4_what_is_missing_or_wrong_is_named(
    organization: Organization, country: str, numbers: Numbers, faults: set[tuple[str, str]]
) -> None:
    with pytest.raises(Refusal) as refused:
        parse_identification(organization, country, *numbers)
    assert {(each.code, each.field[-1]) for each in refused.value.refusals} == faults
