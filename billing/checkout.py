"""Checkout: from a draft to the payment of a purchase.

The payment is stored here, and then charged (billing/charging.py); its result starts the purchase
(billing/payment_outcomes.py).
"""

from datetime import timedelta

from billing.charging import charge_new
from billing.checkout_services import CheckoutServices
from billing.first_invoice import prepare_first_invoice, require_current
from billing.gateways.gateway import ChargeGateway
from billing.invoicing import InvoiceDraft
from billing.means import Means
from billing.payment_cancellation import cancel_confirmations
from billing.promotions import (
    promotion_of,
    redeem_promotion,
    require_redeemable,
    set_promotion,
)
from billing.quotes import Item, quote
from billing.tax import buyer_of
from models.accounts.account import Account
from models.action import Action
from models.billing.audit_actions import BillingAuditAction
from models.billing.billing_profile import BillingProfile
from models.billing.errors import BillingErrorCode
from models.billing.money import Money
from models.billing.offer import Price
from models.billing.payment import Payment
from models.billing.payment_method import PaymentMethod
from models.billing.promotion import Promotion
from models.billing.purchase import Purchase, PurchaseStatus
from models.errors import CommonErrorCode, Refusal
from models.idempotency import earlier_result, store_result
from models.identity.user import User
from models.translations import Translatable

DRAFT_TIME = timedelta(days=30)  # that a draft keeps its price
_REPRICEABLE = (
    PurchaseStatus.DRAFT,
    PurchaseStatus.BILLING_CONFIRMED,
    PurchaseStatus.EXPIRED,
)


async def draft(
    action: Action,
    account: Account,
    buyer: User,
    price: Price,
    key: str,
    quantity: int = 1,
    promotion: Promotion | None = None,
) -> Purchase:
    """Draft a purchase at a price on sale, with a promotion if one is given. The same key returns
    the same draft. Raises IDEMPOTENCY_MISMATCH.
    """
    arguments = [price.pk, quantity, *([promotion.pk] if promotion else ())]
    owner = f"account:{account.pk}"
    async with action.transaction() as tx:
        if earlier_id := await earlier_result(tx, owner, "purchaseDraft", key, arguments):
            return await Purchase.get(pk=earlier_id, using_db=tx.db)
        purchase = Purchase(
            account=account,
            buyer=buyer,
            price=price,
            quantity=quantity,
            created_at=action.at,
            expires_at=action.at + DRAFT_TIME,
        )
        set_promotion(purchase, promotion)
        await purchase.transition_to(tx, PurchaseStatus.DRAFT)
        await store_result(tx, owner, "purchaseDraft", key, purchase.pk)
        tx.audit(BillingAuditAction.PURCHASE_DRAFT, purchase)
    return purchase


async def reprice(
    action: Action, services: CheckoutServices, purchase: Purchase, expected_cents: int
) -> Purchase:
    """Accept the current price of a draft, expired or not, where the buyer expects a total with VAT
    of `expected_cents`. The draft keeps it from now on. A repeat changes nothing more.

    Raises PRICE_CHANGED with the current total when it differs, TRANSITION_ILLEGAL for what isn't a
    draft, and NOT_FOUND when the offer isn't sold at this interval any more.
    """
    async with action.transaction() as tx:
        account = await tx.lock(Account, purchase.account_id)
        purchase = await tx.lock(Purchase, purchase.pk)
        purchase.require_status(*_REPRICEABLE)
        former = await Price.get(pk=purchase.price_id, using_db=tx.db)
        current = Price.on_sale(action.at).filter(
            offer_id=former.offer_id, interval=former.interval
        )
        price = await current.using_db(tx.db).select_related("offer").first()
        if price is None:
            raise Refusal(CommonErrorCode.NOT_FOUND, "input", "purchaseId")
        confirmed = await BillingProfile.get_or_none(
            pk=purchase.billing_profile_id or 0, using_db=tx.db
        )
        buyer = confirmed or await buyer_of(account, tx.db)
        promotion = await promotion_of(tx.db, purchase)
        if promotion:
            await require_redeemable(tx, promotion, purchase, price, "purchaseId")
        item = Item(price, purchase.quantity, promotion)
        quoted = await quote(tx.db, services.seller, item, buyer, action.day)
        require_total(quoted.totals.gross_cents, expected_cents, "grossCents")
        purchase.price_id, purchase.expires_at = price.pk, action.at + DRAFT_TIME
        await purchase.transition_to(
            tx,
            PurchaseStatus.BILLING_CONFIRMED
            if purchase.billing_profile_id
            else PurchaseStatus.DRAFT,
        )
        tx.audit(
            BillingAuditAction.PURCHASE_REPRICE, purchase, gross_cents=quoted.totals.gross_cents
        )
    return purchase


def require_total(
    cents: int, expected_cents: int | None, field: str, message: Translatable | None = None
) -> None:
    """Raise PRICE_CHANGED when a total with VAT differs from the one that the customer was
    shown.
    """
    if expected_cents is not None and cents != expected_cents:
        raise Refusal(
            BillingErrorCode.PRICE_CHANGED,
            "input",
            field,
            message=message,
            total=Money(cents),
        )


async def pay(
    action: Action,
    services: CheckoutServices,
    purchase: Purchase,
    method: str | PaymentMethod,
    key: str,
    return_url: str | None = None,
    expected_cents: int | None = None,
) -> Payment:
    """Pay for a purchase whose billing details are confirmed, with a saved method or the provider's
    token of another one. A repeat of the key returns the payment in its current state. A payment
    that waits for the bank's confirmation is canceled. The bank sends the customer back to
    `return_url`.

    A purchase that is paid with a saved method renews with it. A token that the provider doesn't
    know is declined with UNKNOWN_METHOD. Raises TRANSITION_ILLEGAL, NOT_ACTIVE,
    IDEMPOTENCY_MISMATCH, PAYMENT_UNAVAILABLE, and before any money moves INVOICE_NOT_POSSIBLE, and
    PRICE_CHANGED when the total isn't `expected_cents`, NOTHING_TO_PAY, AMOUNT_TOO_SMALL,
    AMOUNT_TOO_LARGE, and the reason when a promotion can't be redeemed.
    """
    draft = await prepare_first_invoice(action, services, purchase)
    means = Means.of(method, return_url)
    gateway = services.gateway_for(means.token)
    payment = await _create_payment(action, gateway, purchase, draft, means, key, expected_cents)
    return await charge_new(action, services, payment)


async def _create_payment(
    action: Action,
    gateway: ChargeGateway,
    purchase: Purchase,
    draft: InvoiceDraft | None,
    means: Means,
    key: str,
    expected_cents: int | None,
) -> Payment:
    owner = f"account:{purchase.account_id}"
    arguments = [purchase.pk, means.key, means.return_url, expected_cents]
    async with action.transaction() as tx:
        purchase = await tx.lock(Purchase, purchase.pk)
        if earlier_id := await earlier_result(tx, owner, "purchasePay", key, arguments):
            return await Payment.get(pk=earlier_id, using_db=tx.db)
        await redeem_promotion(tx, purchase)
        await cancel_confirmations(tx, purchase)
        draft = require_current(purchase, draft, action.at)
        if not draft.gross_cents:
            raise Refusal(BillingErrorCode.NOTHING_TO_PAY, "input", "purchaseId")
        require_total(draft.gross_cents, expected_cents, "expectedGrossCents")
        await means.require_chargeable(tx, gateway, draft.gross_cents)
        payment = await means.store_payment(
            tx,
            gateway,
            purchase.account_id,
            draft.gross_cents,
            purchase=purchase,
            invoice_draft=draft.to_json(),
        )
        await purchase.transition_to(tx, PurchaseStatus.PAYMENT_PENDING)
        await store_result(tx, owner, "purchasePay", key, payment.pk)
        tx.audit(BillingAuditAction.PURCHASE_PAY, payment, amount_cents=payment.amount_cents)
    return payment
