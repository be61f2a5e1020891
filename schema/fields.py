"""Declaring fields: `query`, `mutation` and `subscription` for root fields, `edge` and `connection`
for related rows, `field`, `viewer_field` and `localized_field` for values of a row. All logic of
the schema is in this file.

The attribute's annotation determines the GraphQL type, and the resolver returns database rows. Each
root field declares who may use it (`allow=`). A Refusal of a mutation becomes `userErrors`; all
other errors are formatted by schema/errors.py.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any, Optional

import strawberry
import structlog
from graphql import GraphQLField
from strawberry.types.field import StrawberryField

from auth.rules import Rule
from engine import Batch
from models.action import retry_conflict
from models.audit_action import AuditAction
from models.errors import Forbidden, KeyReadsOnly, Refusal, message_for
from models.locale import Locale
from resolvers.arguments import LanguageArgument
from resolvers.context import Context, Info
from resolvers.filters import requested_order
from resolvers.paging import AfterArgument, BeforeArgument, FirstArgument, LastArgument, PageRequest

log = structlog.stdlib.get_logger()
Resolver = Callable[..., Any]
ValueBatch = Callable[..., list[Any]]
Cost = int | Callable[[dict[str, Any]], int]


def query(resolver: Resolver, *, allow: Rule, description: str, cost: Cost = 0) -> Any:
    """A root field of Query. `cost` is the field's own cost without its selections, or a function
    of its arguments.
    """
    return strawberry.field(
        resolver=_with_access_check(resolver, allow),
        description=description,
        metadata={"cost": cost},
    )


@dataclass(frozen=True)
class Unaudited:
    """Why a mutation isn't recorded in the audit log."""

    reason: str


def mutation(
    resolver: Resolver,
    *fields: str,
    allow: Rule,
    audit: AuditAction | Unaudited,
    description: str,
    cost: Cost = 10,
) -> Any:
    """A root field of Mutation. The resolver's result becomes the payload's only field, or its
    fields by name. Whatever the rule says, API keys change nothing.

    `audit` is the action that the mutation records in the audit log (`Transaction.audit`).
    tests/schema/operations/test_audit.py executes each mutation to verify it.
    """

    @functools.wraps(resolver)
    async def resolve_mutation(info: Info, *args: Any, **kwargs: Any) -> Any:
        if info.context.viewer.api_key:
            raise KeyReadsOnly
        _check_access(resolver, allow, info)
        try:
            result = await retry_conflict(lambda: resolver(info, *args, **kwargs))
            return _payload(fields, result, info.context.viewer.locale)
        except Refusal as refusal:
            return _payload(
                fields,
                {"refusals": refusal.refusals},
                refusal.locale or info.context.viewer.locale,
                is_refused=True,
            )

    field = strawberry.mutation(
        resolver=resolve_mutation, description=description, metadata={"cost": cost, "audit": audit}
    )
    for argument in field.base_resolver.arguments:
        argument.description = "The input of the mutation."
    return field


def subscription(resolver: Resolver, *, allow: Rule, description: str) -> Any:
    """A root field of Subscription. Its rule is checked when it starts, and its stream checks
    access again at each delivery.

    The resolver's result is passed through unchanged: websockets share the events of an EventStream
    between clients.
    """

    @functools.wraps(resolver)
    async def resolve_subscription(info: Info, *args: Any, **kwargs: Any) -> Any:
        _check_access(resolver, allow, info)
        return await resolver(info, *args, **kwargs)

    return strawberry.subscription(resolver=resolve_subscription, description=description)


def edge(batch: Batch, *, description: str, cost: Cost = 0, needs: Sequence[str] = ("id",)) -> Any:
    """A field for related rows, resolved by a batch: the parents of a level go in, and one result
    for each comes out. `needs` are the columns of the parents that the batch reads.
    """

    def resolve(root: Any, info: Info) -> Any:
        raise NotImplementedError  # the engine calls the batch

    return strawberry.field(
        resolver=resolve,
        description=description,
        metadata={"cost": cost, "batch": batch, "needs": needs},
    )


def connection(
    batch: Batch,
    *,
    description: str,
    order: type[Any] | None = None,
    filter: type[Any] | None = None,
) -> Any:
    """A paginated list of related rows for each parent: the batch receives the `PageRequest` in
    addition to the parents.

    `order` is the input type by which clients may choose an order other than the default, `filter`
    the one by which they may choose rows, which the batch receives as well.
    """

    def resolve_page(
        context: Context,
        parents: Sequence[Any],
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        order_by: Any = None,
        **filters: Any,
    ) -> Any:
        page_request = PageRequest(first, after, last, before, requested_order(order_by))
        return batch(context, parents, page_request, **filters)

    def resolve(
        root: Any,
        info: Info,
        filter: Any = None,
        order_by: Any = None,
        first: FirstArgument = None,
        after: AfterArgument = None,
        last: LastArgument = None,
        before: BeforeArgument = None,
    ) -> Any:
        raise NotImplementedError  # the engine calls the batch

    optional_arguments = {
        "filter": (filter, "Which items to return."),
        "order_by": (
            order,
            "The order of the list. Defaults to the order described for the list.",
        ),
    }
    signature = inspect.signature(resolve)
    parameters = dict(signature.parameters)
    for name, (kind, text) in optional_arguments.items():
        if kind is None:
            del parameters[name], resolve.__annotations__[name]
        else:
            argument = strawberry.argument(description=text)
            annotation = Annotated[Optional[kind], argument]  # type: ignore[valid-type]  # noqa: UP045 - of a variable
            resolve.__annotations__[name] = annotation
            parameters[name] = parameters[name].replace(annotation=annotation)
    resolve.__signature__ = signature.replace(parameters=[*parameters.values()])  # type: ignore[attr-defined] # inspect reads it
    return strawberry.field(
        resolver=resolve,
        description=description,
        metadata={"batch": resolve_page, "needs": ("id",)},
    )


def field(
    description: str,
    resolver: Callable[..., Any] | None = None,
    *,
    needs: Sequence[str] | None = None,
    name: str | None = None,
    cost: Cost = 0,
) -> Any:
    """A plain field of a row. `needs` are the columns that it reads: by default the column of its
    name, or all columns if it has a resolver. A text that can be long has a `cost`.
    """
    metadata: dict[str, Any] = {"cost": cost} if needs is None else {"cost": cost, "needs": needs}
    if resolver is None:
        return strawberry.field(name=name, description=description, metadata=metadata)
    return strawberry.field(
        name=name, description=description, resolver=resolver, metadata=metadata
    )


def viewer_field(batch: ValueBatch, *, description: str, needs: Sequence[str]) -> Any:
    """A plain field whose value depends on the viewer, computed for all rows of a level at once,
    without a query.
    """

    def resolve(root: Any, info: Info) -> Any:
        return batch(info.context, [root])[0]

    return strawberry.field(
        resolver=resolve,
        description=description,
        metadata={"batch": _retry_by_row(batch), "needs": needs},
    )


def localized_field(
    batch: ValueBatch, *, description: str, needs: Sequence[str], cost: Cost = 0
) -> Any:
    """A plain field in a language: like `viewer_field`, with the requested language as `locale`. A
    text that can be long has a `cost`.
    """

    def resolve(root: Any, info: Info, locale: LanguageArgument = None) -> Any:
        return batch(info.context, [root], locale=locale)[0]

    return strawberry.field(
        resolver=resolve,
        description=description,
        metadata={"batch": _retry_by_row(batch), "needs": needs, "cost": cost},
    )


def _retry_by_row(batch: ValueBatch) -> ValueBatch:
    """The batch, retried row by row if it fails, so that only the failing rows get an error."""

    def resolve_row(context: Context, row: Any, arguments: dict[str, Any]) -> Any:
        try:
            return batch(context, [row], **arguments)[0]
        except Exception as error:
            return error

    @functools.wraps(batch)
    def resolve_rows(context: Context, rows: Sequence[Any], **arguments: Any) -> list[Any]:
        try:
            return batch(context, rows, **arguments)
        except Exception:
            return [resolve_row(context, row, arguments) for row in rows]

    return resolve_rows


def batch_of(field: GraphQLField) -> Batch | None:
    """The batch of a field declared with `edge` or `connection`: a hook of the engine."""
    strawberry_field = (field.extensions or {}).get("strawberry-definition")
    return (
        strawberry_field.metadata.get("batch")
        if isinstance(strawberry_field, StrawberryField)
        else None
    )


def cost_of(field: GraphQLField) -> int | Callable[[dict[str, Any]], int]:
    """The cost of a field as declared above, or a function of its arguments: a hook of the
    engine.
    """
    strawberry_field = (field.extensions or {}).get("strawberry-definition")
    cost = (
        strawberry_field.metadata.get("cost", 0)
        if isinstance(strawberry_field, StrawberryField)
        else 0
    )
    return cost if callable(cost) else int(cost)


def _with_access_check(resolver: Resolver, allow: Rule) -> Resolver:
    @functools.wraps(resolver)
    def resolve(info: Info, *args: Any, **kwargs: Any) -> Any:
        _check_access(resolver, allow, info)
        return resolver(info, *args, **kwargs)

    return resolve


def _check_access(resolver: Resolver, allow: Rule, info: Info) -> None:
    """Check the rule. Raises Unauthenticated or Forbidden, and logs attempts to use fields that a
    role doesn't allow.
    """
    try:
        allow(info.context.viewer)
    except Forbidden:
        viewer = info.context.viewer
        who = {"api_key": viewer.api_key.pk} if viewer.api_key else {"user": viewer.user_id}
        log.warning("access.denied", to=f"{resolver.__module__}.{resolver.__name__}", **who)
        raise


def _payload(
    fields: Sequence[str], result: Any, locale: Locale, is_refused: bool = False
) -> SimpleNamespace:
    is_mapping = len(fields) != 1 or is_refused
    values: Mapping[str, Any] = result if is_mapping else {fields[0]: result}
    errors = [_user_error(refusal, locale) for refusal in values.get("refusals", ())]
    return SimpleNamespace(**{name: values.get(name) for name in fields}, user_errors=errors)


def _user_error(refusal: Refusal, locale: Locale) -> SimpleNamespace:
    return SimpleNamespace(
        code=refusal.code, message=message_for(refusal, locale), field=list(refusal.field) or None
    )
