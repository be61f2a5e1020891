"""Reports of breaches and the register of incidents."""

from datetime import datetime

import strawberry

import models.privacy.incident
from models.privacy.incident import (
    IncidentAudience,
    IncidentEntryKind,
    IncidentSeverity,
    IncidentStatus,
)
from resolvers.privacy import incident_notices as notice_resolvers
from resolvers.privacy import incidents as incident_resolvers
from resolvers.support import tickets as ticket_resolvers
from schema.accounts.accounts import Account
from schema.fields import edge, field
from schema.identity.users import User
from schema.nodes import Node, backed_by
from schema.privacy.incident_notices import IncidentNotice
from schema.support.tickets import Ticket
from schema.user_errors import UserError, errors


@strawberry.type(description="What was decided and done to notify an audience of a breach.")
class IncidentNotification:
    required: bool | None = field(
        "Whether they have to be notified. Null until it is decided.", lambda root: root["required"]
    )
    reason: str | None = field("The reason for the decision.", lambda root: root["reason"], cost=3)
    notified_at: datetime | None = field(
        "When they were notified. Null until it is recorded.", lambda root: root["notified_at"]
    )
    reference: str | None = field(
        "The authority's reference of the notification.", lambda root: root["reference"]
    )
    delay_reason: str | None = field(
        "The reasons why the authority was notified after the deadline.",
        lambda root: root["delay_reason"],
        cost=3,
    )


@strawberry.type(description="A value of an entry of the register of incidents.")
class IncidentDetail:
    name: str = field("The name of the value, such as `severity`.", lambda root: root["name"])
    value: str = field(
        "The value. Numbers and booleans are formatted as in JSON.",
        lambda root: root["value"],
        cost=3,
    )


@strawberry.type(
    description="An entry of the register of incidents. Entries are never changed or deleted."
)
class IncidentEntry:
    at: datetime = field("When it happened.")
    kind: IncidentEntryKind = field("What the entry records.")
    text: str = field("A note or reason. Empty when there is none.", cost=3)
    details: list[IncidentDetail] = field(
        "The changed values.", incident_resolvers.details, needs=("details",)
    )
    actor: User | None = edge(
        ticket_resolvers.actors,
        needs=("actor_id",),
        description="The user who did it. Null for somebody who wasn't signed in.",
    )


@strawberry.type(
    description="A suspected or confirmed breach of personal data. The authority has to be "
    "notified within 72 hours of awareness, and each incident stays in this register (GDPR, "
    "Article 33)."
)
@backed_by(models.privacy.incident.Incident)
class Incident(Node):
    number: str = field(
        "The number shown to users, such as INC-2026-000012.", needs=("reported_at",)
    )
    status: IncidentStatus = field("The current status.")
    severity: IncidentSeverity | None = field(
        "The risk to the people whose data it concerns. Null until it is assessed."
    )
    description: str = field("What the reporter wrote. Card numbers are masked.", cost=5)
    noticed_at: datetime | None = field("When the reporter noticed it, if they said so.")
    reported_at: datetime = field("When it was reported.")
    aware_at: datetime = field("When the vendor became aware of it, which starts the 72 hours.")
    deadline_at: datetime = field("When the authority has to be notified at the latest.")
    closed_at: datetime | None = field("When it was dismissed or closed.")
    reporter_name: str = field("The name given by somebody who wasn't signed in.")
    reporter_email: str = field("The email address given by somebody who wasn't signed in.")
    data_categories: str = field("The categories of people and data concerned.", cost=3)
    people_count: int | None = field("The approximate number of people concerned.")
    record_count: int | None = field("The approximate number of records concerned.")
    consequences: str = field("The likely consequences of the breach.", cost=3)
    measures: str = field("The measures taken or proposed.", cost=3)
    authority_notification: IncidentNotification = field(
        "The notification of the supervisory authority (GDPR, Article 33).",
        incident_resolvers.notification(IncidentAudience.AUTHORITY),
        needs=(
            "authority_required",
            "authority_reason",
            "authority_notified_at",
            "authority_reference",
            "authority_delay_reason",
        ),
    )
    people_notification: IncidentNotification = field(
        "The communication to the people concerned (GDPR, Article 34).",
        incident_resolvers.notification(IncidentAudience.PEOPLE),
        needs=("people_required", "people_reason", "people_notified_at"),
    )
    reporter: User | None = edge(
        incident_resolvers.reporters,
        needs=("reporter_id",),
        description="The user who reported it. Null for somebody who wasn't signed in.",
    )
    account: Account | None = edge(
        incident_resolvers.accounts,
        needs=("account_id",),
        description="The company of the reporter or of the ticket.",
    )
    ticket: Ticket | None = edge(
        ticket_resolvers.tickets_of,
        needs=("ticket_id",),
        description="The ticket of the reporter. Null for somebody who wasn't signed in.",
    )
    entries: list[IncidentEntry] = edge(
        incident_resolvers.entries,
        cost=20,
        description="Everything that was decided and done, oldest first.",
    )
    notices: list[IncidentNotice] = edge(
        notice_resolvers.notices,
        cost=10,
        description="The notices to the authority and to the people concerned, oldest first.",
    )


@strawberry.type(description="The result of reporting a suspected breach.")
class BreachReportPayload:
    number: str | None = field("The number of the report, such as INC-2026-000012.")
    ticket: Ticket | None = edge(
        ticket_resolvers.tickets_of,
        description="The ticket of a signed-in customer, in which support answers.",
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of a change to an incident.")
class IncidentPayload:
    incident: Incident | None = field("The incident after the change.")
    user_errors: list[UserError] = errors()
