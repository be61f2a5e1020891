"""The type of a file's content, detected from its bytes."""

import codecs
import zipfile
from io import BytesIO

import pytest

from storage.content import CONTENT_KINDS, Inspection, content_kind


def zip_archive(*names: str, mimetype: bytes = b"") -> bytes:
    """A zip file with these members, after an uncompressed `mimetype` when there is one."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        if mimetype:
            zipped.writestr("mimetype", mimetype)
        for name in names:
            zipped.writestr(name, "<x/>" * 100, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


OFFICE_OPEN_XML = "application/vnd.openxmlformats-officedocument"
OPEN_DOCUMENT = "application/vnd.oasis.opendocument"
SAMPLES = {
    "image/png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "image/webp": b"RIFF\x0a\x00\x00\x00WEBPVP8 ",
    "image/gif": b"GIF89a\x01\x00",
    "application/pdf": b"%PDF-1.7\n\x00%%EOF",
    "image/heic": b"\x00\x00\x00\x24ftypheic\x00\x00\x00\x00mif1heic",
    "video/mp4": b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isommp42",
    "video/quicktime": b"\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00qt  ",
    "audio/webm": b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\x82\x84webmB\x87",
    "audio/ogg": b"OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00OpusHead",
    "audio/mp4": b"\x00\x00\x00\x1cftypM4A \x00\x00\x00\x00M4A mp42",
    "audio/mpeg": b"ID3\x04\x00\x00\x00\x00\x00\x23TSSE",
    "text/plain": "Ça ne marche plus\r\n\tdepuis hier".encode(),
    "text/csv": "société;montant\nL'Épi;12,50".encode("cp1252"),
    f"{OFFICE_OPEN_XML}.wordprocessingml.document": zip_archive(
        "[Content_Types].xml", "_rels/.rels", "word/document.xml"
    ),
    f"{OFFICE_OPEN_XML}.spreadsheetml.sheet": zip_archive(
        "_rels/.rels", "xl/workbook.xml", "[Content_Types].xml"
    ),
    f"{OPEN_DOCUMENT}.text": zip_archive("content.xml", mimetype=f"{OPEN_DOCUMENT}.text".encode()),
    f"{OPEN_DOCUMENT}.spreadsheet": zip_archive(
        "content.xml", mimetype=f"{OPEN_DOCUMENT}.spreadsheet".encode()
    ),
}


CSV = "société;montant\r\nŁukasz & Fils;12,50\r\n"
VARIANTS = [
    ("text/csv", codecs.BOM_UTF16_LE + CSV.encode("utf-16-le")),
    ("text/csv", codecs.BOM_UTF16_BE + CSV.encode("utf-16-be")),
    # Without a byte order mark, as databases export it.
    ("text/csv", "nom;montant\r\nŁukasz;12,50\r\n".encode("utf-16-le")),
    ("text/csv", "nom;montant\r\nŁukasz;12,50\r\n".encode("utf-16-be")),
    ("text/csv", codecs.BOM_UTF8 + CSV.encode()),
    ("text/plain", codecs.BOM_UTF16_LE + "😀".encode("utf-16-le")),
    ("text/plain", b"a"),
    ("application/pdf", b"\xef\xbb\xbf%PDF-1.4\n"),
    ("application/pdf", b"\r\n" * 509 + b" %PDF-1.4\n"),
    ("application/pdf", b"<br />\n<b>Warning</b>: Undefined index\n%PDF-1.4\n"),
    ("video/mp4", SAMPLES["video/quicktime"]),
    ("video/quicktime", SAMPLES["video/mp4"]),
    ("video/mp4", b"\x00\x00\x00\x1cftypXAVC\x01\x00\x1f\xffXAVCmp42iso2"),
    ("video/mp4", b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"),
    ("video/mp4", b"\x00\x00\x00\x18ftyp3gp4\x00\x00\x00\x00isom3gp4"),
    ("audio/mp4", b"\x00\x00\x00\x1cftypiso5\x00\x00\x00\x01isomiso5hlsf"),
    ("audio/mpeg", b"\xff\xfb\x90\x64\x00\x0f\xf0\x00"),
    ("image/heic", b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1heic"),
]


def is_accepted(content_type: str, content: bytes, chunk_size: int) -> bool:
    inspection = Inspection(CONTENT_KINDS[content_type])
    for start in range(0, len(content), chunk_size):
        inspection.feed(content[start : start + chunk_size])
    return inspection.is_valid


def test_there_is_a_sample_of_every_type() -> None:
    assert SAMPLES.keys() == CONTENT_KINDS.keys()


@pytest.mark.parametrize("chunk_size", [1, 7, 10_000])
@pytest.mark.parametrize("content_type", CONTENT_KINDS)
def test_content_matches_only_its_own_type(content_type: str, chunk_size: int) -> None:
    text_types = {"text/plain", "text/csv"}
    video_types = {"video/mp4", "video/quicktime"}
    accepted_types = {
        candidate
        for candidate in CONTENT_KINDS
        if is_accepted(candidate, SAMPLES[content_type], chunk_size)
    }
    # Safari records voice under the brands of videos.
    same_types = video_types | {"audio/mp4"} if content_type in video_types else {content_type}
    assert accepted_types - text_types == same_types - text_types
    assert (accepted_types & text_types == text_types) is (content_type in text_types)


@pytest.mark.parametrize("chunk_size", [1, 10_000])
@pytest.mark.parametrize("content_type", CONTENT_KINDS)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><script>alert(1)</script></html>\x00",
        b"MZ\x90\x00\x03",
        zip_archive("evil.exe"),
        b"\x89PN\x00",
        b"<!doctype html>\x1b[2J" + SAMPLES["image/png"],
        zip_archive(
            "[Content_Types].xml", "word/document.xml", "word/vbaProject.bin", "xl/workbook.xml"
        ),
    ],
)
def test_content_of_another_type_is_reported(
    content_type: str, content: bytes, chunk_size: int
) -> None:
    empty_text = not content and content_type.startswith("text/")
    assert is_accepted(content_type, content, chunk_size) is empty_text


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 10_000])
@pytest.mark.parametrize(("content_type", "content"), VARIANTS)
def test_variants_of_a_type_are_accepted(
    content_type: str, content: bytes, chunk_size: int
) -> None:
    assert is_accepted(content_type, content, chunk_size)


@pytest.mark.parametrize("chunk_size", [1, 3, 10_000])
@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("text/csv", codecs.BOM_UTF16_LE + b"a\x00\x00\x00"),
        ("text/csv", codecs.BOM_UTF16_LE + b"a\x00b"),
        ("text/csv", codecs.BOM_UTF16_LE + b"\x00\xd8a\x00"),
        ("text/csv", CSV.encode("utf-16-le")[:-1]),
        ("text/csv", b"a\x00b"),
        ("text/plain", "é".encode("utf-32-le")),
        ("text/plain", b"\x00"),
        ("application/pdf", b" " * 1_020 + b"%PDF-1.4"),
        # A program, an archive or a picture that is a PDF too.
        ("application/pdf", b"MZ\x90\x00\x03" + SAMPLES["application/pdf"]),
        ("application/pdf", b"\x7fELF\x02\x01" + SAMPLES["application/pdf"]),
        ("application/pdf", b"#!/bin/sh\n" + SAMPLES["application/pdf"]),
        ("application/pdf", zip_archive("a") + SAMPLES["application/pdf"]),
        ("application/pdf", SAMPLES["image/png"] + SAMPLES["application/pdf"]),
        ("application/pdf", SAMPLES["image/gif"] + SAMPLES["application/pdf"]),
        (
            f"{OFFICE_OPEN_XML}.wordprocessingml.document",
            zip_archive("[Content_Types].xml", "word/document.xml", "word/VBAPROJECT.BIN"),
        ),
        ("image/heic", SAMPLES["video/mp4"]),
        ("audio/mpeg", SAMPLES["image/jpeg"]),
        ("audio/webm", b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x88matroska"),
    ],
)
def test_what_only_resembles_a_type_is_refused(
    content_type: str, content: bytes, chunk_size: int
) -> None:
    assert not is_accepted(content_type, content, chunk_size)


@pytest.mark.parametrize(
    ("media_type", "name", "expected"),
    [
        ("application/vnd.ms-excel", "export.csv", "text/csv"),
        ("application/vnd.ms-excel", "export.XLSX", f"{OFFICE_OPEN_XML}.spreadsheetml.sheet"),
        ("application/vnd.ms-excel", "old.xls", None),
        ("application/octet-stream", "IMG_0001.HEIC", "image/heic"),
        ("image/heic-sequence", "a", "image/heic"),
        ("application/x-msexcel", "export.csv", "text/csv"),
        ("application/msexcel", "export.csv", "text/csv"),
        ("application/msword", "devis.docx", f"{OFFICE_OPEN_XML}.wordprocessingml.document"),
        ("application/msword", "old.doc", None),
        ("text/tab-separated-values", "export.tsv", "text/csv"),
        ("", "VID_0001.3gp", "video/mp4"),
        ("audio/webm;codecs=opus", "a", "audio/webm"),
        ("", "Message vocal.m4a", "audio/mp4"),
        ("application/octet-stream", "setup.exe", None),
        ("", "server.log", "text/plain"),
        ("", "page.html", None),
        (
            "application/x-zip-compressed",
            "devis.docx",
            f"{OFFICE_OPEN_XML}.wordprocessingml.document",
        ),
        ("text/comma-separated-values", "a", "text/csv"),
        ("image/jpg", "a", "image/jpeg"),
        ("text/html", "photo.png", None),
    ],
)
def test_the_extension_decides_when_the_type_is_unspecific(
    media_type: str, name: str, expected: str | None
) -> None:
    kind = content_kind(media_type, name)
    assert (kind.media_type if kind else None) == expected


@pytest.mark.parametrize("media_type", ["IMAGE/PNG", " image/png ; charset=x", "image/png;"])
def test_a_media_type_is_recognized_in_any_spelling(media_type: str) -> None:
    assert content_kind(media_type) is CONTENT_KINDS["image/png"]


@pytest.mark.parametrize(
    "media_type",
    ["", "text/html", "image/svg+xml", "application/zip", "image/*", "application/javascript"],
)
def test_disallowed_types_are_refused(media_type: str) -> None:
    assert content_kind(media_type) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("photo.PNG", "photo.PNG"),
        ("evil.html", "evil.html.png"),
        ("photo", "photo.png"),
        ("x.png.exe", "x.png.exe.png"),
        ("n" * 200, "n" * 196 + ".png"),
    ],
)
def test_a_name_gets_an_extension_of_its_type(name: str, expected: str) -> None:
    assert CONTENT_KINDS["image/png"].with_extension(name, 200) == expected
