"""Rows of the database as parts of a document."""

from datetime import UTC, datetime
from typing import Any

import pytest

from billing.documents.checks import check_facts
from billing.documents.conversion import (
    buyer_party,
    direct_debit_means,
    paid_means,
    transfer_means,
)
from billing.documents.page import page_content
from models.billing.billing_profile import BillingProfile
from models.billing.payment import Payment
from models.billing.payment_method import PaymentKind, PaymentMethod
from models.locale import Locale
from tests.billing.documents.invoice_fixtures import TRANSFER, invoice

REGISTERED = {
    "street": "3 place du Marché",
    "postal_code": "69001",
    "city": "Lyon",
    "country": "FR",
}


def profile(**changes: Any) -> BillingProfile:
    values = {"legal_name": "L’Épi d’Or", "siren": "732829320", **REGISTERED, **changes}
    return BillingProfile(**values)


def test_the_registered_address_stays_beside_the_billing_address() -> None:
    billing = {f"billing_{name}": value for name, value in REGISTERED.items()}
    buyer = buyer_party(profile(**{**billing, "billing_city": "Villeurbanne"}))
    assert buyer.address.city == "Lyon"
    assert buyer.billing_address is not None
    assert buyer.billing_address.city == "Villeurbanne"
    assert buyer_party(profile()).billing_address is None


def test_a_vat_number_is_stated_once_it_is_confirmed() -> None:
    german = {"siren": None, "vat_number": "DE136695976", "country": "DE"}
    assert buyer_party(profile(**german)).vat_number == ""
    checked = profile(**german, vat_checked_at=datetime(2026, 11, 1, tzinfo=UTC))
    assert buyer_party(checked).vat_number == "DE136695976"
    assert buyer_party(profile(vat_number="FR44732829320")).vat_number == ""


def test_only_a_company_without_a_siren_is_reached_by_email() -> None:
    association = profile(siren=None, registration_number="W351000001")
    buyer = buyer_party(association, "contact@fournil.example")
    assert check_facts(invoice(buyer=buyer)) == []
    assert buyer.email == "contact@fournil.example"
    assert buyer_party(profile(), "camille@fournil.example").email == ""


@pytest.mark.parametrize("kind", PaymentKind)
def test_every_kind_of_payment_can_be_stated(kind: PaymentKind) -> None:
    payment = Payment(kind=kind, brand="PayPal", last_four="4242", amount_cents=1, method="x")
    for iban in (TRANSFER.iban, ""):
        facts = invoice(payment=paid_means(payment, iban=iban))
        assert check_facts(facts) == []
        assert page_content(facts, Locale.FR)["payment"]["rows"]


def test_a_direct_debit_names_its_mandate() -> None:
    method = PaymentMethod(
        kind=PaymentKind.DIRECT_DEBIT, iban_last_four="0189", mandate_reference="M-1"
    )
    means = direct_debit_means(method, "FR72ZZZ123456")
    assert (means.code, means.account_last4, means.mandate_reference) == (59, "0189", "M-1")


def test_a_transfer_names_the_account_and_the_reference() -> None:
    means = transfer_means(TRANSFER.iban, TRANSFER.bic, TRANSFER.reference)
    assert (means.code, means.iban, means.reference) == (58, TRANSFER.iban, TRANSFER.reference)
