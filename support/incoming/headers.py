"""Reads the headers of received emails as mail programs write them, not only as the standards
define them.

Nothing here raises: what can't be decoded is replaced. Python's own email package is used only to
divide an email into its parts, because its decoding of headers raises for many real ones.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from itertools import islice
from quopri import decodestring
from urllib.parse import unquote_to_bytes

from models.identity.email_address import normalized_email

_MAX_LENGTH = 20_000  # of one header that is read
_MAX_MESSAGE_IDS = 100
_MAX_HEADERS = 100  # of one kind that are read
_LINE_FOLD = re.compile(r"\r?\n[ \t]*|\r")
_ENCODED_WORD = re.compile(r"=\?([\w.:+*'-]+)\?([bBqQ])\?(.*?)\?=")
_END_OF_WORD = "?="
_BETWEEN_ENCODED_WORDS = re.compile(r"(\?=)[ \t]+(?==\?[\w.:+*'-]+\?[bBqQ]\?)")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
_DELIMITER = re.compile(r'\\?["()]|\\\\')
_DEPTHS = {'"': {'"': -1}, "(": {"(": 1, ")": -1}}
_ESCAPED = re.compile(r"\\(.)")
_ANGLED = re.compile(r"<([^<>]*+)>")
_BARE = re.compile(r"[^\s<>,;:\"()\[\]]+")
_COMMENT = re.compile(r"\(([^()]*)\)")
_MESSAGE_ID = re.compile(r"<\s*([^<>\s]+)\s*>")
_BASE64_ALPHABET = re.compile(rb"[^A-Za-z0-9+/]")
_CONTINUATION = re.compile(r"(?P<name>[^*]+)(?:\*(?P<index>\d{1,3}))?(?P<encoded>\*)?")
_ENCODED_VALUE = re.compile(r"([\w.:+-]*)'[\w-]*'(.*)", re.DOTALL)
# They decode what isn't text, or aren't meant for it.
_UNUSABLE_CODECS = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"}
_CODEC_NAMES = {
    "ascii": "utf-8",
    "us-ascii": "utf-8",
    "utf8": "utf-8",
    "unknown-8bit": "utf-8",
    "iso-8859-1": "cp1252",  # what writes it means cp1252
    "latin1": "cp1252",
    "iso-8859-8-i": "iso-8859-8",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-sjis": "cp932",
    "shift_jis": "cp932",
    "x-gbk": "gb18030",
    "ansi": "cp1252",
    "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman",
}


@dataclass(frozen=True)
class Mailbox:
    """An address and the name before it, which may be empty."""

    name: str
    address: str


def clean_text(text: str) -> str:
    """Return a text that can be stored: without control characters and lone surrogates."""
    return _CONTROLS.sub("", text.encode("utf-8", "replace").decode())


def decode_bytes(data: bytes, charset: str | None) -> str:
    """Decode text whose declared charset may be missing, unknown or wrong."""
    for name in (_codec(charset), "utf-8", "cp1252"):
        try:
            return data.decode(name)
        except (LookupError, ValueError):  # UnicodeError is a ValueError
            continue
    codec = _codec(charset)
    try:
        return data.decode(codec, "replace")
    except (LookupError, ValueError):
        return data.decode("cp1252", "replace")


def _codec(charset: str | None) -> str:
    name = (charset or "").strip(" \t\"'").partition("*")[0].lower()
    name = _CODEC_NAMES.get(name, name) or "utf-8"
    if name.startswith(("windows-", "cp-")):  # such as windows-1252http-equiv, cp-850
        digits = re.match(r"\D*(\d{3,5})", name)
        name = f"cp{digits[1]}" if digits else name
    elif name.isdecimal():
        name = f"cp{name}"
    return "utf-8" if name.replace("-", "_") in _UNUSABLE_CODECS else name


def raw_headers(message: Message) -> list[tuple[str, str]]:
    """The headers of a message with their names in lower case. Bytes outside of ASCII are
    surrogates.
    """
    return [(name.strip().lower(), str(value)) for name, value in message.raw_items()]


def raw_header(message: Message, name: str) -> str:
    """The first header of this name, on one line, empty when there is none."""
    return next((_one_line(value) for key, value in raw_headers(message) if key == name), "")


def _one_line(raw: str) -> str:
    return _LINE_FOLD.sub(" ", raw[:_MAX_LENGTH]).strip()


def decode_header(raw: str, charset: str | None = None) -> str:
    """The text of a header, with its encoded words decoded (RFC 2047), even if they are inside
    quotes, touch each other, or split a character. `charset` is that of its 8-bit bytes.
    """
    text = _BETWEEN_ENCODED_WORDS.sub(r"\1", _eight_bit_text(_one_line(raw), charset))
    parts: list[str] = []
    pending, pending_charset, position = b"", "", 0
    # Nothing after the last end of a word is one: else every beginning there would be followed to
    # the end of the text.
    for match in _ENCODED_WORD.finditer(text, 0, text.rfind(_END_OF_WORD) + len(_END_OF_WORD)):
        if not match[3].isascii():  # it wasn't encoded
            text = text.replace(match[0], match[3])
            return decode_header(text, charset) if text.count("=?") < 100 else clean_text(text)
        word_charset, data = match[1].lower(), _encoded_word_bytes(match[2], match[3])
        if match.start() > position or word_charset != pending_charset:
            parts += [decode_bytes(pending, pending_charset), text[position : match.start()]]
            pending = b""
        pending, pending_charset, position = pending + data, word_charset, match.end()
    parts += [decode_bytes(pending, pending_charset), text[position:]]
    return clean_text("".join(parts)).strip()


def _eight_bit_text(raw: str, charset: str | None) -> str:
    if raw.isascii():
        return raw
    data = raw.encode("utf-8", "surrogateescape")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return decode_bytes(data, charset)


def _encoded_word_bytes(encoding: str, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if encoding in "bB":
        return decode_base64(data)
    return decodestring(data.replace(b" ", b"_"), header=True)


def decode_base64(data: bytes) -> bytes:
    """Decode Base64 that may lack its padding or contain other characters."""
    digits = _BASE64_ALPHABET.sub(b"", data)
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]
    try:
        return b64decode(digits + b"=" * (-len(digits) % 4))
    except binascii.Error:
        return b""


def mailboxes(raw: str, charset: str | None = None) -> list[Mailbox]:
    """The mailboxes in an address header. A name may contain commas, `@` and other characters that
    should have been quoted. What looks like an address in a comment or between quotes is none.
    """
    text = _one_line(raw)
    masked = mask_quotes(text)
    found, begin = [], 0
    for match in _ANGLED.finditer(masked):
        if "@" in match[1]:
            name = text[begin : match.start()].lstrip(" ,;")
            found.append(_mailbox(name, text[match.start(1) : match.end(1)], charset))
            begin = match.end()
    if not found:
        comments = " ".join(_COMMENT.findall(text))
        words = [match for match in _BARE.finditer(masked) if "@" in match[0][1:-1]]
        found = [_mailbox(comments, text[word.start() : word.end()], charset) for word in words]
    if not found and (decoded := decode_header(text, charset)) != text:
        return mailboxes(decoded) if "=?" not in decoded else []
    return [mailbox for mailbox in found if mailbox]


def mask_quotes(text: str) -> str:
    """A header whose quoted strings and comments (RFC 5322, 3.2) are replaced by as many
    underscores and spaces, so that every delimiter that is left has its meaning. When one of them
    isn't closed, none of its kind counts.
    """
    parts, begin, opening, start, depth = [], 0, "", 0, 0
    for match in _DELIMITER.finditer(text):
        if not opening:  # where a backslash has no meaning
            if (delimiter := match[0][-1]) in '"(':
                opening, start, depth = delimiter, match.end() - 1, 1
            continue
        depth += _DEPTHS[opening].get(match[0], 0)
        if not depth:
            mask = "_" if opening == '"' else " "
            parts += [text[begin:start], mask * (match.end() - start)]
            opening, begin = "", match.end()
    if opening:
        return mask_quotes(text.replace(opening, " "))
    return "".join([*parts, text[begin:]])


def _mailbox(name: str, address: str, charset: str | None) -> Mailbox | None:
    address = clean_text(_eight_bit_text(address, charset)).strip(" \t'\"")
    address = normalized_email(re.sub(r"^mailto:", "", "".join(address.split()), flags=re.I))
    if not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", address) or len(address) > 254:
        return None
    name = _ESCAPED.sub(r"\1", name.strip().strip("\"'"))
    return Mailbox(decode_header(name, charset).strip("\"' "), address)


def addresses(values: Iterable[str]) -> list[str]:
    """The addresses in these headers, of which the first hundred are read."""
    read = islice(values, _MAX_HEADERS)
    return [mailbox.address for value in read for mailbox in mailboxes(value)]


def message_ids(raw: str) -> list[str]:
    """The Message-IDs in a header, without their angle brackets. IDs without brackets are accepted
    as well, if they look like one.
    """
    text = clean_text(_eight_bit_text(_LINE_FOLD.sub(" ", raw), None))
    found = _MESSAGE_ID.findall(text) or [
        word.strip("<>,;") for word in text.split() if "@" in word.strip("<>,;")
    ]
    return found[:_MAX_MESSAGE_IDS]


def parameters(raw: str) -> dict[str, str]:
    """The parameters of a Content-Type or Content-Disposition header, with those of RFC 2231 and
    RFC 2047 decoded in all the forms in which they are found.
    """
    plain: dict[str, str] = {}
    continued: dict[str, dict[int, tuple[str, bool]]] = {}
    for part in split_parameters(_one_line(raw))[1:]:
        name, _, value = part.partition("=")
        match = _CONTINUATION.fullmatch(name.strip().lower())
        if not match:
            continue
        value = value.strip()
        is_encoded = bool(match["encoded"])
        if match["index"] is None and not is_encoded:
            plain.setdefault(match["name"], _plain_value(value))
        else:
            pieces = continued.setdefault(match["name"], {})
            pieces.setdefault(int(match["index"] or 0), (_unquote(value), is_encoded))
    return plain | {name: _continued_value(pieces) for name, pieces in continued.items()}


def split_parameters(text: str) -> list[str]:
    """Split a header at the semicolons that are outside of quotes and comments."""
    parts, begin = [], 0
    for masked in mask_quotes(text).split(";"):
        parts.append(text[begin : begin + len(masked)])
        begin += len(masked) + 1
    return parts


def _unquote(value: str) -> str:
    if value[:1] == '"':
        return _ESCAPED.sub(r"\1", value[1:].removesuffix('"'))
    return value


def _plain_value(value: str) -> str:
    text = decode_header(_unquote(value))
    match = _ENCODED_VALUE.fullmatch(text)
    if match and match[1] and "%" in match[2]:  # encoded by RFC 2231 under a plain name
        return clean_text(decode_bytes(unquote_to_bytes(match[2]), match[1]))
    return text


def _continued_value(pieces: dict[int, tuple[str, bool]]) -> str:
    charset, data = "", b""
    for position, index in enumerate(sorted(pieces)):
        value, is_encoded = pieces[index]
        match = _ENCODED_VALUE.fullmatch(value) if position == 0 and is_encoded else None
        if match:
            charset, value = match[1], match[2]
        piece = value.encode("utf-8", "surrogateescape")
        data += unquote_to_bytes(piece) if is_encoded else piece
    text = clean_text(decode_bytes(data, charset or None))
    return decode_header(text) if "=?" in text else text
