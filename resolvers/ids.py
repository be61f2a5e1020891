"""Global IDs in arguments and inputs, and the rows that they refer to."""

from typing import TypeVar

from tortoise.models import Model

from models.errors import BadInput, CommonErrorCode, Refusal
from models.global_ids import decode, encode
from models.translations import _
from models.viewer import Viewer

__all__ = ["decode", "encode", "key_argument", "key_of", "load_visible"]

Row = TypeVar("Row", bound=Model)


def key_of(model: type[Model], global_id: str) -> int | None:
    """The key of a row of this model, None for any other ID."""
    match decode(global_id):
        case (kind, key) if kind == model.__name__:
            return key
    return None


async def load_visible(model: type[Row], global_id: str, viewer: Viewer, *field: str) -> Row:
    """The row that an ID of an input refers to. Raises NOT_FOUND at `field` when it doesn't exist
    or the viewer may not see it.
    """
    row = await model.visible_to(viewer).get_or_none(pk=key_of(model, global_id))  # type: ignore[attr-defined] # each of our models has it
    if row is None:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", *field)
    return row  # type: ignore[no-any-return]


def key_argument(model: type[Model], global_id: str, argument: str) -> int:
    """The key that an ID in a query's argument refers to. Raises BadInput when it isn't an ID of
    this model.
    """
    key = key_of(model, global_id)
    if key is None:
        raise BadInput(
            argument,
            _("“%(argument)s” must be the ID of an object of type %(type)s."),
            type=model.__name__,
        )
    return key
