"""The kinds of content that may be uploaded, and how each is recognized by its bytes.

This detects mislabeled files. It is no virus scanner, so files are only ever served as downloads.
"""

import re
from dataclasses import dataclass

_HEAD_SIZE = 128
_OVERLAP_SIZE = 64
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_MACRO_PART = b"vbaProject.bin"


@dataclass(frozen=True)
class ContentKind:
    """A kind of content: its extensions, the usual one first, its first bytes, the byte strings it
    has to contain, and whether it is text.
    """

    extensions: tuple[str, ...]
    signature: re.Pattern[bytes] = re.compile(b"")
    required_parts: frozenset[bytes] = frozenset()
    text: bool = False

    def with_extension(self, name: str, length: int) -> str:
        """Return the name with one of the kind's extensions, cut to `length` characters, so that
        the right program opens the file.
        """
        if name.lower().endswith(self.extensions):
            return name
        return name[: length - len(self.extensions[0])] + self.extensions[0]


def _office_kind(extension: str, part: bytes) -> ContentKind:
    return ContentKind(
        (extension,), re.compile(rb"PK\x03\x04"), frozenset({b"[Content_Types].xml", part})
    )


def _open_document_kind(extension: str, media_type: bytes) -> ContentKind:
    return ContentKind(
        (extension,), re.compile(rb"PK\x03\x04.{26}mimetype" + re.escape(media_type), re.DOTALL)
    )


_OFFICE = "application/vnd.openxmlformats-officedocument"
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument"
CONTENT_KINDS = {
    "image/png": ContentKind((".png",), re.compile(rb"\x89PNG\r\n\x1a\n")),
    "image/jpeg": ContentKind((".jpg", ".jpeg"), re.compile(rb"\xff\xd8\xff")),
    "image/webp": ContentKind((".webp",), re.compile(rb"RIFF.{4}WEBP", re.DOTALL)),
    "image/gif": ContentKind((".gif",), re.compile(rb"GIF8[79]a")),
    "application/pdf": ContentKind((".pdf",), re.compile(rb"%PDF-\d")),
    "text/plain": ContentKind((".txt", ".log"), text=True),
    "text/csv": ContentKind((".csv",), text=True),
    f"{_OFFICE}.wordprocessingml.document": _office_kind(".docx", b"word/"),
    f"{_OFFICE}.spreadsheetml.sheet": _office_kind(".xlsx", b"xl/"),
    f"{_OPEN_DOCUMENT}.text": _open_document_kind(
        ".odt", b"application/vnd.oasis.opendocument.text"
    ),
    f"{_OPEN_DOCUMENT}.spreadsheet": _open_document_kind(
        ".ods", b"application/vnd.oasis.opendocument.spreadsheet"
    ),
}


def content_kind(content_type: str) -> ContentKind | None:
    """Return the kind for a media type, ignoring case and parameters, or None when it may not be
    uploaded.
    """
    return CONTENT_KINDS.get(content_type.partition(";")[0].strip().lower())


class Inspection:
    """Inspects content chunk by chunk while it is being stored."""

    def __init__(self, content_kind: ContentKind) -> None:
        self._kind = content_kind
        self._head = self._tail = b""
        self._missing_parts = set(content_kind.required_parts)
        self._allowed = True

    def feed(self, chunk: bytes) -> None:
        """Inspect the next bytes."""
        self._head += chunk[: _HEAD_SIZE - len(self._head)]
        window = self._tail + chunk
        self._missing_parts = {name for name in self._missing_parts if name not in window}
        if (self._kind.text and _BINARY.search(chunk)) or (
            self._kind.required_parts and _MACRO_PART in window
        ):
            self._allowed = False
        self._tail = window[-_OVERLAP_SIZE:]

    @property
    def is_valid(self) -> bool:
        """Whether the content inspected so far is of this kind."""
        return (
            self._allowed
            and not self._missing_parts
            and self._kind.signature.match(self._head) is not None
        )
