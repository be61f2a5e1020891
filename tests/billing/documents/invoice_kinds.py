"""A hundred invoices of every kind: who buys, what kind of document, what it contains, how it is
paid.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import cycle
from typing import Any

from billing.documents.conversion import balance_means
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
from models.billing.money import Totals, VatBand, totals
from models.billing.tax_rule import Treatment
from tests.billing.documents.invoice_fixtures import BUYER, LINE, NOTES, SELLER, TRANSFER, invoice

ORIGINAL = Original(number="FA-2026-000001", issued_on=date(2026, 11, 1))
SEPA_TRANSFER = replace(TRANSFER, code=58)
CARD = PaymentMeans(code=48, card_last4="4242")
DIRECT_DEBIT = PaymentMeans(
    code=59,
    mandate_reference="MANDAT-0042",
    creditor_identifier="FR72ZZZ123456",
    account_last4="0189",
)
ONLINE = PaymentMeans(code=68, information="PayPal")
SMALL_SELLER = replace(SELLER, vat_number="")


@dataclass(frozen=True, kw_only=True)
class Situation:
    """A buyer, and how VAT applies to them: the rate in basis points, and the treatment."""

    buyer: Party
    rate: int = 2000
    treatment: Treatment = Treatment.STANDARD
    seller: Party = SELLER


def company(name: str, street: str, postcode: str, city: str, country: str, **ids: Any) -> Party:
    """A buyer with these identifiers."""
    address = Address(lines=(street,), postcode=postcode, city=city, country=country)
    return Party(name=name, address=address, **{"siren": "", **ids})


def french(postcode: str, city: str, country: str = "FR") -> Party:
    """A French company without a VAT number, which many small ones don't have."""
    address = Address(lines=("8 rue du Port",), postcode=postcode, city=city, country=country)
    return replace(BUYER, address=address, vat_number="")


SITUATIONS = {
    "metropolitan": Situation(buyer=BUYER),
    "without a VAT number": Situation(buyer=replace(BUYER, vat_number="", siret="")),
    "Guadeloupe": Situation(buyer=french("97110", "Pointe-à-Pitre"), rate=850),
    "Martinique": Situation(buyer=french("97200", "Fort-de-France", "MQ"), rate=850),
    "Réunion, reduced": Situation(buyer=french("97400", "Saint-Denis", "RE"), rate=210),
    "Guyane": Situation(
        buyer=french("97300", "Cayenne", "GF"), rate=0, treatment=Treatment.NOT_DUE
    ),
    "Mayotte": Situation(buyer=french("97600", "Mamoudzou"), rate=0, treatment=Treatment.NOT_DUE),
    "New Caledonia": Situation(
        buyer=company(
            "Nickel du Sud SARL",
            "1 rue de l’Alma",
            "98800",
            "Nouméa",
            "NC",
            registration_number="1234567.001",
            email="compta@nickel.example",
        ),
        rate=0,
        treatment=Treatment.OUTSIDE_SCOPE,
    ),
    "Polynesia": Situation(
        buyer=company(
            "Perles de Tahiti",
            "Front de mer",
            "98713",
            "Papeete",
            "PF",
            registration_number="A12345678",
            email="compta@perles.example",
        ),
        rate=0,
        treatment=Treatment.OUTSIDE_SCOPE,
    ),
    "Switzerland": Situation(
        buyer=company(
            "Müller AG",
            "Bahnhofstrasse 1",
            "8001",
            "Zürich",
            "CH",
            registration_number="CHE-116.281.710",
            vat_number="CHE116281710",
            email="rechnung@mueller.example",
        ),
        rate=0,
        treatment=Treatment.OUTSIDE_SCOPE,
    ),
    "United States": Situation(
        buyer=company(
            "Acme Inc.",
            "1 Main Street",
            "10001",
            "New York",
            "US",
            email="ap@acme.example",
        ),
        rate=0,
        treatment=Treatment.OUTSIDE_SCOPE,
    ),
    "Israel": Situation(
        buyer=company(
            "חברת אור 12 בע״מ",
            "12 רחוב הרצל",
            "6688218",
            "תל אביב",
            "IL",
            registration_number="514123456",
            email="or@or.example",
        ),
        rate=0,
        treatment=Treatment.OUTSIDE_SCOPE,
    ),
    "Germany": Situation(
        buyer=company(
            "Käse & Söhne GmbH",
            "Kaiserstraße 4",
            "60311",
            "Frankfurt am Main",
            "DE",
            vat_number="DE136695976",
            registration_number="HRB 12345",
            email="rechnung@kaese.example",
        ),
        rate=0,
        treatment=Treatment.REVERSE_CHARGE,
    ),
    "Greece": Situation(
        buyer=company(
            "Ελληνικά Τρόφιμα ΑΕ",
            "Οδός Ερμού 5",
            "105 63",
            "Αθήνα",
            "GR",
            vat_number="EL094259216",
            email="info@trofima.example",
        ),
        rate=0,
        treatment=Treatment.REVERSE_CHARGE,
    ),
    "Monaco": Situation(
        buyer=company(
            "Rocher SAM",
            "2 avenue de la Costa",
            "98000",
            "Monaco",
            "MC",
            registration_number="56S00341",
            email="compta@rocher.example",
        )
    ),
    "association": Situation(
        buyer=company(
            "Les Amis du Fournil",
            "4 rue des Écoles",
            "35000",
            "Rennes",
            "FR",
            registration_number="W351000001",
            email="contact@fournil.example",
        )
    ),
    "exempt seller": Situation(
        buyer=BUYER, rate=0, treatment=Treatment.EXEMPT_SELLER, seller=SMALL_SELLER
    ),
}


def _plain(rate: int) -> tuple[Line, ...]:
    return (
        replace(
            LINE,
            vat_basis_points=rate,
            period_start=date(2026, 11, 23),
            period_end=date(2026, 12, 22),
        ),
    )


def _proration(rate: int) -> tuple[Line, ...]:
    """The figures of an upgrade on 10 March: 21 of 31 days are left."""
    days: dict[str, Any] = {"period_start": date(2027, 3, 10), "period_end": date(2027, 3, 30)}
    return (
        replace(LINE, vat_basis_points=rate, quantity=Decimal(-1), unit_price_cents=1965, **days),
        replace(LINE, vat_basis_points=rate, unit_price_cents=5352, **days),
    )


def _rounding(rate: int) -> tuple[Line, ...]:
    return (replace(LINE, vat_basis_points=rate, unit_price_cents=113),) * 3


def _discounts(rate: int) -> tuple[Line, ...]:
    reason: dict[str, Any] = {"discount_cents": 333, "discount_reason": "Fidélité"}
    return (
        replace(LINE, vat_basis_points=rate, **reason),
        replace(LINE, vat_basis_points=rate, quantity=Decimal("2.5"), discount_cents=1),
        replace(LINE, vat_basis_points=rate, quantity=Decimal(-1), discount_cents=-333),
    )


def _rates(rate: int) -> tuple[Line, ...]:
    rates = (rate, 1000, 550, 210) if rate else (0, 0)
    return tuple(replace(LINE, vat_basis_points=each, label=f"Taux {each}") for each in rates)


def _three_pages(rate: int) -> tuple[Line, ...]:
    return tuple(
        replace(LINE, vat_basis_points=rate, label=f"Poste n° {n}", unit_price_cents=101 * n)
        for n in range(1, 46)
    )


def _long_texts(rate: int) -> tuple[Line, ...]:
    texts = ("Maintenance " * 25, "x" * 300, "&<>\"'" * 60)
    return tuple(replace(LINE, vat_basis_points=rate, label=text[:300]) for text in texts)


CONTENTS = (_plain, _proration, _rounding, _discounts, _rates, _three_pages, _long_texts)


def _documents(name: str, situation: Situation) -> Iterator[tuple[str, InvoiceFacts]]:
    """The documents of each kind for one situation, with alternating contents."""
    contents = cycle(CONTENTS[len(name) % 3 :] + CONTENTS)
    parties: dict[str, Any] = {"buyer": situation.buyer, "seller": situation.seller}

    def document(kind: str, **changes: Any) -> tuple[str, InvoiceFacts]:
        lines = next(contents)(situation.rate)
        facts = invoice(*lines, treatment=situation.treatment, **{**parties, **changes})
        return f"{name}: {kind}", facts

    def paid(facts: InvoiceFacts, means: PaymentMeans) -> InvoiceFacts:
        cents = facts.totals.gross_cents
        return replace(facts, due_on=facts.issued_on, payment=means, paid_cents=cents)

    yield document("transfer", payment=SEPA_TRANSFER, payment_terms="À 30 jours.")
    kind, facts = document("card")
    yield kind, paid(facts, CARD)
    yield document(
        "direct debit",
        payment=DIRECT_DEBIT,
        order_number="PO 7/42",
        vat_on_debits=situation.treatment is Treatment.STANDARD,
        buyer=replace(situation.buyer, billing_address=SELLER.address),
    )
    kind, facts = document("partly paid", payment=None)
    yield kind, replace(facts, paid_cents=1234)
    yield document(
        "credit note", type=DocumentType.CREDIT_NOTE, originals=(ORIGINAL,), number="AV-2026-000007"
    )
    yield document("corrective", type=DocumentType.CORRECTIVE_INVOICE, originals=(ORIGINAL,))


def _peculiar_documents() -> Iterator[tuple[str, InvoiceFacts]]:
    name = "Société " + "anticonstitutionnellement " * 8
    parties: dict[str, Any] = {
        "buyer": replace(BUYER, name=name[:200]),
        "seller": replace(SELLER, name=name[:200]),
    }
    yield "names of 200 characters", invoice(*_plain(2000), **parties)
    arabic = replace(BUYER, name="شركة النور للتجارة والصناعة 12")
    yield "right to left", invoice(replace(LINE, label="خدمة العملاء 24/7"), buyer=arabic)
    # As billing/corrections.py issues them.
    corrective: dict[str, Any] = {
        "type": DocumentType.CORRECTIVE_INVOICE,
        "originals": (ORIGINAL,),
        "notes": (Note(text="Numéro de commande"), *NOTES),
    }
    facts = invoice(**corrective, payment=CARD, payment_terms="Payée le 3 septembre 2026.")
    cents = facts.totals.gross_cents
    yield "corrective, paid", replace(facts, paid_cents=cents, due_on=facts.issued_on)
    yield "corrective, partly paid", invoice(**corrective, paid_cents=1_000)
    facts = invoice(replace(LINE, unit_price_cents=0))
    yield "free of charge", replace(facts, payment=None)
    for kind, cents in (("a discount", 363), ("a discount of everything", 7_900)):
        discount = replace(_plain(2000)[0], quantity=Decimal(-1), unit_price_cents=cents)
        facts = invoice(*_plain(2000), replace(discount, label="Remise", unit="C62"))
        terms = "Rien n’est dû." if not facts.totals.gross_cents else "À réception."
        yield kind, replace(facts, payment=None, payment_terms=terms)
    facts = invoice(*_plain(2000))
    cents = facts.totals.gross_cents
    paid = replace(facts, paid_cents=cents, due_on=facts.issued_on)
    yield "paid online", replace(paid, payment=ONLINE)
    yield "paid from the balance", replace(paid, payment=balance_means())
    yield (
        "hostile text",
        invoice(
            replace(LINE, label="<a>&\"'\x00\x1b\ud800]]>", description="☕️👩‍💻 漢字"),
            buyer=replace(BUYER, name='#import "x" *a_b*'),
        ),
    )
    cents = totals(_plain(2000)).gross_cents
    originals = (ORIGINAL, replace(ORIGINAL, number="FA-2026-000002"))
    credit = invoice(*_plain(2000), type=DocumentType.CREDIT_NOTE, originals=originals)
    rest = Totals(339, 67, (VatBand(2000, 339, 67),))  # a cent less than 20 % of it
    yield (
        "credit of the rest of an invoice",
        invoice(
            *_rounding(2000), type=DocumentType.CREDIT_NOTE, originals=(ORIGINAL,), totals=rest
        ),
    )
    yield "credit of two invoices, refunded", replace(credit, paid_cents=cents)


KINDS: dict[str, InvoiceFacts] = {
    **{
        kind: facts
        for name, situation in SITUATIONS.items()
        for kind, facts in _documents(name, situation)
    },
    **dict(_peculiar_documents()),
}
