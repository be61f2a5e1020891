"""Clean text that people enter, and normalize it for searches."""

import re
import unicodedata
from functools import lru_cache

from tortoise.expressions import Q

from models.card_numbers import contains_card_number, mask_card_numbers
from models.errors import CommonErrorCode, Refusal

BODY_LENGTH = 8_000
KEY_LENGTH = 64
MAX_NUMBER_LENGTH = 100
MAX_PARTS = 5  # of one word of a search
# Also what changes the order of other characters: a link could read like another one.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069]")


# Letters and symbols that show nothing: fillers of Hangul, the blank pattern of Braille, the place
# of an object, a musical note without a head.
_BLANK_CHARACTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0\ufffc\U0001d159")
_VISIBLE_ASCII = re.compile("[!-~]")  # which nearly every text has
_JOINERS = "\u200c\u200d"  # ZWNJ and ZWJ
# Arabic, Syriac, the scripts of India and South-East Asia, Mongolian: blocks of Unicode in which
# joiners change how a word looks, and its meaning.
_JOINING_SCRIPTS = (
    range(0x0600, 0x10A0),
    range(0x1700, 0x1D00),
    range(0xA800, 0xAC00),
    range(0xFB50, 0xFE00),
    range(0xFE70, 0xFEFF),
    range(0x10A00, 0x12000),
)
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")  # of a region, such as Brittany


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: it has no letter, digit, punctuation or symbol that is visible.
    White space, control and format characters, fillers, and combining marks alone are blank.
    """
    return not _VISIBLE_ASCII.search(text) and not any(
        (unicodedata.category(c)[0] in "LNPS" and c not in _BLANK_CHARACTERS)
        or _is_unassigned_symbol(c)
        for c in text
    )


def _is_unassigned_symbol(c: str) -> bool:
    """Whether this may be an emoji or an ideograph of a later Unicode than Python's."""
    return 0x10000 <= ord(c) < 0x3FFFE and unicodedata.category(c) == "Cn"


def clean_line(text: str) -> str:
    """Return a text on one line in composed form (Unicode NFC), empty when it is blank.

    White space becomes single spaces. What is invisible or changes the order of other characters is
    dropped: control characters, overrides and isolates of the direction, fillers, tags. Joiners
    stay where a script or an emoji needs them.
    """
    text = unicodedata.normalize("NFC", text)
    flags = {at for match in _FLAG.finditer(text) for at in range(*match.span())}
    characters: list[str] = []
    for position, c in enumerate(text):
        if c.isspace():
            characters.append(" ")
        elif c in _JOINERS:
            if characters and _is_joiner_between(characters[-1], text[position + 1 : position + 2]):
                characters.append(c)
        elif (
            (c.isprintable() and c not in _BLANK_CHARACTERS)
            or _is_unassigned_symbol(c)
            or position in flags
        ):
            characters.append(c)
    # Composed once more: what was dropped may have stood between a letter and its accent.
    result = unicodedata.normalize("NFC", " ".join("".join(characters).split()))
    return "" if is_blank(result) else result


def _is_joiner_between(before: str, after: str) -> bool:
    if before in _JOINERS:
        return False
    if any(ord(before) in block for block in _JOINING_SCRIPTS):
        return True
    return bool(after) and _is_emoji(before) and _is_emoji(after)


def _is_emoji(c: str) -> bool:
    # Also the modifiers of skin tones, and the selector of the coloured form.
    return c == "\ufe0f" or (ord(c) >= 0x2190 and unicodedata.category(c) in ("So", "Sk", "Sm"))


def line(text: str, field: str, length: int) -> str:
    """Return a text as `clean_line` does. Raises BLANK, TOO_LONG and CARD_NUMBER at `field`."""
    result = _line(text, field, length)
    if contains_card_number(result):
        raise Refusal(CommonErrorCode.CARD_NUMBER, "input", field)
    return result


def masked_line(text: str, field: str, length: int) -> str:
    """Return a text as `clean_line` does, with card numbers masked. Raises BLANK and TOO_LONG at
    `field`.
    """
    return mask_card_numbers(_line(text, field, length))


def _line(text: str, field: str, length: int) -> str:
    if len(text) > 10 * length + 100:  # don't spend time on cleaning a million characters
        raise Refusal(CommonErrorCode.TOO_LONG, "input", field, length=length)
    result = clean_line(text)
    if not result:
        raise Refusal(CommonErrorCode.BLANK, "input", field)
    if len(result) > length:
        raise Refusal(CommonErrorCode.TOO_LONG, "input", field, length=length)
    return result


_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def slug_text(text: str, field: str, length: int) -> str:
    """A part of a URL: small letters, digits and single hyphens. Raises TOO_LONG and
    VALUE_INVALID.
    """
    if len(text) > length:
        raise Refusal(CommonErrorCode.TOO_LONG, "input", field, length=length)
    if not _SLUG.fullmatch(text):
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", field)
    return text


def message_text(body: str, field: str = "body", length: int = BODY_LENGTH) -> str:
    """Return the text of a message as it may be stored: trimmed, without control characters and
    overrides of the direction, card numbers masked. Raises BLANK and TOO_LONG at `field`.
    """
    if len(body) > 10 * length + 100:
        raise Refusal(CommonErrorCode.TOO_LONG, "input", field, length=length)
    text = _CONTROLS.sub("", body).strip()
    if is_blank(text):
        raise Refusal(CommonErrorCode.BLANK, "input", field)
    if len(text) > length:
        raise Refusal(CommonErrorCode.TOO_LONG, "input", field, length=length)
    return mask_card_numbers(text)


def optional_message_text(body: str, field: str = "body") -> str:
    """Return the text of a message with files, which may be blank: then it is empty. Raises
    TOO_LONG at `field`.
    """
    return "" if is_blank(_CONTROLS.sub("", body).strip()) else message_text(body, field)


def client_key(key: str, field: str = "idempotencyKey") -> str:
    """Return a key that the client chose, unchanged, so that different keys stay different.

    Raises BLANK, TOO_LONG, and VALUE_INVALID for non-printable characters.
    """
    if is_blank(key):
        raise Refusal(CommonErrorCode.BLANK, "input", field)
    if len(key) > KEY_LENGTH:
        raise Refusal(CommonErrorCode.TOO_LONG, "input", field, length=KEY_LENGTH)
    if not key.isprintable():
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", field)
    return key


def optional_key(key: str | None) -> str | None:
    """Like `client_key`, for an optional input."""
    return None if key is None else client_key(key)


def fold_text(text: str) -> str:
    """Normalize text for a search: lower case in plain letters, punctuation as spaces. `L'été à
    Łódź` becomes `l ete a lodz`.
    """
    if text.isascii():
        return text.translate(_FOLDED_ASCII)
    return "".join(map(_plain_letter, remove_accents(text.casefold()).casefold()))


def search_text(*texts: str) -> str:
    """Return the text that searches are matched against: the words, and once more without the
    punctuation in them, so that `email` finds `e-mail`.
    """
    words = fold_text(" ".join(texts))
    joined = (fold_text(word).split() for word in " ".join(texts).split())
    return " ".join([*words.split(), *("".join(parts) for parts in joined if len(parts) > 1)])


def search_words(search: str) -> list[tuple[str, ...]]:
    """Return the words of a search, each with the parts that punctuation divides it into. A text
    matches a word that it contains without punctuation, or whose parts it contains.
    """
    return [parts for word in search.split() if (parts := tuple(fold_text(word).split()))]


def match_word(column: str, parts: tuple[str, ...]) -> Q:
    """The condition that a column made by `search_text` matches a word of a search."""
    condition = f"{column}__contains"
    whole = Q(**{condition: "".join(parts)})
    # Single letters are in nearly every text.
    if len(parts) == 1 or len(parts) > MAX_PARTS or max(map(len, parts)) == 1:
        return whole
    return whole | Q(*(Q(**{condition: part}) for part in parts))


_FOLDED_ASCII = {
    code: c.lower() if c.isalnum() else " " for code, c in enumerate(map(chr, range(128)))
}
_OTHER_LETTERS = {"ð": "d", "þ": "th", "ı": "i", "ȷ": "j", "ŋ": "n", "ĸ": "k", "ə": "e"}
_PLAIN_NAME = re.compile(r"LATIN (?:SMALL|CAPITAL) (?:LETTER|LIGATURE) ([A-Z]{1,2})(?: WITH .*)?")


@lru_cache(maxsize=4096)
def _plain_letter(c: str) -> str:
    """The letters that people without such a key type instead: `l` for `ł`, `oe` for `œ`. A space
    for punctuation; nothing for invisible characters.
    """
    if c.isascii():
        return c if c.isalnum() else " "
    if c in _OTHER_LETTERS:
        return _OTHER_LETTERS[c]
    if name := _PLAIN_NAME.fullmatch(unicodedata.name(c, "")):
        return name[1].lower()
    category = unicodedata.category(c)
    # Vowels of the scripts of India are marks.
    return c if c.isalnum() or category[0] == "M" else "" if category == "Cf" else " "


def number_text(text: str) -> str:
    """Return the number of a document as people type it: in capitals, with plain digits, and with
    one hyphen for each dash, space, slash or underscore. Empty when it is far too long.
    """
    if len(text) > MAX_NUMBER_LENGTH:
        return ""
    return re.sub(r"[\W_]+", "-", unicodedata.normalize("NFKC", text)).strip("-").upper()


def can_be_stored(text: str, length: int) -> bool:
    """Whether a column of this length can hold the text. A query for any other text finds nothing,
    and PostgreSQL refuses it when it contains a NUL.
    """
    return len(text) <= length and text.isprintable()


def spreadsheet_text(cell: str) -> str:
    """A text of a CSV file that no spreadsheet interprets as a formula (OWASP, CSV injection)."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def remove_accents(text: str) -> str:
    """Remove accents, and replace compatibility characters by their plain equivalents (Unicode
    NFKD).
    """
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
