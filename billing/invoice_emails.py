"""The recipients of invoices by email: the buyer, every member who manages the company's billing,
and further recipients, such as an accountant.

Until a recipient outside of the company has confirmed, they get only one email, which asks them to.
Each email with an invoice has a link to stop further ones. Someone who refuses isn't asked again by
this company.
"""

import hashlib
from datetime import datetime

from accounts.members import actor_membership
from auth import throttle
from auth.email_address import clean_email
from auth.services import AuthServices
from auth.tokens import Purpose, Signer, invalid_token
from mail import emails
from models.accounts.account import Account, AccountMembers, Membership
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.errors import BillingErrorCode
from models.billing.invoice import Invoice
from models.billing.invoice_recipient import InvoiceRecipient, InvoiceRecipientStatus
from models.billing.money import Money
from models.billing.purchase import Purchase
from models.billing.receivable import Receivable
from models.checks import Checks
from models.errors import CommonErrorCode, Forbidden, Refusal
from models.idempotency import earlier_result, earlier_row, store_result
from models.locale import Locale
from models.text import client_key

MAX_RECIPIENTS = 5


async def send_invoice(
    tx: Transaction, signer: Signer, purchase: Purchase | None, invoice: Invoice
) -> None:
    """Send an invoice to its recipients: to each address once, in its language. Someone who has
    left the company gets none, not even the buyer.
    """
    buyer_id = purchase.buyer_id if purchase else None
    token = signer.sign(Purpose.EMAIL_DOWNLOAD, tx.action.at, invoice=invoice.pk)
    memberships = (
        Membership.filter(account_id=invoice.account_id, user__email_verified_at__isnull=False)
        .using_db(tx.db)
        .select_related("user")
        .order_by("id")
    )
    receivable = await Receivable.get_or_none(invoice_id=invoice.pk, using_db=tx.db)
    open_amount = Money(receivable.open_cents) if receivable else None
    addresses = set()
    for membership in await memberships:
        if membership.role.manages_billing or membership.user_id == buyer_id:
            addresses.add(membership.user.email)
            await emails.send_invoice_issued(tx, membership.user, invoice, token, open_amount)
    account = await Account.get(pk=invoice.account_id, using_db=tx.db)
    recipients = InvoiceRecipient.filter(
        account_id=account.pk, confirmed_at__isnull=False, refused_at=None
    )
    for recipient in await recipients.using_db(tx.db).order_by("id"):
        if recipient.email not in addresses:
            await emails.send_invoice_to_recipient(
                tx,
                recipient,
                account,
                invoice,
                token,
                recipient_token(signer, recipient, tx.action.at),
                open_amount,
            )


def recipient_token(signer: Signer, recipient: InvoiceRecipient, at: datetime) -> str:
    """The token with which a recipient confirms or refuses."""
    return signer.sign(
        Purpose.INVOICE_RECIPIENT, at, recipient=recipient.pk, of=_fingerprint(recipient)
    )


def _fingerprint(recipient: InvoiceRecipient) -> str:
    return hashlib.sha256(f"{recipient.account_id} {recipient.email}".encode()).hexdigest()[:16]


async def add_recipient(
    action: Action, auth: AuthServices, account_id: int, *, email: str, locale: Locale, key: str
) -> InvoiceRecipient:
    """Add a recipient, who is sent an email with a confirmation link. A repeat with the
    same key returns the first result.

    Raises EMAIL_INVALID, ALREADY_RECIPIENT, RECIPIENTS_FULL, IDEMPOTENCY_MISMATCH, Throttled, and
    Forbidden for those who can't manage the billing.
    """
    with Checks() as check:
        email, key = check(clean_email, email), check(client_key, key)
    await auth.throttle.attempt(
        throttle.key(throttle.INVOICE_RECIPIENT, account_id), throttle.key(throttle.EMAIL, email)
    )
    async with action.transaction() as tx:
        account, membership = await _lock_account(tx, account_id)
        owner = f"user:{membership.user_id}"
        if earlier_id := await earlier_result(
            tx, owner, "invoiceRecipientAdd", key, [account_id, email, locale.value]
        ):
            return await earlier_row(tx, InvoiceRecipient, earlier_id)
        await _require_free_place(tx, account_id, email)
        recipient = await InvoiceRecipient.create(
            using_db=tx.db,
            account_id=account_id,
            email=email,
            locale=locale,
            adder_id=membership.user_id,
            created_at=action.at,
        )
        token = recipient_token(auth.signer, recipient, action.at)
        await emails.send_invoice_recipient(tx, recipient, account, token)
        await store_result(tx, owner, "invoiceRecipientAdd", key, recipient.pk)
        tx.audit(BillingAuditAction.INVOICE_RECIPIENT_ADD, recipient)
    return recipient


async def _lock_account(tx: Transaction, account_id: int) -> tuple[Account, Membership]:
    """Lock the company. Returns it with the membership of the actor, who must manage its
    billing.
    """
    members = await AccountMembers.lock(tx, account_id)
    membership = actor_membership(members, tx.action)
    if not membership.role.manages_billing or members.account is None:
        raise Forbidden
    return members.account, membership


async def _require_free_place(tx: Transaction, account_id: int, email: str) -> None:
    recipients = await InvoiceRecipient.filter(account_id=account_id).using_db(tx.db)
    if any(recipient.email == email for recipient in recipients):
        raise Refusal(BillingErrorCode.ALREADY_RECIPIENT, "input", "email")
    if sum(recipient.refused_at is None for recipient in recipients) >= MAX_RECIPIENTS:
        raise Refusal(BillingErrorCode.RECIPIENTS_FULL, "input", "email", maximum=MAX_RECIPIENTS)


async def remove_recipient(
    action: Action, account_id: int, recipient_id: int | None
) -> InvoiceRecipient:
    """Remove a recipient, who gets no further invoices. One who has refused stays listed.

    Raises NOT_FOUND, NOT_ACTIVE for one who has refused, and Forbidden for those who can't manage
    the billing.
    """
    async with action.transaction() as tx:
        await _lock_account(tx, account_id)
        recipients = InvoiceRecipient.filter(pk=recipient_id or 0, account_id=account_id)
        recipient = next(iter(await tx.lock_rows(recipients)), None)
        if recipient is None:
            raise Refusal(CommonErrorCode.NOT_FOUND, "input", "recipientId")
        if recipient.status is InvoiceRecipientStatus.REFUSED:
            raise Refusal(CommonErrorCode.NOT_ACTIVE, "input", "recipientId")
        await recipient.delete(using_db=tx.db)
        tx.audit(BillingAuditAction.INVOICE_RECIPIENT_REMOVE, recipient)
    return recipient


async def recipient_of(action: Action, signer: Signer, token: str) -> InvoiceRecipient:
    """The recipient with this token, with the account. Raises TOKEN_INVALID, also once they were
    removed.
    """
    claims = signer.read(Purpose.INVOICE_RECIPIENT, token, action.at)
    recipient = await InvoiceRecipient.get_or_none(pk=claims["recipient"]).select_related("account")
    if recipient is None or claims.get("of") != _fingerprint(recipient):
        raise invalid_token()
    return recipient


async def answer(action: Action, signer: Signer, token: str, *, accepts: bool) -> InvoiceRecipient:
    """Record that a recipient confirms or refuses. A refusal is final. A repeat changes nothing.

    Raises TOKEN_INVALID, and NOT_ACTIVE for a confirmation after a refusal.
    """
    recipient = await recipient_of(action, signer, token)
    async with action.transaction() as tx:
        rows = await tx.lock_rows(InvoiceRecipient.filter(pk=recipient.pk))
        if not rows:
            raise invalid_token()
        recipient = rows[0]
        if accepts and recipient.refused_at:
            raise Refusal(CommonErrorCode.NOT_ACTIVE, "input", "token")
        column = "confirmed_at" if accepts else "refused_at"
        if getattr(recipient, column) is None:
            setattr(recipient, column, action.at)
            await recipient.save(using_db=tx.db, update_fields=[column])
            tx.audit(BillingAuditAction.INVOICE_RECIPIENT_ANSWER, recipient, accepted=accepts)
    return recipient
