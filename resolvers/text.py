"""What clients write into single-line fields, and the keys they choose."""

from babel.core import get_global

from models.errors import CommonErrorCode, Refusal
from models.translations import _

KEY_LENGTH = 64
_NO_COUNTRY = "ZZ"  # Unicode's code for an unknown one


def country(given: str) -> str:
    """A country's two letters (ISO 3166-1 alpha-2). Raises VALUE_INVALID."""
    code = given.strip().upper()
    if code == _NO_COUNTRY or code not in get_global("territory_currencies"):
        raise Refusal(
            CommonErrorCode.VALUE_INVALID, "input", "country", message=_("Use a two-letter country code, such as FR.")
        )
    return code


def client_key(key: str, field: str) -> str:
    """A key of the client's choice, kept as it is: two keys that differ never become one.

    Raises BLANK, TOO_LONG, and VALUE_INVALID for characters that can't be printed.
    """
    if not key:
        raise Refusal(CommonErrorCode.BLANK, "input", field)
    if len(key) > KEY_LENGTH:
        raise Refusal(CommonErrorCode.TOO_LONG, "input", field, length=KEY_LENGTH)
    if not key.isprintable():
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", field)
    return key
