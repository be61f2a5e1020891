"""Global IDs: the encoded type and key of a row, opaque to clients."""

from binascii import a2b_base64, b2a_base64
from typing import TypeVar

from tortoise.models import Model

from models.errors import BadInput, CommonErrorCode, Refusal
from models.translations import _
from models.viewer import Viewer

Row = TypeVar("Row", bound=Model)
_MAX_KEY = 2**63 - 1


def encode(kind: str, key: int) -> str:
    """The global ID of a row."""
    # Of these letters, no `+` and no `/`.
    return b2a_base64(f"{kind}:{key}".encode(), newline=False).decode().rstrip("=")


def decode(global_id: str) -> tuple[str, int] | None:
    """The type and the key of a global ID, None for anything else."""
    try:
        # What it ignores or accepts besides makes no difference, because the ID is encoded again.
        kind, _, key = a2b_base64(global_id + "=" * (-len(global_id) % 4)).decode().partition(":")
    except ValueError:
        return None
    number = int(key) if key.isascii() and key.isdigit() and len(key) < 20 else 0
    return (kind, number) if 0 < number <= _MAX_KEY and encode(kind, number) == global_id else None


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
