"""Requests of people about their personal data."""

from collections.abc import Awaitable, Sequence
from typing import Annotated

import strawberry
from tortoise.queryset import QuerySet

from models.identity.user import User
from models.privacy.data_request import DataRequest
from models.viewer import Viewer
from privacy import data_requests as rules
from privacy import person_rights
from resolvers.context import Context, Info
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
from resolvers.privacy.inputs import (
    DataRequestCarryOutInput,
    DataRequestDecideInput,
    DataRequestExtendInput,
    DataRequestMakeInput,
    DataRequestRecordInput,
    RestrictionLiftInput,
)
from resolvers.rows import RowByForeignKey

EARLIEST_DEADLINE_FIRST = Order("deadline_at")


def data_requests(
    info: Info,
    pending: Annotated[
        bool | None,
        strawberry.argument(
            description=("True for requests that aren't decided yet, false for those that are.")
        ),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The register."""
    viewer = info.context.viewer
    rows = DataRequest.visible_to(viewer)
    if pending is not None:
        rows = rows.filter(decision__isnull=pending)
    return page(rows, EARLIEST_DEADLINE_FIRST, PageRequest(first, after, last, before), viewer)


async def viewer_requests(root: Viewer) -> list[DataRequest]:
    """The requests of the viewer, most recent first."""
    return await DataRequest.filter(user_id=root.user_id).order_by("-id")


async def make(info: Info, input: DataRequestMakeInput) -> DataRequest:
    """Make a request for oneself."""
    context = info.context
    return await rules.make(
        context.action(), context.session, input.kind, input.details, input.idempotency_key
    )


async def record(info: Info, input: DataRequestRecordInput) -> DataRequest:
    """Record a request that another person made."""
    return await rules.record(
        info.context.action(),
        load_visible(User, input.user_id, info.context.viewer, "userId"),
        input.kind,
        input.details,
        input.received_at,
        input.idempotency_key,
    )


async def extend(info: Info, input: DataRequestExtendInput) -> DataRequest:
    """Extend the deadline of a request."""
    return await rules.extend(
        info.context.action(), _load(info, input.data_request_id), input.reason
    )


async def carry_out(info: Info, input: DataRequestCarryOutInput) -> DataRequest:
    """Do what a request asks for, and grant it."""
    context = info.context
    request = _load(info, input.data_request_id)
    return await person_rights.carry_out(context.action(), context.session, request, input.answer)


async def lift(info: Info, input: RestrictionLiftInput) -> DataRequest:
    """End a restriction."""
    request = _load(info, input.data_request_id)
    return await person_rights.lift(info.context.action(), request, input.reason)


def results(root: DataRequest) -> list[dict[str, object]]:
    """How many rows of each kind were changed or removed."""
    return [{"kind": kind, "count": count} for kind, count in sorted((root.results or {}).items())]


async def decide(info: Info, input: DataRequestDecideInput) -> DataRequest:
    """Decide a request."""
    request = _load(info, input.data_request_id)
    return await rules.decide(info.context.action(), request, input.decision, input.answer)


def _load(info: Info, request_id: strawberry.ID) -> Awaitable[DataRequest]:
    return load_visible(DataRequest, request_id, info.context.viewer, "dataRequestId")


def users(context: Context, parents: Sequence[DataRequest]) -> RowByForeignKey:
    """The person of each request."""
    return RowByForeignKey(parents, "user_id", QuerySet(User))


def recorders(context: Context, parents: Sequence[DataRequest]) -> RowByForeignKey:
    """The operator who recorded each request, None for one that the person made themselves."""
    return RowByForeignKey(parents, "recorder_id", QuerySet(User))


def deciders(context: Context, parents: Sequence[DataRequest]) -> RowByForeignKey:
    """The operator who decided each request, None until then."""
    return RowByForeignKey(parents, "decider_id", QuerySet(User))
