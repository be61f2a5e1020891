"""The data of an invoice, frozen when it is issued: everything that its page and its structured
file are made from.

Legal figures (rates, terms, the recovery indemnity) are part of the data, as notes; the code
contains only the mentions whose wording the law prescribes. "BT-n" is the business term of EN 16931
for a field.
"""

import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import IntEnum, StrEnum
from typing import Any, Self

from models.billing.invoice import DocumentType
from models.billing.money import Totals, totals
from models.billing.tax_rule import Treatment

ON_DEBITS = "Option pour le paiement de la taxe d’après les débits"
REQUIRED_NOTES = ("PMT", "PMD", "AAB")


VAT_NOTICES = {
    Treatment.STANDARD: "",
    Treatment.EXEMPT_SELLER: "TVA non applicable, art. 293 B du CGI",
    Treatment.REVERSE_CHARGE: "Autoliquidation",
    Treatment.NOT_DUE: "TVA non applicable, art. 294 du CGI",
    Treatment.OUTSIDE_SCOPE: "TVA non applicable, art. 259-1 du CGI",
}


_REGISTERS = {"NC": "0228", "PF": "0229"}  # RIDET, TAHITI


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """A postal address; `country` is ISO 3166-1 alpha-2. EN 16931 has three lines, so further ones
    are joined.
    """

    lines: tuple[str, ...]
    postcode: str
    city: str
    country: str = "FR"


@dataclass(frozen=True, kw_only=True, slots=True)
class Party:
    """The seller or the buyer. `legal` is the seller's legal form, capital and registration: "SAS
    au capital de 10 000 €, RCS Paris".

    A buyer without a SIREN has a registration number of another register: a RIDET in New Caledonia,
    a TAHITI number, an association's RNA, a foreign company's.
    """

    name: str
    siren: str
    address: Address
    siret: str = ""
    vat_number: str = ""
    legal: str = ""
    email: str = ""
    phone: str = ""
    billing_address: Address | None = None
    electronic_suffix: str = ""
    registration_number: str = ""

    @property
    def electronic_address(self) -> str:
        """Where the invoice is sent: the SIREN, followed by the platform's own suffix if there is
        one (BR-FR-21), otherwise an email address.
        """
        if not self.siren:
            return self.email
        return "_".join(filter(None, (self.siren, self.electronic_suffix)))

    @property
    def electronic_scheme(self) -> str:
        """The scheme of the electronic address: 0225 of the French directory, or an email (BT-34,
        BT-49).
        """
        return "0225" if self.siren else "EM"

    @property
    def legal_identifier(self) -> tuple[str, str]:
        """The scheme (ISO 6523; empty when none applies) and the number that identify the party
        (BT-30, BT-47; XP Z12-012, annexe A).
        """
        country = self.address.country
        if self.siren:
            return "0002", self.siren
        if self.registration_number and country in _REGISTERS:
            return _REGISTERS[country], self.registration_number
        if self.vat_number:
            return "0223", self.vat_number
        if self.registration_number:
            return "", self.registration_number
        return "0227", f"{country}{self.name[:16]}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line of an invoice. The unit price excludes VAT and is never negative: a credit has a
    negative quantity (BR-27).

    `unit` is a code of UN/ECE Recommendation 20: C62 one, MON month, DAY day, HUR hour.
    """

    label: str
    unit_price_cents: int
    vat_basis_points: int
    quantity: Decimal = Decimal(1)
    unit: str = "C62"
    description: str = ""
    discount_cents: int = 0
    discount_reason: str = ""
    period_start: date | None = None
    period_end: date | None = None

    @property
    def net_cents(self) -> int:
        """Quantity times unit price, rounded half up to the cent, minus the discount (BT-131)."""
        gross = (self.quantity * self.unit_price_cents).quantize(Decimal(1), ROUND_HALF_UP)
        return int(gross) - self.discount_cents


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """A note in the buyer's language. Codes (UNTDID 4451): PMT for the recovery indemnity, PMD for
    late payment, AAB for the discount.
    """

    text: str
    code: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Original:
    """The invoice that a credit note or a corrective invoice refers to (BT-25, BT-26)."""

    number: str
    issued_on: date


@dataclass(frozen=True, kw_only=True, slots=True)
class PaymentMeans:
    """How to pay, or how it was paid. Codes (UNTDID 4461): 30 credit transfer, 48 card, 58 SEPA
    credit transfer, 59 SEPA direct debit, 68 online payment, 97 the customer's balance.

    `reference` is what the payer quotes (ISO 11649), `information` the name of a payment service.
    Of the payer's account and card only the last four digits are known.
    """

    code: int
    iban: str = ""
    bic: str = ""
    reference: str = ""
    card_last4: str = ""
    account_last4: str = ""
    information: str = ""
    mandate_reference: str = ""
    creditor_identifier: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class InvoiceFacts:
    """All data of an issued document. Inconsistent data raises ValueError, so that it never reaches
    a page.

    Dates are local; `period_end` is the last day of the supply, inclusive. `vat_mention` and
    `exemption_code` (VATEX) replace those of the treatment. Only euros: another
    currency would require the VAT in euros as well (BR-FR-CO-12).
    """

    number: str
    issued_on: date
    due_on: date
    seller: Party
    buyer: Party
    lines: tuple[Line, ...]
    notes: tuple[Note, ...]
    totals: Totals
    type: DocumentType = DocumentType.INVOICE
    period_start: date | None = None
    period_end: date | None = None
    currency: str = "EUR"
    treatment: Treatment = Treatment.STANDARD
    category: str = "Prestation de services"
    vat_on_debits: bool = False
    order_number: str = ""
    originals: tuple[Original, ...] = ()
    payment: PaymentMeans | None = None
    payment_terms: str = ""
    paid_cents: int = 0
    vat_mention: str = ""
    exemption_code: str = ""

    def __post_init__(self) -> None:
        errors = [error for error, is_present in self._errors().items() if is_present]
        if errors:
            raise ValueError(f"{self.number}: {'; '.join(errors)}")

    @property
    def payable_cents(self) -> int:
        """The amount still due (BT-115)."""
        return self.totals.gross_cents - self.paid_cents

    @property
    def process(self) -> str:
        """S2 for services that are fully paid when issued, otherwise S1 (BT-23)."""
        return "S2" if self.paid_cents and not self.payable_cents else "S1"

    @property
    def vat_notice(self) -> str:
        """The legal mention that says why no VAT is charged. Empty when VAT is charged."""
        return self.vat_mention or VAT_NOTICES[self.treatment]

    def to_json(self) -> dict[str, Any]:
        """The data as JSON types: dates in ISO format, decimals as strings."""
        return typing.cast("dict[str, Any]", to_json_value(self))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The data that `to_json` produced. Raises KeyError or ValueError for anything else."""
        return typing.cast("Self", from_json_value(cls, data))

    def _errors(self) -> dict[str, bool]:
        codes = [note.code for note in self.notes]
        original_count = len(self.originals)
        is_taxed = self.treatment is Treatment.STANDARD
        rates = [line.vat_basis_points for line in self.lines]
        return {
            "notes PMT, PMD and AAB are required exactly once each": any(
                codes.count(c) != 1 for c in REQUIRED_NOTES
            ),
            "a credit note cites its original": self.type == DocumentType.CREDIT_NOTE
            and not original_count,
            "a corrective invoice cites one original": self.type == DocumentType.CORRECTIVE_INVOICE
            and original_count != 1,
            "at least one line is required": not self.lines,
            "the totals are not those of the lines": not self._has_right_totals(),
            "a unit price is not negative": any(line.unit_price_cents < 0 for line in self.lines),
            "VAT is charged although none applies": not is_taxed and any(rates),
            "a line has no VAT, but nothing says why": is_taxed and not all(rates),
            "reverse charge requires the buyer's VAT number": self._lacks_buyer_vat_number(),
            "only euros": self.currency != "EUR",
        }

    def _has_right_totals(self) -> bool:
        expected = totals(self.lines)
        if self.type != DocumentType.CREDIT_NOTE:
            return self.totals == expected
        # The VAT of a credit note is what its invoice loses (billing/credit_notes.py), which may
        # differ by a cent from the rounded VAT on its own amount.
        bands = zip(self.totals.bands, expected.bands, strict=False)
        return (
            len(self.totals.bands) == len(expected.bands)
            and self.totals.net_cents == expected.net_cents
            and self.totals.vat_cents == sum(band.vat_cents for band in self.totals.bands)
            and all(
                own.basis_points == other.basis_points
                and own.net_cents == other.net_cents
                and abs(own.vat_cents - other.vat_cents) <= 1
                for own, other in bands
            )
        )

    def _lacks_buyer_vat_number(self) -> bool:
        return self.treatment == Treatment.REVERSE_CHARGE and not self.buyer.vat_number


def to_json_value(value: Any) -> Any:
    """A value, including dataclasses, as JSON types: dates in ISO format, decimals as strings."""
    if is_dataclass(value):
        return {field.name: to_json_value(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [to_json_value(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return value.value if isinstance(value, IntEnum | StrEnum) else value


def from_json_value(kind: Any, value: Any) -> Any:
    """Convert a JSON value to the annotated type `kind`: the inverse of `to_json_value`."""
    if typing.get_origin(kind) is types.UnionType:
        kind = next(option for option in typing.get_args(kind) if option is not types.NoneType)
        return None if value is None else from_json_value(kind, value)
    if typing.get_origin(kind) is tuple:
        return tuple(from_json_value(typing.get_args(kind)[0], item) for item in value)
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return typing.cast("type", kind)(
            **{name: from_json_value(hints[name], item) for name, item in value.items()}
        )
    return date.fromisoformat(value) if kind is date else kind(value)
