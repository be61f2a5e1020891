"""Credit notes: how an issued invoice is reduced (CGI, annexe II, art. 242 nonies A).

A credit note cites its invoice and mirrors its VAT, rate by rate. The credit notes of an invoice
together never exceed it, to the cent. Each settles its own invoice: what is open first. For the
part that was paid already, the payments are released, so that their money can be refunded
(billing/refunds.py) or stays on the customer's balance, where it pays other open invoices.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.expressions import Q

from billing import settlement
from billing.checkout_services import CheckoutServices
from billing.delivery.reports import report_payment
from billing.dispute_decisions import accept_open_dispute, settle_accepted
from billing.documents.facts import InvoiceFacts, Note
from billing.invoicing import (
    DraftLine,
    InvoiceDraft,
    InvoiceRequest,
    VatStatement,
    finalise,
    prepare,
)
from billing.refunds import create_refunds, refund_pending
from billing.seller import Seller
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.billing_period import BillingItem, BillingItemKind
from models.billing.billing_profile import BillingProfile
from models.billing.dispute import Dispute
from models.billing.errors import BillingErrorCode
from models.billing.invoice import DocumentType, Invoice, InvoiceLine
from models.billing.money import Money, Totals, VatBand, vat_amount
from models.billing.payment import Payment
from models.billing.purchase import Purchase
from models.billing.receivable import Allocation, Receivable
from models.billing.refund import RefundDestination
from models.billing.tax_rule import TaxCategory
from models.errors import CommonErrorCode, Refusal, TransactionConflict
from models.idempotency import earlier_result, has_earlier_result, store_result
from models.identity.user import Staff, User
from models.numbers import number_in_range
from models.support.ticket import Ticket
from models.translations import Translatable, _, text

OPERATION = "invoiceCredit"
REASON_LENGTH = 200
# How much of one invoice each role may credit in all, in cents including VAT. None: all of it.
LIMITS: dict[Staff, int | None] = {
    Staff.AGENT: 20_000,
    Staff.SUPERVISOR: 100_000,
    Staff.OPERATOR: None,
}
_CREDITED = _("Credit on invoice %(number)s")
_LINE_EXCEEDED = _(
    "At most %(maximum)s excluding VAT is left of this line after earlier credit notes."
)
_RATE_EXCEEDED = _(
    "At most %(maximum)s excluding VAT is left of these lines after earlier credit notes."
)


@dataclass(frozen=True)
class CreditLine:
    """What to credit of one line of an invoice: a number of its units, or a net amount in cents."""

    line_id: int
    quantity: int | None = None
    net_cents: int | None = None


@dataclass(frozen=True)
class CreditRequest:
    """What to credit of an invoice: these lines, or an amount in cents including VAT, or else all
    that is left of it. `refund` says what happens to the part that was paid.
    """

    invoice_id: int
    reason: str
    refund: RefundDestination = RefundDestination.NONE
    lines: tuple[CreditLine, ...] = ()
    gross_cents: int | None = None


@dataclass(frozen=True)
class Remainder:
    """What the credit notes of an invoice have left of it: amounts by VAT rate in basis points, and
    net amounts by line. `count` is the number of credit notes. Nothing is left of an invoice that a
    corrective one has replaced.
    """

    invoice: Invoice
    facts: InvoiceFacts
    lines: dict[int, InvoiceLine]
    net_by_line: dict[int, int]
    bands: dict[int, VatBand]
    count: int
    is_replaced: bool = False

    @property
    def gross_cents(self) -> int:
        """What is left, including VAT."""
        return sum(band.net_cents + band.vat_cents for band in self.bands.values())

    @property
    def totals(self) -> Totals:
        """What is left."""
        return _total(list(self.bands.values()))


async def remainder(invoice: Invoice, db: BaseDBAsyncClient | None = None) -> Remainder:
    """What is left of an invoice. Raises NOT_CREDITABLE for a credit note, and for an invoice whose
    content is incomplete or whose buyer was removed after ten years.
    """
    try:
        facts = InvoiceFacts.from_json(invoice.facts)
    except (LookupError, TypeError, ValueError):
        raise Refusal(BillingErrorCode.NOT_CREDITABLE, "input", "invoiceId") from None
    if invoice.type is DocumentType.CREDIT_NOTE or invoice.is_without_buyer:
        raise Refusal(BillingErrorCode.NOT_CREDITABLE, "input", "invoiceId")
    bands = {band.basis_points: band for band in facts.totals.bands}
    credit_notes = await _credit_notes(invoice.pk, db)
    for credit_note in credit_notes:
        for band in InvoiceFacts.from_json(credit_note.facts).totals.bands:
            bands[band.basis_points] = _subtract(bands[band.basis_points], band)
    lines = {
        line.pk: line
        for line in await InvoiceLine.filter(invoice_id=invoice.pk)
        .using_db(db)
        .order_by("position")
    }
    net_by_line = {line.pk: line.net_cents for line in lines.values()}
    for item in await _credited_items([each.pk for each in credit_notes], db):
        if item.data.get("line") in net_by_line:
            net_by_line[item.data["line"]] -= item.quantity * item.unit_net_cents
    corrective = Invoice.filter(original_id=invoice.pk, type=DocumentType.CORRECTIVE_INVOICE)
    is_replaced = await corrective.using_db(db).exists()
    if is_replaced:
        bands = {rate: VatBand(rate, 0, 0) for rate in bands}
        net_by_line = dict.fromkeys(net_by_line, 0)
    return Remainder(invoice, facts, lines, net_by_line, bands, len(credit_notes), is_replaced)


async def _credit_notes(invoice_id: int, db: BaseDBAsyncClient | None) -> list[Invoice]:
    return (
        await Invoice.filter(original_id=invoice_id, type=DocumentType.CREDIT_NOTE)
        .using_db(db)
        .order_by("id")
    )


async def _credited_items(
    credit_note_ids: list[int], db: BaseDBAsyncClient | None
) -> list[BillingItem]:
    if not credit_note_ids:
        return []
    return await BillingItem.filter(
        kind=BillingItemKind.CREDIT, invoice_line__invoice_id__in=credit_note_ids
    ).using_db(db)


def _subtract(band: VatBand, other: VatBand) -> VatBand:
    return VatBand(
        band.basis_points, band.net_cents - other.net_cents, band.vat_cents - other.vat_cents
    )


@dataclass(frozen=True)
class Credit:
    """The lines and totals of a credit note."""

    lines: tuple[DraftLine, ...]
    totals: Totals


def credited(rest: Remainder, request: CreditRequest) -> Credit:
    """The lines and totals of a credit note. Raises CREDIT_TOO_LARGE, NOT_CREDITABLE, VALUE_INVALID
    and NOT_FOUND.

    The VAT of each rate is what the invoice loses: its VAT before, minus the VAT on what is left
    after. So the credit notes of an invoice add up to exactly its VAT, whereas the rounded VAT of
    each alone might exceed it. It differs from that by a cent at most.
    """
    if rest.is_replaced:
        raise Refusal(BillingErrorCode.NOT_CREDITABLE, "input", "invoiceId")
    if request.lines:
        lines = _selected_lines(rest, request)
        credit = Credit(lines, _totals_of_lines(rest, lines))
    elif request.gross_cents is not None:
        bands = _bands_of_amount(rest, request.gross_cents)
        credit = Credit(_band_lines(rest, bands), _total(bands))
    elif rest.count:
        bands = list(rest.bands.values())
        credit = Credit(_band_lines(rest, bands), _total(bands))
    else:
        credit = Credit(
            tuple(whole_line(rest, line) for line in rest.lines.values()), rest.facts.totals
        )
    if credit.totals.gross_cents <= 0:
        raise _too_large(rest.gross_cents, "input", "invoiceId")
    return credit


def _too_large(left_cents: int, *path: str, message: Translatable | None = None) -> Refusal:
    """The refusal of a credit that is more than this, which is what is left."""
    code = BillingErrorCode.CREDIT_TOO_LARGE
    return Refusal(code, *path, message=message, maximum=Money(left_cents))


def _selected_lines(rest: Remainder, request: CreditRequest) -> tuple[DraftLine, ...]:
    lines, left = [], dict(rest.net_by_line)
    for index, each in enumerate(request.lines):
        path = ("input", "lines", str(index))
        line = rest.lines.get(each.line_id)
        if line is None:
            raise Refusal(CommonErrorCode.NOT_FOUND, *path, "lineId")
        credited_line = _credited_line(rest, line, each, *path)
        left[line.pk] -= credited_line.printed().net_cents
        if left[line.pk] < 0:
            raise _too_large(rest.net_by_line[line.pk], *path, message=_LINE_EXCEEDED)
        lines.append(credited_line)
    return tuple(lines)


def _credited_line(rest: Remainder, line: InvoiceLine, each: CreditLine, *path: str) -> DraftLine:
    if line.quantity < 1:
        message = _("This line credits something, so it can’t be credited itself.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, *path, "lineId", message=message)
    if each.quantity is not None:
        number_in_range(each.quantity, 1, line.quantity, *path, "quantity")
        return replace(whole_line(rest, line), quantity=each.quantity)
    if each.net_cents is None or each.net_cents <= 0:
        raise _not_positive(*path, "netCents")
    return replace(whole_line(rest, line), quantity=1, unit="C62", unit_net_cents=each.net_cents)


def _not_positive(*path: str) -> Refusal:
    message = _("Choose an amount of 1 cent or more.")
    return Refusal(CommonErrorCode.VALUE_INVALID, *path, message=message)


def whole_line(rest: Remainder, line: InvoiceLine) -> DraftLine:
    """A line of an invoice, to credit all of it."""
    return DraftLine(
        label=line.label,
        description=rest.facts.lines[line.position - 1].description,
        unit_net_cents=line.unit_net_cents,
        vat_basis_points=line.vat_rate,
        quantity=line.quantity,
        unit=line.unit,
        tax_category=line.tax_category,
        starts_on=line.starts_on,
        ends_on=line.ends_on,
        kind=BillingItemKind.CREDIT,
        description_key="credit",
        data={"line": line.pk},
    )


def _totals_of_lines(rest: Remainder, lines: Sequence[DraftLine]) -> Totals:
    net_by_rate: defaultdict[int, int] = defaultdict(int)
    for line in lines:
        net_by_rate[line.vat_basis_points] += line.printed().net_cents
    return _total([_band_of_net(rest.bands[rate], net) for rate, net in net_by_rate.items()])


def _band_of_net(band: VatBand, net_cents: int) -> VatBand:
    net_after = band.net_cents - net_cents
    if net_after < 0:
        raise _too_large(band.net_cents, "input", "lines", message=_RATE_EXCEEDED)
    vat_after = min(vat_amount(net_after, band.basis_points), band.vat_cents)
    return VatBand(band.basis_points, net_cents, band.vat_cents - vat_after)


def _bands_of_amount(rest: Remainder, gross_cents: int) -> list[VatBand]:
    """An amount including VAT, split among the rates in proportion to what is left at each."""
    if gross_cents <= 0:
        raise _not_positive("input", "amountCents")
    bands = [band for band in rest.bands.values() if band.net_cents + band.vat_cents > 0]
    available = sum(band.net_cents + band.vat_cents for band in bands)
    left_cents = min(available, rest.gross_cents)
    if gross_cents > left_cents:
        raise _too_large(left_cents, "input", "amountCents")
    credited_bands = []
    for band in bands:
        band_gross = band.net_cents + band.vat_cents
        share = _rounded(Decimal(gross_cents * band_gross) / available)
        gross_cents, available = gross_cents - share, available - band_gross
        if share:
            credited_bands.append(_band_of_gross(band, share))
    return credited_bands


def _band_of_gross(band: VatBand, gross_cents: int) -> VatBand:
    gross_after = band.net_cents + band.vat_cents - gross_cents
    net_after = _rounded(Decimal(gross_after * 10_000) / (10_000 + band.basis_points))
    net_after = min(max(net_after, gross_after - band.vat_cents), band.net_cents)
    after = VatBand(band.basis_points, net_after, gross_after - net_after)
    return _subtract(band, after)


def _rounded(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def _band_lines(rest: Remainder, bands: Sequence[VatBand]) -> tuple[DraftLine, ...]:
    """A line for each rate, for what isn't credited line by line."""
    label = text(_CREDITED, rest.invoice.locale, number=rest.invoice.number)
    categories = {line.vat_rate: line.tax_category for line in rest.lines.values()}
    return tuple(
        DraftLine(
            label=label,
            unit_net_cents=abs(band.net_cents),
            quantity=1 if band.net_cents >= 0 else -1,
            vat_basis_points=band.basis_points,
            tax_category=categories.get(band.basis_points, TaxCategory.STANDARD),
            kind=BillingItemKind.CREDIT,
            description_key="credit",
        )
        for band in bands
        if band.net_cents or band.vat_cents
    )


def _total(bands: Sequence[VatBand]) -> Totals:
    ordered = tuple(
        sorted(
            (band for band in bands if band.net_cents or band.vat_cents),
            key=lambda band: -band.basis_points,
        )
    )
    return Totals(
        sum(band.net_cents for band in ordered), sum(band.vat_cents for band in ordered), ordered
    )


async def credit_invoice(
    action: Action, services: CheckoutServices, actor: User, request: CreditRequest, key: str
) -> Invoice:
    """Issue a credit note, and refund or keep what was paid. The same key returns the same credit
    note. If nothing is left of the invoice, its open dispute is accepted.

    Raises CREDIT_TOO_LARGE, CREDIT_LIMIT_EXCEEDED, NOT_CREDITABLE, REFUND_REQUIRED,
    INVOICE_NOT_POSSIBLE, NOT_FOUND, VALUE_INVALID and IDEMPOTENCY_MISMATCH.
    """
    owner = f"user:{actor.pk}"
    arguments = [
        request.invoice_id,
        request.reason,
        request.refund.value,
        [[line.line_id, line.quantity, line.net_cents] for line in request.lines],
        request.gross_cents,
    ]
    is_repeat = await has_earlier_result(owner, OPERATION, key)
    prepared = None if is_repeat else await prepare_credit(services.seller, action, request)
    async with action.transaction() as tx:
        if earlier_id := await earlier_result(tx, owner, OPERATION, key, arguments):
            credit_note = await Invoice.get(pk=earlier_id, using_db=tx.db)
        elif prepared is None:
            raise TransactionConflict("the earlier request was rolled back")
        else:
            purchases = await lock_for_credit(tx, prepared.invoice)
            accepted = await _accept_dispute(tx, actor, prepared.invoice, request)
            credit_note = await issue_credit_note(
                tx, services.seller, actor, purchases, request, prepared
            )
            if accepted:
                await settle_accepted(tx, actor, accepted, prepared.invoice, credit_note)
            await store_result(tx, owner, OPERATION, key, credit_note.pk)
    await refund_pending(action, *services.gateways, credit_note_id=credit_note.pk)
    return credit_note


async def _accept_dispute(
    tx: Transaction, actor: User, invoice: Invoice, request: CreditRequest
) -> tuple[Dispute, Ticket] | None:
    """Accept the open dispute of an invoice, which is locked, if a credit leaves nothing of it.
    Returns it with its ticket. The dispute stays open if something is left.
    """
    rest = await remainder(invoice, tx.db)
    is_all = credited(rest, request).totals.gross_cents == rest.gross_cents
    return await accept_open_dispute(tx, actor, invoice) if is_all else None


@dataclass(frozen=True)
class PreparedCredit:
    """A credit note that was rendered on trial, and what was left of the invoice when it was
    built.
    """

    invoice: Invoice
    count: int
    draft: InvoiceDraft


async def prepare_credit(seller: Seller, action: Action, request: CreditRequest) -> PreparedCredit:
    """Build a credit note and render it on trial, outside of any transaction."""
    invoice = await Invoice.get(pk=request.invoice_id)
    rest = await remainder(invoice)
    draft = await _draft(seller, action, request, rest, trial=True)
    return PreparedCredit(invoice, rest.count, draft)


async def _draft(
    seller: Seller,
    action: Action,
    request: CreditRequest,
    rest: Remainder,
    *,
    trial: bool,
    db: BaseDBAsyncClient | None = None,
) -> InvoiceDraft:
    credit = credited(rest, request)
    profile = await BillingProfile.get(pk=rest.invoice.billing_profile_id, using_db=db)
    about = request_about(rest, profile, credit.lines, DocumentType.CREDIT_NOTE, action.day)
    draft = with_reason(await prepare(seller, about, trial=trial), request.reason)
    return draft.with_facts(buyer=rest.facts.buyer, totals=credit.totals)


def request_about(
    rest: Remainder,
    profile: BillingProfile,
    lines: Sequence[DraftLine],
    type: DocumentType,
    on: date,
) -> InvoiceRequest:
    """The request for a document that cites an invoice, in its language and with its VAT."""
    invoice, original = rest.invoice, rest.facts
    return InvoiceRequest(
        profile=profile,
        lines=lines,
        on=on,
        locale=invoice.locale,
        vat=VatStatement(invoice.treatment, original.vat_mention, original.exemption_code),
        buyer_email=original.buyer.email,
        purchase_id=invoice.purchase_id,
        type=type,
        original=invoice,
    )


def with_reason(draft: InvoiceDraft, reason: str) -> InvoiceDraft:
    """A draft with the reason for the document as its first note."""
    return draft.with_facts(notes=(Note(text=reason), *draft.facts.notes))


async def lock_for_credit(tx: Transaction, invoice: Invoice) -> dict[int, Purchase]:
    """Lock what a credit note of this invoice changes, up to the receivables of the account.
    Returns the purchases that it may restore.
    """
    purchases = await settlement.lock_for_settlement(tx, invoice.account_id, invoice.purchase_id)
    allocations = Allocation.filter(invoice_id=invoice.pk, payment_id__not_isnull=True)
    payment_ids = {each.payment_id for each in await allocations.using_db(tx.db)}
    if payment_ids:
        await tx.lock_rows(Payment.filter(pk__in=sorted(payment_ids)))
    await tx.lock_rows(
        Receivable.filter(Q(invoice_id=invoice.pk) | Q(open_cents__gt=0)).filter(
            account_id=invoice.account_id
        )
    )
    return purchases


async def credit_rest(
    tx: Transaction,
    seller: Seller,
    purchases: Mapping[int, Purchase],
    invoice: Invoice,
    reason: str,
) -> Invoice:
    """Credit all that is left of an invoice, without a person's decision. What was paid of it stays
    on the customer's balance. The account and its open receivables are locked.
    """
    request = CreditRequest(invoice.pk, reason, RefundDestination.BALANCE)
    rest = await remainder(invoice, tx.db)
    draft = await _draft(seller, tx.action, request, rest, trial=False, db=tx.db)
    prepared = PreparedCredit(invoice, rest.count, draft)
    return await issue_credit_note(tx, seller, None, purchases, request, prepared)


async def issue_credit_note(
    tx: Transaction,
    seller: Seller,
    actor: User | None,
    purchases: Mapping[int, Purchase],
    request: CreditRequest,
    prepared: PreparedCredit,
) -> Invoice:
    """Issue a prepared credit note, whose invoice is locked by `lock_for_credit`, and settle the
    invoice with it. If another credit note was issued since, it is built again. Raises
    NOT_CREDITABLE when a corrective invoice was issued since.
    """
    invoice, draft = prepared.invoice, prepared.draft
    rest = await remainder(invoice, tx.db)
    if rest.is_replaced or rest.count != prepared.count:
        draft = await _draft(seller, tx.action, request, rest, trial=False, db=tx.db)
    first = await first_of_chain(tx, invoice)
    require_limit(actor, first.gross_cents - rest.gross_cents + draft.gross_cents)
    receivable = await Receivable.get(invoice_id=invoice.pk, using_db=tx.db)
    paid_cents = max(draft.gross_cents - receivable.open_cents, 0)
    if paid_cents and request.refund is RefundDestination.NONE:
        raise Refusal(BillingErrorCode.REFUND_REQUIRED, "input", "refund")
    credit_note = await finalise(tx, draft)
    released = await release(tx, invoice, paid_cents)
    await settle_by(tx, credit_note, receivable, draft.gross_cents, paid_cents)
    if request.refund is RefundDestination.PAYMENT:
        await create_refunds(tx, credit_note, released)
    elif request.refund is RefundDestination.BALANCE:
        for payment, cents in released:
            await settlement.allocate(tx, payment, cents)
    await settlement.restore(tx, purchases)
    tx.audit(
        BillingAuditAction.INVOICE_CREDIT,
        credit_note,
        original=invoice.pk,
        gross_cents=credit_note.gross_cents,
        refund=request.refund.value,
    )
    return credit_note


def require_limit(actor: User | None, gross_cents: int) -> None:
    """Raise CREDIT_LIMIT_EXCEEDED when the actor's role may not credit this much of an invoice in
    total. Jobs, which have no actor, have no limit.
    """
    if actor is None:
        return
    limit = LIMITS.get(actor.staff, 0) if actor.staff else 0
    if limit is not None and gross_cents > limit:
        raise Refusal(BillingErrorCode.CREDIT_LIMIT_EXCEEDED, "input", limit=limit // 100)


async def first_of_chain(tx: Transaction, invoice: Invoice) -> Invoice:
    """The invoice that was issued first, before any correction: limits apply to the whole chain."""
    while invoice.type is DocumentType.CORRECTIVE_INVOICE:
        invoice = await Invoice.get(pk=invoice.original_id, using_db=tx.db)
    return invoice


async def release(tx: Transaction, invoice: Invoice, cents: int) -> list[tuple[Payment, int]]:
    """Release payments from an invoice, up to an amount, the most recent payment first. Returns the
    amount released from each payment.
    """
    allocated: defaultdict[int, int] = defaultdict(int)
    allocations = Allocation.filter(invoice_id=invoice.pk, payment_id__not_isnull=True)
    for allocation in await allocations.using_db(tx.db):
        allocated[allocation.payment_id or 0] += allocation.amount_cents
    released = []
    for payment_id in sorted(allocated, reverse=True):
        amount = min(cents, allocated[payment_id])
        if amount <= 0:
            continue
        cents -= amount
        payment = await Payment.get(pk=payment_id, using_db=tx.db)
        allocation = await Allocation.create(
            using_db=tx.db,
            account_id=invoice.account_id,
            invoice=invoice,
            payment=payment,
            amount_cents=-amount,
            created_at=tx.action.at,
        )
        await report_payment(tx, allocation)
        released.append((payment, amount))
    if cents:
        raise ValueError(f"{invoice.number}: {cents} cents were paid by nothing")
    return released


async def settle_by(
    tx: Transaction, document: Invoice, receivable: Receivable, cents: int, released_cents: int
) -> None:
    """Settle a part of an invoice with its credit note, or with the corrective invoice that
    replaces it, after `released_cents` of its payments were released.
    """
    await Allocation.create(
        using_db=tx.db,
        account_id=document.account_id,
        invoice_id=receivable.invoice_id,
        credit_note_id=document.pk,
        amount_cents=cents,
        created_at=tx.action.at,
    )
    receivable.open_cents += released_cents - cents
    receivable.credited_cents += cents
    if not receivable.open_cents:
        receivable.settled_at = receivable.settled_at or tx.action.at
        receivable.next_dunning_on = None
    await receivable.save(
        using_db=tx.db,
        update_fields=["open_cents", "credited_cents", "settled_at", "next_dunning_on"],
    )
