"""Checkout: from a draft to an active purchase.

The payment provider is never called inside a transaction. A payment is stored first, then the
provider is called with a key derived from it, then the result is applied. If the process dies in
between, `reconcile` calls the provider again with the same key and applies the result: no one pays
twice, and no one pays for nothing.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from tortoise.expressions import Q

from auth.tokens import Purpose, Signer
from billing.bank.terms import TransferTerms
from billing.changes.applying import (
    apply_paid_change,
    cancel_unpaid_change,
    lock_pending_changes,
)
from billing.collection import handle_failed_collection, issue_renewal
from billing.gateways.gateway import (
    PAYPAL,
    ChargeGateway,
    Gateway,
    GatewayUnavailable,
    Outcome,
)
from billing.invoicing import InvoiceDraft, finalise, prepare
from billing.means import RECONCILE_DELAY, Means
from billing.promotions import (
    current_promotion,
    keep_paid_terms,
    promotion_of,
    redeem_promotion,
    require_redeemable,
    set_promotion,
)
from billing.quotes import quote
from billing.seller import Seller
from billing.settlement import (
    announce,
    apply_payment,
    lock_for_settlement,
    restore,
    start_purchase,
)
from billing.tax import buyer_of
from mail import emails
from models.accounts.account import Account
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.billing_profile import BillingProfile
from models.billing.errors import BillingErrorCode
from models.billing.invoice import Invoice
from models.billing.money import Money
from models.billing.offer import Price
from models.billing.payment import Payment, PaymentStatus
from models.billing.payment_customer import PaymentCustomer
from models.billing.payment_method import PaymentMethod
from models.billing.promotion import Promotion
from models.billing.purchase import Purchase, PurchaseStatus
from models.errors import CommonErrorCode, Refusal, TransactionConflict
from models.idempotency import earlier_result, store_result
from models.identity.user import User
from models.locale import Locale
from models.translations import Translatable, _

log = structlog.stdlib.get_logger()
UNKNOWN_METHOD = "unknown_method"
DRAFT_TIME = timedelta(days=30)  # that a draft keeps its price
_BATCH_SIZE = 500
_REPRICEABLE = (
    PurchaseStatus.DRAFT,
    PurchaseStatus.BILLING_CONFIRMED,
    PurchaseStatus.EXPIRED,
)
_PAYABLE = (PurchaseStatus.BILLING_CONFIRMED, PurchaseStatus.PAYMENT_PENDING)


@dataclass(frozen=True)
class CheckoutServices:
    """The services that checkout needs: the payment provider, the seller, the signer of download
    links, and PayPal, None when it isn't offered.
    """

    gateway: Gateway
    seller: Seller
    signer: Signer
    paypal: ChargeGateway | None = None

    @property
    def gateways(self) -> tuple[ChargeGateway, ...]:
        """All payment providers."""
        return (self.gateway, self.paypal) if self.paypal else (self.gateway,)

    def gateway_for(self, token: str) -> ChargeGateway:
        """The provider of a token."""
        return self.paypal if self.paypal and token == PAYPAL else self.gateway

    def gateway_of(self, payment: Payment) -> ChargeGateway:
        """The provider of a payment. Raises GatewayUnavailable when it isn't configured any
        more.
        """
        for gateway in self.gateways:
            if gateway.name == payment.provider:
                return gateway
        raise GatewayUnavailable


async def draft(
    action: Action,
    account: Account,
    buyer: User,
    price: Price,
    key: str,
    quantity: int = 1,
    promotion: Promotion | None = None,
) -> Purchase:
    """Draft a purchase of a price on sale, with a promotion that applies to it. The same key
    returns the same draft. Raises IDEMPOTENCY_MISMATCH.
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
    """Accept the current price of a draft, expired or not, whose total with VAT the buyer expects
    to be `expected_cents`. The draft keeps it from now on. A repeat changes nothing more.

    Raises PRICE_CHANGED with the current total when it is another one, TRANSITION_ILLEGAL for what
    is no draft, and NOT_FOUND when the offer isn't sold at this interval any more.
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
        quoted = await quote(
            tx.db,
            services.seller,
            price,
            purchase.quantity,
            buyer,
            action.day,
            promotion=promotion,
        )
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
    """Raise PRICE_CHANGED when a total with VAT isn't the one that the customer was shown."""
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
    AMOUNT_TOO_LARGE, and why a promotion can't be redeemed.
    """
    draft = await prepare_first_invoice(action, services, purchase)
    means = Means.of(method, return_url)
    gateway = services.gateway_for(means.token)
    payment = await _create_payment(action, gateway, purchase, draft, means, key, expected_cents)
    return await charge_new(action, services, payment)


async def charge_new(action: Action, services: CheckoutServices, payment: Payment) -> Payment:
    """Charge a payment that was stored just now. A repeat of it that has an answer is returned."""
    is_new = payment.status is PaymentStatus.PROCESSING
    return await refresh(action, services, payment) if is_new else payment


async def prepare_first_invoice(
    action: Action,
    services: CheckoutServices,
    purchase: Purchase,
    transfer: TransferTerms | None = None,
) -> InvoiceDraft | None:
    """The content of the invoice to be, None when the purchase can't be paid now anyway. From here
    on the purchase refers to the billing profile that the invoice is issued to. `transfer` are the
    terms of an invoice that is paid by bank transfer.
    """
    async with action.transaction(is_repeatable=True) as tx:
        account = await tx.lock(Account, purchase.account_id)
        purchase = await tx.lock(Purchase, purchase.pk)
        confirmed = await BillingProfile.get_or_none(
            pk=purchase.billing_profile_id or 0, using_db=tx.db
        )
        if purchase.status not in _PAYABLE or confirmed is None:
            return None
        profile = await confirmed.renewed(tx, account)
        if profile.pk != purchase.billing_profile_id:
            purchase.billing_profile_id = profile.pk
            await purchase.save(using_db=tx.db, update_fields=["billing_profile_id"])
        price = await Price.get(pk=purchase.price_id, using_db=tx.db).select_related("offer")
        buyer = await _buyer(tx, purchase)
        locale = buyer.locale if buyer else Locale.FR
        quoted = await quote(
            tx.db,
            services.seller,
            price,
            purchase.quantity,
            profile,
            action.day,
            locale=locale,
            promotion=await current_promotion(tx.db, purchase, price),
        )
    return await prepare(
        services.seller,
        profile,
        transfer.lines(quoted.lines, price, locale) if transfer else quoted.lines,
        action.day,
        locale=locale,
        treatment=quoted.tax.treatment,
        vat_mention=quoted.tax.mention,
        exemption_code=quoted.tax.exemption_code or "",
        buyer_email=buyer.email if buyer else "",
        purchase_id=purchase.pk,
        months=None if transfer and transfer.starts_later else price.interval.months,
        payment=transfer.means if transfer else None,
        payment_terms=transfer.terms(locale) if transfer else "",
        due_days=transfer.due_days if transfer else 0,
    )


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


def require_current(purchase: Purchase, draft: InvoiceDraft | None, at: datetime) -> InvoiceDraft:
    """The draft of the first invoice of a locked purchase. Raises TRANSITION_ILLEGAL when it can't
    be paid, and TransactionConflict when it has changed since the draft was prepared.
    """
    purchase.require_payable(at)
    current = (purchase.billing_profile_id, purchase.price_id, purchase.promotion_id)
    if draft:
        data = draft.lines[0].data
        if (draft.profile_id, data["price"], data["promotion"]) == current:
            return draft
    raise TransactionConflict("the purchase changed")


async def cancel_confirmations(tx: Transaction, purchase: Purchase) -> None:
    """Cancel the payments of a locked purchase that wait for the customer, so that another means
    can be taken at once. The provider is still asked about them: what it collects nevertheless is
    not lost.
    """
    waiting = Payment.filter(purchase_id=purchase.pk, status=PaymentStatus.REQUIRES_ACTION)
    for payment in await tx.lock_rows(waiting):
        await cancel_waiting(tx, purchase, payment)


async def cancel_waiting(tx: Transaction, purchase: Purchase | None, payment: Payment) -> None:
    """Cancel a payment that waits for the customer. It is locked, and so is its purchase."""
    await end_payment(tx, payment, PaymentStatus.CANCELED)
    await _await_other_payment(tx, purchase, payment)


async def end_payment(tx: Transaction, payment: Payment, status: PaymentStatus) -> None:
    payment.status, payment.settled_at = status, tx.action.at
    payment.confirmation_url = None
    await payment.save(using_db=tx.db)
    await cancel_unpaid_change(tx, payment)
    await _announce_payment(tx, payment)


async def _announce_payment(tx: Transaction, payment: Payment) -> None:
    await announce(tx, payment)
    tx.audit(BillingAuditAction.PAYMENT_CHANGE, payment, status=payment.status.value)


async def cancel_payment(action: Action, payment: Payment) -> Payment:
    """Cancel a payment that waits for the bank's confirmation, so that the purchase or the invoice
    can be paid by another means. A repeat changes nothing. Raises TRANSITION_ILLEGAL for any other
    payment.
    """
    async with action.transaction() as tx:
        purchases = await tx.lock_rows(Purchase.filter(pk=payment.purchase_id or 0))
        purchase = purchases[0] if purchases else None
        if purchase:
            await lock_pending_changes(tx, purchase)
        payment = await tx.lock(Payment, payment.pk)
        if payment.status is PaymentStatus.CANCELED:
            return payment
        if payment.status is not PaymentStatus.REQUIRES_ACTION:
            raise Refusal(
                CommonErrorCode.TRANSITION_ILLEGAL,
                "input",
                "paymentId",
                message=_("Only a payment that waits for a confirmation can be canceled."),
            )
        await cancel_waiting(tx, purchase, payment)
    return payment


async def refresh(action: Action, services: CheckoutServices, payment: Payment) -> Payment:
    """Query the provider for the state of a payment, and apply it. Raises PAYMENT_UNAVAILABLE."""
    if payment.status.is_final and payment.next_check_at is None:
        return payment
    await _ensure_draft(action, services, payment)
    try:
        outcome = await _query_charge(services.gateway_of(payment), payment)
    except GatewayUnavailable:
        raise Refusal(BillingErrorCode.PAYMENT_UNAVAILABLE, "input") from None
    return await apply_outcome(action, services.signer, payment, outcome)


async def _ensure_draft(action: Action, services: CheckoutServices, payment: Payment) -> None:
    """Prepare the invoice of a payment from before drafts were stored with payments."""
    if payment.invoice_draft is not None or payment.purchase_id is None or payment.invoice_id:
        return
    purchase = await Purchase.get(pk=payment.purchase_id)
    if draft := await prepare_first_invoice(action, services, purchase):
        await Payment.filter(pk=payment.pk, invoice_draft=None).update(
            invoice_draft=draft.to_json()
        )


async def _query_charge(gateway: ChargeGateway, payment: Payment) -> Outcome:
    key = f"camcha-payment-{payment.pk}"
    try:
        found = await gateway.find(key, payment.provider_reference)
        if found and payment.status.is_final and found.status is PaymentStatus.REQUIRES_ACTION:
            return await gateway.cancel(found.reference)
        if found is None and payment.status.is_final:  # it was left before it was ever charged
            return Outcome(
                PaymentStatus.DECLINED, payment.provider_reference or f"none-{payment.pk}"
            )
        if found and found.is_approved:
            # Unless the customer has chosen another means since the payment was read.
            is_waiting = await Payment.filter(pk=payment.pk, status=payment.status).exists()
            return await gateway.capture(found.reference) if is_waiting else found
        return found or await _charge(gateway, key, payment)
    except ValueError:
        return Outcome(PaymentStatus.DECLINED, f"refused-{payment.pk}", decline_code=UNKNOWN_METHOD)


async def _charge(gateway: ChargeGateway, key: str, payment: Payment) -> Outcome:
    """Charge a payment. A repeat has the same arguments, because the provider refuses others under
    the same key.
    """
    customer = (
        await PaymentCustomer.get_or_none(account_id=payment.account_id, provider=gateway.name)
        if payment.payment_method_id
        else None
    )
    return await gateway.charge(
        key,
        payment.amount_cents,
        payment.method,
        customer=customer.reference if customer else None,
        off_session=payment.is_off_session,
        return_url=payment.return_url,
    )


async def apply_outcome(
    action: Action, signer: Signer, payment: Payment, outcome: Outcome
) -> Payment:
    """Apply the provider's result to the payment. Concurrent and late results change nothing
    twice; a status only moves forward. Money that a canceled or expired payment brings is applied
    like any other.
    """
    async with action.transaction() as tx:
        purchases = await lock_for_settlement(tx, payment.account_id, payment.purchase_id)
        purchase = purchases.get(payment.purchase_id or 0)
        if purchase and payment.purchase_change_id:
            await lock_pending_changes(tx, purchase)
        if purchase and outcome.status is PaymentStatus.SUCCEEDED:
            await _keep_paid_terms(tx, purchase, payment)
        payment = await tx.lock(Payment, payment.pk)
        is_late = payment.status in (PaymentStatus.CANCELED, PaymentStatus.EXPIRED)
        if payment.status.is_final and not is_late:
            return payment
        if is_late and outcome.status is not PaymentStatus.SUCCEEDED:
            await _schedule_check(tx, payment, is_over=outcome.status.is_final)
            return payment
        if payment.status is outcome.status:
            _copy_outcome(payment, outcome)
            await payment.save(using_db=tx.db)
            await _expire_or_wait(tx, purchase, payment)
            return payment
        _copy_outcome(payment, outcome)
        payment.settled_at = action.at if outcome.status.is_final else None
        payment.next_check_at = None if outcome.status.is_final else payment.next_check_at
        await payment.save(using_db=tx.db)
        if payment.status is PaymentStatus.SUCCEEDED:
            await _receive(tx, purchases, payment)
        else:
            await _handle_outcome(tx, signer, purchase, payment)
        await _announce_payment(tx, payment)
    return payment


async def _keep_paid_terms(tx: Transaction, purchase: Purchase, payment: Payment) -> None:
    """Let a purchase that starts have what its payment is for."""
    if purchase.status in _PAYABLE and payment.invoice_draft:
        draft = InvoiceDraft.from_json(payment.invoice_draft)
        await keep_paid_terms(tx, purchase, draft.lines[0].data)


async def _expire_or_wait(tx: Transaction, purchase: Purchase | None, payment: Payment) -> None:
    """Expire a confirmation that nobody finished in time, and ask the provider less and less
    often.
    """
    is_waiting = payment.status is PaymentStatus.REQUIRES_ACTION
    if is_waiting and payment.expires_at and payment.expires_at <= tx.action.at:
        await end_payment(tx, payment, PaymentStatus.EXPIRED)
        await _await_other_payment(tx, purchase, payment)
    await _schedule_check(tx, payment, is_over=False)


async def _schedule_check(tx: Transaction, payment: Payment, *, is_over: bool) -> None:
    """When the provider is asked next: after a quarter of the payment's age, at most a day, for as
    long as it may still collect the money.
    """
    wait = min(max((tx.action.at - payment.created_at) / 4, RECONCILE_DELAY), timedelta(days=1))
    payment.next_check_at = None if is_over else tx.action.at + wait
    await payment.save(using_db=tx.db, update_fields=["next_check_at"])


def _copy_outcome(payment: Payment, outcome: Outcome) -> None:
    payment.status = outcome.status
    payment.provider_reference = outcome.reference
    payment.confirmation_url = outcome.confirmation_url
    payment.decline_code = outcome.decline_code
    payment.brand, payment.last_four = outcome.brand, outcome.last_four


async def _receive(tx: Transaction, purchases: dict[int, Purchase], payment: Payment) -> None:
    """Use the money of a payment: for the purchase that awaits it, for the invoice that it is for,
    and what is left, such as when an invoice was paid twice or corrected meanwhile, for what is
    open.
    """
    purchase = purchases.get(payment.purchase_id or 0)
    if purchase and purchase.status in _PAYABLE and payment.invoice_draft:
        await _activate(tx, purchase, payment)
        return
    if purchase and payment.purchase_change_id:
        if await apply_paid_change(tx, purchase, payment):
            return
    elif purchase and payment.invoice_draft and payment.is_off_session:
        await issue_renewal(tx, purchase, payment)
        return
    targets = [(payment.invoice_id, None)] if payment.invoice_id else None
    await apply_payment(tx, payment, targets, and_others=True)
    await restore(tx, purchases)


async def _handle_outcome(
    tx: Transaction, signer: Signer, purchase: Purchase | None, payment: Payment
) -> None:
    if payment.status.is_final:
        await cancel_unpaid_change(tx, payment)
    if purchase and payment.is_off_session:
        await handle_failed_collection(tx, signer, purchase, payment)
    elif payment.status in (PaymentStatus.DECLINED, PaymentStatus.CANCELED):
        await _await_other_payment(tx, purchase, payment)
    elif payment.provider == PAYPAL:  # a page that the customer chose just now, not their bank's
        return
    elif purchase and payment.confirmation_url and (buyer := await _buyer(tx, purchase)):
        link = payment.confirmation_url
        await emails.send_payment_confirmation_needed(tx, buyer, link, payment.amount)


async def _await_other_payment(
    tx: Transaction, purchase: Purchase | None, payment: Payment
) -> None:
    """Let a purchase be paid by another means after a payment that failed. Purchases whose invoice
    is issued keep their status.
    """
    is_first_payment = payment.invoice_id is None and not payment.is_off_session
    if purchase and is_first_payment and purchase.status is PurchaseStatus.PAYMENT_PENDING:
        await purchase.transition_to(tx, PurchaseStatus.BILLING_CONFIRMED)


async def _activate(tx: Transaction, purchase: Purchase, payment: Payment) -> None:
    """Issue the first invoice, and start the purchase on the day of its issue."""
    draft = InvoiceDraft.from_json(payment.invoice_draft or {})
    invoice = await finalise(tx, draft, payment)
    purchase.payment_method_id = payment.payment_method_id
    await start_purchase(tx, purchase, invoice.issued_on, draft.months or 1)
    payment.invoice_draft = None
    await payment.save(using_db=tx.db, update_fields=["invoice_draft"])


async def _buyer(tx: Transaction, purchase: Purchase) -> User | None:
    return await User.get_or_none(pk=purchase.buyer_id, using_db=tx.db)


def download_link(signer: Signer, base_url: str, invoice: Invoice, at: datetime) -> str:
    """A link to the invoice's PDF that is valid for five minutes."""
    return f"{base_url}/downloads/{signer.sign(Purpose.DOWNLOAD, at, invoice=invoice.pk)}"


async def reconcile(action: Action, services: CheckoutServices) -> int:
    """Settle the payments that are due to be asked about, by querying the provider. Returns how
    many changed. A payment is asked about, less and less often, until the provider's answer is
    final: nothing that was charged stays unapplied.

    A payment that can't be settled doesn't delay the others, nor one provider another.
    """
    return sum(
        await asyncio.gather(
            *(_reconcile(action, services, gateway) for gateway in services.gateways)
        )
    )


async def _reconcile(action: Action, services: CheckoutServices, gateway: ChargeGateway) -> int:
    # A payment that is newer than the current time was created before the clock was set back.
    is_due = Q(next_check_at__lte=action.at) | Q(
        next_check_at__not_isnull=True, created_at__gt=action.at + RECONCILE_DELAY
    )
    payments = (
        Payment.filter(is_due, provider=gateway.name)
        .order_by("next_check_at", "id")
        .limit(_BATCH_SIZE)
    )
    return sum([await _settle(action, services, payment) for payment in await payments])


async def _settle(action: Action, services: CheckoutServices, payment: Payment) -> bool:
    try:
        return (await refresh(action, services, payment)).status is not payment.status
    except Exception as error:
        log.warning("payment.unresolved", payment=payment.pk, error=type(error).__name__)
        await Payment.filter(pk=payment.pk, next_check_at=payment.next_check_at).update(
            next_check_at=action.at + RECONCILE_DELAY
        )
        return False
