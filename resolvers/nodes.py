"""Any row by its global ID, if the viewer may see it."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any

import strawberry
from tortoise.models import Model

from engine import Deferred, Selection
from models.database.reading import read
from models.errors import BadInput
from models.identity.user import Staff
from models.translations import _
from privacy.kept_invoices import record_reading
from resolvers.context import Context, Info
from resolvers.ids import decode
from resolvers.paging import MAX_PAGE_SIZE
from resolvers.rows import selected_columns

_models: dict[str, Any] = {}
_INVOICES = ("Invoice", "InvoiceLine")  # reading those of an erased company is recorded


def register(kind: str, model: type[Model]) -> None:
    """Let `node` find objects whose IDs have this type: rows of this model that `visible_to` lets
    the viewer see.
    """
    _models[kind] = model


class NodesById(Deferred):
    """The rows with these types and keys, None for those that the viewer can't see, in one
    statement per type.
    """

    __slots__ = ("context", "ids")

    def __init__(self, context: Context, ids: Sequence[tuple[str, int] | None]) -> None:
        self.context, self.ids = context, ids

    async def fetch(self, selection: Selection | None) -> list[Any]:
        keys_by_kind: defaultdict[str, set[int]] = defaultdict(set)
        for type_and_key in self.ids:
            if type_and_key and type_and_key[0] in _models:
                keys_by_kind[type_and_key[0]].add(type_and_key[1])
        rows = {
            (kind, row.id): row
            for kind in keys_by_kind
            for row in await self._rows(_models[kind], keys_by_kind[kind], selection)
        }
        if self.context.viewer.staff is Staff.OPERATOR:
            invoices, lines = ([key for kind, key in rows if kind == name] for name in _INVOICES)
            await record_reading(self.context.action(), invoices, lines)
        return [rows.get(type_and_key) if type_and_key else None for type_and_key in self.ids]

    async def _rows(self, model: Any, keys: set[int], selection: Selection | None) -> list[Any]:
        return await read(
            model.visible_to(self.context.viewer),
            selected_columns(model, [selection]),
            where_in=("id", keys),
        )


class NodeById(NodesById):
    """The row with a type and key, or None."""

    __slots__ = ()

    async def fetch(self, selection: Selection | None) -> Any:
        return (await super().fetch(selection))[0]


def node(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="A global ID.")]
) -> NodeById:
    """The row, or null when it doesn't exist or the viewer can't see it."""
    return NodeById(info.context, [decode(id)])


def nodes(
    info: Info,
    ids: Annotated[
        list[strawberry.ID], strawberry.argument(description="Global IDs (at most 100).")
    ],
) -> NodesById:
    """A result for each ID, in the same order."""
    if len(ids) > MAX_PAGE_SIZE:
        raise BadInput(
            "ids", _("“%(argument)s” can hold at most %(maximum)s IDs."), maximum=MAX_PAGE_SIZE
        )
    return NodesById(info.context, [decode(global_id) for global_id in ids])
