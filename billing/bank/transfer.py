"""Paying for a purchase by bank transfer: its first invoice is issued unpaid, with the account and
the reference to pay to, and the purchase starts when the money has arrived.

A seller can let purchases start at once instead (`starts = "ORDER"`); the invoice is then due like
any other. By default nobody gets a service on the promise to pay for it.
"""

from dataclasses import dataclass
from datetime import date

from billing.balance import shares_for
from billing.bank.account import BankAccount
from billing.bank.reference import payment_reference
from billing.bank.terms import TransferTerms
from billing.checkout import (
    CheckoutServices,
    cancel_confirmations,
    prepare_first_invoice,
    require_current,
)
from billing.invoicing import finalise
from billing.promotions import redeem_promotion
from billing.settlement import restore, start_purchase
from models.accounts.account import Account
from models.action import Action
from models.billing.audit_actions import BillingAuditAction
from models.billing.errors import BillingErrorCode
from models.billing.invoice import Invoice
from models.billing.money import Money
from models.billing.payment import Payment
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.receivable import Receivable
from models.errors import Refusal
from models.idempotency import earlier_result, store_result


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
    NOTHING_TO_PAY, and why a promotion can't be redeemed.
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
