"""Values that a resolver has not fetched yet, so that they can be fetched with knowledge of what
the operation selects.

A resolver may return a `Deferred` instead of its value. The executor then calls `fetch` with the
`Selection` below the field, and completes the result as if the resolver had returned it. This tells
a database query which columns to read, and a page need not read its rows when only its total is
selected.

A `Batch` is a resolver for all objects of a level. It takes the context and all parent objects at
once, and returns one value for each parent, in their order, or a `Deferred` that fetches them. The
engine's hook `batch_of` returns the batch of a field. A batch replaces the field's resolver, unless
Strawberry extensions (permissions are extensions) wrap the resolver. Such a resolver is called once
per object; it has to gather the parents itself, and may await a `Deferred`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from graphql import GraphQLField


class SelectedField(NamedTuple):
    """A field that an operation selects, and the selection below it; None below a scalar or an
    enum.
    """

    field: GraphQLField
    selection: Selection | None


class Selection:
    """The fields that an operation selects of an object, by their names in the schema, regardless
    of aliases.

    For an interface or a union, the fields of all possible types are included. A selection lives as
    long as the operation's plan, so `memo` may keep what is derived from it.
    """

    def __init__(self, fields: Callable[[], Mapping[str, Sequence[SelectedField]]]) -> None:
        self._fields = fields
        self.memo: dict[Any, Any] = {}

    @cached_property
    def fields(self) -> Mapping[str, Sequence[SelectedField]]:
        """The selected fields by name. Computed when first needed, because few executions meet all
        possible types.
        """
        return self._fields()

    def subselections(self, name: str) -> list[Selection]:
        """The selections below the field with this name, one for each time the field is
        selected.
        """
        return [each.selection for each in self.fields.get(name, ()) if each.selection is not None]


class Deferred:
    """A value that is fetched once the selection below it is known. (Not an ABC: `isinstance` would
    take ten times as long.)
    """

    __slots__ = ()

    async def fetch(self, selection: Selection | None) -> Any:
        """The value, with at least what is selected; with everything when the selection is None
        (unknown).
        """
        raise TypeError(f"{type(self).__name__} has no fetch")

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.fetch(None).__await__()


Batch = Callable[..., Deferred | Awaitable[Sequence[Any]]]
BatchLookup = Callable[[GraphQLField], Batch | None]


def no_batch(definition: GraphQLField) -> None:
    """The default `batch_of`, for schemas without batches."""
