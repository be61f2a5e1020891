"""Checkout: from a draft to an active purchase.

The payment provider is never called inside a transaction. A payment is stored first, then the
provider is called with a key derived from it, then the result is applied. If the process dies in
between, `reconcile` calls the provider again with the same key and applies the result: no one pays
twice, and no one pays for nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from tortoise.expressions import Q

from auth.tokens import Purpose, Signer
from billing.gateways.gateway import Gateway, GatewayUnavailable, Outcome
from billing.invoice_emails import send_invoice
from billing.invoicing import issue
from billing.seller import Seller
from billing.tax import decide_tax
from mail import emails
from models.accounts.account import Account
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.billing_profile import BillingProfile
from models.billing.errors import BillingErrorCode
from models.billing.invoice import Invoice
from models.billing.money import vat_amount
from models.billing.offer import Price
from models.billing.payment import Payment, PaymentStatus
from models.billing.periods import period
from models.billing.purchase import Purchase, PurchaseStatus
from models.errors import Refusal
from models.event import EventKind, account_stream
from models.idempotency import earlier_result, store_result
from models.identity.user import User
from models.locale import Locale

log = structlog.stdlib.get_logger()
UNKNOWN_METHOD = "unknown_method"
_RECONCILE_DELAY = timedelta(minutes=1)


@dataclass(frozen=True)
class CheckoutServices:
    """The services that checkout needs: the payment provider, the seller, and the signer of
    download links.
    """

    gateway: Gateway
    seller: Seller
    signer: Signer


async def draft(action: Action, account: Account, buyer: User, price: Price, key: str) -> Purchase:
    """Draft a purchase of a price on sale. The same key returns the same draft. Raises
    IDEMPOTENCY_MISMATCH.
    """
    owner = f"account:{account.pk}"
    async with action.transaction() as tx:
        if earlier_id := await earlier_result(tx, owner, "purchaseDraft", key, price.pk):
            return await Purchase.get(pk=earlier_id, using_db=tx.db)
        purchase = await Purchase.create(
            using_db=tx.db,
            account=account,
            buyer=buyer,
            price=price,
            created_at=action.at,
        )
        await purchase.transition_to(tx, PurchaseStatus.DRAFT)
        await store_result(tx, owner, "purchaseDraft", key, purchase.pk)
        tx.audit(BillingAuditAction.PURCHASE_DRAFT, purchase)
    return purchase


async def pay(
    action: Action, services: CheckoutServices, purchase: Purchase, method: str, key: str
) -> Payment:
    """Pay for a purchase whose billing details are confirmed. A repeat of the key returns the
    payment in its current state.

    A payment method that the provider doesn't know is declined with UNKNOWN_METHOD. Raises
    TRANSITION_ILLEGAL, IDEMPOTENCY_MISMATCH and PAYMENT_UNAVAILABLE.
    """
    payment = await _create_payment(action, services.seller, purchase, method, key)
    return (
        await refresh(action, services, payment)
        if payment.status is PaymentStatus.PROCESSING
        else payment
    )


async def _create_payment(
    action: Action, seller: Seller, purchase: Purchase, method: str, key: str
) -> Payment:
    owner = f"account:{purchase.account_id}"
    async with action.transaction() as tx:
        account = await tx.lock(Account, purchase.account_id)
        purchase = await tx.lock(Purchase, purchase.pk)
        if earlier_id := await earlier_result(tx, owner, "purchasePay", key, [purchase.pk, method]):
            return await Payment.get(pk=earlier_id, using_db=tx.db)
        purchase.require_status(PurchaseStatus.BILLING_CONFIRMED)
        price = await Price.get(pk=purchase.price_id, using_db=tx.db)
        payment = await Payment.create(
            using_db=tx.db,
            account_id=purchase.account_id,
            purchase=purchase,
            amount_cents=await _gross_cents(tx, seller, account, purchase, price),
            method=method,
            created_at=action.at,
        )
        await purchase.transition_to(tx, PurchaseStatus.PAYMENT_PENDING)
        await store_result(tx, owner, "purchasePay", key, payment.pk)
        tx.audit(BillingAuditAction.PURCHASE_PAY, payment, amount_cents=payment.amount_cents)
    return payment


async def _gross_cents(
    tx: Transaction, seller: Seller, account: Account, purchase: Purchase, price: Price
) -> int:
    """The price with the VAT of the buyer as it is now. From here on the purchase keeps this
    version of the billing profile, so that what is paid is what is invoiced.
    """
    confirmed = await BillingProfile.get(pk=purchase.billing_profile_id, using_db=tx.db)
    profile = await confirmed.renewed(tx, account)
    purchase.billing_profile_id = profile.pk
    tax = await decide_tax(tx.db, seller, profile, price.tax_category, tx.action.day)
    return int(price.net_cents) + vat_amount(price.net_cents, tax.rate_basis_points)


async def refresh(action: Action, services: CheckoutServices, payment: Payment) -> Payment:
    """Query the provider for the state of an unsettled payment, and apply it. Raises
    PAYMENT_UNAVAILABLE.
    """
    if payment.status.is_final:
        return payment
    try:
        outcome = await _query_charge(services.gateway, payment)
    except GatewayUnavailable:
        raise Refusal(BillingErrorCode.PAYMENT_UNAVAILABLE, "input") from None
    return await _apply_outcome(action, services, payment, outcome)


async def _query_charge(gateway: Gateway, payment: Payment) -> Outcome:
    key = f"camcha-payment-{payment.pk}"
    try:
        return await gateway.find(key) or await gateway.charge(
            key, payment.amount_cents, payment.method
        )
    except ValueError:
        return Outcome(PaymentStatus.DECLINED, f"refused-{payment.pk}", decline_code=UNKNOWN_METHOD)


async def _apply_outcome(
    action: Action, services: CheckoutServices, payment: Payment, outcome: Outcome
) -> Payment:
    """Apply the provider's result to the payment. Concurrent and late results change nothing
    twice.
    """
    async with action.transaction() as tx:
        account = await tx.lock(Account, payment.account_id)
        assert payment.purchase_id is not None, "a checkout's payment"  # noqa: S101
        purchase = await tx.lock(Purchase, payment.purchase_id)
        payment = await tx.lock(Payment, payment.pk)
        if payment.status.is_final or payment.status is outcome.status:
            return payment
        _copy_outcome(payment, outcome)
        payment.settled_at = action.at if outcome.status.is_final else None
        await payment.save(using_db=tx.db)
        await tx.append(
            account_stream(payment.account_id),
            EventKind.PAYMENT_CHANGED,
            purchase_id=purchase.pk,
            status=payment.status.value,
        )
        tx.audit(BillingAuditAction.PAYMENT_CHANGE, payment, status=payment.status.value)
        await _handle_outcome(tx, services, account, purchase, payment)
    return payment


def _copy_outcome(payment: Payment, outcome: Outcome) -> None:
    payment.status = outcome.status
    payment.provider_reference = outcome.reference
    payment.confirmation_url = outcome.confirmation_url
    payment.decline_code = outcome.decline_code
    payment.brand, payment.last_four = outcome.brand, outcome.last_four


async def _handle_outcome(
    tx: Transaction,
    services: CheckoutServices,
    account: Account,
    purchase: Purchase,
    payment: Payment,
) -> None:
    if payment.status is PaymentStatus.SUCCEEDED:
        await _activate(tx, services, account, purchase, payment)
    elif payment.status is PaymentStatus.DECLINED:
        await purchase.transition_to(tx, PurchaseStatus.BILLING_CONFIRMED)
    elif payment.confirmation_url and (buyer := await _buyer(tx, purchase)):
        await emails.send_payment_confirmation_needed(tx, buyer, payment.confirmation_url)


async def _activate(
    tx: Transaction,
    services: CheckoutServices,
    account: Account,
    purchase: Purchase,
    payment: Payment,
) -> None:
    price = await Price.get(pk=purchase.price_id, using_db=tx.db)
    purchase.anchor, purchase.activated_at = tx.action.day, tx.action.at
    purchase.next_period_index = 1
    purchase.bills_on = period(purchase.anchor, price.interval.months, 1).start
    await purchase.transition_to(tx, PurchaseStatus.ACTIVE)
    buyer = await _buyer(tx, purchase)
    invoice = await issue(
        tx, services.seller, account, purchase, payment, buyer.locale if buyer else Locale.FR, 0
    )
    await send_invoice(tx, services.signer, purchase, invoice)


async def _buyer(tx: Transaction, purchase: Purchase) -> User | None:
    return await User.get_or_none(pk=purchase.buyer_id, using_db=tx.db)


def download_link(signer: Signer, base_url: str, invoice: Invoice, at: datetime) -> str:
    """A link to the invoice's PDF that is valid for five minutes."""
    return f"{base_url}/downloads/{signer.sign(Purpose.DOWNLOAD, at, invoice=invoice.pk)}"


async def reconcile(action: Action, services: CheckoutServices) -> int:
    """Settle payments of the last days that have been open for a minute, by querying the provider.
    Returns how many changed.

    A payment that can't be settled doesn't delay the others.
    """
    # A payment that is newer than the current time was created before the clock was set back.
    is_open_long_enough = Q(created_at__lt=action.at - _RECONCILE_DELAY) | Q(
        created_at__gt=action.at + _RECONCILE_DELAY
    )
    payments = Payment.unsettled(action.at).filter(is_open_long_enough)
    return sum(
        [await _settle(action, services, payment) for payment in await payments.order_by("id")]
    )


async def _settle(action: Action, services: CheckoutServices, payment: Payment) -> bool:
    try:
        return (await refresh(action, services, payment)).status is not payment.status
    except Exception as error:
        log.warning("payment.unresolved", payment=payment.pk, error=type(error).__name__)
        return False
