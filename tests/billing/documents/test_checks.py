"""The errors that would make an invoice invalid are found before it is issued."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.documents.checks import check_facts
from billing.documents.facts import Original, PaymentMeans
from tests.billing.documents.invoice_fixtures import BUYER, LINE, SELLER, invoice
from tests.billing.documents.invoice_kinds import KINDS, SITUATIONS


@pytest.mark.parametrize("kind", KINDS)
def test_an_invoice_that_conforms_has_no_errors(kind: str) -> None:
    assert check_facts(KINDS[kind]) == []


YESTERDAY = invoice().issued_on - timedelta(days=1)
FOREIGN = SITUATIONS["United States"].buyer
INVALID: list[tuple[dict[str, Any], str]] = [
    ({"number": "FA 1"}, "a number has at most 35"),
    ({"number": "F" * 36}, "a number has at most 35"),
    ({"originals": (Original(number="é", issued_on=YESTERDAY),)}, "a number has at most 35"),
    ({"due_on": date(2100, 1, 1)}, "not in this century"),
    ({"due_on": YESTERDAY}, "the due date is before the issue date"),
    ({"category": "Conseil"}, "the category of operation"),
    ({"period_end": YESTERDAY}, "the period ends before it starts"),
    ({"seller": replace(SELLER, siren="", siret="")}, "seller: the SIREN has nine digits"),
    ({"seller": replace(SELLER, siret="1" * 14)}, "seller: the SIRET starts with the SIREN"),
    ({"buyer": replace(BUYER, siren="12345678", siret="")}, "buyer: the SIREN has nine digits"),
    ({"buyer": replace(BUYER, vat_number="44732829320")}, "buyer: the VAT number starts with"),
    ({"buyer": replace(BUYER, name=" \x00")}, "buyer: a name is required"),
    (
        {"buyer": replace(BUYER, address=replace(BUYER.address, country="XK"))},
        "buyer: the country is unknown",
    ),
    (
        {"buyer": replace(BUYER, billing_address=replace(BUYER.address, country="ZZ"))},
        "buyer: the country is unknown",
    ),
    ({"buyer": replace(FOREIGN, email="")}, "buyer: a SIREN or an email address"),
    ({"buyer": replace(BUYER, electronic_suffix="à")}, "buyer: a SIREN or an email address"),
    ({"payment": PaymentMeans(code=30)}, "a transfer requires an IBAN"),
    ({"payment": PaymentMeans(code=2)}, "the means of payment is unknown"),
]


@pytest.mark.parametrize(("changes", "error"), INVALID)
def test_an_error_of_the_document_is_found(changes: dict[str, Any], error: str) -> None:
    errors = check_facts(invoice(**changes))
    assert len(errors) == 1
    assert error in errors[0]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"label": "\u0007"}, "line 2: a designation is required"),
        ({"vat_basis_points": 1900}, "line 2: 19.0 % is no rate of VAT in France"),
        ({"quantity": Decimal("0.00001")}, "line 2: a quantity has at most four decimals"),
        ({"unit_price_cents": 10**20}, "line 2: the amount is too large"),
        (
            {"period_start": date(2026, 2, 2), "period_end": date(2026, 2, 1)},
            "line 2: the period ends before it starts",
        ),
    ],
)
def test_an_error_of_a_line_is_found(changes: dict[str, Any], error: str) -> None:
    assert check_facts(invoice(LINE, replace(LINE, **changes))) == [error]
