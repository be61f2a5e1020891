"""Recipients of a company's invoices who are outside the company."""

from datetime import datetime

import strawberry

import models.billing.invoice_recipient
from models.billing.invoice_recipient import InvoiceRecipientStatus
from models.locale import Locale
from resolvers.billing import invoice_recipients as recipient_resolvers
from schema.fields import edge, field
from schema.identity.users import User
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors


@strawberry.type(
    description="An address outside the company, such as its accountant's, that receives its "
    "invoices by email. Members with the role OWNER, ADMIN or BILLING always receive them."
)
@backed_by(models.billing.invoice_recipient.InvoiceRecipient)
class InvoiceRecipient(Node):
    email: str = field("The email address.")
    locale: Locale = field("The language of the emails.")
    status: InvoiceRecipientStatus = field(
        "Whether the recipient receives invoices.", needs=("confirmed_at", "refused_at")
    )
    created_at: datetime = field("When the recipient was added.")
    confirmed_at: datetime | None = field("When the recipient confirmed. Null until then.")
    refused_at: datetime | None = field(
        "When the recipient declined or unsubscribed. Null if they haven't."
    )
    added_by: User | None = edge(
        recipient_resolvers.added_by,
        needs=("adder_id",),
        description="The member who added the recipient. Null when they no longer exist.",
    )


@strawberry.type(description="The result of adding a recipient of invoices.")
class InvoiceRecipientAddPayload:
    recipient: InvoiceRecipient | None = field(
        "The recipient, who is sent an email with a confirmation link."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of removing a recipient of invoices.")
class InvoiceRecipientRemovePayload:
    removed: bool | None = field("True when the recipient was removed.")
    user_errors: list[UserError] = errors()
