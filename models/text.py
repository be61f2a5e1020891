"""Texts that people write: lines such as names, and what they say; and how texts are searched."""

import unicodedata

from models.card_numbers import mask_card_numbers
from models.errors import CommonErrorCode, Refusal

BODY_LENGTH = 8_000
KEY_LENGTH = 64


def line(text: str, field: str, length: int) -> str:
    """One line without control characters, which would forge headers of emails. Raises BLANK and TOO_LONG at `field`."""
    if len(text) > 10 * length + 100:  # not even worth tidying: a million characters would hold everybody up
        raise Refusal(CommonErrorCode.TOO_LONG, "input", field, length=length)
    found = "".join(c for c in " ".join(text.split()) if c.isprintable())
    if not found:
        raise Refusal(CommonErrorCode.BLANK, "input", field)
    if len(found) > length:
        raise Refusal(CommonErrorCode.TOO_LONG, "input", field, length=length)
    return found


def masked_line(text: str, field: str, length: int) -> str:
    """One line of at most `length` characters, card numbers masked. Raises BLANK and TOO_LONG at `field`."""
    return mask_card_numbers(line(text, field, length))


def composed_line(text: str, field: str, length: int) -> str:
    """A line whose accents are one character with their letter, as keyboards write them (NFC). Raises BLANK and TOO_LONG."""
    return line(unicodedata.normalize("NFC", line(text, field, length)), field, length)


def message_text(body: str, field: str = "body", length: int = BODY_LENGTH) -> str:
    """What may be stored of a text: trimmed, card numbers masked. Raises BLANK and TOO_LONG."""
    text = body.replace("\x00", "").strip()
    if not text:
        raise Refusal(CommonErrorCode.BLANK, "input", field)
    if len(text) > length:
        raise Refusal(CommonErrorCode.TOO_LONG, "input", field, length=length)
    return mask_card_numbers(text)


def client_key(key: str, field: str = "idempotencyKey") -> str:
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


def optional_key(key: str | None) -> str | None:
    """Like `client_key`, for an input that may go without one."""
    return None if key is None else client_key(key)


def fold_text(text: str) -> str:
    """Lower case, without accents, ligatures apart, punctuation as spaces: `L'été` and `l ete` fold alike."""
    return "".join(c if c.isalnum() else " " for c in unaccented(text.lower().replace("œ", "oe").replace("æ", "ae")))


def unaccented(text: str) -> str:
    """Letters without their accents, and in their plain shape where Unicode has several (NFKD)."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
