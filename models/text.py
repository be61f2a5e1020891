"""Single-line texts that people write: names, addresses, order numbers."""

from models.errors import ErrorCode, Refusal


def line(text: str, field: str, length: int) -> str:
    """One line without control characters, which would forge headers of letters. Raises BLANK and TOO_LONG at `field`."""
    found = "".join(c for c in " ".join(text.split()) if c.isprintable())
    if not found:
        raise Refusal(ErrorCode.BLANK, "input", field)
    if len(found) > length:
        raise Refusal(ErrorCode.TOO_LONG, "input", field, length=length)
    return found
