"""The invoice as a Factur-X file: a page for people, with the structured invoice inside (PDF/A-3b).

typst renders the page and embeds the XML; the metadata by which software finds the XML is added
afterwards. User text is passed as JSON input, never in the template's source, so it can't be
executed. Nothing depends on the time or the machine: the same data gives the same bytes, whose
SHA-256 later proves that a stored file is the one that was issued.
"""

import re
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import orjson
import typst

from billing.documents.cii import build_cii
from billing.documents.facts import InvoiceFacts
from billing.documents.fonts import (
    common_text,
    fonts,
    is_missing_glyph,
    map_texts,
    printable_text,
)
from billing.documents.page import page_content
from models.locale import Locale

TEMPLATE = Path(__file__).parent / "templates" / "invoice.typ"

_METADATA = re.compile(
    rb"(?P<object>\d+ 0 obj\n<</Length )\d+(?P<dictionary>/Type/Metadata/Subtype/XML>>\nstream\n)"
    rb"(?P<xmp><\?xpacket.*?</x:xmpmeta>.*?)(?=\nendstream)",
    re.DOTALL,
)
_EXTENSIONS = b"<pdfaExtension:schemas><rdf:Bag>"
_FACTUR_X = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
# The properties by which software finds the XML, and their declaration, which PDF/A requires
# (Factur-X 1.09, 6.2; ISO 19005-3, 6.6.2.3).
_PROPERTIES = {
    "DocumentType": "INVOICE",
    "DocumentFileName": "factur-x.xml",
    "Version": "1.0",
    "ConformanceLevel": "EN 16931",
}
FACTUR_X_SCHEMA = (
    '<rdf:li rdf:parseType="Resource"><pdfaSchema:schema>Factur-X</pdfaSchema:schema>'
    f"<pdfaSchema:namespaceURI>{_FACTUR_X}</pdfaSchema:namespaceURI>"
    "<pdfaSchema:prefix>fx</pdfaSchema:prefix><pdfaSchema:property><rdf:Seq>"
    + "".join(
        '<rdf:li rdf:parseType="Resource"><pdfaProperty:category>external</pdfaProperty:category>'
        f"<pdfaProperty:description>{name} of the embedded invoice</pdfaProperty:description>"
        f"<pdfaProperty:name>{name}</pdfaProperty:name>"
        "<pdfaProperty:valueType>Text</pdfaProperty:valueType></rdf:li>"
        for name in _PROPERTIES
    )
    + "</rdf:Seq></pdfaSchema:property></rdf:li>"
).encode()
FACTUR_X_PROPERTIES = (
    f'<rdf:Description rdf:about="" xmlns:fx="{_FACTUR_X}">'
    + "".join(f"<fx:{name}>{value}</fx:{name}>" for name, value in _PROPERTIES.items())
    + "</rdf:Description>"
).encode()


def render(facts: InvoiceFacts, locale: Locale | str = Locale.FR) -> bytes:
    """The Factur-X PDF, with the page in the reader's language. The same data gives the same bytes.

    Any text is accepted: what no font has is replaced by □ on the page, and is complete in the XML.
    """
    page, xml = page_content(facts, Locale(locale)), build_cii(facts).decode()
    try:
        pdf = _compile(map_texts(page, printable_text), xml, facts)
    except typst.TypstError as error:
        if not is_missing_glyph(error):
            raise
        # A combination of characters that the fonts have, but can't show together.
        pdf = _compile(map_texts(page, common_text), xml, facts)
    return _add_metadata(pdf)


def _compile(page: dict[str, Any], xml: str, facts: InvoiceFacts) -> bytes:
    return typst.compile(
        TEMPLATE,
        font_paths=fonts(),
        ignore_system_fonts=True,
        sys_inputs={"page": orjson.dumps(page).decode(), "xml": xml},
        pdf_standards=["a-3b"],
        timestamp=_issued_at(facts),
    )


def _issued_at(facts: InvoiceFacts) -> datetime:
    return datetime.combine(facts.issued_on, time(), UTC)


def _add_metadata(pdf: bytes) -> bytes:
    """The PDF with the metadata of Factur-X: typst embeds the XML but can't write this XMP.

    Only the metadata and the offsets of what follows it change: reading and writing the whole file
    with a library takes twice as long as typst takes for all of it.
    """
    found = _METADATA.search(pdf)
    if not found or _EXTENSIONS not in found["xmp"]:
        raise ValueError("the metadata of typst is not as expected")
    xmp = found["xmp"].replace(_EXTENSIONS, _EXTENSIONS + FACTUR_X_SCHEMA)
    xmp = xmp.replace(b"</rdf:RDF>", FACTUR_X_PROPERTIES + b"</rdf:RDF>")
    metadata = b"%b%d%b%b" % (found["object"], len(xmp), found["dictionary"], xmp)
    growth = len(metadata) - len(found[0])
    rest = _shift_offsets(pdf[found.end() :], found.start(), growth)
    return pdf[: found.start()] + metadata + rest


def _shift_offsets(rest: bytes, position: int, growth: int) -> bytes:
    """The rest of a PDF, with larger offsets of what lies after a position (ISO 32000-1, 7.5.4)."""

    def shift(match: re.Match[bytes]) -> bytes:
        offset = int(match[0])
        return b"%0*d" % (len(match[0]), offset + growth if offset > position else offset)

    objects, keyword, table = rest.rpartition(b"\nxref\n")
    table = re.sub(rb"^\d{10}(?= \d{5} n)", shift, table, flags=re.MULTILINE)
    return objects + keyword + re.sub(rb"(?<=startxref\n)\d+", shift, table)
