"""The inputs of automations, and how they are checked."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import strawberry
from strawberry.utils.str_converters import to_camel_case
from tortoise.queryset import QuerySet

from models.accounts.account import Organization
from models.billing.offer import Offer
from models.checks import Checks
from models.countries import COUNTRY_CODES
from models.errors import CommonErrorCode, Refusal
from models.identity.user import User
from models.locale import Locale
from models.support.automation import AutomationEvent, ConditionMatch
from models.support.classification import Category, Channel, Priority
from models.support.search_entry import stems_of
from models.support.tag import clean_tags
from models.support.team import Team
from models.support.ticket_status import TicketStatus
from models.text import line
from models.translations import _
from resolvers.arguments import IDEMPOTENCY_KEY
from resolvers.ids import key_of
from resolvers.support.ticket_actions import TicketActionsInput, check_input
from support.automations import Definition, check_delay

Value = TypeVar("Value")

MAX_VALUES, PHRASE_LENGTH = 20, 100
_NAME = "Its name (at most 60 characters), unique among automations."


@strawberry.input(
    description=(
        "Conditions on a ticket. Omitted conditions don't apply. Each list has 1 to 20 values, of "
        "which the ticket must match one."
    )
)
class AutomationConditionsInput:
    channel: list[Channel] | None = strawberry.field(
        default=None, description="Opened through one of these channels."
    )
    category: list[Category] | None = strawberry.field(
        default=None, description="Of one of these categories."
    )
    status: list[TicketStatus] | None = strawberry.field(
        default=None, description="In one of these statuses."
    )
    priority: list[Priority] | None = strawberry.field(
        default=None, description="With one of these priorities."
    )
    tags: list[str] | None = strawberry.field(default=None, description="With one of these tags.")
    team_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Of one of the teams with these IDs."
    )
    assignee_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Assigned to one of the agents with these IDs."
    )
    assigned: bool | None = strawberry.field(
        default=None, description="Whether the ticket has an assignee."
    )
    reply_awaited: bool | None = strawberry.field(
        default=None, description="Whether the customer waits for a reply."
    )
    legal_request: bool | None = strawberry.field(
        default=None, description="Whether the ticket is a legal request."
    )
    contains: list[str] | None = strawberry.field(
        default=None,
        description="One of these phrases (at most 100 characters each) is in the subject, or in "
        "the message that was posted. Other events look at the customer's latest message, the "
        "opening at the first one. Words are compared like those of a search: without accents, in "
        "any of their forms.",
    )
    locale: list[Locale] | None = strawberry.field(
        default=None, description="The customer's language is one of these."
    )
    organization: list[Organization] | None = strawberry.field(
        default=None, description="The kind of the customer's company is one of these."
    )
    country: list[str] | None = strawberry.field(
        default=None,
        description="The company is established in one of these countries (ISO 3166-1 alpha-2).",
    )
    offer_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="The company has bought one of the offers with these IDs."
    )
    within_opening_hours: bool | None = strawberry.field(
        default=None,
        description="Whether the event happened in the opening hours of the ticket's team.",
    )


@strawberry.input(description="When an automation acts, under which conditions, and what it does.")
class AutomationDefinitionInput:
    event: AutomationEvent = strawberry.field(description="The event that it acts on.")
    delay_minutes: int | None = strawberry.field(
        default=None,
        description=(
            "How many minutes after the event it acts, at most 525,600. It doesn't act if "
            "something newer makes the event obsolete: a message after a reply, another status or "
            "another assignment. Null to act at once, as is required for SLA events."
        ),
    )
    delay_in_business_time: bool = strawberry.field(
        default=False,
        description="Whether only the opening hours of the ticket's team count for the delay.",
    )
    match: ConditionMatch = strawberry.field(
        default=ConditionMatch.ALL, description="Whether all conditions have to be met, or any."
    )
    conditions: AutomationConditionsInput | None = strawberry.field(
        default=None, description="The conditions. Null for every ticket."
    )
    exceptions: AutomationConditionsInput | None = strawberry.field(
        default=None, description="Conditions that must not be met."
    )
    actions: TicketActionsInput = strawberry.field(description="What it does.")


@strawberry.input(description="The automation to create.")
class AutomationCreateInput:
    name: str = strawberry.field(description=_NAME)
    definition: AutomationDefinitionInput = strawberry.field(description="What it does, and when.")
    enabled: bool = strawberry.field(
        default=False, description="Whether it is enabled. If so, it acts on events from now on."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(
    description=("The automation to update, with its new name and its complete new definition.")
)
class AutomationUpdateInput:
    automation_id: strawberry.ID = strawberry.field(description="The ID of the automation.")
    name: str = strawberry.field(description=_NAME)
    definition: AutomationDefinitionInput = strawberry.field(
        description="What it does, and when. Replaces the former definition."
    )


@strawberry.input(description="The automation to enable or disable.")
class AutomationSetEnabledInput:
    automation_id: strawberry.ID = strawberry.field(description="The ID of the automation.")
    enabled: bool = strawberry.field(
        description=("Whether it is enabled. If so, it acts on events from now on.")
    )


@strawberry.input(description="The automation and its new position.")
class AutomationMoveInput:
    automation_id: strawberry.ID = strawberry.field(description="The ID of the automation.")
    position: int = strawberry.field(
        description="The new position, starting at 1. The other automations move accordingly."
    )


@strawberry.input(description="The automation to archive.")
class AutomationArchiveInput:
    automation_id: strawberry.ID = strawberry.field(description="The ID of the automation.")


async def check_definition(input: AutomationDefinitionInput) -> Definition:
    """The definition of an input. Raises all of its errors at once."""
    with Checks("definition") as check:
        check_delay(check, input.event, input.delay_minutes)
        conditions = await check.wait(_conditions(input.conditions, "conditions"))
        exceptions = await check.wait(_conditions(input.exceptions, "exceptions"))
        actions = await check.wait(check_input(input.actions, is_automation=True))
    return Definition(
        event=input.event,
        delay_minutes=input.delay_minutes,
        is_delay_business_time=input.delay_in_business_time and input.delay_minutes is not None,
        match=input.match,
        conditions=conditions,
        exceptions=exceptions,
        actions=actions,
    )


async def _conditions(input: AutomationConditionsInput | None, field: str) -> dict[str, Any]:
    """Conditions as they are stored, without those that aren't set."""
    if input is None:
        return {}
    stored: dict[str, Any] = {}
    with Checks(field) as check:
        for name, given in vars(input).items():
            if given == []:
                message = _("Choose at least one value, or omit the condition.")
                path = to_camel_case(name)
                check.refuse(Refusal(CommonErrorCode.BLANK, "input", path, message=message))
        for name in ("channel", "category", "status", "priority", "locale", "organization"):
            if (values := getattr(input, name)) is not None:
                stored[name] = sorted({value.value for value in values})
        for name in ("assigned", "reply_awaited", "legal_request", "within_opening_hours"):
            if (value := getattr(input, name)) is not None:
                stored[name] = value
        if input.tags is not None:
            stored["tags"] = check(clean_tags, input.tags, "tags")
        if input.contains is not None:
            stored["contains"] = check(_each, input.contains, "contains", _phrase)
        if input.country is not None:
            stored["country"] = check(_each, input.country, "country", _country)
        for name, ids, rows, path in (
            ("team_id", input.team_ids, QuerySet(Team), "teamIds"),
            ("assignee_id", input.assignee_ids, User.exclude(staff=None), "assigneeIds"),
            ("offer_id", input.offer_ids, QuerySet(Offer), "offerIds"),
        ):
            if ids is not None:
                stored[name] = await check.wait(_existing_keys(ids, path, rows))
    return stored


def _each(
    values: Sequence[Value], field: str, check_value: Callable[[Value, str], Any]
) -> list[Any]:
    if len(values) > MAX_VALUES:
        raise Refusal(CommonErrorCode.TOO_MANY, "input", field, limit=MAX_VALUES)
    with Checks(field) as check:
        checked = [check(check_value, value, str(index)) for index, value in enumerate(values)]
    return list(dict.fromkeys(checked))


def _phrase(text: str, index: str) -> str:
    phrase = line(text, index, PHRASE_LENGTH)
    if not stems_of(phrase):  # nothing would contain it
        raise Refusal(CommonErrorCode.BLANK, "input", index)
    return phrase


def _country(code: str, index: str) -> str:
    if code not in COUNTRY_CODES:
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", index)
    return code


async def _existing_keys(ids: Sequence[str], field: str, rows: QuerySet[Any]) -> list[int]:
    """The keys of rows by their global IDs. Raises NOT_FOUND for each ID that isn't among
    `rows`.
    """
    keys = [key_of(rows.model, each) for each in ids[: MAX_VALUES + 1]]
    found = {row.pk for row in await rows.filter(pk__in=[key for key in keys if key])}

    def check_key(key: int | None, index: str) -> int:
        if key is None or key not in found:
            raise Refusal(CommonErrorCode.NOT_FOUND, "input", index)
        return key

    return _each(keys, field, check_key)
