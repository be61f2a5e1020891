"""Mutations by which agents take, hand over and sort tickets."""

import strawberry

from auth.rules import agent, supervisor
from models.support.audit_actions import SupportAuditAction
from resolvers.support import assignment as assignment_resolvers
from schema.fields import mutation
from schema.support.tickets import TicketPayload


@strawberry.type
class AssignmentMutation:
    ticket_claim: TicketPayload | None = mutation(
        assignment_resolvers.claim,
        "ticket",
        allow=agent,
        audit=SupportAuditAction.TICKET_CLAIM,
        description=(
            "Assigns a ticket to the viewer. If several agents claim it at the same time, one "
            "gets it, and the others get the user error ALREADY_CLAIMED with that agent's name."
        ),
    )
    ticket_release: TicketPayload | None = mutation(
        assignment_resolvers.release,
        "ticket",
        allow=agent,
        audit=SupportAuditAction.TICKET_RELEASE,
        description="Returns a ticket that is assigned to the viewer to the inbox, where any agent "
        "can claim it.",
    )
    ticket_transfer: TicketPayload | None = mutation(
        assignment_resolvers.transfer,
        "ticket",
        allow=agent,
        audit=SupportAuditAction.TICKET_TRANSFER,
        description="Assigns a ticket to another person or team. The event TICKET_ASSIGNED tells "
        "everyone who has it. `ticketEvents` delivers nothing more to the former assignee, unless "
        "they are a supervisor.",
    )
    ticket_take_over: TicketPayload | None = mutation(
        assignment_resolvers.take_over,
        "ticket",
        allow=supervisor,
        audit=SupportAuditAction.TICKET_TAKE_OVER,
        description=(
            "Assigns a ticket to the viewer, whoever has it. Has the same effects as "
            "`ticketTransfer`."
        ),
    )
    ticket_update: TicketPayload | None = mutation(
        assignment_resolvers.update,
        "ticket",
        allow=agent,
        audit=SupportAuditAction.TICKET_CLASSIFY,
        description="Changes the priority and the tags of a ticket. Customers see neither.",
    )
    ticket_change_category: TicketPayload | None = mutation(
        assignment_resolvers.change_category,
        "ticket",
        allow=agent,
        audit=SupportAuditAction.TICKET_CHANGE_CATEGORY,
        description=(
            "Corrects the category of a ticket, which its customer sees (CATEGORY_CHANGED). A "
            "ticket without an assignee goes to the team of the category, unless it was "
            "transferred to another one. Legal requests (`Ticket.deadlineAt` isn't null) keep "
            "their category."
        ),
    )
