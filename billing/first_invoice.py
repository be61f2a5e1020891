"""The first invoice of a purchase, which is prepared before its buyer pays."""

from datetime import datetime

from billing.bank.terms import TransferTerms
from billing.checkout_services import CheckoutServices
from billing.contacts import reader_of
from billing.invoicing import InvoiceDraft, InvoiceRequest, PaymentTerms, VatStatement, prepare
from billing.promotions import current_promotion
from billing.quotes import Item, quote
from models.accounts.account import Account
from models.action import Action
from models.billing.billing_profile import BillingProfile
from models.billing.offer import Price
from models.billing.purchase import Purchase, PurchaseStatus
from models.errors import TransactionConflict

PAYABLE = (PurchaseStatus.BILLING_CONFIRMED, PurchaseStatus.PAYMENT_PENDING)


async def prepare_first_invoice(
    action: Action,
    services: CheckoutServices,
    purchase: Purchase,
    transfer: TransferTerms | None = None,
) -> InvoiceDraft | None:
    """The content of the invoice to be issued, None when the purchase can't be paid for now anyway.
    From now on, the purchase refers to the billing profile that the invoice is issued to.
    `transfer` has the terms of an invoice that is paid by bank transfer.
    """
    async with action.transaction(is_repeatable=True) as tx:
        account = await tx.lock(Account, purchase.account_id)
        purchase = await tx.lock(Purchase, purchase.pk)
        confirmed = await BillingProfile.get_or_none(
            pk=purchase.billing_profile_id or 0, using_db=tx.db
        )
        if purchase.status not in PAYABLE or confirmed is None:
            return None
        profile = await confirmed.renewed(tx, account)
        if profile.pk != purchase.billing_profile_id:
            purchase.billing_profile_id = profile.pk
            await purchase.save(using_db=tx.db, update_fields=["billing_profile_id"])
        price = await Price.get(pk=purchase.price_id, using_db=tx.db).select_related("offer")
        reader = await reader_of(tx.db, purchase)
        promotion = await current_promotion(tx.db, purchase, price)
        quoted = await quote(
            tx.db,
            services.seller,
            Item(price, purchase.quantity, promotion),
            profile,
            action.day,
            locale=reader.locale,
        )
    lines, locale = quoted.lines, reader.locale
    starts_later = transfer is not None and transfer.starts_later
    request = InvoiceRequest(
        profile=profile,
        lines=transfer.lines(lines, price, locale) if transfer else lines,
        on=action.day,
        locale=locale,
        vat=VatStatement.of(quoted.tax),
        payment=transfer.terms(locale) if transfer else PaymentTerms(),
        buyer_email=reader.email,
        purchase_id=purchase.pk,
        months=None if starts_later else price.interval.months,
    )
    return await prepare(services.seller, request)


def require_current(purchase: Purchase, draft: InvoiceDraft | None, at: datetime) -> InvoiceDraft:
    """The draft of the first invoice of a locked purchase. Raises TRANSITION_ILLEGAL when the
    purchase can't be paid for, and TransactionConflict when it has changed since the draft was
    prepared.
    """
    purchase.require_payable(at)
    current = (purchase.billing_profile_id, purchase.price_id, purchase.promotion_id)
    if draft:
        data = draft.lines[0].data
        if (draft.profile_id, data["price"], data["promotion"]) == current:
            return draft
    raise TransactionConflict("the purchase changed")
