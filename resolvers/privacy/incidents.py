"""Reports of breaches and the register of incidents."""

from collections.abc import Awaitable, Sequence
from typing import Annotated, Any

import orjson
import strawberry
from strawberry.utils.str_converters import to_camel_case
from tortoise.queryset import QuerySet

from auth import throttle
from models.accounts.account import Account
from models.identity.user import User
from models.privacy.incident import Incident, IncidentAudience, IncidentEntry
from models.support.ticket import Ticket
from privacy import incidents as privacy_incidents
from privacy.incidents import IncidentChanges, Reporter
from resolvers.context import Context, Info
from resolvers.filters import accepted_values, filter_in, filter_range, order_or_default
from resolvers.ids import load_visible
from resolvers.paging import (
    AfterArgument,
    BeforeArgument,
    DeferredPage,
    FirstArgument,
    LastArgument,
    Order,
    PageRequest,
    page,
)
from resolvers.privacy.filters import IncidentFilter, IncidentOrder
from resolvers.privacy.inputs import (
    BreachReportInput,
    IncidentDecideInput,
    IncidentMoveInput,
    IncidentNoteInput,
    IncidentRecordNotificationInput,
    IncidentUpdateInput,
)
from resolvers.rows import RowByForeignKey, RowsByParent

NEWEST_FIRST = Order("id", descending=True)


def incidents(
    info: Info,
    filter: Annotated[
        IncidentFilter | None,
        strawberry.argument(description="Conditions on the incidents to return."),
    ] = None,
    order_by: Annotated[
        IncidentOrder | None,
        strawberry.argument(description="The order of the list. Defaults to most recent first."),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The register of incidents."""
    viewer, conditions = info.context.viewer, filter or IncidentFilter()
    rows = Incident.visible_to(viewer)
    for column in ("status", "severity"):
        rows = filter_in(rows, column, accepted_values(getattr(conditions, column)))
    rows = filter_range(rows, "deadline_at", conditions.deadline_at)
    return page(
        rows,
        order_or_default(order_by, NEWEST_FIRST),
        PageRequest(first, after, last, before),
        viewer,
    )


async def report(info: Info, input: BreachReportInput) -> dict[str, Any]:
    """Report a suspected breach."""
    context = info.context
    viewer, services = context.viewer, context.services
    incident = await privacy_incidents.report(
        context.action(),
        services.auth,
        services.security,
        Reporter(viewer, throttle.client_network(context.client_address)),
        description=input.description,
        noticed_at=input.noticed_at,
        name=input.name,
        email=input.email,
        loading=load_visible(Ticket, input.ticket_id, viewer, "ticketId")
        if input.ticket_id is not None
        else None,
        key=input.idempotency_key,
    )
    return {"number": incident.number, "ticket_id": incident.ticket_id}


async def update(info: Info, input: IncidentUpdateInput) -> Incident:
    """Complete the register of an incident."""
    changes = IncidentChanges(
        input.aware_at,
        input.severity,
        input.data_categories,
        input.people_count,
        input.record_count,
        input.consequences,
        input.measures,
    )
    incident = _load(info, input.incident_id)
    return await privacy_incidents.update(info.context.action(), incident, changes)


async def move(info: Info, input: IncidentMoveInput) -> Incident:
    """Change the status of an incident."""
    incident = _load(info, input.incident_id)
    action = info.context.action()
    return await privacy_incidents.move(action, incident, input.status, input.reason)


async def note(info: Info, input: IncidentNoteInput) -> Incident:
    """Add a note to an incident."""
    incident = _load(info, input.incident_id)
    action = info.context.action()
    return await privacy_incidents.note(action, incident, input.text, input.idempotency_key)


async def decide(info: Info, input: IncidentDecideInput) -> Incident:
    """Decide whether an incident has to be notified."""
    incident = _load(info, input.incident_id)
    return await privacy_incidents.decide(
        info.context.action(), incident, input.audience, input.required, input.reason
    )


async def record_notification(info: Info, input: IncidentRecordNotificationInput) -> Incident:
    """Record a notification of an incident."""
    incident = _load(info, input.incident_id)
    return await privacy_incidents.record_notification(
        info.context.action(),
        incident,
        input.audience,
        notified_at=input.notified_at,
        reference=input.reference,
        delay_reason=input.delay_reason,
    )


def _load(info: Info, incident_id: strawberry.ID) -> Awaitable[Incident]:
    return load_visible(Incident, incident_id, info.context.viewer, "incidentId")


def notification(audience: IncidentAudience) -> Any:
    """A resolver for what was decided and done about notifying this audience."""

    def resolve(root: Incident) -> dict[str, Any]:
        prefix = audience.prefix
        is_authority = audience is IncidentAudience.AUTHORITY
        return {
            "required": getattr(root, f"{prefix}_required"),
            "reason": getattr(root, f"{prefix}_reason") or None,
            "notified_at": getattr(root, f"{prefix}_notified_at"),
            "reference": root.authority_reference or None if is_authority else None,
            "delay_reason": root.authority_delay_reason or None if is_authority else None,
        }

    return resolve


def reporters(context: Context, parents: Sequence[Incident]) -> RowByForeignKey:
    """The user who reported each incident, None for somebody who wasn't signed in."""
    return RowByForeignKey(parents, "reporter_id", QuerySet(User))


def accounts(context: Context, parents: Sequence[Incident]) -> RowByForeignKey:
    """The company of each incident's reporter or ticket."""
    return RowByForeignKey(parents, "account_id", QuerySet(Account))


def entries(context: Context, parents: Sequence[Incident]) -> RowsByParent:
    """The entries of each incident, oldest first."""
    return RowsByParent(parents, QuerySet(IncidentEntry), "incident_id", "id")


def details(root: IncidentEntry) -> list[dict[str, str]]:
    """The values of an entry, by the names of the API."""
    return [
        {
            "name": to_camel_case(name),
            "value": value if isinstance(value, str) else orjson.dumps(value).decode(),
        }
        for name, value in root.details.items()
    ]
