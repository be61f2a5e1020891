"""Files of what was exchanged with support."""

import strawberry

from auth.rules import agent, customer
from models.support.audit_actions import SupportAuditAction
from resolvers.support import message_exports as export_resolvers
from schema.fields import field, mutation
from schema.user_errors import UserError, errors


@strawberry.type(description="The result of exporting messages.")
class MessageExportPayload:
    url: str | None = field("The link to download the file, valid for five minutes.")
    user_errors: list[UserError] = errors()


@strawberry.type
class MessageExportMutation:
    account_export_messages: MessageExportPayload | None = mutation(
        export_resolvers.export_account,
        "url",
        allow=customer,
        audit=SupportAuditAction.ACCOUNT_EXPORT_MESSAGES,
        description=(
            "Creates a link to everything that the viewer's company exchanged with support, "
            "through all channels. Requires a step-up."
        ),
    )
    ticket_export: MessageExportPayload | None = mutation(
        export_resolvers.export_ticket,
        "url",
        allow=customer | agent,
        audit=SupportAuditAction.TICKET_EXPORT,
        description=(
            "Creates a link to an export of a ticket and of the tickets that were merged into it."
        ),
    )
