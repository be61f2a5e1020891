"""Pages that aren't invoices: from a template and its input to a PDF."""

from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import typst

from billing.documents.fonts import (
    FAMILIES,
    common_text,
    fonts,
    is_missing_glyph,
    map_texts,
    printable_text,
)


def render_page(template: Path, page: dict[str, Any], at: datetime) -> bytes:
    """The PDF that a typst template makes from its input, `page`: texts, and lists and dictionaries
    of texts, to which the names of the `fonts` are added. The same input gives the same bytes.
    """
    try:
        return _compile(template, map_texts(page, printable_text), at)
    except typst.TypstError as error:
        if not is_missing_glyph(error):
            raise
        # A combination of characters that the fonts have, but can't show together.
        return _compile(template, map_texts(page, common_text), at)


def _compile(template: Path, page: dict[str, Any], at: datetime) -> bytes:
    pdf: bytes = typst.compile(
        template,
        font_paths=fonts(),
        ignore_system_fonts=True,
        sys_inputs={"page": orjson.dumps(page | {"fonts": [*FAMILIES]}).decode()},
        timestamp=at.replace(microsecond=0),  # typst refuses smaller parts of a second
    )
    return pdf
