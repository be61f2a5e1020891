"""Mask card numbers in text, so that they never reach the database (PCI DSS SAQ A)."""

import re
import unicodedata

from stdnum import luhn

_SEPARATOR = r"[ .,\-/_\t\n\u00a0\u00ad\u2000-\u2015\u202f\u2060\ufeff]{0,3}"
_DIGITS = re.compile(rf"\d(?:{_SEPARATOR}\d){{12,}}")
_GROUP = re.compile(r"\d+")
_MAX_GROUPS = 200


def mask_card_numbers(text: str) -> str:
    """Replace everything that looks like a card number (13 to 19 digits, Luhn) by dots and its last
    four digits.

    Digits may be grouped. A number may start and end at any group, so that a year before it doesn't
    hide it.
    """
    return _DIGITS.sub(_mask, text)


def _mask(match: re.Match[str]) -> str:
    text, start = match[0], 0
    groups = [group.span() for group in _GROUP.finditer(text)][:_MAX_GROUPS]
    parts: list[str] = []
    while card := _first_card(text, groups, start):
        begin, end, last_four = card
        parts += [text[start:begin], f"•••• {last_four}"]
        start = end
    return "".join(parts) + text[start:]


def _first_card(
    text: str, groups: list[tuple[int, int]], start: int
) -> tuple[int, int, str] | None:
    for first, (begin, _) in enumerate(groups):
        if begin < start:
            continue
        digits, cards = "", []
        for group_begin, end in groups[first:]:
            digits += "".join(str(unicodedata.digit(c)) for c in text[group_begin:end])
            if len(digits) > 19:
                break
            if len(digits) >= 13 and luhn.is_valid(digits):
                cards.append((begin, end, digits[-4:]))
        if cards:
            return cards[-1]
    return None
