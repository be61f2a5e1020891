"""Starting purchases without a payment, and the end of trials.

A purchase starts without a payment with the trial of its price, or when a promotion makes its first
period free. Each company can try an offer once: the database accepts one trial for each. At the end
of the trial the billing run charges the first period like any other (billing/renewals.py).
"""

from datetime import timedelta
from functools import partial

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import IntegrityError

from accounts.contacts import billing_contacts
from billing.checkout_services import CheckoutServices
from billing.first_invoice import prepare_first_invoice, require_current
from billing.invoicing import InvoiceDraft, finalise
from billing.payment_cancellation import cancel_confirmations
from billing.payment_methods import chargeable_method
from billing.promotions import redeem_promotion
from billing.settlement import start_purchase
from billing.simulation import next_charge
from mail import emails
from models.accounts.account import Account, AccountStatus
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.company import company_hash
from models.billing.errors import BillingErrorCode
from models.billing.offer import Price
from models.billing.offer_trial import OfferTrial
from models.billing.payment_method import PaymentMethod
from models.billing.purchase import Purchase, PurchaseStatus
from models.due_rows import handle_each
from models.errors import Refusal, TransactionConflict
from models.idempotency import earlier_result, store_result

REMINDER_DAYS = 3


async def has_tried(account: Account, offer_id: int, db: BaseDBAsyncClient | None = None) -> bool:
    """Whether the company of an account has already tried an offer."""
    trials = OfferTrial.filter(offer_id=offer_id, company=company_hash(account))
    return await trials.using_db(db).exists()


async def start(
    action: Action,
    services: CheckoutServices,
    purchase: Purchase,
    method: PaymentMethod | None,
    key: str,
) -> Purchase:
    """Start a purchase whose billing details are confirmed without a payment: with its trial, or
    because its first period is free. A repeat of the key returns the purchase. It renews with the
    payment method. The later invoice is rendered on trial first.

    Raises TRANSITION_ILLEGAL, PAYMENT_METHOD_REQUIRED, TRIAL_USED, PAYMENT_REQUIRED, NOT_ACTIVE,
    IDEMPOTENCY_MISMATCH, INVOICE_NOT_POSSIBLE, and the reason when a promotion can't be redeemed.
    """
    draft = await prepare_first_invoice(action, services, purchase)
    owner = f"account:{purchase.account_id}"
    arguments = [purchase.pk, method.pk if method else None]
    async with action.transaction() as tx:
        account = await tx.lock(Account, purchase.account_id)
        purchase = await tx.lock(Purchase, purchase.pk)
        if await earlier_result(tx, owner, "purchaseStart", key, arguments):
            return purchase
        await redeem_promotion(tx, purchase)
        await cancel_confirmations(tx, purchase)
        draft = require_current(purchase, draft, action.at)
        if method:
            await method.require_chargeable(tx.db, services.gateway.name)
        purchase.payment_method_id = method.pk if method else None
        price = await Price.get(pk=purchase.price_id, using_db=tx.db)
        if price.trial_days and not await has_tried(account, price.offer_id, tx.db):
            await _start_trial(tx, account, purchase, price)
        elif not draft.gross_cents:
            await _start_free(tx, purchase, draft)
        else:
            code = BillingErrorCode.TRIAL_USED if price.trial_days else None
            raise Refusal(code or BillingErrorCode.PAYMENT_REQUIRED, "input", "purchaseId")
        await store_result(tx, owner, "purchaseStart", key, purchase.pk)
        tx.audit(BillingAuditAction.PURCHASE_START, purchase, status=purchase.status.value)
    return purchase


async def _start_trial(tx: Transaction, account: Account, purchase: Purchase, price: Price) -> None:
    if price.trial_requires_payment_method and not purchase.payment_method_id:
        raise Refusal(BillingErrorCode.PAYMENT_METHOD_REQUIRED, "input", "paymentMethodId")
    try:
        await OfferTrial.create(
            using_db=tx.db,
            offer_id=price.offer_id,
            company=company_hash(account),
            purchase=purchase,
            started_at=tx.action.at,
        )
    except IntegrityError:  # another account of the company was faster
        raise TransactionConflict("the company has tried the offer") from None
    await purchase.start_trial(tx, price.trial_days)


async def _start_free(tx: Transaction, purchase: Purchase, draft: InvoiceDraft) -> None:
    invoice = await finalise(tx, draft)
    await start_purchase(tx, purchase, invoice.issued_on, draft.months or 1)


async def end_trial(tx: Transaction, purchase: Purchase) -> None:
    """End a trial when nobody has said how to pay."""
    price = await Price.get(pk=purchase.price_id, using_db=tx.db).select_related("offer")
    await purchase.end(tx, purchase.trial_ends_on or tx.action.day)
    tx.audit(BillingAuditAction.PURCHASE_END, purchase)
    for user in await billing_contacts(tx, purchase.account_id):
        await emails.send_trial_ended(tx, user, price.offer.text(user.locale)["name"])


async def send_trial_reminders(action: Action, services: CheckoutServices) -> int:
    """Notify the members who manage the billing three days before a trial ends: when, what is
    charged then, and how to cancel. Each trial is announced once. Returns how many were announced.
    """
    last_day = action.day + timedelta(days=REMINDER_DAYS)
    due = Purchase.filter(
        status=PurchaseStatus.TRIALING,
        trial_ends_on__lte=last_day,
        trial_reminded_at=None,
        cancel_at_period_end=False,
        account__status=AccountStatus.ACTIVE,
    )
    return await handle_each(due, partial(_remind, action, services), "trial.not_announced")


async def _remind(action: Action, services: CheckoutServices, key: int) -> bool:
    amount = await next_charge(await Purchase.get(pk=key), services.seller, action.day)
    async with action.transaction() as tx:
        purchase = await tx.lock(Purchase, key)
        ends_on = purchase.trial_ends_on
        if (
            purchase.status is not PurchaseStatus.TRIALING
            or purchase.trial_reminded_at
            or purchase.cancel_at_period_end
            or ends_on is None
        ):
            return False
        purchase.trial_reminded_at = action.at
        await purchase.save(using_db=tx.db, update_fields=["trial_reminded_at"])
        price = await Price.get(pk=purchase.price_id, using_db=tx.db).select_related("offer")
        means = await chargeable_method(tx.db, services.gateway, purchase)
        method = means.saved if means else None
        for user in await billing_contacts(tx, purchase.account_id):
            name = price.offer.text(user.locale)["name"]
            await emails.send_trial_ends(tx, user, name, ends_on, amount, method)
        tx.audit(BillingAuditAction.PURCHASE_REMIND_TRIAL, purchase)
    return True
