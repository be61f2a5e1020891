"""The billing run: each purchase is billed on its anniversary, and each missed period exactly once.

1. A run selects purchases whose period has begun, and bills each one on its own. So a purchase that
   can't be billed doesn't delay the others, and memory doesn't grow with their number.
2. One transaction claims the period: it stores the payment attempt with the content of the
   invoice, and moves the purchase to its next period. Of two runs that select the same purchase,
   the second one finds it moved. The database accepts one invoice for each index of a purchase.
3. The provider is called outside of any transaction, with a key derived from the attempt. If the
   process is killed before the answer is applied, `charging.reconcile` calls it again with the same
   key.
4. A trial ends like a period: the first one begins on the anchor, when it is billed.
5. The transaction that applies the answer issues the invoice: paid, or unpaid and due at once. An
   unpaid one is then collected by `billing/dunning.py`.
"""

import asyncio
from collections.abc import Sequence
from datetime import date

import structlog

from billing.balance import shares_for
from billing.bank.account import BankAccount
from billing.bank.terms import unpaid_terms
from billing.changes.applying import (
    apply_due_change,
    cancel_changes,
    lock_pending_changes,
    store_resumption,
)
from billing.charging import refresh
from billing.checkout_services import CheckoutServices
from billing.collection import issue
from billing.contacts import reader_of
from billing.gateways.gateway import is_chargeable
from billing.invoicing import InvoiceDraft, InvoiceRequest, VatStatement, prepare
from billing.payment_cancellation import end_payment
from billing.payment_methods import chargeable_method
from billing.quotes import quote_next_period
from billing.trials import end_trial
from models.accounts.account import Account, AccountStatus
from models.action import Action, Transaction, retry_conflict
from models.billing.audit_actions import BillingAuditAction
from models.billing.billing_profile import BillingProfile
from models.billing.offer import Price
from models.billing.payment import Payment, PaymentStatus
from models.billing.purchase import BILLED_STATUSES, Purchase, PurchaseStatus
from models.billing.purchase_change import PurchaseChange
from models.database.batches import batches_of
from models.errors import Refusal

_CONCURRENT_PURCHASES = 8

log = structlog.stdlib.get_logger()


async def bill_due_periods(action: Action, services: CheckoutServices) -> int:
    """Bill every period that has begun by the day of the action. Returns how many were billed by
    this run.
    """
    due = Purchase.due_on(action.day)
    places, count = asyncio.Semaphore(_CONCURRENT_PURCHASES), 0
    async for keys in batches_of(due):
        counts = await asyncio.gather(
            *(_bill_or_log(action, services, key, places) for key in keys)
        )
        count += sum(counts)
    return count


async def _bill_or_log(
    action: Action, services: CheckoutServices, key: int, places: asyncio.Semaphore
) -> int:
    """Bill the periods of a purchase that have begun, and log a failure. Returns how many were
    billed.
    """
    count = 0
    async with places:
        try:
            purchase = await Purchase.get(pk=key)
            while await retry_conflict(lambda: _bill(action, services, purchase)):
                count += 1
        except Exception as error:
            log.error("renewal.failed", purchase=key, error=type(error).__name__, exc_info=error)
    return count


async def _bill(action: Action, services: CheckoutServices, purchase: Purchase) -> bool:
    """Bill the next period of a purchase. Returns False when there was none to bill."""
    async with action.transaction() as tx:
        account = await tx.lock(Account, purchase.account_id)
        purchase = await tx.lock(Purchase, purchase.pk)
        if account.status is not AccountStatus.ACTIVE or not _is_due(purchase, action.day):
            return False
        changes = await lock_pending_changes(tx, purchase)
        is_unpaid = any(change.is_immediate for change in changes)
        is_billed, payment = (
            (False, None)
            if is_unpaid
            else await _end_period(tx, services, account, purchase, changes)
        )
    if is_unpaid:
        is_left = await _leave_unpaid_changes(action, purchase)
        return is_left and await _bill(action, services, purchase)
    if payment:
        await _charge(action, services, payment)
    return is_billed


async def _leave_unpaid_changes(action: Action, purchase: Purchase) -> bool:
    """Cancel the changes during the ended period that the customer hasn't paid for. Returns False
    while the provider is charging one: the next run then bills the purchase.
    """
    async with action.transaction() as tx:
        purchase = await tx.lock(Purchase, purchase.pk)
        changes = await lock_pending_changes(tx, purchase)
        unpaid = [change for change in changes if change.is_immediate]
        payments = await tx.lock_rows(
            Payment.filter(purchase_change_id__in=[change.pk for change in unpaid])
        )
        if any(payment.status is PaymentStatus.PROCESSING for payment in payments):
            return False
        await cancel_changes(tx, unpaid)
        for payment in payments:
            await end_payment(tx, payment, PaymentStatus.CANCELED)
    return True


async def _end_period(
    tx: Transaction,
    services: CheckoutServices,
    account: Account,
    purchase: Purchase,
    changes: Sequence[PurchaseChange],
) -> tuple[bool, Payment | None]:
    """End a purchase or apply its scheduled change, and claim the next period. Returns whether one
    is billed, and the payment to charge for it.
    """
    if purchase.cancel_at_period_end:
        assert purchase.bills_on is not None, "the purchase is due"  # noqa: S101
        await purchase.end(tx, purchase.bills_on)
        tx.audit(BillingAuditAction.PURCHASE_END, purchase)
        return False, None
    await apply_due_change(tx, purchase, changes)
    if not _is_due(purchase, tx.action.day):
        return False, None
    payment = await _claim_period(tx, services, account, purchase)
    if purchase.status is PurchaseStatus.CANCELED:
        return False, None
    if changes:
        await purchase.transition_to(tx, purchase.status)
    return True, payment


def _is_due(purchase: Purchase, day: date) -> bool:
    return (
        purchase.status in BILLED_STATUSES
        and purchase.bills_on is not None
        and purchase.bills_on <= day
    )


async def _claim_period(
    tx: Transaction, services: CheckoutServices, account: Account, purchase: Purchase
) -> Payment | None:
    """Move the purchase to its next period, and store the attempt to charge what the customer's
    balance doesn't cover of this one. Without a payment method, or when providers don't charge what
    is left, the invoice is issued at once; the rest is paid by transfer if the seller takes them.

    A trial ends instead when there is something to charge and no payment method: nobody is billed
    who never said how to pay. A pause ends with the period that starts now.
    """
    is_resumed = purchase.status is PurchaseStatus.PAUSED
    if is_resumed:
        purchase.resume(tx.action.day)
    method = await chargeable_method(tx.db, services.gateway, purchase)
    is_trial = purchase.status is PurchaseStatus.TRIALING
    bank = services.seller.bank if method is None and not is_trial else None
    draft = await _prepare_renewal(tx, services, account, purchase, bank)
    balance = await shares_for(tx, account.pk, draft.gross_cents)
    charged_cents = draft.gross_cents - sum(cents for _, cents in balance)
    if is_trial and method is None and charged_cents:
        await end_trial(tx, purchase)
        return None
    assert draft.period is not None, "a renewal bills a period"  # noqa: S101
    purchase.next_period_index, purchase.bills_on = draft.period.index + 1, draft.period.end
    purchase.use_promotion()
    if is_resumed:
        await store_resumption(tx, purchase, draft.gross_cents)
    if is_trial or is_resumed:
        await purchase.transition_to(tx, PurchaseStatus.ACTIVE)
    else:
        await purchase.save(using_db=tx.db)
    tx.audit(BillingAuditAction.PURCHASE_RENEW, purchase, period_index=draft.period.index)
    if method is None or not is_chargeable(charged_cents):
        await issue(tx, purchase, draft)
        return None
    return await method.store_payment(
        tx,
        services.gateway,
        account.pk,
        charged_cents,
        is_off_session=True,
        purchase=purchase,
        invoice_draft=draft.to_json(),
    )


async def _prepare_renewal(
    tx: Transaction,
    services: CheckoutServices,
    account: Account,
    purchase: Purchase,
    bank: BankAccount | None,
) -> InvoiceDraft:
    """The invoice of the next period, to the company as it is now. It isn't rendered on trial,
    because its parts were when the purchase was paid or when an operator changed them.
    """
    profile = await BillingProfile.get(pk=purchase.billing_profile_id, using_db=tx.db)
    profile = await profile.renewed(tx, account)
    purchase.billing_profile_id = profile.pk
    price = await Price.get(pk=purchase.price_id, using_db=tx.db).select_related("offer")
    reader = await reader_of(tx.db, purchase)
    quoted = await quote_next_period(
        tx.db, services.seller, purchase, price, profile, reader.locale
    )
    request = InvoiceRequest(
        profile=profile,
        lines=quoted.lines,
        on=tx.action.day,
        locale=reader.locale,
        vat=VatStatement.of(quoted.tax),
        payment=unpaid_terms(services.seller, bank, tx.action.day, reader.locale),
        buyer_email=reader.email,
        purchase_id=purchase.pk,
        period=quoted.period,
    )
    return await prepare(services.seller, request, trial=False)


async def _charge(action: Action, services: CheckoutServices, payment: Payment) -> None:
    """Charge a renewal. If the provider is unavailable, `charging.reconcile` tries again."""
    try:
        await refresh(action, services, payment)
    except Refusal:
        log.warning("renewal.provider_unavailable", payment=payment.pk)
