"""Recipients of a company's invoices who are outside the company."""

from collections.abc import Sequence

from tortoise.queryset import QuerySet

from billing import invoice_emails
from models.accounts.account import Account
from models.billing.invoice_recipient import InvoiceRecipient
from models.identity.user import User
from resolvers.billing.inputs import InvoiceRecipientAddInput, InvoiceRecipientRemoveInput
from resolvers.context import Context, Info
from resolvers.ids import key_of
from resolvers.rows import RowByForeignKey, RowsByParent


async def add(info: Info, input: InvoiceRecipientAddInput) -> InvoiceRecipient:
    """Add a recipient, who is asked by email to confirm."""
    context = info.context
    return await invoice_emails.add_recipient(
        context.action(),
        context.services.auth,
        context.account.pk,
        email=input.email,
        locale=input.locale or context.viewer.locale,
        key=input.idempotency_key,
    )


async def remove(info: Info, input: InvoiceRecipientRemoveInput) -> bool:
    """Remove a recipient."""
    context = info.context
    key = key_of(InvoiceRecipient, input.recipient_id)
    await invoice_emails.remove_recipient(context.action(), context.account.pk, key)
    return True


def account_recipients(context: Context, parents: Sequence[Account]) -> RowsByParent:
    """The recipients of each company that the viewer may see, in the order in which they were
    added.
    """
    recipients = InvoiceRecipient.visible_to(context.viewer)
    return RowsByParent(parents, recipients, "account_id", "id")


def added_by(context: Context, parents: Sequence[InvoiceRecipient]) -> RowByForeignKey:
    """The member who added each recipient, None when they no longer exist."""
    return RowByForeignKey(parents, "adder_id", QuerySet(User))
