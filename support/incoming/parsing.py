"""Divides a received email into its text, its attachments and the headers that matter.

Emails are written by thousands of programs, and many break the standards. Reading one never fails:
what can't be understood is kept as an attachment or as text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import errors
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from functools import cached_property
from hashlib import sha256
from typing import cast

from support.incoming.headers import (
    Mailbox,
    addresses,
    clean_text,
    decode_base64,
    decode_bytes,
    decode_header,
    mailboxes,
    message_ids,
    parameters,
    raw_header,
    raw_headers,
)
from support.incoming.html import html_to_text, sanitize_html

MAX_TEXT_LENGTH = 200_000
_MAX_PARTS = 500
_MAX_DEPTH = 30
_MAX_SENDERS = 2  # From headers that are read: with more than one, none of them counts
_MAX_NAME_LENGTH = 150
_MAX_NESTED_BYTES = 10_000  # in front of a part that is nested too deeply to be divided
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset=[\"' ]?([\w-]{1,40})", re.I)
_SIGNATURES = {"application/pgp-signature", "application/pkcs7-signature"}
_SIGNATURES |= {"application/x-pkcs7-signature", "application/pgp-encrypted"}
_RECIPIENT_HEADERS = ("to", "cc", "delivered-to", "x-original-to", "envelope-to", "resent-to")
_EXTENSIONS = {"image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif"}
_EXTENSIONS |= {"image/webp": ".webp", "application/pdf": ".pdf", "text/plain": ".txt"}
_HEADER_BREAK = re.compile(rb"\r?\n\r?\n")
_BARE_CR = re.compile(rb"\r(?!\n)")
# What an email has at most once: RFC 5322, 3.6, and RFC 2045, 3.
_SINGLE_HEADERS = frozenset(
    ("from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references")
) | {"subject", "date", "mime-version", "content-type", "content-transfer-encoding"}
_HEADER_DEFECTS = (
    errors.FirstHeaderLineIsContinuationDefect,
    errors.InvalidHeaderDefect,
    errors.MissingHeaderBodySeparatorDefect,
)


@dataclass(frozen=True)
class Attachment:
    """A file in an email. `content_id` is how the HTML refers to it, empty when it doesn't."""

    name: str
    content_type: str
    content: bytes = field(repr=False)
    content_id: str = ""


@dataclass
class _Content:
    """The content collected from the parts of an email."""

    texts: list[str] = field(default_factory=list)
    html: list[str] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)


class ParsedEmail:
    """An email that was received."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.message = _parse(raw)

    def headers(self, name: str) -> list[str]:
        """The values of all headers of this name, as they were received."""
        return [value for key, value in raw_headers(self.message) if key == name]

    def header(self, name: str) -> str:
        """The first header of this name, decoded, empty when there is none."""
        return decode_header(raw_header(self.message, name), self._charset)

    @cached_property
    def _charset(self) -> str | None:
        """The charset of the body, which 8-bit bytes in headers probably have as well."""
        for part in _walk(self.message):
            if charset := _parameters(part, "content-type").get("charset"):
                return charset
        return None

    @cached_property
    def senders(self) -> list[Mailbox]:
        """The mailboxes in the From headers."""
        values = self.headers("from")[:_MAX_SENDERS]
        return [mailbox for value in values for mailbox in mailboxes(value, self._charset)]

    @property
    def sender(self) -> Mailbox | None:
        """Who wrote the email: the first mailbox of From, or of Sender when that names none."""
        named = self.senders or mailboxes(raw_header(self.message, "sender"), self._charset)
        return named[0] if named else None

    @cached_property
    def is_ambiguous(self) -> bool:
        """Whether another program may read other headers in this email than we do: those that the
        sender's server has signed, or our own server has checked, may then not be those we read.

        That is so when a header that an email has once occurs with several values, From at all
        (RFC 6376, 8.15; RFC 7489, 6.6.1), when a line ends with a carriage return alone, and when
        one isn't a header.
        """
        values: dict[str, set[str]] = {}
        for name, value in raw_headers(self.message):
            values.setdefault(name, set()).add(" ".join(value.split()))
        match = _HEADER_BREAK.search(self.raw)
        headers = self.raw[: match.start()] if match else self.raw
        return (
            len(self.headers("from")) > 1
            or any(len(values.get(name, ())) > 1 for name in _SINGLE_HEADERS)
            or _BARE_CR.search(headers) is not None
            or any(isinstance(each, _HEADER_DEFECTS) for each in self.message.defects)
        )

    @cached_property
    def subject(self) -> str:
        return " ".join(self.header("subject").split())

    @cached_property
    def message_id(self) -> str | None:
        """The Message-ID without angle brackets, None when there is none."""
        found = message_ids(raw_header(self.message, "message-id"))
        return found[0][:255] if found else None

    def referenced_ids(self) -> list[str]:
        """The Message-IDs of the emails that this one answers, the nearest first."""
        answered = [each for value in self.headers("in-reply-to") for each in message_ids(value)]
        thread = [each for value in self.headers("references") for each in message_ids(value)]
        return [*answered, *reversed(thread)]

    @cached_property
    def recipients(self) -> list[str]:
        """The addresses that the email was sent to, according to its headers."""
        return addresses(value for name in _RECIPIENT_HEADERS for value in self.headers(name))

    @cached_property
    def fingerprint(self) -> str:
        """A value that is the same for every copy of one email, whatever the servers on its way
        have added.

        An email is identified by its Message-ID, its sender and its date, because some programs
        give all emails the same Message-ID. An email without one is identified by its content.
        """
        address = self.sender.address if self.sender else ""
        facts = [self.message_id or "", address, self.header("date"), self.subject]
        if not self.message_id:
            match = _HEADER_BREAK.search(self.raw)
            facts.append(sha256(self.raw[match.end() :] if match else self.raw).hexdigest())
        return sha256("\n".join(facts).encode()).hexdigest()

    @cached_property
    def _content(self) -> _Content:
        content = _Content()
        _read_part(self.message, content)
        return content

    @cached_property
    def html(self) -> str:
        """The HTML, sanitized, empty for an email without HTML."""
        return sanitize_html("\n<hr>\n".join(self._content.html)) if self._content.html else ""

    @cached_property
    def text(self) -> str:
        """The text, with everything that it quotes."""
        plain = "\n\n".join(filter(None, (text.strip() for text in self._content.texts)))
        if not _is_text(plain) and self.html:
            plain = html_to_text(self.html)
        return clean_text(plain)[:MAX_TEXT_LENGTH].strip()

    @property
    def attachments(self) -> list[Attachment]:
        """The files."""
        return self._content.attachments


def _is_text(plain: str) -> bool:
    """Whether a plain text is more than a notice that the email is in HTML."""
    text = plain.strip()
    is_note = len(text) < 300 and re.search(r"\bHTML\b", text, re.I) is not None
    return bool(text) and not (is_note and re.search(r"view|support|afficher|lire", text, re.I))


def _parse(raw: bytes) -> Message:
    try:
        return BytesParser(policy=compat32).parsebytes(raw)
    except (RecursionError, ValueError, LookupError, AssertionError, IndexError):
        # Nested too deeply, or a boundary that the parser stumbles over: only the headers are read.
        return BytesParser(policy=compat32).parsebytes(raw[:_MAX_NESTED_BYTES], headersonly=True)


def _walk(message: Message, depth: int = 0) -> Iterator[Message]:
    """The parts that have no parts of their own, at most 500."""
    payload = message.get_payload()
    if isinstance(payload, list) and depth < _MAX_DEPTH:
        for part in payload[:_MAX_PARTS]:
            if isinstance(part, Message):
                yield from _walk(part, depth + 1)
    else:
        yield message


def _parameters(part: Message, name: str) -> dict[str, str]:
    return parameters(raw_header(part, name))


def media_type(part: Message) -> str:
    """The media type of a part in lower case, text/plain when it has no valid one."""
    text = decode_header(raw_header(part, "content-type")).partition(";")[0].strip().lower()
    return text if re.fullmatch(r"[\w.+-]+/[\w.+-]+", text, re.ASCII) else "text/plain"


def _read_part(part: Message, content: _Content, depth: int = 0) -> None:
    payload = part.get_payload()
    type_ = media_type(part)
    if type_ == "message/rfc822" and isinstance(payload, list):
        _read_attached_email(part, content, depth)
    elif isinstance(payload, list) and depth < _MAX_DEPTH:
        parts = [each for each in payload[:_MAX_PARTS] if isinstance(each, Message)]
        if type_ == "multipart/alternative":
            _read_alternatives(parts, content, depth)
        else:
            for each in parts:
                _read_part(each, content, depth + 1)
    elif type_ not in _SIGNATURES:
        _read_leaf(part, type_, content)


def _read_alternatives(parts: list[Message], content: _Content, depth: int) -> None:
    """Read every alternative: text and HTML are kept apart, and the HTML may have attachments."""
    for each in parts:
        alternative = _Content()
        _read_part(each, alternative, depth + 1)
        content.texts += alternative.texts
        content.html += alternative.html
        content.attachments += alternative.attachments


def _read_attached_email(part: Message, content: _Content, depth: int) -> None:
    """Store an attached email as a text file, and its attachments as attachments of this email."""
    attached = next(iter(cast("list[object]", part.get_payload())), None)
    if not isinstance(attached, Message) or depth >= _MAX_DEPTH:
        return
    inner = _Content()
    _read_part(attached, inner, depth + 1)
    names = ("from", "to", "cc", "date", "subject")
    lines = [f"{name.title()}: {decode_header(raw_header(attached, name))}" for name in names]
    html = sanitize_html("\n".join(inner.html)) if inner.html else ""
    text = "\n\n".join(inner.texts).strip() or html_to_text(html)
    name = decode_header(raw_header(attached, "subject")) or "email"
    data = clean_text("\n".join([*lines, "", text])).encode()
    content.attachments.append(Attachment(f"{name[:100]}.txt", "text/plain", data))
    content.attachments += inner.attachments


def _read_leaf(part: Message, type_: str, content: _Content) -> None:
    disposition = raw_header(part, "content-disposition")
    name = _file_name(part)
    is_file = disposition.strip().lower().startswith("attachment") or bool(name)
    data = _decoded(part)
    if type_.startswith("multipart/"):  # whose boundary never occurs
        type_ = "text/plain"
    if type_ == "text/plain" and not is_file:
        content.texts.append(_plain_text(part, data))
    elif type_ == "text/html" and not is_file:
        content.html.append(decode_bytes(data, _html_charset(part, data)))
    elif data:
        content_id = (message_ids(raw_header(part, "content-id")) or [""])[0]
        number = len(content.attachments) + 1
        name = name or f"attachment-{number}{_EXTENSIONS.get(type_, '')}"
        content.attachments.append(Attachment(name, type_, data, content_id))


def _file_name(part: Message) -> str:
    name = _parameters(part, "content-disposition").get("filename", "")
    name = name or _parameters(part, "content-type").get("name", "")
    name = " ".join(name.replace("\\", "/").rpartition("/")[2].split())
    return name if len(name) <= _MAX_NAME_LENGTH else f"{name[:140]}{name[-10:]}"


def _decoded(part: Message) -> bytes:
    """The bytes of a part, even if it isn't encoded as it states."""
    payload = part.get_payload()
    if isinstance(payload, list):  # nested too deeply
        return b""
    data = str(payload).encode("utf-8", "surrogateescape")
    encoding = decode_header(raw_header(part, "content-transfer-encoding")).strip("\"' ;").lower()
    if encoding == "base64":
        return decode_base64(data)
    try:
        decoded = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError, IndexError):
        return data
    return decoded if isinstance(decoded, bytes) else data


def _plain_text(part: Message, data: bytes) -> str:
    values = _parameters(part, "content-type")
    text = decode_bytes(data, values.get("charset")).replace("\r\n", "\n").replace("\r", "\n")
    if values.get("format", "").lower() == "flowed":
        text = _unflow(text, values.get("delsp", "").lower() == "yes")
    return text


def _unflow(text: str, delete_space: bool) -> str:
    """Join the lines of a paragraph (RFC 3676). Those of a quote keep their marks."""
    lines: list[str] = []
    is_open = False
    for line in text.split("\n"):
        is_quote, line = line.startswith(">"), line.removeprefix(" ")
        if is_open and not is_quote:
            lines[-1] += line
        else:
            lines.append(line)
        is_open = line.endswith(" ") and line != "-- " and not is_quote
        if is_open and delete_space:
            lines[-1] = lines[-1][:-1]
    return "\n".join(lines)


def _html_charset(part: Message, data: bytes) -> str | None:
    charset = _parameters(part, "content-type").get("charset")
    match = _META_CHARSET.search(data[:2_000])
    return charset or (match[1].decode() if match else None)
