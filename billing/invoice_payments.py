"""Paying an invoice that is issued: a late one, or one that was to be paid by transfer."""

from billing.balance import use_balance
from billing.charging import charge_new
from billing.checkout_services import CheckoutServices
from billing.gateways.gateway import ChargeGateway
from billing.means import Means
from billing.payment_cancellation import end_payment
from models.accounts.account import Account
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.errors import BillingErrorCode
from models.billing.invoice import Invoice
from models.billing.payment import Payment, PaymentStatus
from models.billing.payment_method import PaymentMethod
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
    """Pay what is open on an invoice after the customer's balance was used, with a saved method or
    the provider's token of another one. A repeat of the key returns the payment in its current
    state. A payment that waits for the bank's confirmation is canceled.

    Raises INVOICE_SETTLED when nothing is open, PAYMENT_IN_PROGRESS while the provider is asked
    about another payment of the invoice, NOT_ACTIVE, AMOUNT_TOO_SMALL, AMOUNT_TOO_LARGE,
    IDEMPOTENCY_MISMATCH and PAYMENT_UNAVAILABLE.
    """
    await use_balance(action, invoice.account_id)
    means = Means.of(method, return_url)
    gateway = services.gateway_for(means.token)
    payment = await _create_payment(action, gateway, invoice, means, key)
    return await charge_new(action, services, payment)


async def _create_payment(
    action: Action, gateway: ChargeGateway, invoice: Invoice, means: Means, key: str
) -> Payment:
    owner = f"account:{invoice.account_id}"
    arguments = [invoice.pk, means.key, means.return_url]
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
            await _cancel(tx, earlier)
        await means.require_chargeable(tx, gateway, open_cents)
        payment = await means.store_payment(
            tx,
            gateway,
            invoice.account_id,
            open_cents,
            purchase_id=invoice.purchase_id,
            invoice=invoice,
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


async def _cancel(tx: Transaction, payment: Payment) -> None:
    """Cancel a payment that waits for the customer. Raises PAYMENT_IN_PROGRESS for one that is
    being charged.
    """
    if payment.status is PaymentStatus.PROCESSING:
        raise Refusal(BillingErrorCode.PAYMENT_IN_PROGRESS, "input", "invoiceId")
    await end_payment(tx, payment, PaymentStatus.CANCELED)
