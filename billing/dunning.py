"""Dunning: what happens when an invoice isn't paid.

The schedule (billing/dunning_schedule.py) is applied to the oldest unpaid invoice of each purchase.
After downtime, every step that has become due is recorded, but only the last one is taken: nobody
gets four reminders at once, and nobody keeps a service that should have been suspended. An invoice
in dispute is not dunned. Before anything else the customer's balance is used (billing/balance.py).
Payment in full makes the purchase active again (billing/settlement.py). The invoice of a purchase
that ends before it has begun is credited: nothing was supplied, so nothing is due.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from tortoise.expressions import Q

from accounts.contacts import billing_contacts
from billing.balance import pay_open_invoices, use_balance
from billing.changes.applying import cancel_changes, lock_pending_changes
from billing.charging import charge_new, refresh
from billing.checkout_services import CheckoutServices
from billing.collection import refusal_of
from billing.credit_notes import credit_rest
from billing.dunning_schedule import DunningAction, DunningStep
from billing.gateways.gateway import is_chargeable
from billing.payment_cancellation import end_payment
from billing.payment_methods import chargeable_method
from billing.settlement import announce, lock_for_settlement, restore
from mail import emails
from mail.emails import MethodRefusal
from models.accounts.account import AccountStatus
from models.action import Action, Transaction, retry_conflict
from models.billing.audit_actions import BillingAuditAction
from models.billing.dunning import CompletedDunningStep
from models.billing.errors import BillingErrorCode
from models.billing.invoice import Invoice
from models.billing.money import Money
from models.billing.payment import Payment, PaymentStatus
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.purchase_change import PurchaseChange
from models.billing.receivable import Receivable
from models.database.batches import keys_of
from models.errors import CommonErrorCode, Refusal
from models.idempotency import earlier_result, owner_of, store_result
from models.identity.user import User
from models.measurements import DUNNING_STEPS
from models.translations import _, text

SendAboutInvoice = Callable[[Transaction, User, Invoice, Money], Awaitable[object]]
_ENDED = (PurchaseStatus.CANCELED, PurchaseStatus.EXPIRED)
_DISPUTED = _("The invoice is disputed. Wait for the decision.")
_NOT_CHARGEABLE = _(
    "The invoice can’t be charged without the customer. Ask them to pay it with another payment "
    "method."
)
_CANCELED_UNPAID = _("The order was canceled because it wasn’t paid.")

log = structlog.stdlib.get_logger()


@dataclass(frozen=True)
class _LateInvoice:
    """A late invoice with everything that a step may change, all locked: its purchase and pending
    changes, its receivable, its payments, and the other purchases that its settlement may restore.
    """

    purchases: dict[int, Purchase]
    purchase: Purchase
    changes: list[PurchaseChange]
    invoice: Invoice
    receivable: Receivable
    payments: list[Payment]


async def dun_late_invoices(action: Action, services: CheckoutServices) -> int:
    """Take the due steps for late invoices. Returns for how many invoices a step was taken.

    An invoice whose step fails doesn't delay the others.
    """
    late = Receivable.filter(
        next_dunning_on__lte=action.day,
        disputed_at=None,
        open_cents__gt=0,
        account__status=AccountStatus.ACTIVE,
    )
    return sum([await _dun_or_log(action, services, key) async for key in keys_of(late)])


async def _dun_or_log(action: Action, services: CheckoutServices, invoice_id: int) -> bool:
    try:
        return await retry_conflict(lambda: _dun(action, services, invoice_id))
    except Exception as error:
        log.error("dunning.failed", invoice=invoice_id, error=type(error).__name__, exc_info=error)
        return False


async def _dun(action: Action, services: CheckoutServices, invoice_id: int) -> bool:
    invoice = await Invoice.get(pk=invoice_id)
    async with action.transaction() as tx:
        assert invoice.purchase_id is not None, "an invoice of a purchase"  # noqa: S101
        purchases = await lock_for_settlement(tx, invoice.account_id, invoice.purchase_id)
        purchase = purchases[invoice.purchase_id]
        changes = await lock_pending_changes(tx, purchase)
        payments = await tx.lock_rows(Payment.filter(invoice_id=invoice_id))
        of_account = Q(invoice_id=invoice_id) | Q(open_cents__gt=0)
        await tx.lock_rows(Receivable.filter(of_account, account_id=invoice.account_id))
        used = await pay_open_invoices(tx, invoice.account_id)
        if used:
            await restore(tx, purchases)
        [receivable] = await tx.lock_rows(Receivable.filter(invoice_id=invoice_id))
        steps, payment = [], None
        if await _is_dunned(tx, purchase, receivable, payments):
            steps = await _record_due_steps(tx, services, receivable)
            late = _LateInvoice(purchases, purchase, changes, invoice, receivable, payments)
            payment = await _take_last_step(tx, services, late, steps) if steps else None
        for balance in used:
            await announce(tx, balance)
    if payment:
        await _charge(action, services, payment)
    return bool(steps)


async def retry_payment(
    action: Action, services: CheckoutServices, invoice: Invoice, key: str
) -> Payment:
    """Charge an open invoice again without the customer, with the payment method of its purchase,
    in addition to the steps of the schedule. What the customer's balance covers is paid first. The
    same key returns the same payment.

    Raises INVOICE_SETTLED, TRANSITION_ILLEGAL while the invoice is disputed, PAYMENT_IN_PROGRESS,
    PAYMENT_METHOD_REQUIRED when there is no payment method, when the bank has refused it for good,
    or when the rest is an amount that providers don't charge, PAYMENT_UNAVAILABLE and
    IDEMPOTENCY_MISMATCH.
    """
    await use_balance(action, invoice.account_id)
    owner, operation = owner_of(action), "invoiceRetryPayment"
    async with action.transaction() as tx:
        purchases = await lock_for_settlement(tx, invoice.account_id, invoice.purchase_id)
        if earlier_id := await earlier_result(tx, owner, operation, key, invoice.pk):
            return await Payment.get(pk=earlier_id, using_db=tx.db)
        payment = await _retry_open(tx, services, purchases, invoice)
        await store_result(tx, owner, operation, key, payment.pk)
        tx.audit(
            BillingAuditAction.INVOICE_RETRY_PAYMENT, payment, amount_cents=payment.amount_cents
        )
    return await charge_new(action, services, payment)


async def _retry_open(
    tx: Transaction, services: CheckoutServices, purchases: dict[int, Purchase], invoice: Invoice
) -> Payment:
    """Store another attempt to charge an invoice, whose purchases are locked."""
    purchase = purchases.get(invoice.purchase_id or 0)
    changes = await lock_pending_changes(tx, purchase) if purchase else []
    payments = await tx.lock_rows(Payment.filter(invoice_id=invoice.pk))
    receivables = await tx.lock_rows(Receivable.filter(invoice_id=invoice.pk, open_cents__gt=0))
    if purchase is None or not receivables:
        raise Refusal(BillingErrorCode.INVOICE_SETTLED, "input", "invoiceId")
    if receivables[0].disputed_at:
        raise Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "invoiceId", message=_DISPUTED)
    if any(payment.status is PaymentStatus.PROCESSING for payment in payments):
        raise Refusal(BillingErrorCode.PAYMENT_IN_PROGRESS, "input", "invoiceId")
    late = _LateInvoice(purchases, purchase, changes, invoice, receivables[0], payments)
    payment = await _retry(tx, services, late)
    if payment is None:
        code = BillingErrorCode.PAYMENT_METHOD_REQUIRED
        raise Refusal(code, "input", "invoiceId", message=_NOT_CHARGEABLE)
    return payment


async def _is_dunned(
    tx: Transaction, purchase: Purchase, receivable: Receivable, payments: Sequence[Payment]
) -> bool:
    """Whether a locked invoice is the oldest unpaid one of its purchase, and isn't being paid at
    this moment.
    """
    is_being_paid = any(payment.status is PaymentStatus.PROCESSING for payment in payments)
    if receivable.disputed_at or not receivable.open_cents or is_being_paid:
        return False
    older = Receivable.filter(
        invoice__purchase_id=purchase.pk,
        invoice_id__lt=receivable.invoice_id,
        open_cents__gt=0,
        disputed_at=None,
    )
    return not await older.using_db(tx.db).exists()


async def _record_due_steps(
    tx: Transaction, services: CheckoutServices, receivable: Receivable
) -> list[DunningStep]:
    schedule = services.seller.dunning_on(receivable.due_on)
    rows = CompletedDunningStep.filter(invoice_id=receivable.invoice_id).using_db(tx.db)
    completed_days = {row.days for row in await rows}
    steps = schedule.due_steps((tx.action.day - receivable.due_on).days, completed_days)
    for step in steps:
        await CompletedDunningStep.create(
            using_db=tx.db,
            invoice_id=receivable.invoice_id,
            days=step.days,
            completed_at=tx.action.at,
        )
    receivable.next_dunning_on = schedule.next_date(
        receivable.due_on, completed_days | {step.days for step in steps}
    )
    await receivable.save(using_db=tx.db, update_fields=["next_dunning_on"])
    return steps


async def _take_last_step(
    tx: Transaction, services: CheckoutServices, late: _LateInvoice, steps: list[DunningStep]
) -> Payment | None:
    """Take the last of the due steps. Returns the payment to charge if it is a retry."""
    purchase, actions = late.purchase, {step.action for step in steps}
    tx.audit(BillingAuditAction.INVOICE_DUN, late.invoice, days=steps[-1].days)
    tx.count(DUNNING_STEPS, steps[-1].action.value)
    if purchase.status is PurchaseStatus.ACTIVE:
        purchase.past_due_since = late.receivable.due_on
        await purchase.transition_to(tx, PurchaseStatus.PAST_DUE)
    if purchase.status is PurchaseStatus.PAYMENT_PENDING and DunningAction.CANCEL in actions:
        await _cancel_order(tx, services, late)
    elif purchase.status not in _ENDED and DunningAction.CANCEL in actions:
        await cancel_changes(tx, late.changes)
        await purchase.end(tx, tx.action.day)
        await _notify(tx, late, emails.send_purchase_ended_unpaid)
    elif purchase.status is PurchaseStatus.PAST_DUE and DunningAction.SUSPEND in actions:
        await purchase.suspend(tx)
        refusal = await _refusal(tx, services, late)
        await _notify(tx, late, partial(emails.send_purchase_suspended, refusal=refusal))
    elif (
        steps[-1].action is DunningAction.RETRY
        and purchase.status is PurchaseStatus.PAST_DUE
        and (payment := await _retry(tx, services, late))
    ):
        return payment
    else:
        await _notify(
            tx,
            late,
            partial(
                emails.send_invoice_unpaid,
                refusal=await _refusal(tx, services, late),
                is_available=purchase.status is PurchaseStatus.PAST_DUE,
            ),
        )
    return None


async def _cancel_order(tx: Transaction, services: CheckoutServices, late: _LateInvoice) -> None:
    """Credit the invoice of a purchase that hasn't begun, which ends it."""
    reason = text(_CANCELED_UNPAID, late.invoice.locale)
    open_amount = Money(late.receivable.open_cents)
    await credit_rest(tx, services.seller, late.purchases, late.invoice, reason)
    await _cancel_confirmations(tx, late)
    for user in await billing_contacts(tx, late.invoice.account_id):
        await emails.send_order_canceled_unpaid(tx, user, late.invoice, open_amount)


async def _cancel_confirmations(tx: Transaction, late: _LateInvoice) -> None:
    """Cancel the payments of an invoice that wait for the customer."""
    for payment in late.payments:
        if payment.status is PaymentStatus.REQUIRES_ACTION:
            await end_payment(tx, payment, PaymentStatus.CANCELED)


async def _notify(tx: Transaction, late: _LateInvoice, send: SendAboutInvoice) -> None:
    for user in await billing_contacts(tx, late.invoice.account_id):
        await send(tx, user, late.invoice, Money(late.receivable.open_cents))


async def _retry(tx: Transaction, services: CheckoutServices, late: _LateInvoice) -> Payment | None:
    """Store another attempt to charge an invoice. None when there is no payment method, when the
    bank has refused it for good, or when the rest is an amount that providers don't charge.
    Confirmations that the customer hasn't finished are canceled, so that the invoice is paid once.
    """
    if not is_chargeable(late.receivable.open_cents):
        return None
    method = await chargeable_method(tx.db, services.gateway, late.purchase)
    if method is None or refusal_of(late.payments, method.token):
        return None
    await _cancel_confirmations(tx, late)
    return await method.store_payment(
        tx,
        services.gateway,
        late.receivable.account_id,
        late.receivable.open_cents,
        is_off_session=True,
        purchase=late.purchase,
        invoice_id=late.receivable.invoice_id,
        attempt=len(late.payments) + 1,
    )


async def _refusal(
    tx: Transaction, services: CheckoutServices, late: _LateInvoice
) -> MethodRefusal | None:
    """Why the payment method of a late invoice isn't charged again, for an email about it."""
    method = await chargeable_method(tx.db, services.gateway, late.purchase)
    return refusal_of(late.payments, method.token) if method else None


async def _charge(action: Action, services: CheckoutServices, payment: Payment) -> None:
    try:
        await refresh(action, services, payment)
    except Refusal:
        log.warning("dunning.provider_unavailable", payment=payment.pk)
