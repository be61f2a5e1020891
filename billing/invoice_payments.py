"""Paying an invoice that is issued: a late one, or one that was to be paid by transfer."""

from billing.checkout import (
    CONFIRMATION_TIME,
    RECONCILE_DELAY,
    CheckoutServices,
    end_payment,
    refresh,
)
from models.accounts.account import Account
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.errors import BillingErrorCode
from models.billing.invoice import Invoice
from models.billing.payment import Payment, PaymentStatus
from models.billing.payment_method import PaymentKind, PaymentMethod
from models.billing.receivable import Receivable
from models.errors import Refusal
from models.idempotency import earlier_result, store_result


async def pay_invoice(
    action: Action,
    services: CheckoutServices,
    invoice: Invoice,
    method: str | PaymentMethod,
    key: str,
    return_url: str | None = None,
) -> Payment:
    """Pay what is open on an invoice, with a saved method or the provider's token of another one. A
    repeat of the key returns the payment in its current state. A payment that waits for the bank's
    confirmation is left for this one.

    Raises INVOICE_SETTLED when nothing is open, PAYMENT_IN_PROGRESS while the provider is asked
    about another payment of the invoice, NOT_ACTIVE, IDEMPOTENCY_MISMATCH and PAYMENT_UNAVAILABLE.
    """
    payment = await _create_payment(action, services, invoice, method, key, return_url)
    return (
        await refresh(action, services, payment)
        if payment.status is PaymentStatus.PROCESSING
        else payment
    )


async def _create_payment(
    action: Action,
    services: CheckoutServices,
    invoice: Invoice,
    method: str | PaymentMethod,
    key: str,
    return_url: str | None,
) -> Payment:
    owner = f"account:{invoice.account_id}"
    saved = method if isinstance(method, PaymentMethod) else None
    token = method.token if isinstance(method, PaymentMethod) else method
    arguments = [invoice.pk, f"method:{saved.pk}" if saved else token, return_url]
    async with action.transaction() as tx:
        await tx.lock(Account, invoice.account_id)
        if earlier_id := await earlier_result(tx, owner, "invoicePay", key, arguments):
            return await Payment.get(pk=earlier_id, using_db=tx.db)
        earlier_payments = await tx.lock_rows(
            Payment.filter(
                invoice_id=invoice.pk,
                status__in=[PaymentStatus.PROCESSING, PaymentStatus.REQUIRES_ACTION],
            )
        )
        open_cents = await _open_cents(tx, invoice)
        for earlier in earlier_payments:
            await _leave(tx, earlier)
        if saved:
            await saved.require_chargeable(tx, services.gateway.name)
        payment = await Payment.create(
            using_db=tx.db,
            account_id=invoice.account_id,
            purchase_id=invoice.purchase_id,
            invoice=invoice,
            amount_cents=open_cents,
            method=token,
            payment_method=saved,
            kind=saved.kind if saved else PaymentKind.CARD,
            provider=services.gateway.name,
            return_url=return_url,
            created_at=action.at,
            expires_at=action.at + CONFIRMATION_TIME,
            next_check_at=action.at + RECONCILE_DELAY,
        )
        await store_result(tx, owner, "invoicePay", key, payment.pk)
        tx.audit(BillingAuditAction.INVOICE_PAY, payment, amount_cents=payment.amount_cents)
    return payment


async def _open_cents(tx: Transaction, invoice: Invoice) -> int:
    receivables = await tx.lock_rows(Receivable.filter(invoice_id=invoice.pk, open_cents__gt=0))
    if not receivables:
        raise Refusal(BillingErrorCode.INVOICE_SETTLED, "input", "invoiceId")
    open_cents: int = receivables[0].open_cents
    return open_cents


async def _leave(tx: Transaction, payment: Payment) -> None:
    """Cancel a payment that waits for the customer. One that is being charged can't be left."""
    if payment.status is PaymentStatus.PROCESSING:
        raise Refusal(BillingErrorCode.PAYMENT_IN_PROGRESS, "input", "invoiceId")
    await end_payment(tx, payment, PaymentStatus.CANCELED)
