"""Files of what was exchanged with support: each is requested with a mutation, which returns a
link.
"""

import strawberry

from auth.reauthentication import require_step_up
from auth.tokens import Purpose
from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.support.audit_actions import SupportAuditAction
from models.support.errors import SupportErrorCode
from models.support.ticket import Ticket
from privacy.message_export import MAX_PDF_MESSAGES, ExportFormat, MessageExport, record_export
from resolvers.context import Context, Info
from resolvers.descriptions import describe_enum
from resolvers.ids import load_visible

describe_enum(
    ExportFormat,
    "The format of an export.",
    {"JSON": "For programs, with every detail.", "PDF": "For people, in the viewer's language."},
)


@strawberry.input(description="How to export the company's exchanges with support.")
class AccountExportMessagesInput:
    format: ExportFormat = strawberry.field(description="The format of the file.")


@strawberry.input(description="The ticket to export, and how.")
class TicketExportInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ID of the ticket.")
    format: ExportFormat = strawberry.field(description="The format of the file.")
    include_notes: bool = strawberry.field(
        default=False, description="Whether to include the internal notes. For agents only."
    )


async def export_account(info: Info, input: AccountExportMessagesInput) -> str:
    """A link to everything that the viewer's company exchanged with support."""
    context = info.context
    await require_step_up(context.action(), context.session)
    export = MessageExport(context.account.pk)
    await _require_size(export, input.format)
    return await _link(
        context, SupportAuditAction.ACCOUNT_EXPORT_MESSAGES, export, input.format, None
    )


async def export_ticket(info: Info, input: TicketExportInput) -> str:
    """A link to what was exchanged in one ticket."""
    context = info.context
    with Checks() as check:
        ticket = await check.wait(load_visible(Ticket, input.ticket_id, context.viewer, "ticketId"))
        if input.include_notes and not context.viewer.is_agent:
            check.refuse(Refusal(CommonErrorCode.VALUE_INVALID, "input", "includeNotes"))
    export = MessageExport(ticket.account_id, ticket.pk, input.include_notes)
    await _require_size(export, input.format)
    return await _link(context, SupportAuditAction.TICKET_EXPORT, export, input.format, ticket)


async def _require_size(export: MessageExport, format_: ExportFormat) -> None:
    if format_ is ExportFormat.PDF and not await export.fits_pdf():
        raise Refusal(SupportErrorCode.EXPORT_TOO_LARGE, "input", "format", limit=MAX_PDF_MESSAGES)


async def _link(
    context: Context,
    audit_action: SupportAuditAction,
    export: MessageExport,
    format_: ExportFormat,
    ticket: Ticket | None,
) -> str:
    action, services = context.action(), context.services
    await record_export(action, audit_action, ticket or context.account, export, format_)
    token = services.auth.signer.sign(
        Purpose.DOWNLOAD,
        action.at,
        messages=export.account_id,
        ticket=export.ticket_id,
        notes=export.with_notes,
        format=format_.value,
        locale=context.viewer.locale.value,
    )
    return f"{services.base_url}/downloads/{token}"
