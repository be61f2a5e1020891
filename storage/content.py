"""The kinds of content that may be uploaded, and how each is recognized by its bytes.

This detects mislabeled files. It is no virus scanner, so files are only ever served as downloads.
"""

import codecs
import re
from dataclasses import dataclass

MAX_BYTES = 10 * 1024 * 1024
# clamd's own limit of a stream is 25 MiB (StreamMaxLength).
MAX_VIDEO_BYTES = 24 * 1024 * 1024
_HEAD_SIZE = 1_040
_OVERLAP_SIZE = 64
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
# A byte order mark, or two characters of ASCII.
_UTF_16_STARTS = (
    ("utf-16", re.compile(rb"\xff\xfe|\xfe\xff")),
    ("utf-16-le", re.compile(rb"(?:[\t\n\r -~]\x00){2}")),
    ("utf-16-be", re.compile(rb"(?:\x00[\t\n\r -~]){2}")),
)
_MACRO_PART = b"vbaproject.bin"  # names of parts ignore case (ISO/IEC 29500-2)
# The two kinds of videos, whose names and types are often mixed up: .mov files sent as .mp4.
_VIDEO_BRANDS = (
    rb"qt  |iso[m2-9]|mp4[12]|mp71|avc1|hvc1|M4V.|MSNV|ND[SX].|XAVC|f4v |dash|mmp4|3g[pr2][0-9a-e]"
)


@dataclass(frozen=True)
class ContentKind:
    """A kind of content: its media type, its extensions, the usual one first, its first bytes, the
    byte strings it has to contain, whether it is text, and the largest size in bytes.
    """

    media_type: str
    extensions: tuple[str, ...]
    signature: re.Pattern[bytes] = re.compile(b"")
    required_parts: frozenset[bytes] = frozenset()
    text: bool = False
    max_bytes: int = MAX_BYTES

    def with_extension(self, name: str, length: int) -> str:
        """Return the name with one of the kind's extensions, cut to `length` characters, so that
        the right program opens the file.
        """
        if name.lower().endswith(self.extensions):
            return name
        return name[: length - len(self.extensions[0])] + self.extensions[0]


def _office_kind(media_type: str, extension: str, part: bytes) -> ContentKind:
    return ContentKind(
        f"application/vnd.openxmlformats-officedocument.{media_type}",
        (extension,),
        re.compile(rb"PK\x03\x04"),
        frozenset({b"[Content_Types].xml", part}),
    )


def _open_document_kind(media_type: str, extension: str) -> ContentKind:
    media_type = f"application/vnd.oasis.opendocument.{media_type}"
    signature = rb"PK\x03\x04.{26}mimetype" + re.escape(media_type.encode())
    return ContentKind(media_type, (extension,), re.compile(signature, re.DOTALL))


def _media_kind(
    media_type: str, extensions: tuple[str, ...], brands: bytes, max_bytes: int = MAX_BYTES
) -> ContentKind:
    """A kind of files of the ISO base media format (ISO/IEC 14496-12), told apart by their major
    brand.
    """
    signature = re.compile(rb".{4}ftyp(?:" + brands + rb")", re.DOTALL)
    return ContentKind(media_type, extensions, signature, max_bytes=max_bytes)


_KINDS = (
    ContentKind("image/png", (".png",), re.compile(rb"\x89PNG\r\n\x1a\n")),
    ContentKind("image/jpeg", (".jpg", ".jpeg"), re.compile(rb"\xff\xd8\xff")),
    ContentKind("image/webp", (".webp",), re.compile(rb"RIFF.{4}WEBP", re.DOTALL)),
    ContentKind("image/gif", (".gif",), re.compile(rb"GIF8[79]a")),
    # The photos of iPhones.
    _media_kind("image/heic", (".heic", ".heif"), rb"hei[cxms]|hev[cxms]|mif1|msf1"),
    _media_kind(
        "video/mp4",
        (".mp4", ".m4v", ".3gp"),
        _VIDEO_BRANDS,
        MAX_VIDEO_BYTES,
    ),
    _media_kind("video/quicktime", (".mov", ".qt"), _VIDEO_BRANDS, MAX_VIDEO_BYTES),
    # Voice notes, as browsers and phones record them.
    ContentKind(
        "audio/webm", (".weba", ".webm"), re.compile(rb"\x1a\x45\xdf\xa3.{,59}webm", re.DOTALL)
    ),
    ContentKind("audio/ogg", (".ogg", ".oga", ".opus"), re.compile(rb"OggS\x00")),
    _media_kind("audio/mp4", (".m4a",), rb"M4[AB] |" + _VIDEO_BRANDS),
    ContentKind("audio/mpeg", (".mp3",), re.compile(rb"ID3|\xff[\xe2-\xe7\xf2-\xf7\xfa-\xfb]")),
    # Readers look for the header in the first 1,024 bytes (ISO 32000-1, annex H.3.4.1). What is
    # before it must not make the file a program, an archive or a picture too.
    ContentKind(
        "application/pdf",
        (".pdf",),
        re.compile(
            rb"(?!MZ|\x7fELF|#!|PK\x03\x04|\x89PNG|\xff\xd8\xff|GIF8|RIFF).{0,1019}?%PDF-\d",
            re.DOTALL,
        ),
    ),
    ContentKind("text/plain", (".txt", ".log"), text=True),
    ContentKind("text/csv", (".csv", ".tsv"), text=True),
    _office_kind("wordprocessingml.document", ".docx", b"word/"),
    _office_kind("spreadsheetml.sheet", ".xlsx", b"xl/"),
    _open_document_kind("text", ".odt"),
    _open_document_kind("spreadsheet", ".ods"),
)
CONTENT_KINDS = {kind.media_type: kind for kind in _KINDS}
_OTHER_NAMES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "image/heif": "image/heic",
    "image/heic-sequence": "image/heic",
    "image/heif-sequence": "image/heic",
    "video/x-m4v": "video/mp4",
    "video/3gpp": "video/mp4",
    "audio/mp3": "audio/mpeg",
    "audio/opus": "audio/ogg",
    "audio/x-m4a": "audio/mp4",
    "application/x-pdf": "application/pdf",
    "application/csv": "text/csv",
    "application/x-csv": "text/csv",
    "text/x-csv": "text/csv",
    "text/comma-separated-values": "text/csv",
    "text/x-comma-separated-values": "text/csv",
    "text/tab-separated-values": "text/csv",
}
# What systems say that don't know an extension, or, on Windows with Excel, of CSV.
_UNSPECIFIC = {
    "",
    "application/octet-stream",
    "application/excel",
    "application/msexcel",
    "application/msword",
    "application/vnd.ms-excel",
    "application/x-excel",
    "application/x-msexcel",
    "application/x-zip-compressed",
    "application/zip",
}


def content_kind(content_type: str, name: str = "") -> ContentKind | None:
    """Return the kind for a media type, ignoring case and parameters, or None when it may not be
    uploaded. When the type says nothing specific, the extension of the name decides.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in _UNSPECIFIC:
        lower_name = name.strip().lower()
        return next((kind for kind in _KINDS if lower_name.endswith(kind.extensions)), None)
    return CONTENT_KINDS.get(_OTHER_NAMES.get(media_type, media_type))


class Inspection:
    """Inspects content chunk by chunk while it is being stored."""

    def __init__(self, content_kind: ContentKind) -> None:
        self._kind = content_kind
        self._head = self._tail = b""
        self._missing_parts = set(content_kind.required_parts)
        self._allowed = True
        self._text = _TextInspection() if content_kind.text else None

    def feed(self, chunk: bytes) -> None:
        """Inspect the next bytes."""
        self._head += chunk[: _HEAD_SIZE - len(self._head)]
        if self._text:
            self._text.feed(chunk)
            return
        window = self._tail + chunk
        self._missing_parts = {name for name in self._missing_parts if name not in window}
        if self._kind.required_parts and _MACRO_PART in window.lower():
            self._allowed = False
        self._tail = window[-_OVERLAP_SIZE:]

    @property
    def is_valid(self) -> bool:
        """Whether the content inspected so far is of this kind."""
        if self._text:
            return self._text.is_valid
        return (
            self._allowed
            and not self._missing_parts
            and self._kind.signature.match(self._head) is not None
        )


class _TextInspection:
    """Inspects text: UTF-16 if it begins with a byte order mark or with ASCII in UTF-16, otherwise
    any encoding that contains ASCII. There are no control characters in it.
    """

    def __init__(self) -> None:
        self._start: bytes | None = b""  # until its encoding is known
        self._utf_16: codecs.IncrementalDecoder | None = None
        self._allowed = True

    def feed(self, chunk: bytes) -> None:
        if self._start is not None:
            chunk = self._start + chunk
            if len(chunk) < 4:
                self._start = chunk
                return
            self._start = None
            self._utf_16 = _utf_16_decoder(chunk)
        self._inspect(chunk)

    def _inspect(self, chunk: bytes) -> None:
        if self._utf_16 is None:
            self._allowed = self._allowed and not _BINARY.search(chunk)
            return
        try:
            text = self._utf_16.decode(chunk)
        except UnicodeDecodeError:
            self._allowed = False
        else:
            self._allowed = self._allowed and not _CONTROLS.search(text)

    @property
    def is_valid(self) -> bool:
        if self._start:  # up to three bytes
            decoder = _utf_16_decoder(self._start)
            if decoder is None:
                return not _BINARY.search(self._start)
            return len(self._start) == 2  # only a mark
        if self._utf_16 and self._utf_16.getstate()[0]:
            return False  # half a character
        return self._allowed


def _utf_16_decoder(start: bytes) -> codecs.IncrementalDecoder | None:
    for encoding, pattern in _UTF_16_STARTS:
        if pattern.match(start):
            return codecs.getincrementaldecoder(encoding)()
    return None
