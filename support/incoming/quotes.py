"""Finds what an email says, apart from what it quotes and from its signature.

Anybody can send an email, so each step takes a time that grows with the length of the text only:
signatures are searched from the last lines upwards, and quotes in the first MAX_LINES.
"""

import re

import quotequail

MAX_LINES = 500  # that are searched for quotes: the search takes the square of their number
_SIGNATURE_LINES = 20
_UNDERSCORES = re.compile(r"_{20,}[ ]*")
_SEPARATOR = re.compile(r"[ ]*-{3,}[^\n-]{3,60}-{3,}")  # above a quoted message
# What phones and mail programs add by themselves.
_ADDED_LINE = re.compile(
    r"(?:Envoyé (?:de|depuis|à partir de) |Sent from |Get Outlook for |"
    r"Télécharger Outlook pour |Obtenez Outlook pour )[^\n]{0,120}"
)


def new_text(text: str) -> str:
    """The text without what it quotes, and without a signature after `-- `. The whole text when
    nothing else would be left, and when quotes and answers alternate. Of a text with more than
    MAX_LINES lines, what follows a quote in the first ones counts as quoted.
    """
    written = "\n\n".join(filter(None, map(_without_signature, _unquoted(text))))
    return written or _without_signature(text) or text.strip()


def _unquoted(text: str) -> tuple[str, ...]:
    """What stands above and below the quote, if there is one."""
    lines = text.split("\n", MAX_LINES)
    is_long = len(lines) > MAX_LINES
    parts = quotequail.unwrap("\n".join(lines[:MAX_LINES])) or {}
    top, bottom = (str(parts.get(name) or "") for name in ("text_top", "text_bottom"))
    return (top,) if is_long else (top, bottom)


def _without_signature(text: str) -> str:
    lines = text.strip().split("\n")
    if _SEPARATOR.fullmatch(lines[-1].rstrip()):
        lines = _without_blank_end(lines[:-1])
    lines = _without_blank_end(lines[: _signature_start(lines)])
    if lines and _ADDED_LINE.fullmatch(lines[-1].strip()):
        lines = lines[:-1]
    return "\n".join(lines).strip()


def _signature_start(lines: list[str]) -> int:
    """The index of the line with which the signature begins, the number of lines if there is none.
    A signature has at most 20 lines.
    """
    first = max(0, len(lines) - 1 - _SIGNATURE_LINES)
    for index in range(first, len(lines)):
        if lines[index] in ("--", "-- "):
            return index
    is_rule = bool(lines) and _UNDERSCORES.fullmatch(lines[-1])
    return len(lines) - 1 if is_rule else len(lines)


def _without_blank_end(lines: list[str]) -> list[str]:
    """The lines up to the last one that isn't blank."""
    written = (n for n in range(len(lines), 0, -1) if lines[n - 1].strip())
    return lines[: next(written, 0)]
