"""The frozen facts: they survive a JSON column, and contradictions never become an invoice."""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.documents.facts import (
    Address,
    InvoiceFacts,
    Line,
    Note,
    Original,
    Party,
    PaymentMeans,
)
from models.billing.invoice import DocumentType
from models.billing.money import totals
from models.billing.tax_rule import Treatment
from tests.billing.documents.invoice_fixtures import (
    BUYER,
    LINE,
    NOTES,
    SELLER,
    invoice,
    invoice_paid_by_card,
)

VAT_FREE_LINE = replace(LINE, vat_basis_points=0)
WORDS = st.text(max_size=30)
DATES = st.dates()
ADDRESSES = st.builds(
    Address,
    lines=st.lists(WORDS, max_size=4).map(tuple),
    postcode=WORDS,
    city=WORDS,
    country=st.just("FR"),
)
PARTIES = st.builds(
    Party,
    name=WORDS,
    siren=WORDS,
    address=ADDRESSES,
    vat_number=st.text(min_size=1, max_size=14),
    legal=WORDS,
    billing_address=st.none() | ADDRESSES,
)
LINES = st.builds(
    Line,
    label=WORDS,
    unit_price_cents=st.integers(0, 10**9),
    vat_basis_points=st.sampled_from([210, 550, 1000, 2000]),
    quantity=st.decimals(-1000, 1000, places=4),
    discount_cents=st.integers(0, 10**6),
    period_start=st.none() | DATES,
)


@st.composite
def invoice_facts(draw: st.DrawFn) -> InvoiceFacts:
    lines = tuple(draw(st.lists(LINES, min_size=1, max_size=5)))
    return invoice(
        *lines,
        number=draw(WORDS),
        seller=draw(PARTIES),
        buyer=draw(PARTIES),
        notes=(*NOTES, *draw(st.lists(st.builds(Note, text=WORDS), max_size=2))),
        period_start=draw(st.none() | DATES),
        type=draw(st.sampled_from(DocumentType)),
        originals=(draw(st.builds(Original, number=WORDS, issued_on=DATES)),),
        payment=draw(
            st.none() | st.builds(PaymentMeans, code=st.sampled_from([30, 48]), iban=WORDS)
        ),
        paid_cents=draw(st.integers(0, 10**6)),
        vat_on_debits=draw(st.booleans()),
    )


@given(invoice_facts())
def test_facts_survive_json(facts: InvoiceFacts) -> None:
    assert InvoiceFacts.from_json(json.loads(json.dumps(facts.to_json()))) == facts


def test_invalid_json_is_refused() -> None:
    with pytest.raises(TypeError, match="missing"):
        InvoiceFacts.from_json({"number": "FA-1"})
    with pytest.raises(KeyError):
        InvoiceFacts.from_json({**invoice().to_json(), "surprise": 1})


def test_stored_totals_that_differ_from_the_lines_are_refused() -> None:
    stored_json = invoice().to_json()
    stored_json["totals"]["vat_cents"] += 1
    with pytest.raises(ValueError, match="totals are not those of the lines"):
        InvoiceFacts.from_json(stored_json)


def test_vat_is_rounded_once_per_rate() -> None:
    line = replace(LINE, unit_price_cents=113)
    invoice_totals = invoice(line, line, line).totals
    assert (invoice_totals.net_cents, invoice_totals.vat_cents, invoice_totals.gross_cents) == (
        339,
        68,
        407,
    )


@pytest.mark.parametrize(
    ("quantity", "price", "discount", "net"),
    [
        ("1", 2900, 0, 2900),
        ("2.5", 333, 0, 833),
        ("0.5", 1, 0, 1),
        ("-1", 1965, 0, -1965),
        ("3", 1000, 500, 2500),
    ],
)
def test_a_line_amounts_to_quantity_times_price_minus_discount(
    quantity: str, price: int, discount: int, net: int
) -> None:
    line = replace(
        LINE, quantity=Decimal(quantity), unit_price_cents=price, discount_cents=discount
    )
    assert line.net_cents == net


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"notes": NOTES[:2]}, "exactly once"),
        ({"notes": (*NOTES, NOTES[0])}, "exactly once"),
        ({"type": DocumentType.CREDIT_NOTE}, "cites its original"),
        ({"type": DocumentType.CORRECTIVE_INVOICE}, "cites one original"),
        (
            {
                "type": DocumentType.CORRECTIVE_INVOICE,
                "originals": (Original(number="A", issued_on=date(2026, 1, 1)),) * 2,
            },
            "cites one original",
        ),
        ({"lines": (), "totals": totals(())}, "at least one line"),
        ({"treatment": Treatment.EXEMPT_SELLER}, "none applies"),
        (
            {"lines": (VAT_FREE_LINE,), "totals": totals((VAT_FREE_LINE,))},
            "nothing says why",
        ),
        ({"currency": "USD"}, "only euros"),
        (
            {"treatment": Treatment.REVERSE_CHARGE, "buyer": replace(BUYER, vat_number="")},
            "buyer's VAT number",
        ),
    ],
)
def test_contradictions_are_refused(changes: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        invoice(**changes)


def test_a_negative_unit_price_is_refused() -> None:
    with pytest.raises(ValueError, match="unit price is not negative"):
        invoice(replace(LINE, unit_price_cents=-1))


def test_an_invoice_paid_at_issue_has_process_s2_and_no_amount_due() -> None:
    assert (invoice_paid_by_card().process, invoice_paid_by_card().payable_cents) == ("S2", 0)
    assert (invoice().process, invoice().payable_cents) == ("S1", 9480)
    assert invoice(paid_cents=1000).process == "S1"


def test_the_electronic_address_begins_with_the_siren() -> None:
    assert SELLER.electronic_address == "404833048"
    assert replace(BUYER, electronic_suffix="COMPTA").electronic_address == "732829320_COMPTA"


@pytest.mark.parametrize(
    ("country", "identifiers", "expected"),
    [
        ("FR", {"siren": "732829320", "registration_number": "W1"}, ("0002", "732829320")),
        ("NC", {"registration_number": "1234567.001"}, ("0228", "1234567.001")),
        ("PF", {"registration_number": "A12345678"}, ("0229", "A12345678")),
        ("DE", {"vat_number": "DE136695976", "registration_number": "1"}, ("0223", "DE136695976")),
        ("MC", {"registration_number": "56S00341"}, ("", "56S00341")),
        ("US", {}, ("0227", "USBoulangerie L'Ép")),
    ],
)
def test_a_buyer_is_identified_by_the_register_of_their_country(
    country: str, identifiers: dict[str, str], expected: tuple[str, str]
) -> None:
    values: dict[str, Any] = {"siren": "", "vat_number": "", **identifiers}
    buyer = replace(BUYER, address=replace(BUYER.address, country=country), **values)
    assert buyer.legal_identifier == expected


def test_a_buyer_without_a_siren_gets_the_invoice_by_email() -> None:
    buyer = replace(BUYER, siren="", email="ap@acme.example")
    assert (buyer.electronic_scheme, buyer.electronic_address) == ("EM", "ap@acme.example")
