"""Automations, for supervisors and operators, and their log for agents."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import strawberry
from tortoise.models import Model
from tortoise.queryset import QuerySet

from engine import Deferred
from models.checks import Checks
from models.database.reading import read
from models.errors import BadInput
from models.identity.user import User
from models.support.automation import (
    AUTOMATION_NAME_LENGTH,
    Automation,
    AutomationRun,
    AutomationTimer,
    AutomationVersion,
)
from models.support.ticket import Ticket
from models.support.ticket_actions import TicketActionKind
from models.support.ticket_number import ticket_number
from models.text import client_key, line
from models.translations import _
from resolvers.context import Context, Info
from resolvers.ids import encode, key_argument, load_visible
from resolvers.paging import (
    AfterArgument,
    BeforeArgument,
    DeferredPage,
    FirstArgument,
    LastArgument,
    Order,
    PageRequest,
    page,
    pages_of,
)
from resolvers.rows import RowByForeignKey, RowsByParent
from resolvers.support.automation_inputs import (
    AutomationArchiveInput,
    AutomationCreateInput,
    AutomationDefinitionInput,
    AutomationMoveInput,
    AutomationSetEnabledInput,
    AutomationUpdateInput,
    check_definition,
)
from support import automations as support_automations
from support.automation_dry_run import MAX_DAYS, DryRun, DryRunMatch, dry_run
from support.ticket_actions import ActionRefusalReason

BY_POSITION = Order("position")
NEWEST_FIRST = Order("id", descending=True)


@strawberry.input(description="Which entries of the log of an automation to return.")
class AutomationRunFilter:
    refused: bool | None = strawberry.field(
        default=None,
        description="Whether an action wasn't possible, so that nothing was done. When omitted, "
        "both are returned.",
    )


@dataclass(frozen=True)
class ActionRefusalRow:
    """An action that an automation couldn't take, and why."""

    kind: TicketActionKind
    reason: ActionRefusalReason


def automations(
    info: Info,
    include_archived: Annotated[
        bool, strawberry.argument(description="Whether to include archived automations.")
    ] = False,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The automations, in the order in which they act."""
    rows = Automation.visible_to(info.context.viewer)
    rows = rows if include_archived else rows.filter(archived_at=None)
    return page(rows, BY_POSITION, PageRequest(first, after, last, before), info.context.viewer)


async def create(info: Info, input: AutomationCreateInput) -> Automation:
    """Create an automation."""
    with Checks() as check:
        name = check(line, input.name, "name", AUTOMATION_NAME_LENGTH)
        definition = await check.wait(check_definition(input.definition))
        key = check(client_key, input.idempotency_key)
    return await support_automations.create_automation(
        info.context.action(), name, definition, key, is_enabled=input.enabled
    )


async def update(info: Info, input: AutomationUpdateInput) -> Automation:
    """Replace the name and the definition of an automation."""
    with Checks() as check:
        automation = await check.wait(_load(info, input.automation_id))
        name = check(line, input.name, "name", AUTOMATION_NAME_LENGTH)
        definition = await check.wait(check_definition(input.definition))
    return await support_automations.update_automation(
        info.context.action(), automation, name, definition
    )


async def set_enabled(info: Info, input: AutomationSetEnabledInput) -> Automation:
    """Enable or disable an automation."""
    automation = await _load(info, input.automation_id)
    return await support_automations.set_enabled(
        info.context.action(), automation, is_enabled=input.enabled
    )


async def move(info: Info, input: AutomationMoveInput) -> Automation:
    """Give an automation another position."""
    with Checks() as check:
        automation = await check.wait(_load(info, input.automation_id))
        check(support_automations.require_position, input.position)
    return await support_automations.move_automation(
        info.context.action(), automation, input.position
    )


async def archive(info: Info, input: AutomationArchiveInput) -> Automation:
    """Archive an automation."""
    automation = await _load(info, input.automation_id)
    return await support_automations.archive_automation(info.context.action(), automation)


async def _load(info: Info, automation_id: str) -> Automation:
    return await load_visible(Automation, automation_id, info.context.viewer, "automationId")


async def versions(
    context: Context, parents: Sequence[Automation]
) -> list[AutomationVersion | None]:
    """The current version of each automation."""
    rows = await AutomationVersion.filter(automation_id__in=[each.id for each in parents])
    by_number = {(row.automation_id, row.number): row for row in rows}
    return [by_number.get((each.id, each.version_number)) for each in parents]


def all_versions(
    context: Context, parents: Sequence[Automation], page_request: PageRequest
) -> Deferred:
    """One page of each automation's versions."""
    return pages_of(
        parents,
        AutomationVersion,
        "automation_id",
        NEWEST_FIRST,
        page_request,
        context.viewer,
    )


def runs(
    context: Context,
    parents: Sequence[Automation],
    page_request: PageRequest,
    filter: AutomationRunFilter | None = None,
) -> Deferred:
    """One page of each automation's log, empty unless the viewer is an agent."""
    refused = filter.refused if filter else None
    return pages_of(
        parents,
        AutomationRun,
        "automation_id",
        NEWEST_FIRST,
        page_request,
        context.viewer,
        None if refused is None else AutomationRun.by_refusal(refused=refused),
    )


def failures(context: Context, parents: Sequence[Automation]) -> RowsByParent:
    """The timers with which each automation has failed and will be tried again, in that order."""
    rows = AutomationTimer.filter(attempts__gt=0)
    return RowsByParent(parents, rows, "automation_id", "due_at", "id")


async def ticket_numbers(context: Context, parents: Sequence[AutomationTimer]) -> list[str]:
    """The number of each timer's ticket."""
    rows = await read(
        QuerySet(Ticket),
        ("id", "created_at"),
        where_in=("id", {each.ticket_id for each in parents}),
    )
    numbers = {row.id: ticket_number(row.id, row.created_at) for row in rows}
    return [numbers[each.ticket_id] for each in parents]


def runs_of_tickets(context: Context, parents: Sequence[Ticket]) -> RowsByParent:
    """What automations did in each ticket, oldest first."""
    return RowsByParent(parents, AutomationRun.visible_to(context.viewer), "ticket_id", "id")


def automations_of(context: Context, parents: Sequence[Any]) -> RowByForeignKey:
    """The automation of each run."""
    return RowByForeignKey(parents, "automation_id", QuerySet(Automation))


def versions_of(context: Context, parents: Sequence[AutomationRun]) -> RowByForeignKey:
    """The version of the automation at each run."""
    return RowByForeignKey(parents, "version_id", QuerySet(AutomationVersion))


def authors(context: Context, parents: Sequence[AutomationVersion]) -> RowByForeignKey:
    """The author of each version."""
    return RowByForeignKey(parents, "author_id", QuerySet(User))


def refusals(root: AutomationRun) -> list[ActionRefusalRow]:
    """The actions that weren't possible, and why."""
    return [
        ActionRefusalRow(TicketActionKind(each["kind"]), ActionRefusalReason(each["reason"]))
        for each in root.refusals
    ]


def condition_row(name: str) -> Any:
    """A resolver that returns stored conditions."""
    return lambda root: getattr(root, name)


def condition(name: str) -> Any:
    """A resolver of one stored condition, None when it isn't set."""
    return lambda root: root.get(name)


def ids_condition(name: str, model: type[Model]) -> Any:
    """A resolver of a stored condition on rows, which returns their global IDs."""

    def resolve(root: dict[str, Any]) -> list[str] | None:
        keys = root.get(name)
        return None if keys is None else [encode(model.__name__, key) for key in keys]

    return resolve


async def try_automation(
    info: Info,
    automation_id: Annotated[
        strawberry.ID | None,
        strawberry.argument(
            description="The ID of an automation. Null to try a definition that isn't stored."
        ),
    ] = None,
    definition: Annotated[
        AutomationDefinitionInput | None,
        strawberry.argument(
            description="The definition to try, instead of the automation's current one."
        ),
    ] = None,
    days: Annotated[int, strawberry.argument(description="For how many past days, 1 to 90.")] = 30,
) -> DryRun | None:
    """Return what an automation would have done."""
    if not 1 <= days <= MAX_DAYS:
        raise BadInput(
            "days", _("“%(argument)s” must be between 1 and %(maximum)s."), maximum=MAX_DAYS
        )
    now = info.context.action().at
    if definition is not None:
        with Checks() as check:
            checked = await check.wait(check_definition(definition))
        return await dry_run(AutomationVersion(number=0, **checked.columns()), now, days)
    if automation_id is None:
        raise BadInput("automationId", _("Pass “%(argument)s” or a definition."))
    key = key_argument(Automation, automation_id, "automationId")
    automation = await Automation.visible_to(info.context.viewer).get_or_none(pk=key)
    if automation is None:
        return None
    version = await AutomationVersion.get(
        automation_id=automation.pk, number=automation.version_number
    )
    return await dry_run(version, now, days)


def tickets_of_matches(context: Context, parents: Sequence[DryRunMatch]) -> RowByForeignKey:
    """The ticket of each match."""
    return RowByForeignKey(parents, "ticket_id", Ticket.visible_to(context.viewer))
