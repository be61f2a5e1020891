"""Invoices of named parties, for the tests of documents."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from billing.documents.facts import Address, InvoiceFacts, Line, Note, Party, PaymentMeans
from models.billing.money import totals

SELLER = Party(
    name="Camcha Services",
    siren="404833048",
    siret="40483304800022",
    vat_number="FR83404833048",
    legal="SAS au capital de 10 000 €, RCS Paris 404 833 048",
    address=Address(lines=("12 rue de l'Échiquier",), postcode="75010", city="Paris"),
    email="facturation@camcha.example",
    phone="+33 1 23 45 67 89",
)
BUYER = Party(
    name="Boulangerie L'Épi d'Or SARL",
    siren="732829320",
    siret="73282932000074",
    vat_number="FR44732829320",
    address=Address(lines=("3 place du Marché", "Bâtiment B"), postcode="69001", city="Lyon"),
)
NOTES = (
    Note(
        code="PMT",
        text="Indemnité forfaitaire pour frais de recouvrement en cas de retard de paiement : 40 "
        "€.",
    ),
    Note(code="PMD", text="Pénalités de retard : trois fois le taux d'intérêt légal."),
    Note(code="AAB", text="Pas d'escompte pour paiement anticipé."),
)
TRANSFER = PaymentMeans(
    code=30, iban="FR7630006000011234567890189", bic="AGRIFRPP", reference="RF18539007547034"
)
LINE = Line(
    label="Offre PME",
    description="Assistance illimitée et messagerie en direct",
    unit_price_cents=7900,
    vat_basis_points=2000,
    quantity=Decimal(1),
    unit="MON",
)


def invoice(*lines: Line, **changes: Any) -> InvoiceFacts:
    """A plain invoice to be paid by transfer; `changes` are fields of the facts."""
    invoice_lines = lines or (LINE,)
    defaults: dict[str, Any] = {
        "number": "FA-2026-000123",
        "issued_on": date(2026, 11, 23),
        "due_on": date(2026, 12, 23),
        "period_start": date(2026, 11, 23),
        "period_end": date(2026, 12, 22),
        "seller": SELLER,
        "buyer": BUYER,
        "lines": invoice_lines,
        "totals": totals(invoice_lines),
        "notes": NOTES,
        "payment": TRANSFER,
        "payment_terms": "Paiement à 30 jours par virement.",
    }
    return InvoiceFacts(**{**defaults, **changes})


def invoice_paid_by_card(*lines: Line, **changes: Any) -> InvoiceFacts:
    """An invoice that a card had paid before it was issued."""
    facts = invoice(*lines)
    card = PaymentMeans(code=48, card_last4="4242")
    card_payment = {
        "due_on": facts.issued_on,
        "payment": card,
        "paid_cents": facts.totals.gross_cents,
        "payment_terms": "",
    }
    return replace(facts, **{**card_payment, **changes})
