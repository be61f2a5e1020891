"""Ordering a change of a purchase: it is planned, prepared and paid for like a first payment, with
the payment method of the purchase or with another one that the customer chose for this change.

An immediate change is stored together with its payment, then the provider is asked under a key made
from the payment, then the answer is applied (billing/payment_outcomes.py): the invoice is issued
and the change takes effect in one transaction, or nothing changes. Those who pay by transfer get
the invoice unpaid, and the change at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient

from billing.bank.account import BankAccount
from billing.bank.terms import unpaid_terms
from billing.changes.applying import (
    cancel_changes,
    lock_pending_changes,
    scheduled,
    take_effect,
)
from billing.changes.notices import ChangeNotice, notify
from billing.changes.plan import ChangePlan, ChangeRequest, plan_change
from billing.charging import refresh
from billing.checkout import require_total
from billing.checkout_services import CheckoutServices
from billing.collection import issue
from billing.contacts import reader_of
from billing.gateways.gateway import MIN_CHARGE_CENTS
from billing.invoicing import InvoiceDraft, InvoiceRequest, VatStatement, prepare
from billing.means import Means
from billing.payment_cancellation import end_payment
from billing.payment_methods import chargeable_method
from models.accounts.account import Account
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.billing_profile import BillingProfile
from models.billing.errors import BillingErrorCode
from models.billing.offer import Price
from models.billing.payment import Payment, PaymentStatus
from models.billing.purchase import Purchase
from models.billing.purchase_change import PurchaseChange, PurchaseChangeKind
from models.errors import CommonErrorCode, Refusal, TransactionConflict
from models.idempotency import earlier_result, has_earlier_result, store_result
from models.translations import _

_TOTAL_CHANGED = _("The total is now %(total)s. Check the change again.")
_IN_PROGRESS = _("A payment for this purchase is in progress. Wait for its result.")


@dataclass(frozen=True)
class Agreement:
    """The total with VAT that the customer was shown, the page to which the bank sends them back,
    and what they pay with if not the payment method of the purchase. With `renews_with_means`, a
    saved method becomes that of the purchase once the change is paid for.
    """

    gross_cents: int
    return_url: str | None = None
    means: Means | None = None
    renews_with_means: bool = False

    @property
    def key(self) -> list[Any]:
        """What has to be the same when an idempotency key is repeated."""
        chosen = [self.means.key, self.renews_with_means] if self.means else []
        return [self.gross_cents, self.return_url, *chosen]


@dataclass(frozen=True)
class OrderedChange:
    """A change, and the payment of an immediate one."""

    change: PurchaseChange
    payment: Payment | None


@dataclass(frozen=True)
class _Prepared:
    plan: ChangePlan
    draft: InvoiceDraft
    by_transfer: bool


async def order_change(
    action: Action,
    services: CheckoutServices,
    purchase: Purchase,
    request: ChangeRequest,
    agreement: Agreement,
    key: str,
) -> OrderedChange:
    """Order a change on the terms to which the customer agreed. It replaces an earlier scheduled
    one, except that an immediate change keeps a pause. A repeat of the key returns the same change
    in its current state. A payment of another change that waits for the bank's confirmation is
    canceled.

    Raises what `plan_change` raises, PRICE_CHANGED, PAYMENT_IN_PROGRESS, IDEMPOTENCY_MISMATCH,
    PAYMENT_UNAVAILABLE, VALUE_INVALID for a payment method that was chosen for a change that isn't
    charged now, NOT_ACTIVE for one that can't be charged, and before any money moves
    INVOICE_NOT_POSSIBLE and AMOUNT_TOO_LARGE.
    """
    owner = f"account:{purchase.account_id}"
    operation = "purchaseResume" if request.resume else "purchaseChange"
    is_repeat = await has_earlier_result(owner, operation, key)
    prepared = None if is_repeat else await _prepare(action, services, purchase, request, agreement)
    price_id = request.price.pk if request.price else None
    anchor = request.anchor.isoformat() if request.anchor else None
    arguments = [purchase.pk, price_id, request.quantity, anchor, *agreement.key]
    async with action.transaction() as tx:
        account = await tx.lock(Account, purchase.account_id)
        purchase = await tx.lock(Purchase, purchase.pk)
        if earlier_id := await earlier_result(tx, owner, operation, key, arguments):
            change = await PurchaseChange.get(pk=earlier_id, using_db=tx.db)
        else:
            change = await _order(tx, services, account, purchase, request, prepared, agreement)
            await store_result(tx, owner, operation, key, change.pk)
    payment = await Payment.filter(purchase_change_id=change.pk).first()
    if payment and payment.status is PaymentStatus.PROCESSING:
        payment = await refresh(action, services, payment)
    return OrderedChange(await PurchaseChange.get(pk=change.pk), payment)


async def means_of(
    db: BaseDBAsyncClient | None,
    services: CheckoutServices,
    purchase: Purchase,
    plan: ChangePlan,
    chosen: Means | None,
) -> Means | None:
    """What a planned change is paid with: what the customer chose, or the payment method of the
    purchase. None for those who pay by transfer. Raises NOT_ACTIVE for a chosen method that can't
    be charged.
    """
    if chosen and chosen.saved and is_charged_now(plan):
        await chosen.saved.require_chargeable(db, services.gateway.name)
    return chosen or await chargeable_method(db, services.gateway, purchase)


def is_charged_now(plan: ChangePlan) -> bool:
    """Whether something is charged when a change is ordered."""
    return plan.is_immediate and plan.gross_cents >= MIN_CHARGE_CENTS


async def _prepare(
    action: Action,
    services: CheckoutServices,
    purchase: Purchase,
    request: ChangeRequest,
    agreement: Agreement,
) -> _Prepared:
    """Plan the change, and build the content of its invoice, which is rendered on trial when the
    offer changes. From now on, the purchase refers to the billing profile that the invoice is
    issued to.
    """
    async with action.transaction(is_repeatable=True) as tx:
        account = await tx.lock(Account, purchase.account_id)
        purchase = await tx.lock(Purchase, purchase.pk)
        await _renew_profile(tx, account, purchase)
        plan = await plan_change(tx.db, services.seller, purchase, account, request, action.day)
        _require_charge(plan, agreement)
        method = await means_of(tx.db, services, purchase, plan, agreement.means)
        former_price = await Price.get(pk=purchase.price_id, using_db=tx.db)
    bank = services.seller.bank if method is None else None
    is_other_offer = plan.price.offer_id != former_price.offer_id
    draft = await _draft(action, services, purchase, plan, bank, trial=is_other_offer)
    return _Prepared(plan, draft, by_transfer=method is None)


def _require_charge(plan: ChangePlan, agreement: Agreement) -> None:
    """Reject a payment method for a change that isn't charged before the next renewal."""
    if agreement.means and not is_charged_now(plan):
        raise Refusal(
            CommonErrorCode.VALUE_INVALID,
            "input",
            "paymentMethodId" if agreement.means.saved else "paymentMethod",
            message=_("Nothing is charged for this change now. Leave out the payment method."),
        )


async def _renew_profile(tx: Transaction, account: Account, purchase: Purchase) -> None:
    if purchase.billing_profile_id is None:
        return
    confirmed = await BillingProfile.get(pk=purchase.billing_profile_id, using_db=tx.db)
    profile = await confirmed.renewed(tx, account)
    if profile.pk != purchase.billing_profile_id:
        purchase.billing_profile_id = profile.pk
        await purchase.save(using_db=tx.db, update_fields=["billing_profile_id"])


async def _draft(
    action: Action,
    services: CheckoutServices,
    purchase: Purchase,
    plan: ChangePlan,
    bank: BankAccount | None,
    *,
    trial: bool,
) -> InvoiceDraft:
    """The content of the invoice of a change. Only the invoice for the end of a pause claims a
    period.
    """
    is_resumption = plan.kind is PurchaseChangeKind.RESUME
    request = InvoiceRequest(
        profile=plan.profile,
        lines=plan.quote.lines,
        on=action.day,
        locale=plan.locale,
        vat=VatStatement.of(plan.quote.tax),
        payment=unpaid_terms(services.seller, bank, action.day, plan.locale),
        buyer_email=(await reader_of(None, purchase)).email,
        purchase_id=purchase.pk,
        months=plan.price.interval.months if is_resumption else None,
        first_index=plan.quote.period.index if is_resumption else 0,
    )
    return await prepare(services.seller, request, trial=trial)


async def _order(
    tx: Transaction,
    services: CheckoutServices,
    account: Account,
    purchase: Purchase,
    request: ChangeRequest,
    prepared: _Prepared | None,
    agreement: Agreement,
) -> PurchaseChange:
    """Store a change of a locked purchase, with the payment of an immediate one."""
    pending = await lock_pending_changes(tx, purchase)
    unpaid = await lock_unpaid(tx, pending)
    plan = await plan_change(tx.db, services.seller, purchase, account, request, tx.action.day)
    require_total(plan.gross_cents, agreement.gross_cents, "expectedGrossCents", _TOTAL_CHANGED)
    if prepared is None or prepared.plan.quote.lines != plan.quote.lines:
        raise TransactionConflict("the purchase changed")
    change = plan.change_of(purchase)
    change.created_at = tx.action.at
    change.sets_payment_method = agreement.renews_with_means
    await change.save(using_db=tx.db)
    tx.audit(
        BillingAuditAction.PURCHASE_CHANGE,
        purchase,
        kind=change.kind.value,
        gross_cents=plan.gross_cents,
    )
    if plan.is_immediate:
        await _collect(tx, services, purchase, change, pending, prepared, agreement)
    else:
        await cancel_changes(tx, scheduled(pending))
        await notify(tx, purchase, change, ChangeNotice.SCHEDULED)
        await purchase.transition_to(tx, purchase.status)
    for payment in unpaid:
        await end_payment(tx, payment, PaymentStatus.CANCELED)
    return change


async def lock_unpaid(tx: Transaction, pending: Sequence[PurchaseChange]) -> list[Payment]:
    """Lock the payments of pending changes that wait for the customer. Raises PAYMENT_IN_PROGRESS
    when one is being charged.
    """
    keys = [change.pk for change in pending if change.is_immediate]
    if not keys:
        return []
    payments = await tx.lock_rows(Payment.filter(purchase_change_id__in=keys))
    if any(payment.status is PaymentStatus.PROCESSING for payment in payments):
        raise Refusal(
            BillingErrorCode.PAYMENT_IN_PROGRESS, "input", "purchaseId", message=_IN_PROGRESS
        )
    return [each for each in payments if each.status is PaymentStatus.REQUIRES_ACTION]


async def _collect(
    tx: Transaction,
    services: CheckoutServices,
    purchase: Purchase,
    change: PurchaseChange,
    pending: Sequence[PurchaseChange],
    prepared: _Prepared,
    agreement: Agreement,
) -> None:
    """Store the payment of an immediate change, or issue its invoice to those who pay by
    transfer.
    """
    means = await means_of(tx.db, services, purchase, prepared.plan, agreement.means)
    if (means is None) is not prepared.by_transfer:
        raise TransactionConflict("the payment method changed")
    if means is None or not is_charged_now(prepared.plan):
        invoice = await issue(tx, purchase, prepared.draft)
        await take_effect(tx, purchase, change, pending, invoice)
        return
    gateway = services.gateway_for(means.token)
    await means.require_chargeable(tx, gateway, prepared.draft.gross_cents)
    await replace(means, return_url=agreement.return_url).store_payment(
        tx,
        gateway,
        purchase.account_id,
        prepared.draft.gross_cents,
        purchase=purchase,
        purchase_change=change,
        invoice_draft=prepared.draft.to_json(),
    )


async def cancel_scheduled_change(action: Action, purchase: Purchase) -> Purchase:
    """Cancel the change that would take effect at the end of the period. A repeat changes
    nothing.
    """
    async with action.transaction() as tx:
        purchase = await tx.lock(Purchase, purchase.pk)
        for change in scheduled(await lock_pending_changes(tx, purchase)):
            await cancel_changes(tx, [change])
            tx.audit(BillingAuditAction.PURCHASE_CANCEL_CHANGE, purchase, kind=change.kind.value)
            await notify(tx, purchase, change, ChangeNotice.UNDONE)
            await purchase.transition_to(tx, purchase.status)
    return purchase
