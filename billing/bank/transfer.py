"""Paying for a purchase by bank transfer: its first invoice is issued unpaid, with the account and
the reference to pay to, and the purchase starts when the money has arrived. Until then it can be
discarded, and the invoice is credited.

A seller can let purchases start at once instead (`starts = "ORDER"`); the invoice is then due like
any other. By default nobody gets a service for a promise to pay.
"""

from dataclasses import dataclass
from datetime import date

from billing.balance import shares_for
from billing.bank.account import BankAccount
from billing.bank.reference import payment_reference
from billing.bank.terms import TransferTerms
from billing.checkout_services import CheckoutServices
from billing.credit_notes import credit_rest
from billing.first_invoice import prepare_first_invoice, require_current
from billing.invoicing import finalise
from billing.payment_cancellation import cancel_confirmations, end_payment
from billing.promotions import redeem_promotion
from billing.settlement import lock_for_settlement, restore, start_purchase
from models.accounts.account import Account
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.errors import BillingErrorCode
from models.billing.invoice import DocumentType, Invoice
from models.billing.money import Money
from models.billing.payment import Payment, PaymentStatus
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.receivable import Receivable
from models.errors import CommonErrorCode, Refusal
from models.idempotency import earlier_result, store_result
from models.translations import _, text

_DISCARDED = _("The order was canceled at your request.")
_DISPUTED = _("The invoice of this purchase is disputed. Wait for the decision.")


@dataclass(frozen=True)
class TransferInstructions:
    """What to transfer for an invoice, to which account, by when."""

    holder: str
    iban: str
    bic: str
    reference: str
    amount: Money
    due_on: date


def transfer_instructions(
    holder: str, account: BankAccount | None, invoice: Invoice, receivable: Receivable
) -> TransferInstructions | None:
    """What is left to transfer for an invoice; None when nothing is open, or when the seller
    accepts no transfers.
    """
    if account is None or receivable.open_cents <= 0:
        return None
    return TransferInstructions(
        holder=holder,
        iban=account.iban,
        bic=account.bic,
        reference=invoice.reference or payment_reference(invoice.number),
        amount=Money(receivable.open_cents),
        due_on=receivable.due_on,
    )


async def pay_by_transfer(
    action: Action, services: CheckoutServices, purchase: Purchase, key: str
) -> Invoice:
    """Issue the unpaid first invoice of a purchase whose billing details are confirmed. A repeat of
    the key returns the same invoice. A payment that waits for the bank's confirmation is canceled.

    Raises TRANSFER_UNAVAILABLE, TRANSITION_ILLEGAL, IDEMPOTENCY_MISMATCH, INVOICE_NOT_POSSIBLE,
    NOTHING_TO_PAY, and the reason when a promotion can't be redeemed.
    """
    if services.seller.bank is None:
        raise Refusal(BillingErrorCode.TRANSFER_UNAVAILABLE, "input")
    terms = TransferTerms(services.seller.bank)
    draft = await prepare_first_invoice(action, services, purchase, terms)
    owner = f"account:{purchase.account_id}"
    async with action.transaction() as tx:
        await tx.lock(Account, purchase.account_id)
        purchase = await tx.lock(Purchase, purchase.pk)
        name = "purchasePayByTransfer"
        if earlier_id := await earlier_result(tx, owner, name, key, purchase.pk):
            return await Invoice.get(pk=earlier_id, using_db=tx.db)
        await redeem_promotion(tx, purchase)
        await cancel_confirmations(tx, purchase)
        draft = require_current(purchase, draft, action.at)
        if not draft.gross_cents:
            raise Refusal(BillingErrorCode.NOTHING_TO_PAY, "input", "purchaseId")
        payments = await tx.lock_rows(Payment.filter(purchase_id=purchase.pk))
        balance = await shares_for(tx, purchase.account_id, draft.gross_cents)
        invoice = await finalise(tx, draft, balance=balance)
        for payment in payments:
            # Money that one of them brings late is for this invoice, not for another one.
            payment.invoice_draft, payment.invoice_id = None, invoice.pk
            await payment.save(using_db=tx.db, update_fields=["invoice_draft", "invoice_id"])
        if terms.starts_later:
            purchase.expires_at = None
            await purchase.transition_to(tx, PurchaseStatus.PAYMENT_PENDING)
            await restore(tx, {purchase.pk: purchase})  # the balance may have paid all of it
        else:
            await start_purchase(tx, purchase, invoice.issued_on, draft.months or 1)
        await store_result(tx, owner, name, key, invoice.pk)
        tx.audit(
            BillingAuditAction.PURCHASE_PAY_BY_TRANSFER, purchase, amount_cents=invoice.gross_cents
        )
    return invoice


async def discard(action: Action, services: CheckoutServices, purchase: Purchase) -> Purchase:
    """Discard a purchase that isn't paid: a draft, or an order by transfer, whose invoice is
    credited. What was paid of it stays on the customer's balance. A repeat changes nothing.

    Raises TRANSITION_ILLEGAL while the payment of a draft is in progress, once the purchase has
    begun, and while the invoice is disputed, and PAYMENT_IN_PROGRESS while it is being charged.
    """
    invoices = Invoice.filter(purchase_id=purchase.pk).exclude(type=DocumentType.CREDIT_NOTE)
    invoice = await invoices.order_by("-id").first()
    if purchase.status is not PurchaseStatus.PAYMENT_PENDING or invoice is None:
        return await purchase.discard(action)
    async with action.transaction() as tx:
        purchases = await lock_for_settlement(tx, purchase.account_id, purchase.pk)
        purchase = purchases[purchase.pk]
        if purchase.status is PurchaseStatus.CANCELED:
            return purchase
        purchase.require_status(PurchaseStatus.PAYMENT_PENDING)
        waiting = await _lock_waiting(tx, invoice)
        await _require_undisputed(tx, invoice)
        reason = text(_DISCARDED, invoice.locale)
        await credit_rest(tx, services.seller, purchases, invoice, reason)
        for payment in waiting:
            await end_payment(tx, payment, PaymentStatus.CANCELED)
        tx.audit(BillingAuditAction.PURCHASE_DISCARD, purchase)
    return purchase


async def _lock_waiting(tx: Transaction, invoice: Invoice) -> list[Payment]:
    """Lock the payments of an invoice that wait for the customer. Raises PAYMENT_IN_PROGRESS when
    one is being charged.
    """
    unfinished = (PaymentStatus.PROCESSING, PaymentStatus.REQUIRES_ACTION)
    payments = await tx.lock_rows(Payment.filter(invoice_id=invoice.pk, status__in=unfinished))
    if any(payment.status is PaymentStatus.PROCESSING for payment in payments):
        raise Refusal(BillingErrorCode.PAYMENT_IN_PROGRESS, "input", "purchaseId")
    return payments


async def _require_undisputed(tx: Transaction, invoice: Invoice) -> None:
    """Lock the company's open receivables, and raise TRANSITION_ILLEGAL when the invoice is
    disputed.
    """
    open_rows = Receivable.filter(account_id=invoice.account_id, open_cents__gt=0)
    for receivable in await tx.lock_rows(open_rows):
        if receivable.invoice_id == invoice.pk and receivable.disputed_at:
            raise Refusal(
                CommonErrorCode.TRANSITION_ILLEGAL, "input", "purchaseId", message=_DISPUTED
            )
