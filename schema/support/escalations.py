"""Mutations on escalations; the type itself is in tickets.py."""

import strawberry

from auth.rules import agent, customer, supervisor
from models.support.audit_actions import SupportAuditAction
from resolvers.support import escalations as escalation_resolvers
from schema.fields import field, mutation
from schema.support.tickets import Escalation, TicketPayload
from schema.user_errors import UserError, errors


@strawberry.type(description="The result of escalating a ticket.")
class TicketEscalatePayload:
    escalation: Escalation | None = field("The escalation.")
    user_errors: list[UserError] = errors()


@strawberry.type
class EscalationMutation:
    ticket_escalate: TicketEscalatePayload | None = mutation(
        escalation_resolvers.escalate,
        "escalation",
        allow=customer | agent,
        audit=SupportAuditAction.TICKET_ESCALATE,
        description="Escalates a problem that persists. A supervisor gets the ticket at the "
        "highest priority, with the earlier exchanges, and both sides are told by email. A closed "
        "ticket gets a follow-up ticket, which is escalated.",
    )
    ticket_resolve_escalation: TicketPayload | None = mutation(
        escalation_resolvers.resolve,
        "ticket",
        allow=supervisor,
        audit=SupportAuditAction.ESCALATION_RESOLVE,
        description="Resolves the escalation of a ticket. The outcome is posted as a reply to the "
        "customer.",
    )
