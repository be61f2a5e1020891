"""Clean text that people enter, and normalize it for searches."""

import unicodedata

from models.card_numbers import contains_card_number, mask_card_numbers
from models.errors import CommonErrorCode, Refusal

BODY_LENGTH = 8_000
KEY_LENGTH = 64


def line(text: str, field: str, length: int) -> str:
    """Return one line of text without control characters, which could forge email headers. Raises
    BLANK, TOO_LONG and CARD_NUMBER at `field`.
    """
    result = _line(text, field, length)
    if contains_card_number(result):
        raise Refusal(CommonErrorCode.CARD_NUMBER, "input", field)
    return result


def _line(text: str, field: str, length: int) -> str:
    if len(text) > 10 * length + 100:  # don't spend time on cleaning a million characters
        raise Refusal(CommonErrorCode.TOO_LONG, "input", field, length=length)
    result = "".join(c for c in " ".join(text.split()) if c.isprintable())
    if not result:
        raise Refusal(CommonErrorCode.BLANK, "input", field)
    if len(result) > length:
        raise Refusal(CommonErrorCode.TOO_LONG, "input", field, length=length)
    return result


def masked_line(text: str, field: str, length: int) -> str:
    """Return one line of at most `length` characters with card numbers masked. Raises BLANK and
    TOO_LONG at `field`.
    """
    return mask_card_numbers(_line(text, field, length))


def composed_line(text: str, field: str, length: int) -> str:
    """Return one line in composed form (Unicode NFC): é is one character. Raises BLANK,
    TOO_LONG and CARD_NUMBER at `field`.
    """
    return line(unicodedata.normalize("NFC", line(text, field, length)), field, length)


def message_text(body: str, field: str = "body", length: int = BODY_LENGTH) -> str:
    """Return the text of a message as it may be stored: trimmed, card numbers masked. Raises BLANK
    and TOO_LONG at `field`.
    """
    text = body.replace("\x00", "").strip()
    if not text:
        raise Refusal(CommonErrorCode.BLANK, "input", field)
    if len(text) > length:
        raise Refusal(CommonErrorCode.TOO_LONG, "input", field, length=length)
    return mask_card_numbers(text)


def client_key(key: str, field: str = "idempotencyKey") -> str:
    """Return a key that the client chose, unchanged, so that different keys stay different.

    Raises BLANK, TOO_LONG, and VALUE_INVALID for non-printable characters.
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
    """Normalize text for a search: lower case without accents and ligatures, punctuation as spaces.
    `L'été` becomes `l ete`.
    """
    return "".join(
        c if c.isalnum() else " "
        for c in remove_accents(text.lower().replace("œ", "oe").replace("æ", "ae"))
    )


def can_be_stored(text: str, length: int) -> bool:
    """Whether a column of this length can hold the text. A query for any other text finds nothing,
    and PostgreSQL refuses it when it contains a NUL.
    """
    return len(text) <= length and text.isprintable()


def remove_accents(text: str) -> str:
    """Remove accents, and replace compatibility characters by their plain equivalents (Unicode
    NFKD).
    """
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
