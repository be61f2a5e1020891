"""Queries that analysts have saved, and the times at which their answers are sent."""

from collections.abc import Sequence
from datetime import date
from enum import Enum
from types import SimpleNamespace
from typing import Annotated, Any

import orjson
import strawberry
from tortoise.queryset import QuerySet

from auth.tokens import Purpose
from models.analytics.errors import AnalyticsErrorCode
from models.analytics.query_schedule import QueryFrequency, QuerySchedule, QueryScheduleEnd
from models.analytics.saved_query import QUERY_NAME_LENGTH, SavedQuery
from models.checks import Checks
from models.clock import local_date
from models.errors import CommonErrorCode, Refusal, message_for
from models.identity.email_address import normalized_email
from models.identity.user import User
from models.numbers import optional_number
from models.text import client_key, line
from operations.analytics import saved_queries, schedules
from operations.analytics.query import AnalyticsQuery
from resolvers.analytics.inputs import AnalyticsQueryInput, parse_query, query_input
from resolvers.analytics.queries import AnalyticsTable, answer_query, cost_of_query
from resolvers.arguments import IDEMPOTENCY_KEY
from resolvers.context import Context, Info
from resolvers.descriptions import describe_enum
from resolvers.filters import (
    Filter,
    OrderDirection,
    accepted_values,
    filter_in,
    order_or_default,
)
from resolvers.ids import key_argument, key_of, load_visible
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
from resolvers.rows import RowByForeignKey, RowsByParent
from resolvers.support.calendar_enums import WEEKDAYS, Weekday

MAX_COST = 10_000  # of a saved query
_BY_NAME = Order("name")
_OLDEST_FIRST = Order("id")
_HOUR = "The hour of the day in Europe/Paris, 0 to 23."
_WEEKDAY = "The day of the week, for WEEKLY."
_DAY = "The day of the month, 1 to 31, for MONTHLY. In shorter months it is the last day."

describe_enum(
    QueryFrequency,
    "How often the answer to a saved query is sent.",
    {
        "DAILY": "Every day.",
        "WEEKLY": "Every week, on `weekday`.",
        "MONTHLY": "Every month, on `dayOfMonth`.",
    },
)
describe_enum(
    QueryScheduleEnd,
    "Why the answer to a saved query is no longer sent.",
    {
        "RECIPIENT_LEFT": "Its recipient is no longer an analyst.",
        "OWNER_LEFT": "Its owner is no longer an analyst.",
        "QUERY_NOT_SHARED": "The query is no longer visible to the owner or the recipient.",
        "QUERY_DELETED": "The query was deleted.",
        "FAILING": "The answer couldn't be computed three times in a row.",
    },
)


class SavedQueryOrderField(Enum):
    """The columns that saved queries can be ordered by."""

    NAME = "name"
    UPDATED_AT = "updated_at"


describe_enum(
    SavedQueryOrderField,
    "The fields that saved queries can be ordered by.",
    {"NAME": "The name.", "UPDATED_AT": "When the query was last changed."},
)


@strawberry.input(description="The order of saved queries.")
class SavedQueryOrder:
    field: SavedQueryOrderField = strawberry.field(description="The field to order by.")
    direction: OrderDirection = strawberry.field(description="The direction of the order.")


@strawberry.input(description="Conditions on saved queries. All given conditions must be met.")
class SavedQueryFilter:
    is_shared: Filter[bool] | None = strawberry.field(
        default=None, description="Whether all analysts see the query."
    )
    is_own: bool | None = strawberry.field(
        default=None, description="Whether it is the viewer's own query."
    )


@strawberry.input(description="The query to save.")
class SavedQueryCreateInput:
    name: str = strawberry.field(
        description="Its name (at most 80 characters), unique among the viewer's queries."
    )
    query: AnalyticsQueryInput = strawberry.field(
        description="The query. `last` is evaluated whenever the query runs."
    )
    is_shared: bool = strawberry.field(
        default=False, description="Whether all analysts see the query."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The changes to a saved query. Omitted fields keep their values.")
class SavedQueryUpdateInput:
    saved_query_id: strawberry.ID = strawberry.field(description="The ID of the saved query.")
    name: str | None = strawberry.field(
        default=None, description="The new name (at most 80 characters)."
    )
    query: AnalyticsQueryInput | None = strawberry.field(
        default=None, description="The new query, which replaces the former one."
    )
    is_shared: bool | None = strawberry.field(
        default=None, description="Whether all analysts see the query."
    )


@strawberry.input(description="The saved query to delete.")
class SavedQueryDeleteInput:
    saved_query_id: strawberry.ID = strawberry.field(description="The ID of the saved query.")


@strawberry.input(description="When the answer to a saved query is sent, and to whom.")
class QueryScheduleCreateInput:
    saved_query_id: strawberry.ID = strawberry.field(description="The ID of the saved query.")
    frequency: QueryFrequency = strawberry.field(description="How often it is sent.")
    hour: int = strawberry.field(description=_HOUR)
    weekday: Weekday | None = strawberry.field(default=None, description=_WEEKDAY)
    day_of_month: int | None = strawberry.field(default=None, description=_DAY)
    recipient_email: str | None = strawberry.field(
        default=None,
        description="The email address of the analyst it is sent to. Defaults to the viewer. Only "
        "shared queries can be sent to others.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(
    description="The changes to one of the viewer's schedules. Omitted fields keep their values."
)
class QueryScheduleUpdateInput:
    query_schedule_id: strawberry.ID = strawberry.field(description="The ID of the schedule.")
    frequency: QueryFrequency | None = strawberry.field(
        default=None, description="How often it is sent."
    )
    hour: int | None = strawberry.field(default=None, description=_HOUR)
    weekday: Weekday | None = strawberry.field(default=None, description=_WEEKDAY)
    day_of_month: int | None = strawberry.field(default=None, description=_DAY)
    is_active: bool | None = strawberry.field(
        default=None,
        description="Whether something is sent. A schedule that has ended can be resumed.",
    )


@strawberry.input(description="The schedule to delete.")
class QueryScheduleDeleteInput:
    query_schedule_id: strawberry.ID = strawberry.field(description="The ID of the schedule.")


def saved_query_list(
    info: Info,
    filter: Annotated[
        SavedQueryFilter | None,
        strawberry.argument(description="Conditions on the saved queries to return."),
    ] = None,
    order_by: Annotated[
        SavedQueryOrder | None,
        strawberry.argument(description="The order of the list. Defaults to the name."),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The queries that the viewer may see."""
    viewer = info.context.viewer
    rows = SavedQuery.visible_to(viewer)
    if filter:
        rows = filter_in(rows, "is_shared", accepted_values(filter.is_shared))
        if filter.is_own is not None:
            own = {"owner_id": viewer.user_id}
            rows = rows.filter(**own) if filter.is_own else rows.exclude(**own)
    order = order_or_default(order_by, _BY_NAME)
    return page(rows, order, PageRequest(first, after, last, before), viewer)


def schedule_list(
    info: Info,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The schedules of the viewer, and those that send to the viewer."""
    viewer = info.context.viewer
    rows = QuerySchedule.visible_to(viewer)
    return page(rows, _OLDEST_FIRST, PageRequest(first, after, last, before), viewer)


async def saved_answer(
    info: Info,
    saved_query_id: Annotated[
        strawberry.ID, strawberry.argument(description="The ID of the saved query.")
    ],
) -> AnalyticsTable:
    """The answer to a saved query. Raises Refusal and BadInput."""
    context = info.context
    key = key_argument(SavedQuery, saved_query_id, "savedQueryId")
    saved = await SavedQuery.visible_to(context.viewer).get_or_none(pk=key)
    if saved is None:
        raise Refusal(CommonErrorCode.NOT_FOUND, "savedQueryId")
    query = saved_queries.load_query(saved.query, _today(context))
    return await answer_query(context, query)


async def report(
    info: Info,
    token: Annotated[
        str, strawberry.argument(description="The `report` parameter of the link in the email.")
    ],
) -> SimpleNamespace:
    """The report that an email links to, for its recipient. Raises Refusal and BadInput."""
    context = info.context
    services = context.services
    try:
        data = services.auth.signer.read(Purpose.ANALYTICS_REPORT, token, services.clock.now())
    except Refusal as refusal:
        refusal.field = ("token",)
        raise
    if data["user"] != context.user.pk:
        raise Refusal(CommonErrorCode.NOT_FOUND, "token")
    query = saved_queries.load_query(data["analytics"], _today(context))
    return SimpleNamespace(
        name=data["name"],
        query=_json(query),
        table=await answer_query(context, query),
    )


async def create(info: Info, input: SavedQueryCreateInput) -> SavedQuery:
    """Save a query."""
    context = info.context
    with Checks() as check:
        name = check(line, input.name, "name", QUERY_NAME_LENGTH)
        query = check(_checked_query, input.query, context)
        key = check(client_key, input.idempotency_key)
    return await saved_queries.create(
        context.action(), context.user, name, query, key, is_shared=input.is_shared
    )


async def update(info: Info, input: SavedQueryUpdateInput) -> SavedQuery:
    """Change a saved query."""
    context, values = info.context, dict[str, Any]()
    with Checks() as check:
        saved = await check.wait(_load(info, input.saved_query_id))
        if input.name is not None:
            values["name"] = check(line, input.name, "name", QUERY_NAME_LENGTH)
        if input.query is not None:
            query = check(_checked_query, input.query, context)
            values["query"] = query and query.to_json()
    if input.is_shared is not None:
        values["is_shared"] = input.is_shared
    return await saved_queries.update(context.action(), context.user, saved.pk, values)


async def delete(info: Info, input: SavedQueryDeleteInput) -> bool:
    """Delete a saved query."""
    context = info.context
    saved = await _load(info, input.saved_query_id)
    await saved_queries.delete(context.action(), context.user, saved.pk)
    return True


async def _load(info: Info, saved_query_id: str) -> SavedQuery:
    return await load_visible(SavedQuery, saved_query_id, info.context.viewer, "savedQueryId")


def _checked_query(query: Any, context: Context) -> AnalyticsQuery:
    parsed = parse_query(query)
    saved_queries.check_new_query(parsed, _today(context))
    cost = cost_of_query(parsed)
    if cost > MAX_COST:
        code = AnalyticsErrorCode.QUERY_TOO_LARGE
        raise Refusal(code, "input", "query", cost=cost, maximum=MAX_COST)
    return parsed


def _today(context: Context) -> date:
    return local_date(context.services.clock.now())


async def create_schedule(info: Info, input: QueryScheduleCreateInput) -> QuerySchedule:
    """Schedule a saved query."""
    context = info.context
    with Checks() as check:
        saved = await check.wait(_load(info, input.saved_query_id))
        times = check(
            _times, input.frequency, input.hour, _number(input.weekday), input.day_of_month
        )
        email = input.recipient_email
        if email is not None:
            email = check(line, email, "recipientEmail", 254)
        key = check(client_key, input.idempotency_key)
    return await schedules.create(
        context.action(), context.user, saved, email and normalized_email(email), times, key
    )


async def update_schedule(info: Info, input: QueryScheduleUpdateInput) -> QuerySchedule:
    """Change a schedule."""
    context = info.context
    with Checks() as check:
        schedule = await check.wait(_load_schedule(info, input.query_schedule_id))
        if check.is_valid:
            times = check(
                _times,
                input.frequency or schedule.frequency,
                schedule.hour if input.hour is None else input.hour,
                schedule.weekday if input.weekday is None else _number(input.weekday),
                schedule.day if input.day_of_month is None else input.day_of_month,
            )
        else:
            check(_times, input.frequency, input.hour, _number(input.weekday), input.day_of_month)
    return await schedules.update(
        context.action(), context.user, schedule.pk, times, is_active=input.is_active
    )


async def delete_schedule(info: Info, input: QueryScheduleDeleteInput) -> bool:
    """Delete a schedule."""
    context = info.context
    key = key_of(QuerySchedule, input.query_schedule_id) or 0
    await schedules.delete(context.action(), context.user, key)
    return True


async def _load_schedule(info: Info, schedule_id: str) -> QuerySchedule:
    return await load_visible(QuerySchedule, schedule_id, info.context.viewer, "queryScheduleId")


def _number(weekday: Weekday | None) -> int | None:
    return None if weekday is None else WEEKDAYS.index(weekday) + 1


def _times(
    frequency: QueryFrequency | None, hour: int | None, weekday: int | None, day: int | None
) -> dict[str, Any]:
    """The columns that say when a schedule is due. Raises VALUE_INVALID and BLANK."""
    with Checks() as check:
        check(optional_number, hour, 0, 23, "input", "hour")
        check(optional_number, day, 1, 31, "input", "dayOfMonth")
        if frequency is QueryFrequency.WEEKLY and weekday is None:
            check.refuse(Refusal(CommonErrorCode.BLANK, "input", "weekday"))
        if frequency is QueryFrequency.MONTHLY and day is None:
            check.refuse(Refusal(CommonErrorCode.BLANK, "input", "dayOfMonth"))
    return {
        "frequency": frequency,
        "hour": hour,
        "weekday": weekday,
        "day": day,
    }


def query_json(root: SavedQuery) -> str:
    """The query as the input of `analytics`, in JSON. Empty when it can't be read any more."""
    try:
        return _json(AnalyticsQuery.from_json(root.query))
    except (KeyError, TypeError, ValueError):
        return "{}"


def _json(query: AnalyticsQuery) -> str:
    return orjson.dumps(query_input(query)).decode()


def problems(context: Context, rows: Sequence[SavedQuery]) -> list[list[SimpleNamespace]]:
    """Why each query can't run any more, nothing for one that can."""
    return [_problems(context, row) for row in rows]


def _problems(context: Context, saved: SavedQuery) -> list[SimpleNamespace]:
    locale = context.viewer.locale
    try:
        saved_queries.load_query(saved.query, _today(context))
    except Refusal as refusal:
        return [
            SimpleNamespace(
                code=each.code, message=message_for(each, locale), field=list(each.field) or None
            )
            for each in refusal.refusals
        ]
    return []


def owners(context: Context, parents: Sequence[SavedQuery]) -> RowByForeignKey:
    """The analyst to whom each query or schedule belongs."""
    return RowByForeignKey(parents, "owner_id", QuerySet(User))


def recipients(context: Context, parents: Sequence[QuerySchedule]) -> RowByForeignKey:
    """The analyst to whom each schedule sends."""
    return RowByForeignKey(parents, "recipient_id", QuerySet(User))


def queries_of(context: Context, parents: Sequence[QuerySchedule]) -> RowByForeignKey:
    """The query of each schedule, None for one that the viewer doesn't see any more."""
    return RowByForeignKey(parents, "saved_query_id", SavedQuery.visible_to(context.viewer))


def schedules_of(context: Context, parents: Sequence[SavedQuery]) -> RowsByParent:
    """The schedules of each query that the viewer may see."""
    visible = QuerySchedule.visible_to(context.viewer)
    return RowsByParent(parents, visible, "saved_query_id", "id")


def weekday(root: QuerySchedule) -> Weekday | None:
    """The day of the week of a weekly schedule."""
    if root.frequency is not QueryFrequency.WEEKLY or root.weekday is None:
        return None
    return WEEKDAYS[root.weekday - 1]


def day_of_month(root: QuerySchedule) -> int | None:
    """The day of the month of a monthly schedule."""
    return root.day if root.frequency is QueryFrequency.MONTHLY else None
