"""Values that a resolver has not fetched yet, so that the operation can say first what it needs of them.

A resolver may return a `Deferred` in place of its value. The executor then calls `fetch` with the `Selection` below the
field, and completes what comes back as if the resolver had returned it. A database list so learns which columns to read,
and a page whose rows nobody selected need not read any.

A `batch` is a resolver for a whole level: it gets the context and all the parents at once, and returns one value for each
parent, in their order, or a Deferred that fetches them. A field names its batch by the engine's hook `batch_of`. graphql-core
calls resolvers one by one, so there the field's own resolver must gather the parents itself, and awaits the Deferred.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from graphql import GraphQLField


class Selected(NamedTuple):
    """A field that an operation selects, and what it selects below; None below a leaf."""

    field: GraphQLField
    below: Selection | None


class Selection:
    """Which fields an operation selects of an object, by their names in the schema, whatever their aliases.

    Of an interface or a union it holds the fields of every possible type. It lives as long as the operation's plan, so
    what is worked out from it may be kept in `memo`.
    """

    def __init__(self, fields: Callable[[], Mapping[str, Sequence[Selected]]]) -> None:
        self._fields = fields
        self.memo: dict[Any, Any] = {}

    @cached_property
    def fields(self) -> Mapping[str, Sequence[Selected]]:
        """What is selected, by name. Worked out when first asked for: seldom are all possible types met."""
        return self._fields()

    def below(self, name: str) -> list[Selection]:
        """What is selected below the field of this name, once for each time it is selected."""
        return [each.below for each in self.fields.get(name, ()) if each.below is not None]


class Deferred:
    """A value that is fetched once it is known what is selected of it. (No ABC: `isinstance` would take ten times as long.)"""

    __slots__ = ()

    async def fetch(self, selection: Selection | None) -> Any:
        """The value, with at least what is selected; with everything where the selection is None (unknown)."""
        raise TypeError(f"{type(self).__name__} has no fetch")

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.fetch(None).__await__()


Batch = Callable[..., Deferred | Awaitable[Sequence[Any]]]
BatchOf = Callable[[GraphQLField], Batch | None]


def no_batch(definition: GraphQLField) -> None:
    """The hook of a schema whose fields have no batches."""
