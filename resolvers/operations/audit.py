"""The audit log, restricted to what the viewer may see."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Annotated, Any

import orjson
import strawberry
from strawberry.utils.str_converters import to_camel_case
from tortoise.queryset import QuerySet

from models.audit import AuditEntry
from models.errors import BadInput
from models.identity.user import Staff, User
from models.translations import _
from models.viewer import Viewer
from operations.audit_proof import AuditProof, audit_proof
from resolvers.context import Context, Info
from resolvers.filters import (
    accepted_values,
    check_value_count,
    filter_in,
    filter_range,
    order_or_default,
)
from resolvers.ids import decode, encode, key_argument
from resolvers.operations.filters import AuditEntryFilter, AuditEntryOrder
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
from resolvers.rows import RowByForeignKey

NEWEST_FIRST = Order("id", descending=True)


def entries(
    info: Info,
    filter: Annotated[
        AuditEntryFilter | None,
        strawberry.argument(description="Conditions on the entries to return."),
    ] = None,
    order_by: Annotated[
        AuditEntryOrder | None,
        strawberry.argument(description="The order of the list. Defaults to most recent first."),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The entries that the viewer may see."""
    viewer, conditions = info.context.viewer, filter or AuditEntryFilter()
    actions = accepted_values(conditions.action)
    rows = filter_in(
        AuditEntry.visible_to(viewer), "action", actions and [action.value for action in actions]
    )
    if (actors := accepted_values(conditions.actor_id)) is not None:
        rows = _filter_by_actors(
            rows,
            [key_argument(User, actor_id, "actorId") for actor_id in check_value_count(actors)],
            viewer,
        )
    if conditions.object_id is not None:
        rows = _filter_by_object(rows, conditions.object_id)
    rows = filter_range(rows, "at", conditions.at)
    return page(
        rows,
        order_or_default(order_by, NEWEST_FIRST),
        PageRequest(first, after, last, before),
        viewer,
    )


def _filter_by_actors(
    rows: QuerySet[AuditEntry], actors: list[int], viewer: Viewer
) -> QuerySet[AuditEntry]:
    """The entries of some users. Customers can't find out which member of the staff did something,
    not even with a filter.
    """
    rows = filter_in(rows, "actor_id", actors)
    return rows if _is_operator(viewer) else rows.filter(staff=None)


def _filter_by_object(rows: QuerySet[AuditEntry], object_id: str) -> QuerySet[AuditEntry]:
    match decode(object_id):
        case (kind, key):
            return rows.filter(object_type=kind, object_id=key)
    raise BadInput("objectId", _("“%(argument)s” must be the ID of an object."))


def _is_operator(viewer: Viewer) -> bool:
    return viewer.staff is Staff.OPERATOR


def actors(context: Context, parents: Sequence[AuditEntry]) -> RowByForeignKey:
    """The user who performed each action: everyone for operators, members of their company for
    customers.
    """
    return RowByForeignKey(
        parents,
        "actor_id",
        QuerySet(User) if _is_operator(context.viewer) else User.visible_to(context.viewer),
    )


def staff(context: Context, parents: Sequence[AuditEntry]) -> list[Staff | None]:
    """The role of the staff member who performed each action, for operators."""
    can_see_staff = _is_operator(context.viewer)
    return [Staff(parent.staff) if can_see_staff and parent.staff else None for parent in parents]


def addresses(context: Context, parents: Sequence[AuditEntry]) -> list[str | None]:
    """The network address of each entry; for actions of staff members, only for operators."""
    can_see_staff = _is_operator(context.viewer)
    return [parent.address if can_see_staff or parent.staff is None else None for parent in parents]


def object_of(root: AuditEntry) -> str | None:
    """The global ID of the object of an entry."""
    return encode(root.object_type, root.object_id) if root.object_type and root.object_id else None


# Details that are the keys of rows.
_TYPE_BY_DETAIL = {
    "ticket": "Ticket",
    "message": "Message",
    "change": "LegalNameChange",
    "uploader": "User",
}


def details(root: AuditEntry) -> list[SimpleNamespace]:
    """The details of the action by name, with keys of rows as global IDs."""
    return [_detail(name, value) for name, value in orjson.loads(root.details).items()]


def _detail(name: str, value: Any) -> SimpleNamespace:
    if name in _TYPE_BY_DETAIL:
        return SimpleNamespace(name=f"{name}Id", value=encode(_TYPE_BY_DETAIL[name], value))
    return SimpleNamespace(
        name=to_camel_case(name),
        value=value if isinstance(value, str) else orjson.dumps(value).decode(),
    )


async def proof(info: Info) -> AuditProof:
    """The result of verifying every entry."""
    return await audit_proof()
