"""Corrective invoices (type 384): a document that cancels and replaces exactly one invoice, with
another buyer, order number, wording or lower amounts (CGI, annexe II, art. 242 nonies A; BOFiP
BOI-TVA-DECLA-30-20-20-30).

It takes over what is left of the invoice: its payments, and what is still to be paid. In the ledger
the invoice is reversed in full and the corrective invoice posted, so that no credit note is needed.
It never exceeds what credit notes have left, because the customer has not agreed to more: any
further amount needs an invoice of its own. An overpayment is refunded or stays on the balance. An
open dispute of the invoice is accepted by it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from tortoise.backends.base.client import BaseDBAsyncClient

from billing import settlement
from billing.checkout_services import CheckoutServices
from billing.credit_notes import (
    Remainder,
    first_of_chain,
    lock_for_credit,
    release,
    remainder,
    request_about,
    require_limit,
    settle_by,
    whole_line,
    with_reason,
)
from billing.dispute_decisions import accept_open_dispute, settle_accepted
from billing.documents.conversion import buyer_party
from billing.documents.facts import PaymentMeans
from billing.invoicing import DraftLine, InvoiceDraft, finalise, prepare
from billing.ledger import post_replacement
from billing.refunds import create_refunds, refund_pending
from billing.seller import Seller
from billing.tax import decide_tax
from models.accounts.account import Account
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.billing_period import BillingItem
from models.billing.billing_profile import BillingProfile
from models.billing.errors import BillingErrorCode
from models.billing.invoice import DocumentType, Invoice, InvoiceLine
from models.billing.money import Money, Totals
from models.billing.offer import MAX_NET_CENTS
from models.billing.payment import Payment
from models.billing.purchase import MAX_QUANTITY, Purchase
from models.billing.receivable import Allocation, Receivable
from models.billing.refund import RefundDestination
from models.clock import local_date
from models.errors import CommonErrorCode, Refusal, TransactionConflict
from models.idempotency import earlier_result, has_earlier_result, store_result
from models.identity.user import User
from models.numbers import optional_number
from models.translations import _
from models.translations import day as day_text

OPERATION = "invoiceCorrect"


@dataclass(frozen=True)
class CorrectedLine:
    """What changes in a line: its text, quantity or unit price. A quantity of 0 removes the
    line.
    """

    line_id: int
    label: str | None = None
    quantity: int | None = None
    unit_net_cents: int | None = None


@dataclass(frozen=True)
class CorrectionRequest:
    """What changes in an invoice. With `renews_buyer` it is issued to the company with its current
    details; an empty `order_number` removes it. `refund` says what happens to an overpayment.
    """

    invoice_id: int
    reason: str
    lines: tuple[CorrectedLine, ...] = ()
    renews_buyer: bool = False
    order_number: str | None = None
    refund: RefundDestination = RefundDestination.NONE


@dataclass(frozen=True)
class Correction:
    """A corrective invoice that can be issued, and what it was built from: the rest of the invoice,
    how much of it was paid, in cents, and when last, and its due date.
    """

    rest: Remainder
    paid_cents: int
    paid_on: date | None
    due_on: date
    draft: InvoiceDraft

    @property
    def totals(self) -> Totals:
        """The totals of the corrective invoice."""
        return self.draft.facts.totals

    @property
    def surplus_cents(self) -> int:
        """The overpayment."""
        return max(self.paid_cents - self.totals.gross_cents, 0)

    @property
    def open_cents(self) -> int:
        """What is still to be paid."""
        return max(self.totals.gross_cents - self.paid_cents, 0)

    @property
    def reduction_cents(self) -> int:
        """By how much the corrective invoice is lower than the invoice."""
        return self.rest.gross_cents - self.totals.gross_cents

    def is_based_on(self, other: "Correction") -> bool:
        """Whether both corrections were built from the same state of the invoice."""
        return (
            self.rest.bands == other.rest.bands
            and self.paid_cents == other.paid_cents
            and self.due_on == other.due_on
        )


async def build_correction(
    seller: Seller,
    action: Action,
    request: CorrectionRequest,
    *,
    trial: bool = True,
    db: BaseDBAsyncClient | None = None,
) -> Correction:
    """Build the corrective invoice and render it on trial, outside of any transaction. Nothing is
    stored. Raises NOT_CORRECTABLE, CORRECTION_TOO_LARGE, INVOICE_NOT_POSSIBLE, NOT_FOUND and
    VALUE_INVALID.
    """
    invoice = await Invoice.get(pk=request.invoice_id, using_db=db)
    rest = await _correctable(invoice, db)
    receivable = await Receivable.get(invoice_id=invoice.pk, using_db=db)
    payments = Allocation.filter(invoice_id=invoice.pk, payment_id__not_isnull=True)
    allocations = await payments.using_db(db).order_by("id")
    paid_cents = sum(each.amount_cents for each in allocations)
    paid_on = local_date(allocations[-1].created_at) if allocations else None
    lines = await _lines(rest, request, db)
    profile = await BillingProfile.get(pk=invoice.billing_profile_id, using_db=db)
    if request.renews_buyer:
        account = await Account.get(pk=invoice.account_id, using_db=db)
        profile = await profile.as_of(account, db)
        await _require_same_tax(seller, rest, lines, profile, db)
    draft = await _draft(seller, action, request, rest, lines, profile, trial)
    if draft.gross_cents > rest.gross_cents:
        left = Money(rest.gross_cents)
        raise Refusal(BillingErrorCode.CORRECTION_TOO_LARGE, "input", "lines", maximum=left)
    if draft.gross_cents <= 0:
        raise Refusal(BillingErrorCode.NOT_CORRECTABLE, "input", "lines")
    correction = Correction(rest, paid_cents, paid_on, receivable.due_on, draft)
    draft = _with_payment(seller, action, correction)
    if _is_unchanged(rest, draft):
        message = _("Nothing would change. Choose what to correct.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", message=message)
    return replace(correction, draft=draft)


async def _correctable(invoice: Invoice, db: BaseDBAsyncClient | None) -> Remainder:
    if invoice.type is DocumentType.CREDIT_NOTE:
        raise Refusal(BillingErrorCode.NOT_CORRECTABLE, "input", "invoiceId")
    rest = await remainder(invoice, db)
    if rest.is_replaced or rest.gross_cents <= 0:
        raise Refusal(BillingErrorCode.NOT_CORRECTABLE, "input", "invoiceId")
    return rest


async def _lines(
    rest: Remainder, request: CorrectionRequest, db: BaseDBAsyncClient | None
) -> tuple[DraftLine, ...]:
    """The lines of the invoice with the changes applied. They still refer to what they bill, so
    that reports find the offer.
    """
    changes = {}
    for index, each in enumerate(request.lines):
        if each.line_id not in rest.lines or each.line_id in changes:
            raise Refusal(CommonErrorCode.NOT_FOUND, "input", "lines", str(index), "lineId")
        changes[each.line_id] = each
        _check_change(rest.lines[each.line_id], each, "input", "lines", str(index))
    items = {
        item.invoice_line_id: item
        for item in await BillingItem.filter(invoice_line_id__in=list(rest.lines)).using_db(db)
    }
    lines = []
    for key, line in rest.lines.items():
        change, item = changes.get(key, CorrectedLine(key)), items.get(key)
        if change.quantity == 0:
            continue
        draft = whole_line(rest, line)
        draft = replace(
            draft,
            label=change.label or draft.label,
            quantity=draft.quantity if change.quantity is None else change.quantity,
            unit_net_cents=draft.unit_net_cents
            if change.unit_net_cents is None
            else change.unit_net_cents,
        )
        if item:
            data = {**item.data, "corrects": key}
            draft = replace(draft, kind=item.kind, description_key=item.description_key, data=data)
        lines.append(draft)
    if not lines:
        raise Refusal(BillingErrorCode.NOT_CORRECTABLE, "input", "lines")
    return tuple(lines)


def _check_change(line: InvoiceLine, change: CorrectedLine, *path: str) -> None:
    """Raise VALUE_INVALID for a quantity or a price that no line can have. The amounts of a line
    with a negative quantity, such as a proration, can't be changed.
    """
    optional_number(change.quantity, 0, MAX_QUANTITY, *path, "quantity")
    optional_number(change.unit_net_cents, 0, MAX_NET_CENTS, *path, "unitNetCents")
    if line.quantity < 0 and (change.quantity, change.unit_net_cents) != (None, None):
        message = _("The amounts of a line that credits something can’t be changed.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, *path, "quantity", message=message)


async def _require_same_tax(
    seller: Seller,
    rest: Remainder,
    lines: tuple[DraftLine, ...],
    profile: BillingProfile,
    db: BaseDBAsyncClient | None,
) -> None:
    """Raise NOT_CORRECTABLE when the VAT would differ for the new buyer: the invoice then has to be
    credited and issued again.
    """
    for line in lines:
        tax = await decide_tax(
            db, seller, profile, line.tax_category, rest.invoice.issued_on, is_renewal=True
        )
        is_same = (
            tax.treatment is rest.invoice.treatment
            and tax.rate_basis_points == line.vat_basis_points
        )
        if not is_same:
            message = _(
                "The VAT would be different. Credit the invoice instead, and bill it again."
            )
            raise Refusal(BillingErrorCode.NOT_CORRECTABLE, "input", "renewsBuyer", message=message)


async def _draft(
    seller: Seller,
    action: Action,
    request: CorrectionRequest,
    rest: Remainder,
    lines: tuple[DraftLine, ...],
    profile: BillingProfile,
    trial: bool,
) -> InvoiceDraft:
    about = request_about(rest, profile, lines, DocumentType.CORRECTIVE_INVOICE, action.day)
    draft = with_reason(await prepare(seller, about, trial=trial), request.reason)
    original, number = rest.facts, request.order_number
    return draft.with_facts(
        buyer=draft.facts.buyer if request.renews_buyer else original.buyer,
        order_number=original.order_number if number is None else number,
    )


def _with_payment(seller: Seller, action: Action, correction: Correction) -> InvoiceDraft:
    """The draft with what was paid of the invoice. The rest is to be paid as before."""
    draft, original = correction.draft, correction.rest.facts
    terms = seller.terms_on(action.day)
    paid_cents = min(correction.paid_cents, draft.gross_cents)
    means: PaymentMeans | None = original.payment
    if not correction.open_cents:
        day = day_text(correction.paid_on or action.day, draft.locale)
        payment_terms, due_days = terms.paid_notice(draft.locale, day), 0
    else:
        was_paid = original.paid_cents > 0
        means = None if was_paid else original.payment
        payment_terms = terms.due_notice(draft.locale) if was_paid else original.payment_terms
        due_days = max((correction.due_on - action.day).days, 0)
    draft = draft.with_facts(payment=means, payment_terms=payment_terms, paid_cents=paid_cents)
    return replace(draft, due_days=due_days)


def _is_unchanged(rest: Remainder, draft: InvoiceDraft) -> bool:
    original, facts = rest.facts, draft.facts
    return (
        facts.lines == original.lines
        and facts.buyer == original.buyer
        and facts.order_number == original.order_number
        and not rest.count
    )


async def correct_invoice(
    action: Action, services: CheckoutServices, actor: User, request: CorrectionRequest, key: str
) -> Invoice:
    """Issue a corrective invoice. The same key returns the same one.

    Raises what `build_correction` raises, CREDIT_LIMIT_EXCEEDED, REFUND_REQUIRED and
    IDEMPOTENCY_MISMATCH.
    """
    owner = f"user:{actor.pk}"
    arguments = [
        request.invoice_id,
        request.reason,
        [[each.line_id, each.label, each.quantity, each.unit_net_cents] for each in request.lines],
        request.renews_buyer,
        request.order_number,
        request.refund.value,
    ]
    is_repeat = await has_earlier_result(owner, OPERATION, key)
    built = None if is_repeat else await build_correction(services.seller, action, request)
    async with action.transaction() as tx:
        if earlier_id := await earlier_result(tx, owner, OPERATION, key, arguments):
            corrective = await Invoice.get(pk=earlier_id, using_db=tx.db)
        elif built is None:
            raise TransactionConflict("the earlier request was rolled back")
        else:
            purchases = await lock_for_credit(tx, built.rest.invoice)
            invoice = built.rest.invoice
            accepted = await accept_open_dispute(tx, actor, invoice)
            corrective = await _issue(tx, services.seller, actor, purchases, request, built)
            if accepted:
                await settle_accepted(tx, actor, accepted, invoice, corrective)
            await store_result(tx, owner, OPERATION, key, corrective.pk)
    await refund_pending(action, *services.gateways, credit_note_id=corrective.pk)
    return corrective


async def _issue(
    tx: Transaction,
    seller: Seller,
    actor: User,
    purchases: Mapping[int, Purchase],
    request: CorrectionRequest,
    built: Correction,
) -> Invoice:
    """Issue a corrective invoice whose invoice is locked. If a payment or a credit note has been
    stored since it was built, it is built again.
    """
    correction = await build_correction(seller, tx.action, request, trial=False, db=tx.db)
    if correction.is_based_on(built):
        correction = built
    invoice, draft = correction.rest.invoice, correction.draft
    first = await first_of_chain(tx, invoice)
    require_limit(actor, first.gross_cents - draft.gross_cents)
    if correction.surplus_cents and request.refund is RefundDestination.NONE:
        raise Refusal(BillingErrorCode.REFUND_REQUIRED, "input", "refund")
    if request.renews_buyer:
        draft = await _store_buyer(tx, draft, invoice)
    released = await release(tx, invoice, correction.paid_cents)
    shares, surplus = _divide(released, draft.gross_cents)
    corrective = await finalise(tx, draft, balance=shares)
    await post_replacement(tx, invoice, corrective, correction.rest.totals)
    receivable = await Receivable.get(invoice_id=invoice.pk, using_db=tx.db)
    await settle_by(tx, corrective, receivable, correction.rest.gross_cents, correction.paid_cents)
    if request.refund is RefundDestination.PAYMENT:
        await create_refunds(tx, corrective, surplus)
    else:
        for payment, cents in surplus:
            await settlement.allocate(tx, payment, cents)
    await settlement.restore(tx, purchases)
    tx.audit(
        BillingAuditAction.INVOICE_CORRECT,
        corrective,
        original=invoice.pk,
        gross_cents=corrective.gross_cents,
        refund=request.refund.value,
    )
    return corrective


async def _store_buyer(tx: Transaction, draft: InvoiceDraft, invoice: Invoice) -> InvoiceDraft:
    """The draft with the stored profile of the company, whose account is locked."""
    profile = await BillingProfile.get(pk=invoice.billing_profile_id, using_db=tx.db)
    account = await Account.get(pk=invoice.account_id, using_db=tx.db)
    stored = await profile.renewed(tx, account)
    if buyer_party(stored, draft.facts.buyer.email) != draft.facts.buyer:
        raise TransactionConflict("the company has changed meanwhile")
    return replace(draft, profile_id=stored.pk)


def _divide(
    released: Sequence[tuple[Payment, int]], cents: int
) -> tuple[list[tuple[int, int]], list[tuple[Payment, int]]]:
    """How the invoice's payments are divided: what each pays of the corrective invoice, by key, the
    first payment first, and what is left of each.
    """
    shares, surplus = [], []
    for payment, available in reversed(released):
        share = min(available, cents)
        cents -= share
        if share:
            shares.append((payment.pk, share))
        if available > share:
            surplus.append((payment, available - share))
    return shares, surplus
