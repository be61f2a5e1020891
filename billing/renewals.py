"""The billing run: each purchase is billed on its anniversary, and each missed period once.

1. A run selects purchases whose period has begun, and bills each one on its own. So a purchase that
   can't be billed doesn't delay the others, and memory doesn't grow with their number.
2. One transaction claims the period: it stores the payment attempt with the content of the
   invoice, and moves the purchase to its next period. Of two runs that select the same purchase,
   the second one finds it moved. The database accepts one invoice for each index of a purchase.
3. The provider is asked outside of any transaction, under a key made from the attempt. If the
   process is killed before the answer is applied, `checkout.reconcile` asks again with the same
   key.
4. The transaction that applies the answer issues the invoice: paid, or unpaid and due at once. An
   unpaid one is then collected by `billing/dunning.py`.
"""

import asyncio
from datetime import date

import structlog
from tortoise.backends.base.client import BaseDBAsyncClient

from billing.bank.account import BankAccount
from billing.bank.terms import TransferTerms
from billing.checkout import (
    OFF_SESSION_CONFIRMATION_TIME,
    RECONCILE_DELAY,
    CheckoutServices,
    refresh,
)
from billing.collection import issue_unpaid
from billing.gateways.gateway import Gateway
from billing.invoicing import InvoiceDraft, prepare
from billing.quotes import Quote, quote
from billing.seller import Seller
from models.accounts.account import Account, AccountStatus
from models.action import Action, Transaction, retry_conflict
from models.billing.audit_actions import BillingAuditAction
from models.billing.billing_profile import BillingProfile
from models.billing.offer import Price
from models.billing.payment import Payment, PaymentStatus
from models.billing.payment_method import PaymentKind, PaymentMethod, PaymentMethodStatus
from models.billing.periods import period
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.tax import TaxableBuyer
from models.errors import Refusal
from models.identity.user import User
from models.locale import Locale

_BATCH = 100
_CONCURRENT_PURCHASES = 8
_RENEWING = (PurchaseStatus.ACTIVE, PurchaseStatus.PAST_DUE)

log = structlog.stdlib.get_logger()


async def bill_due_periods(action: Action, services: CheckoutServices) -> int:
    """Bill every period that has begun by the day of the action. Returns how many were billed by
    this run.
    """
    count, failed_ids = 0, set[int]()
    while due := await _due_purchases(action.day, failed_ids):
        places = asyncio.Semaphore(_CONCURRENT_PURCHASES)
        results = await asyncio.gather(
            *(_bill_or_log(action, services, each, places, failed_ids) for each in due)
        )
        count += sum(results)
    return count


async def _due_purchases(day: date, failed_ids: set[int]) -> list[Purchase]:
    due = Purchase.filter(
        bills_on__lte=day, status__in=_RENEWING, account__status=AccountStatus.ACTIVE
    )
    if failed_ids:
        due = due.filter(pk__not_in=failed_ids)
    return await due.order_by("bills_on", "id").limit(_BATCH)


async def _bill_or_log(
    action: Action,
    services: CheckoutServices,
    purchase: Purchase,
    places: asyncio.Semaphore,
    failed_ids: set[int],
) -> bool:
    async with places:
        try:
            return await retry_conflict(lambda: _bill(action, services, purchase))
        except Exception as error:
            failed_ids.add(purchase.pk)
            log.error(
                "renewal.failed", purchase=purchase.pk, error=type(error).__name__, exc_info=error
            )
            return False


async def _bill(action: Action, services: CheckoutServices, purchase: Purchase) -> bool:
    """Bill the next period of a purchase. Returns False when there was none to bill."""
    async with action.transaction() as tx:
        account = await tx.lock(Account, purchase.account_id)
        purchase = await tx.lock(Purchase, purchase.pk)
        if account.status is not AccountStatus.ACTIVE or not _is_due(purchase, action.day):
            return False
        if purchase.cancel_at_period_end:
            assert purchase.bills_on is not None, "the purchase is due"  # noqa: S101
            await purchase.end(tx, purchase.bills_on)
            tx.audit(BillingAuditAction.PURCHASE_END, purchase)
            return False
        payment = await _claim_period(tx, services, account, purchase)
    if payment:
        await _charge(action, services, payment)
    return True


def _is_due(purchase: Purchase, day: date) -> bool:
    return (
        purchase.status in _RENEWING and purchase.bills_on is not None and purchase.bills_on <= day
    )


async def _claim_period(
    tx: Transaction, services: CheckoutServices, account: Account, purchase: Purchase
) -> Payment | None:
    """Move the purchase to its next period, and store the attempt to charge this one. Without a
    payment method, the invoice is issued at once, to be paid by transfer if the seller takes them.
    """
    method = await chargeable_method(tx, services.gateway, purchase)
    bank = services.seller.bank if method is None else None
    draft = await _prepare_renewal(tx, services, account, purchase, bank)
    assert draft.period is not None, "a renewal bills a period"  # noqa: S101
    purchase.next_period_index = draft.period.index + 1
    purchase.bills_on = draft.period.end
    await purchase.save(using_db=tx.db)
    tx.audit(BillingAuditAction.PURCHASE_RENEW, purchase, period_index=draft.period.index)
    if method is None:
        await issue_unpaid(tx, purchase, draft)
        return None
    return await Payment.create(
        using_db=tx.db,
        account=account,
        purchase=purchase,
        payment_method_id=method.payment_method_id,
        kind=method.kind,
        amount_cents=draft.gross_cents,
        method=method.method,
        provider=services.gateway.name,
        is_off_session=True,
        created_at=tx.action.at,
        expires_at=tx.action.at + OFF_SESSION_CONFIRMATION_TIME,
        next_check_at=tx.action.at + RECONCILE_DELAY,
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
    because its parts were when the purchase was paid.
    """
    profile = await BillingProfile.get(pk=purchase.billing_profile_id, using_db=tx.db)
    profile = await profile.renewed(tx, account)
    purchase.billing_profile_id = profile.pk
    price = await Price.get(pk=purchase.price_id, using_db=tx.db).select_related("offer")
    buyer = await User.get_or_none(pk=purchase.buyer_id, using_db=tx.db)
    locale = buyer.locale if buyer else Locale.FR
    assert purchase.next_period_index is not None, "the purchase is due"  # noqa: S101
    index = purchase.next_period_index
    quoted = await quote_period(tx.db, services.seller, purchase, price, profile, index, locale)
    terms = services.seller.terms_on(tx.action.day)
    transfer = TransferTerms(bank) if bank else None
    return await prepare(
        services.seller,
        profile,
        quoted.lines,
        tx.action.day,
        locale=locale,
        treatment=quoted.tax.treatment,
        vat_mention=quoted.tax.mention,
        exemption_code=quoted.tax.exemption_code or "",
        buyer_email=buyer.email if buyer else "",
        purchase_id=purchase.pk,
        period=quoted.period,
        payment=transfer.means if transfer else None,
        payment_terms=transfer.terms(locale) if transfer else terms.due_notice(locale),
        due_days=transfer.due_days if transfer else 0,
        trial=False,
    )


async def quote_period(
    db: BaseDBAsyncClient | None,
    seller: Seller,
    purchase: Purchase,
    price: Price,
    buyer: TaxableBuyer,
    index: int,
    locale: Locale,
) -> Quote:
    """What a period of a purchase costs when it is billed. `price.offer` has to be fetched."""
    assert purchase.anchor is not None, "a purchase that renews has an anchor"  # noqa: S101
    return await quote(
        db,
        seller,
        price,
        purchase.quantity,
        buyer,
        period(purchase.anchor, price.interval.months, index).start,
        anchor=purchase.anchor,
        index=index,
        locale=locale,
    )


async def chargeable_method(
    tx: Transaction, gateway: Gateway, purchase: Purchase
) -> Payment | None:
    """How to charge a purchase without the customer: its payment method, else the account's
    default, else the unsaved means with which it was last paid. None for those who pay by transfer.
    Returned as a payment that isn't stored.
    """
    methods = PaymentMethod.filter(
        account_id=purchase.account_id, status=PaymentMethodStatus.ACTIVE, provider=gateway.name
    ).using_db(tx.db)
    if saved := await methods.get_or_none(id=purchase.payment_method_id):
        return _charge_of(saved)
    paid = Payment.filter(purchase_id=purchase.pk, status=PaymentStatus.SUCCEEDED)
    last = await paid.using_db(tx.db).order_by("-id").first()
    if last and last.kind is PaymentKind.TRANSFER:
        return None
    if default := await methods.filter(is_default=True).first():
        return _charge_of(default)
    is_unsaved = last and last.payment_method_id is None and last.provider == gateway.name
    return last if is_unsaved else None


def _charge_of(method: PaymentMethod) -> Payment:
    return Payment(payment_method_id=method.pk, kind=method.kind, method=method.token)


async def _charge(action: Action, services: CheckoutServices, payment: Payment) -> None:
    """Charge a renewal. When the provider is away, `checkout.reconcile` asks again."""
    try:
        await refresh(action, services, payment)
    except Refusal:
        log.warning("renewal.provider_unavailable", payment=payment.pk)
