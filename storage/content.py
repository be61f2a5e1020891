"""Which kinds of content may be sent, and how each is recognised by its bytes: nobody's word is taken for it.

This keeps honest people from mislabelled files. It is no virus scanner, so what was sent is only ever served as a download.
"""

import re
from dataclasses import dataclass

_HEAD = 128
_OVERLAP = 64
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_MACROS = b"vbaProject.bin"


@dataclass(frozen=True)
class ContentKind:
    """One kind: its extensions, the usual one first, how its bytes begin, which names it holds, whether it is text."""

    extensions: tuple[str, ...]
    opening: re.Pattern[bytes] = re.compile(b"")
    holding: frozenset[bytes] = frozenset()
    text: bool = False

    def named(self, name: str, length: int) -> str:
        """The name with one of the kind's extensions: what opens it by its name then opens what it is."""
        if name.lower().endswith(self.extensions):
            return name
        return name[: length - len(self.extensions[0])] + self.extensions[0]


def _office(extension: str, part: bytes) -> ContentKind:
    return ContentKind((extension,), re.compile(rb"PK\x03\x04"), frozenset({b"[Content_Types].xml", part}))


def _open_document(extension: str, media_type: bytes) -> ContentKind:
    return ContentKind((extension,), re.compile(rb"PK\x03\x04.{26}mimetype" + re.escape(media_type), re.DOTALL))


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
    f"{_OFFICE}.wordprocessingml.document": _office(".docx", b"word/"),
    f"{_OFFICE}.spreadsheetml.sheet": _office(".xlsx", b"xl/"),
    f"{_OPEN_DOCUMENT}.text": _open_document(".odt", b"application/vnd.oasis.opendocument.text"),
    f"{_OPEN_DOCUMENT}.spreadsheet": _open_document(".ods", b"application/vnd.oasis.opendocument.spreadsheet"),
}


def content_kind(content_type: str) -> ContentKind | None:
    """The kind of a media type, whatever its case and parameters; None when it may not be sent."""
    return CONTENT_KINDS.get(content_type.partition(";")[0].strip().lower())


class Inspection:
    """Looks at content while it passes by, and keeps no more of it than a chunk."""

    def __init__(self, content_kind: ContentKind) -> None:
        self._kind = content_kind
        self._head = self._tail = b""
        self._missing = set(content_kind.holding)
        self._clean = True

    def look(self, chunk: bytes) -> None:
        """Look at the next bytes."""
        self._head += chunk[: _HEAD - len(self._head)]
        seen = self._tail + chunk
        self._missing = {name for name in self._missing if name not in seen}
        if (self._kind.text and _BINARY.search(chunk)) or (self._kind.holding and _MACROS in seen):
            self._clean = False
        self._tail = seen[-_OVERLAP:]

    @property
    def passed(self) -> bool:
        """Whether everything looked at was of the kind."""
        return self._clean and not self._missing and self._kind.opening.match(self._head) is not None
