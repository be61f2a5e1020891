"""Numbers in inputs, and the limits that a refusal names."""

from models.errors import CommonErrorCode, Refusal
from models.translations import _

_OUT_OF_RANGE = _("Choose a number from %(minimum)s to %(maximum)s.")


def number_in_range(value: int, minimum: int, maximum: int, *path: str) -> int:
    """The value of the field at this path. Raises VALUE_INVALID, with both limits in the message,
    unless it is from `minimum` to `maximum`.
    """
    if not minimum <= value <= maximum:
        raise Refusal(
            CommonErrorCode.VALUE_INVALID,
            *path,
            message=_OUT_OF_RANGE,
            minimum=minimum,
            maximum=maximum,
        )
    return value


def optional_number(value: int | None, minimum: int, maximum: int, *path: str) -> int | None:
    """Like `number_in_range`, for a field that may be null."""
    return None if value is None else number_in_range(value, minimum, maximum, *path)
