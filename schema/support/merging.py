"""Merging and splitting tickets."""

import strawberry

from auth.rules import agent
from models.support.audit_actions import SupportAuditAction
from resolvers.support import merging as merging_resolvers
from resolvers.support import splitting as splitting_resolvers
from schema.fields import mutation
from schema.support.tickets import TicketPayload


@strawberry.type
class MergingMutation:
    ticket_merge: TicketPayload | None = mutation(
        merging_resolvers.merge,
        "ticket",
        allow=agent,
        audit=SupportAuditAction.TICKET_MERGE,
        description="Merges a ticket into another one of the same company: it is closed, "
        "everything in it stays readable (`Ticket.mergedTickets`), and what is written to it from "
        "then on is posted in the other one. Can be undone for a day (`ticketUnmerge`).",
    )
    ticket_unmerge: TicketPayload | None = mutation(
        merging_resolvers.unmerge,
        "ticket",
        allow=agent,
        audit=SupportAuditAction.TICKET_UNMERGE,
        description="Undoes a merge: the ticket gets its former status and targets back. What was "
        "written after the merge stays in the other ticket.",
    )
    ticket_split: TicketPayload | None = mutation(
        splitting_resolvers.split,
        "ticket",
        allow=agent,
        audit=SupportAuditAction.TICKET_SPLIT,
        description="Opens a ticket for what a customer wrote about something else, with copies of "
        "their messages and files (`Ticket.splitFrom`). They stay in the original ticket as well.",
    )
