"""Who gets an invoice by email: the buyer, and every member who manages the company's billing."""

from auth.tokens import Purpose, Signer
from mail import emails
from models.accounts.account import Membership, Role
from models.action import Transaction
from models.billing.invoice import Invoice
from models.billing.purchase import Purchase

_BILLING_ROLES = (Role.OWNER, Role.ADMIN, Role.BILLING)


async def send_invoice(
    tx: Transaction, signer: Signer, purchase: Purchase, invoice: Invoice
) -> None:
    """Send an invoice to its recipients, each in their language. Someone who has left the company
    gets none, not even the buyer.
    """
    token = signer.sign(Purpose.EMAIL_DOWNLOAD, tx.action.at, invoice=invoice.pk)
    memberships = (
        Membership.filter(account_id=invoice.account_id, user__email_verified_at__isnull=False)
        .using_db(tx.db)
        .select_related("user")
        .order_by("id")
    )
    for membership in await memberships:
        if membership.role in _BILLING_ROLES or membership.user_id == purchase.buyer_id:
            await emails.send_invoice_issued(tx, membership.user, invoice, token)
