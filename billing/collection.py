"""Collecting what is due without the customer: the results of renewals and of later attempts to
charge their invoices.

All functions run in the transaction that applies the result, in which the account, its purchase and
the payment are locked.
"""

from collections.abc import Sequence
from datetime import datetime

from accounts.contacts import billing_contacts
from auth.tokens import Purpose, Signer
from billing.balance import shares_for
from billing.gateways.gateway import EXPIRED_CARD, is_hard_decline
from billing.invoicing import InvoiceDraft, finalise
from mail import emails
from mail.emails import MethodRefusal
from mail.message import BASE_URL
from models.action import Transaction
from models.billing.invoice import Invoice
from models.billing.money import Money
from models.billing.payment import Payment, PaymentStatus
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.receivable import Receivable

CONFIRMATION_PATH = "payments/confirm"


def confirmation_link(signer: Signer, payment: Payment, at: datetime) -> str:
    """The link in an email to our page where the customer begins the confirmation. The bank's own
    page is valid for minutes only.
    """
    token = signer.sign(Purpose.PAYMENT_CONFIRMATION, at, payment=payment.pk)
    return f"{BASE_URL}/{CONFIRMATION_PATH}?token={token}"


def refusal_of(payments: Sequence[Payment], token: str) -> MethodRefusal | None:
    """Why the payment method with this token isn't charged again for an invoice with these
    payments, None if it may be.
    """
    codes = [
        payment.decline_code
        for payment in payments
        if payment.method == token and is_hard_decline(payment.decline_code)
    ]
    if not codes:
        return None
    return MethodRefusal.EXPIRED if codes[-1] == EXPIRED_CARD else MethodRefusal.REFUSED


async def issue_renewal(tx: Transaction, purchase: Purchase, payment: Payment) -> None:
    """Issue the invoice of the period that a payment renews: paid when it succeeded, otherwise due
    at once.
    """
    draft = InvoiceDraft.from_json(payment.invoice_draft or {})
    has_paid = payment.status is PaymentStatus.SUCCEEDED
    invoice = await issue(tx, purchase, draft, payment if has_paid else None)
    payment.invoice_id, payment.invoice_draft = invoice.pk, None
    await payment.save(using_db=tx.db, update_fields=["invoice_id", "invoice_draft"])


async def issue(
    tx: Transaction, purchase: Purchase, draft: InvoiceDraft, payment: Payment | None = None
) -> Invoice:
    """Issue an invoice of a purchase. The customer's balance pays what the payment doesn't cover.
    When a part stays open and is due at once, the purchase becomes past due.
    """
    rest = draft.gross_cents - (payment.amount_cents if payment else 0)
    balance = await shares_for(tx, purchase.account_id, rest, paid_by=payment)
    invoice = await finalise(tx, draft, payment, balance)
    is_open = rest > sum(cents for _, cents in balance)
    if is_open and purchase.status is PurchaseStatus.ACTIVE and invoice.due_on <= tx.action.day:
        purchase.past_due_since = invoice.due_on
        await purchase.transition_to(tx, PurchaseStatus.PAST_DUE)
    return invoice


async def handle_failed_collection(
    tx: Transaction, signer: Signer, purchase: Purchase, payment: Payment
) -> None:
    """Handle a charge that was declined or waits for the customer's bank. For a renewal, the
    invoice is issued unpaid; for an earlier invoice, the customer is reminded. A confirmation isn't
    a decline: the customer is asked for it.
    """
    is_renewal = payment.invoice_draft is not None
    if is_renewal:
        await issue_renewal(tx, purchase, payment)
    if payment.status is PaymentStatus.REQUIRES_ACTION:
        link = confirmation_link(signer, payment, tx.action.at)
        for user in await billing_contacts(tx, payment.account_id):
            await emails.send_payment_confirmation_needed(tx, user, link, payment.amount)
    elif payment.status is PaymentStatus.DECLINED and not is_renewal and payment.invoice_id:
        invoice = await Invoice.get(pk=payment.invoice_id, using_db=tx.db)
        receivable = await Receivable.get(invoice_id=invoice.pk, using_db=tx.db)
        for user in await billing_contacts(tx, payment.account_id):
            await emails.send_invoice_unpaid(
                tx,
                user,
                invoice,
                Money(receivable.open_cents),
                is_declined=True,
                refusal=refusal_of([payment], payment.method),
                is_available=purchase.status is PurchaseStatus.PAST_DUE,
            )
