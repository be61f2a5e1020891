"""Issuing invoices, corrective invoices and credit notes.

`prepare` builds the content and renders it on trial, before any money moves: so that a seller's
file, a text or a rate that can't be invoiced is rejected in time. `finalise` is the short part of a
transaction that numbers and freezes it, and stores the billing items, the receivable and the ledger
entry. Nothing is rendered there, because the counter's row keeps all other invoices waiting: the
PDF is made after the commit from the frozen content alone (billing/document_requests.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from secrets import token_hex
from typing import Any, NamedTuple, Self

import orjson
import structlog

from billing.bank.reference import payment_reference
from billing.documents.checks import check_facts
from billing.documents.cii import build_cii
from billing.documents.conversion import balance_means, buyer_party, paid_means
from billing.documents.facts import (
    InvoiceFacts,
    Line,
    Original,
    PaymentMeans,
    from_json_value,
    to_json_value,
)
from billing.documents.rendering import RenderingError, render
from billing.ledger import post_invoice, post_payment
from billing.seller import Seller
from models.action import Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.billing_period import BillingItem, BillingItemKind, BillingPeriod
from models.billing.billing_profile import BillingProfile
from models.billing.errors import BillingErrorCode
from models.billing.invoice import (
    DocumentRequest,
    DocumentType,
    Invoice,
    InvoiceLine,
    IssuedNumber,
    Series,
    next_number,
)
from models.billing.money import Totals, totals
from models.billing.payment import Payment
from models.billing.payment_method import PaymentMethod
from models.billing.periods import Period, period
from models.billing.receivable import Allocation, Receivable
from models.billing.tax import TaxDecision
from models.billing.tax_rule import TaxCategory, Treatment
from models.database.writing import insert_all
from models.errors import Refusal
from models.event import EventKind, account_stream
from models.locale import Locale
from models.tracing import current_traceparent
from models.translations import _, text
from models.translations import day as day_text

log = structlog.stdlib.get_logger()
_NOTHING_DUE = _("Nothing is due.")
_TRIAL_NUMBER = "FA-2000-000000"
# Stands for the number until it is taken. Nobody knows it, so no text of a customer contains it.
_UNNUMBERED = f"FA-0000-{token_hex(6).upper()}"


@dataclass(frozen=True, kw_only=True)
class DraftLine:
    """A line to bill. Its period lasts from `starts_on` up to, but not including, `ends_on`; if
    they are None, it becomes the period that begins when the invoice is issued
    (`InvoiceDraft.months`).

    `item_id` is the billing item that waits for this line. Without one, an item of this kind is
    stored together with the line.
    """

    label: str
    unit_net_cents: int
    vat_basis_points: int
    description: str = ""
    quantity: int = 1
    unit: str = "C62"
    tax_category: TaxCategory = TaxCategory.STANDARD
    starts_on: date | None = None
    ends_on: date | None = None
    kind: BillingItemKind = BillingItemKind.CYCLE
    description_key: str = "offer"
    data: dict[str, Any] = field(default_factory=dict)
    item_id: int | None = None

    def printed(self) -> Line:
        """The line as on the invoice."""
        return Line(
            label=self.label,
            description=self.description,
            unit_price_cents=self.unit_net_cents,
            vat_basis_points=self.vat_basis_points,
            quantity=Decimal(self.quantity),
            unit=self.unit,
            period_start=self.starts_on,
            period_end=self.ends_on - timedelta(days=1) if self.ends_on else None,
        )


@dataclass(frozen=True, kw_only=True)
class InvoiceDraft:
    """The content of an invoice that isn't numbered yet.

    `facts` has a placeholder number and dates, which `finalise` replaces. `period` is the period of
    a purchase that the invoice claims; with `months` instead, it is `first_index`, which begins on
    the day of issue. `paid_terms` is the sentence for an invoice that is paid when issued, with
    `{day}`. `due_days` is how many days customers have to pay any other invoice.
    """

    account_id: int
    profile_id: int
    facts: InvoiceFacts
    lines: tuple[DraftLine, ...]
    locale: Locale = Locale.FR
    purchase_id: int | None = None
    original_id: int | None = None
    period: Period | None = None
    months: int | None = None
    first_index: int = 0
    due_days: int = 0
    paid_terms: str = ""
    creditor_identifier: str = ""

    @property
    def gross_cents(self) -> int:
        """What the invoice will amount to, including VAT."""
        return self.facts.totals.gross_cents

    def with_facts(self, **changes: Any) -> Self:
        """The draft with other facts. Raises INVOICE_NOT_POSSIBLE when they are inconsistent."""
        try:
            return replace(self, facts=replace(self.facts, **changes))
        except ValueError as error:
            raise Refusal(BillingErrorCode.INVOICE_NOT_POSSIBLE, "input") from error

    def to_json(self) -> dict[str, Any]:
        """The draft in JSON types."""
        values: dict[str, Any] = to_json_value(self)
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The draft that `to_json` produced."""
        draft: Self = from_json_value(cls, values)
        return draft


@dataclass(frozen=True)
class VatStatement:
    """What an invoice states about its VAT besides the rates."""

    treatment: Treatment = Treatment.STANDARD
    mention: str = ""
    exemption_code: str = ""

    @classmethod
    def of(cls, tax: TaxDecision) -> Self:
        """The statement about a decision."""
        return cls(tax.treatment, tax.mention, tax.exemption_code or "")


@dataclass(frozen=True)
class PaymentTerms:
    """How an invoice that isn't paid when issued is paid: the means, a sentence, and the number of
    days after which it is due.
    """

    means: PaymentMeans | None = None
    text: str = ""
    due_days: int = 0


@dataclass(frozen=True, kw_only=True)
class InvoiceRequest:
    """What is invoiced, and to whom. The terms in force on the day `on` apply. `period`, `months`
    and `first_index` are those of `InvoiceDraft`; `original` is the invoice that the document
    cites.
    """

    profile: BillingProfile
    lines: Sequence[DraftLine]
    on: date
    locale: Locale = Locale.FR
    vat: VatStatement = VatStatement()
    payment: PaymentTerms = PaymentTerms()
    buyer_email: str = ""
    purchase_id: int | None = None
    period: Period | None = None
    months: int | None = None
    first_index: int = 0
    type: DocumentType = DocumentType.INVOICE
    original: Invoice | None = None


async def prepare(seller: Seller, request: InvoiceRequest, *, trial: bool = True) -> InvoiceDraft:
    """Build the content of an invoice and render it on trial, outside of any transaction. Raises
    INVOICE_NOT_POSSIBLE when it can't be issued.

    Without `trial` nothing is rendered, for drafts that differ from one that was rendered in
    amounts and days only. An invoice of zero is never due.
    """
    profile, locale = request.profile, request.locale
    amounts = totals(line.printed() for line in request.lines)
    if not amounts.gross_cents:
        request = replace(request, payment=PaymentTerms(text=text(_NOTHING_DUE, locale)))
    try:
        facts = _facts(seller, request, amounts)
        paid_terms = seller.terms_on(request.on).texts[locale.value]["paid"]
        paid_terms.format(day="")
        if errors := check_facts(facts):
            raise ValueError("; ".join(errors))
        build_cii(facts)
        if trial:
            await render(facts, locale)
    except (ArithmeticError, LookupError, RenderingError, TypeError, ValueError) as error:
        log.error("invoice.not_possible", account=profile.account_id, error=type_name(error))
        raise Refusal(BillingErrorCode.INVOICE_NOT_POSSIBLE, "input") from error
    return InvoiceDraft(
        account_id=profile.account_id,
        profile_id=profile.pk,
        facts=facts,
        lines=tuple(request.lines),
        locale=locale,
        purchase_id=request.purchase_id,
        original_id=request.original.pk if request.original else None,
        period=request.period,
        months=request.months,
        first_index=request.first_index,
        due_days=request.payment.due_days,
        paid_terms=paid_terms,
        creditor_identifier=seller.creditor_identifier,
    )


def _facts(seller: Seller, request: InvoiceRequest, amounts: Totals) -> InvoiceFacts:
    """The content of an invoice, with a placeholder number and dates."""
    on, profile, original = request.on, request.profile, request.original
    is_standard = request.vat.treatment is Treatment.STANDARD
    return InvoiceFacts(
        number=_TRIAL_NUMBER,
        issued_on=on,
        due_on=on + timedelta(days=request.payment.due_days),
        seller=seller.party,
        buyer=buyer_party(profile, request.buyer_email),
        lines=tuple(line.printed() for line in request.lines),
        notes=seller.terms_on(on).notes(request.locale),
        totals=amounts,
        type=request.type,
        treatment=request.vat.treatment,
        vat_mention=request.vat.mention,
        exemption_code=request.vat.exemption_code,
        vat_on_debits=seller.tax_options_on(on).on_debits and is_standard,
        order_number=profile.order_number or "",
        originals=(Original(number=original.number, issued_on=original.issued_on),)
        if original
        else (),
        payment=request.payment.means,
        payment_terms=request.payment.text,
        period_start=_first_day(request.lines),
        period_end=_last_day(request.lines),
    )


def type_name(error: BaseException) -> str:
    """The class of an error, without its message, which may contain personal data."""
    return type(error).__name__


def _first_day(lines: Sequence[DraftLine]) -> date | None:
    """The first day of the supply of all lines."""
    return min((line.starts_on for line in lines if line.starts_on), default=None)


def _last_day(lines: Sequence[DraftLine]) -> date | None:
    """The last day of the supply of all lines."""
    ends = [line.ends_on for line in lines if line.ends_on]
    return max(ends) - timedelta(days=1) if ends else None


async def finalise(
    tx: Transaction,
    draft: InvoiceDraft,
    payment: Payment | None = None,
    balance: Sequence[tuple[int, int]] = (),
) -> Invoice:
    """Issue a prepared invoice: number, frozen content and XML, lines, the claimed period, billing
    items, receivable, ledger, event and the request for its document. A payment that has just
    succeeded pays it when it is issued: the invoice says so, and the payment is posted as well.
    `balance` are the shares of earlier payments, by key, that pay it too (billing/balance.py).

    The purchase, the payment and whatever else the transaction changes are locked before. The
    database rejects a second invoice for the same period of a purchase.
    """
    is_credit = draft.facts.type is DocumentType.CREDIT_NOTE
    # From its number to the commit an invoice keeps all others waiting. So its content is built
    # before, for the expected day, and only the number is filled in; another day is rare.
    expected = IssuedNumber(0, _UNNUMBERED, tx.action.at, tx.action.day)
    paid = await _Paid.read(tx, draft, payment, balance)
    content = _Content.build(draft, expected, paid)
    issued = await next_number(tx, Series.CREDIT_NOTE if is_credit else Series.INVOICE)
    if issued.day == expected.day:
        content = content.numbered(issued.number)
    else:
        content = _Content.build(draft, issued, paid)
    draft = content.draft
    invoice = await _store_invoice(tx, content, issued)
    await _store_lines(tx, invoice, draft, await _store_period(tx, invoice, draft))
    if not is_credit:
        await _store_receivable(tx, invoice, paid)
    if invoice.gross_cents or invoice.net_cents:  # an entry of nothing is none
        await post_invoice(tx, invoice)
    if payment:
        await post_payment(tx, payment)
    request: dict[str, Any] = {
        "invoice_id": invoice.pk,
        "next_attempt_at": tx.action.at,
        "attempts": 0,
    }
    if traceparent := current_traceparent():
        request["traceparent"] = traceparent
    await insert_all(DocumentRequest, [request], db=tx.db)
    await tx.append(
        account_stream(invoice.account_id), EventKind.INVOICE_ISSUED, invoice_id=invoice.pk
    )
    tx.audit(BillingAuditAction.INVOICE_ISSUE, invoice, gross_cents=invoice.gross_cents)
    return invoice


class _Paid(NamedTuple):
    """What pays an invoice when it is issued: shares of payments by key, and the means of
    payment.
    """

    shares: tuple[tuple[int, int], ...]
    means: PaymentMeans | None

    @property
    def cents(self) -> int:
        return sum(cents for _, cents in self.shares)

    @classmethod
    async def read(
        cls,
        tx: Transaction,
        draft: InvoiceDraft,
        payment: Payment | None,
        balance: Sequence[tuple[int, int]],
    ) -> Self:
        if payment is None:
            return cls(tuple(balance), balance_means())
        share = (payment.pk, min(payment.amount_cents, draft.gross_cents))
        method = await PaymentMethod.get_or_none(pk=payment.payment_method_id or 0, using_db=tx.db)
        means = paid_means(payment, method, creditor_identifier=draft.creditor_identifier)
        return cls((share, *balance), means)


class _Content(NamedTuple):
    """The content of an invoice as it is stored: `facts_json` and `xml` state what `facts` does."""

    draft: InvoiceDraft
    facts: InvoiceFacts
    facts_json: str
    xml: bytes

    @classmethod
    def build(cls, draft: InvoiceDraft, issued: IssuedNumber, paid: _Paid) -> Self:
        draft = _dated(draft, issued)
        facts = _complete(draft, issued, paid)
        return cls(draft, facts, orjson.dumps(facts.to_json()).decode(), build_cii(facts))

    def numbered(self, number: str) -> Self:
        """The content with a number, and the reference made from it, instead of _UNNUMBERED."""
        replaced = {
            _UNNUMBERED: number,
            payment_reference(_UNNUMBERED): payment_reference(number),
        }
        facts_json, xml = self.facts_json, self.xml
        for former, new in replaced.items():
            facts_json = facts_json.replace(former, new)
            xml = xml.replace(former.encode(), new.encode())
        return self._replace(facts_json=facts_json, xml=xml)


def _dated(draft: InvoiceDraft, issued: IssuedNumber) -> InvoiceDraft:
    """A copy of the draft with the dates of its period: the first one, or the first one after a
    pause.
    """
    if draft.months is None:
        return draft
    first = replace(period(issued.day, draft.months, 0), index=draft.first_index)
    lines = tuple(
        replace(line, starts_on=first.start, ends_on=first.end)
        if line.kind in (BillingItemKind.CYCLE, BillingItemKind.DISCOUNT)
        else line
        for line in draft.lines
    )
    return replace(draft, period=first, lines=lines)


def _complete(draft: InvoiceDraft, issued: IssuedNumber, paid: _Paid) -> InvoiceFacts:
    facts = replace(
        draft.facts,
        number=issued.number,
        issued_on=issued.day,
        due_on=issued.day + timedelta(days=draft.due_days),
        lines=tuple(line.printed() for line in draft.lines),
        period_start=_first_day(draft.lines),
        period_end=_last_day(draft.lines),
        paid_cents=paid.cents,
    )
    if paid.cents and not facts.payable_cents:
        if facts.type is DocumentType.CORRECTIVE_INVOICE:  # its draft says how it was paid
            return replace(facts, due_on=issued.day)
        return replace(
            facts,
            due_on=issued.day,
            payment=paid.means,
            payment_terms=draft.paid_terms.format(day=day_text(issued.day, draft.locale)),
        )
    if facts.payment and facts.payment.iban:
        means = replace(facts.payment, reference=payment_reference(issued.number))
        return replace(facts, payment=means)
    return facts


async def _store_invoice(tx: Transaction, content: _Content, issued: IssuedNumber) -> Invoice:
    draft, facts = content.draft, content.facts
    is_credit = facts.type is DocumentType.CREDIT_NOTE
    values = {
        "type": facts.type,
        "series": Series.CREDIT_NOTE if is_credit else Series.INVOICE,
        "position": issued.position,
        "number": issued.number,
        "account_id": draft.account_id,
        "billing_profile_id": draft.profile_id,
        "purchase_id": draft.purchase_id,
        "original_id": draft.original_id,
        "issued_at": issued.at,
        "issued_on": issued.day,
        "due_on": facts.due_on,
        "net_cents": facts.totals.net_cents,
        "vat_cents": facts.totals.vat_cents,
        "gross_cents": facts.totals.gross_cents,
        "currency": facts.currency,
        "treatment": facts.treatment,
        "reference": None if is_credit else payment_reference(issued.number),
        "locale": draft.locale,
        "facts": orjson.loads(content.facts_json),
        "xml": content.xml,
    }
    stored = {
        name: value.value if isinstance(value, Enum) else value for name, value in values.items()
    }
    stored["facts"] = content.facts_json
    (key,) = await insert_all(Invoice, [stored], db=tx.db)
    return Invoice(id=key, **values)


async def _store_receivable(tx: Transaction, invoice: Invoice, paid: _Paid) -> None:
    open_cents = invoice.gross_cents - paid.cents
    receivable = {
        "invoice_id": invoice.pk,
        "account_id": invoice.account_id,
        "due_on": invoice.due_on,
        "gross_cents": invoice.gross_cents,
        "open_cents": open_cents,
        "credited_cents": 0,
        "settled_at": None if open_cents else tx.action.at,
        "next_dunning_on": invoice.due_on if open_cents else None,
    }
    await insert_all(Receivable, [receivable], db=tx.db)
    allocations = [
        {
            "account_id": invoice.account_id,
            "invoice_id": invoice.pk,
            "payment_id": payment_id,
            "amount_cents": cents,
            "created_at": tx.action.at,
        }
        for payment_id, cents in paid.shares
        if cents
    ]
    await insert_all(Allocation, allocations, db=tx.db)


async def _store_period(tx: Transaction, invoice: Invoice, draft: InvoiceDraft) -> int | None:
    """The key of the claimed period, None when the invoice claims none."""
    if draft.period is None or draft.purchase_id is None:
        return None
    values = {
        "purchase_id": draft.purchase_id,
        "index": draft.period.index,
        "starts_on": draft.period.start,
        "ends_on": draft.period.end,
        "invoice_id": invoice.pk,
        "created_at": tx.action.at,
    }
    (key,) = await insert_all(BillingPeriod, [values], db=tx.db)
    return key


async def _store_lines(
    tx: Transaction, invoice: Invoice, draft: InvoiceDraft, period_id: int | None
) -> None:
    rows = [
        {
            "invoice_id": invoice.pk,
            "position": position,
            "label": line.label,
            "quantity": line.quantity,
            "unit": line.unit,
            "unit_net_cents": line.unit_net_cents,
            "net_cents": line.printed().net_cents,
            "vat_rate": line.vat_basis_points,
            "tax_category": line.tax_category.value,
            "treatment": invoice.treatment.value,
            "starts_on": line.starts_on,
            "ends_on": line.ends_on,
        }
        for position, line in enumerate(draft.lines, 1)
    ]
    keys = await insert_all(InvoiceLine, rows, db=tx.db)
    await _store_items(tx, invoice, period_id, list(zip(keys, draft.lines, strict=True)))


async def _store_items(
    tx: Transaction,
    invoice: Invoice,
    period_id: int | None,
    billed: Sequence[tuple[int, DraftLine]],
) -> None:
    """Store what lines bill, given by the key of each line: the items that waited for a line get
    it, and the other lines get new items.
    """
    for key, line in billed:
        if line.item_id:
            waiting = BillingItem.filter(pk=line.item_id, invoice_line_id=None)
            await waiting.using_db(tx.db).update(invoice_line_id=key)
    items = [
        {
            "account_id": invoice.account_id,
            "purchase_id": invoice.purchase_id,
            "billing_period_id": period_id,
            "kind": line.kind.value,
            "description_key": line.description_key,
            "data": orjson.dumps(line.data).decode(),
            "quantity": line.quantity,
            "unit_net_cents": line.unit_net_cents,
            "tax_category": line.tax_category.value,
            "starts_on": line.starts_on,
            "ends_on": line.ends_on,
            "created_at": tx.action.at,
            "invoice_line_id": key,
        }
        for key, line in billed
        if not line.item_id
    ]
    await insert_all(BillingItem, items, db=tx.db)
