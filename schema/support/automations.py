"""Automations, and their log."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import models.support.automation
from auth.rules import agent, operator, supervisor
from models.accounts.account import Organization
from models.billing.offer import Offer
from models.identity.user import User as UserModel
from models.locale import Locale
from models.support.audit_actions import SupportAuditAction
from models.support.automation import AutomationEvent, ConditionMatch
from models.support.classification import Category, Channel, Priority
from models.support.team import Team
from models.support.ticket_actions import TicketActionKind
from models.support.ticket_status import TicketStatus
from resolvers.scalars import BigInt
from resolvers.support import automations as automation_resolvers
from resolvers.support import macros as macro_resolvers
from resolvers.support import ticket_actions as action_resolvers
from resolvers.support import tickets as ticket_resolvers
from schema.fields import connection, edge, field, mutation, query
from schema.identity.users import User
from schema.nodes import Connection, Node, backed_by
from schema.support.notes import Note
from schema.support.ticket_actions import TicketActions
from schema.user_errors import UserError, errors
from support.ticket_actions import ActionRefusalReason

if TYPE_CHECKING:
    from schema.support.tickets import Message, Ticket

_condition = automation_resolvers.condition
_ids = automation_resolvers.ids_condition


@strawberry.type(
    description=(
        "Conditions on a ticket, each with the values that meet it. Null for conditions that "
        "aren't set."
    )
)
class AutomationConditions:
    channel: list[Channel] | None = field("The channel.", _condition("channel"))
    category: list[Category] | None = field("The category.", _condition("category"))
    status: list[TicketStatus] | None = field("The status.", _condition("status"))
    priority: list[Priority] | None = field("The priority.", _condition("priority"))
    tags: list[str] | None = field("Any of these tags.", _condition("tags"))
    team_ids: list[strawberry.ID] | None = field("The team, by its ID.", _ids("team_id", Team))
    assignee_ids: list[strawberry.ID] | None = field(
        "The assignee, by their ID.", _ids("assignee_id", UserModel)
    )
    assigned: bool | None = field("Whether there is an assignee.", _condition("assigned"))
    reply_awaited: bool | None = field(
        "Whether the customer waits for a reply.", _condition("reply_awaited")
    )
    legal_request: bool | None = field(
        "Whether the ticket is a legal request.", _condition("legal_request")
    )
    contains: list[str] | None = field(
        "A phrase in the subject or the message.", _condition("contains")
    )
    locale: list[Locale] | None = field("The customer's language.", _condition("locale"))
    organization: list[Organization] | None = field(
        "The kind of the company.", _condition("organization")
    )
    country: list[str] | None = field("The country of the company.", _condition("country"))
    offer_ids: list[strawberry.ID] | None = field(
        "An offer that the company has bought, by its ID.", _ids("offer_id", Offer)
    )
    within_opening_hours: bool | None = field(
        "Whether the event happened in opening hours.", _condition("within_opening_hours")
    )


@strawberry.type(
    description="A version of what an automation does. Each change creates another version."
)
@backed_by(models.support.automation.AutomationVersion)
class AutomationVersion(Node):
    number: int = field("The number of the version, starting at 1.")
    event: AutomationEvent = field("The event that the automation acts on.")
    delay_minutes: int | None = field(
        "How many minutes after the event it acts. Null when it acts at once."
    )
    delay_in_business_time: bool = field(
        "Whether only opening hours count for the delay.",
        lambda root: root.is_delay_business_time,
        needs=("is_delay_business_time",),
    )
    match: ConditionMatch = field("Whether all conditions have to be met, or any.")
    conditions: AutomationConditions = field(
        "The conditions.", automation_resolvers.condition_row("conditions"), needs=("conditions",)
    )
    exceptions: AutomationConditions = field(
        "Conditions that must not be met.",
        automation_resolvers.condition_row("exceptions"),
        needs=("exceptions",),
    )
    actions: TicketActions = field("What it does.", action_resolvers.of_row, needs=("actions",))
    created_at: datetime = field("When the version was created.")
    author: User | None = edge(
        automation_resolvers.authors,
        needs=("author_id",),
        description="Who created the version. Null when that isn't known.",
    )


@strawberry.type(description="An action that an automation couldn't take.")
class ActionRefusal:
    kind: TicketActionKind = field("The action.")
    reason: ActionRefusalReason = field("Why it wasn't possible.")


@strawberry.type(
    description=(
        "What the system does automatically when an event happens in a ticket that meets "
        "conditions."
    )
)
@backed_by(models.support.automation.Automation)
class Automation(Node):
    name: str = field("The name of the automation.")
    position: int = field(
        "The position of the automation. Automations act in the order of their positions."
    )
    enabled_at: datetime | None = field(
        "When it was enabled. It acts on events from then on. Null while it is disabled."
    )
    updated_at: datetime = field("When it was last changed.")
    archived_at: datetime | None = field("When it was archived. Null until then.")
    version: AutomationVersion = edge(
        automation_resolvers.versions,
        needs=("id", "version_number"),
        description="The version in force.",
    )
    versions: Connection[AutomationVersion] = connection(
        automation_resolvers.all_versions, description="All versions, most recent first."
    )
    runs: Connection[Annotated["AutomationRun", strawberry.lazy("schema.support.automations")]] = (
        connection(
            automation_resolvers.runs,
            filter=automation_resolvers.AutomationRunFilter,
            description="What the automation did or couldn't do, most recent first. Empty unless "
            "the viewer is an agent.",
        )
    )
    failures: list[
        Annotated["AutomationFailure", strawberry.lazy("schema.support.automations")]
    ] = edge(
        automation_resolvers.failures,
        description=(
            "The tickets on which the automation has failed and will be tried again. Once no more "
            "attempts are made, `runs` contains the failure (FAILED)."
        ),
    )


@strawberry.type(description="A ticket on which an automation has failed unexpectedly.")
@backed_by(models.support.automation.AutomationTimer)
class AutomationFailure:
    ticket_number: str = edge(
        automation_resolvers.ticket_numbers,
        needs=("ticket_id",),
        description="The number of the ticket.",
    )
    attempts: int = field("The number of times it has failed.")
    error: str = field("The type of the last error. The operators' log contains the details.")
    retry_at: datetime = field(
        "When the next attempt is made.", lambda root: root.due_at, needs=("due_at",)
    )


@strawberry.type(
    description="An entry of the log of automations: one acted on a ticket, or couldn't. An "
    "automation whose conditions weren't met leaves no entry."
)
@backed_by(models.support.automation.AutomationRun)
class AutomationRun(Node):
    event: AutomationEvent = field("The event that the automation acted on.")
    happened_at: datetime = field("When the event happened.")
    at: datetime = field("When the automation acted.")
    depth: int = field(
        "0 for an event caused by a person or by the passing of time. Otherwise, the number of "
        "automations that had acted before in a chain, each triggered by the previous one."
    )
    kinds: list[TicketActionKind] = field(
        "What it did or was to do.", macro_resolvers.kinds, needs=("kinds",)
    )
    refusals: list[ActionRefusal] = field(
        "The actions that weren't possible. If there is any, nothing was done.",
        automation_resolvers.refusals,
        needs=("refusals",),
    )
    first_sequence: BigInt = field(
        "The first event of the ticket's stream that the automation caused."
    )
    last_sequence: BigInt = field(
        "The last event of the ticket's stream that the automation caused. Less than "
        "`firstSequence` when it caused none, as with tags and notes."
    )
    automation: Automation = edge(
        automation_resolvers.automations_of,
        needs=("automation_id",),
        description="The automation.",
    )
    version: AutomationVersion = edge(
        automation_resolvers.versions_of,
        needs=("version_id",),
        description="The version that acted.",
    )
    ticket: Annotated["Ticket", strawberry.lazy("schema.support.tickets")] = edge(
        ticket_resolvers.tickets_of, needs=("ticket_id",), description="The ticket."
    )
    message: Annotated["Message", strawberry.lazy("schema.support.tickets")] | None = edge(
        macro_resolvers.messages_of,
        needs=("message_id",),
        description="The message that it posted. Null when it posted none.",
    )
    note: Note | None = edge(
        macro_resolvers.notes_of,
        needs=("note_id",),
        description="The internal note that it added. Null when it added none.",
    )


@strawberry.type(description="A ticket on which an automation would have acted.")
class AutomationDryRunMatch:
    ticket: Annotated["Ticket", strawberry.lazy("schema.support.tickets")] | None = edge(
        automation_resolvers.tickets_of_matches,
        needs=("ticket_id",),
        description="The ticket.",
    )
    happened_at: datetime = field("When the event happened.")
    at: datetime = field("When the automation would have acted.")
    kinds: list[TicketActionKind] = field("What it would have done.")
    reason: ActionRefusalReason | None = field(
        "Why it would have been refused. Null when it would have acted, as far as can be told."
    )


@strawberry.type(description="What an automation would have done in the past.")
class AutomationDryRun:
    match_count: int = field("How often it would have acted or been refused.")
    refused_count: int = field("How often it would have been refused.")
    ticket_count: int = field("On how many tickets it would have acted or been refused.")
    checked_ticket_count: int = field(
        "How many tickets were checked: those that have changed since the first of these days."
    )
    is_complete: bool = field(
        "Whether all of these tickets were checked. At most 500 are: the most recently opened "
        "ones, with at most 100 events each."
    )
    current_state: list[str] = field(
        "The conditions that were checked against the tickets as they are now, because their "
        "earlier state isn't known. All others were checked against the tickets as they were at "
        "the time."
    )
    matches: list[AutomationDryRunMatch] = field(
        "When and on which tickets it would have acted: the 100 most recent ones."
    )


@strawberry.type(description="The result of a change to an automation.")
class AutomationPayload:
    automation: Automation | None = field("The automation after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type
class AutomationQuery:
    automations: Connection[Automation] | None = query(
        automation_resolvers.automations,
        allow=agent | operator,
        description="The automations, in the order in which they act.",
    )
    automation_dry_run: AutomationDryRun | None = query(
        automation_resolvers.try_automation,
        allow=supervisor,
        cost=100,
        description=(
            "What an automation, or a definition that isn't stored, would have done over the past "
            "days. Nothing is changed. All errors of a definition are in `extensions.errors`. "
            "Null when there is no such automation."
        ),
    )


@strawberry.type
class AutomationMutation:
    automation_create: AutomationPayload | None = mutation(
        automation_resolvers.create,
        "automation",
        allow=supervisor | operator,
        audit=SupportAuditAction.AUTOMATION_CREATE,
        description="Creates an automation, at most 50. It acts after all others.",
    )
    automation_update: AutomationPayload | None = mutation(
        automation_resolvers.update,
        "automation",
        allow=supervisor | operator,
        audit=SupportAuditAction.AUTOMATION_UPDATE,
        description=(
            "Replaces the name and the definition of an automation. If the event or the delay "
            "changes, pending delayed actions are dropped."
        ),
    )
    automation_set_enabled: AutomationPayload | None = mutation(
        automation_resolvers.set_enabled,
        "automation",
        allow=supervisor | operator,
        audit=SupportAuditAction.AUTOMATION_SET_ENABLED,
        description="Enables an automation, for what happens from now on, or disables it.",
    )
    automation_move: AutomationPayload | None = mutation(
        automation_resolvers.move,
        "automation",
        allow=supervisor | operator,
        audit=SupportAuditAction.AUTOMATION_MOVE,
        description="Gives an automation another position.",
    )
    automation_archive: AutomationPayload | None = mutation(
        automation_resolvers.archive,
        "automation",
        allow=supervisor | operator,
        audit=SupportAuditAction.AUTOMATION_ARCHIVE,
        description="Archives an automation: it no longer acts. Its log stays.",
    )
