"""The fonts of the page, and which characters they can show.

Libertinus Serif and DejaVu Sans Mono are built into typst; Noto Sans, from packages, adds the
scripts of the rest of Europe, the Middle East and Asia. PDF/A forbids a character without a glyph
(ISO 19005-3, 6.2.11.8), and typst refuses it, so `printable_text` replaces what no font has.
"""

import re
import struct
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typst

MISSING_GLYPH = "□"
_MISSING_GLYPH_ERROR = "could not be displayed"
_PACKAGES = ("manimgx_fonts", "manimgx_fonts_cjk")
_NOTO_FILES = {
    "Noto Sans": "NotoSans[wght].ttf",
    "Noto Sans Arabic": "NotoSansArabic[wght].ttf",
    "Noto Sans Armenian": "NotoSansArmenian[wght].ttf",
    "Noto Sans Georgian": "NotoSansGeorgian[wght].ttf",
    "Noto Sans Hebrew": "NotoSansHebrew[wght].ttf",
    "Noto Sans Devanagari": "NotoSansDevanagari[wght].ttf",
    "Noto Sans Bengali": "NotoSansBengali[wght].ttf",
    "Noto Sans Gujarati": "NotoSansGujarati[wght].ttf",
    "Noto Sans Gurmukhi": "NotoSansGurmukhi[wght].ttf",
    "Noto Sans Kannada": "NotoSansKannada[wght].ttf",
    "Noto Sans Malayalam": "NotoSansMalayalam[wght].ttf",
    "Noto Sans Oriya": "NotoSansOriya[wght].ttf",
    "Noto Sans Sinhala": "NotoSansSinhala[wght].ttf",
    "Noto Sans Tamil": "NotoSansTamil[wght].ttf",
    "Noto Sans Telugu": "NotoSansTelugu[wght].ttf",
    "Noto Sans Thai": "NotoSansThai[wght].ttf",
    "Noto Sans Lao": "NotoSansLao[wght].ttf",
    "Noto Sans Khmer": "NotoSansKhmer[wght].ttf",
    "Noto Sans Myanmar": "NotoSansMyanmar[wght].ttf",
    "Noto Sans Ethiopic": "NotoSansEthiopic[wght].ttf",
    "Noto Sans CJK JP": "NotoSansCJK-VF.otf.ttc",
    "Noto Sans Symbols": "NotoSansSymbols[wght].ttf",
    "Noto Emoji": "NotoEmoji[wght].ttf",
}
# In the order in which typst tries them. All are named, so that the order of the files on a disk
# never decides which one is chosen.
FAMILIES = ("Libertinus Serif", *_NOTO_FILES, "DejaVu Sans Mono", "New Computer Modern Math")

# What the fonts inside typst can show, which no file lists.
_BUILT_IN = (
    # Libertinus Serif: Latin, Greek, Cyrillic, combining marks, punctuation, currencies.
    r"\x20-\x7E\xA0-\xAC\xAE-\u0377\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03E1"
    r"\u03F0-\u04FF\u1E00-\u1EFF\u2000-\u200A\u2010-\u2027\u202F-\u2040\u2070\u2071"
    r"\u2074-\u208E\u20A0-\u20BF\u2100-\u211E",
    # DejaVu Sans Mono and New Computer Modern Math: arrows, mathematics, shapes.
    r"\u2190-\u23E7\u2500-\u262F",
)
_JOINERS = "\u200c\u200d"  # which letters join is a matter of spelling in Arabic and Indic scripts
_VARIATION_SELECTORS = re.compile(r"[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_MARKS = {"Mn", "Mc", "Me"}
_WHITE_SPACE = re.compile(r"[\t\r\x85\v\f\u2028\u2029]")
_COMMON = re.compile(f"[\n{_BUILT_IN[0]}]*")
_UNCOMMON = re.compile(f"[^\n{_BUILT_IN[0]}]+")


@cache
def fonts() -> typst.Fonts:
    """The fonts for typst, none of them the system's. Read once: it takes a tenth of a second."""
    return typst.Fonts(include_system_fonts=False, font_paths=list(_folders()))


def printable_text(value: str) -> str:
    """The text as the page can show it: composed, without bidirectional control characters, and
    with □ for a run of characters that no font has. Any text is accepted.
    """
    text = unicodedata.normalize("NFC", _WHITE_SPACE.sub(" ", value))
    if _COMMON.fullmatch(text):
        return text
    visible = "".join(char for char in text if char in _JOINERS or not _is_control(char))
    printable = "".join(map(_printable_cluster, _clusters(visible)))
    printable = re.sub(f"{MISSING_GLYPH}+", MISSING_GLYPH, printable)
    return unicodedata.normalize("NFC", printable)


def common_text(value: str) -> str:
    """The text with □ for a run of characters outside of the Latin, Greek and Cyrillic scripts."""
    return _UNCOMMON.sub(MISSING_GLYPH, unicodedata.normalize("NFC", value))


def _is_control(char: str) -> bool:
    """Whether a character is invisible: it controls the device, the direction or the style."""
    is_selector = _VARIATION_SELECTORS.fullmatch(char) is not None
    return is_selector or (char != "\n" and unicodedata.category(char) in {"Cc", "Cf", "Cs"})


def _clusters(text: str) -> Iterator[str]:
    """Each character together with the marks and joiners that follow it."""
    start = 0
    for position, character in enumerate(text):
        is_mark = character in _JOINERS or unicodedata.category(character) in _MARKS
        if not is_mark and position > start:
            yield text[start:position]
            start = position
    if start < len(text):
        yield text[start:]


def _printable_cluster(cluster: str) -> str:
    """The cluster, or a compatible spelling (ﬁ, Ａ), or the character without the marks that its
    font lacks; nothing for invisible characters; otherwise □.
    """
    if _can_show(cluster):
        return cluster
    compatible = unicodedata.normalize("NFKC", cluster)
    if all(map(_can_show, _clusters(compatible))):
        return compatible
    base, marks = cluster[0], cluster[1:]
    for covered in _coverage():
        if covered.fullmatch(base):
            return base + "".join(mark for mark in marks if covered.fullmatch(mark))
    is_invisible = all(char in _JOINERS or unicodedata.category(char) in _MARKS for char in cluster)
    return "" if is_invisible else MISSING_GLYPH


def _can_show(cluster: str) -> bool:
    """Whether one font has the character and all of its marks, composed or not."""
    spellings = (cluster, unicodedata.normalize("NFD", cluster))
    return any(covered.fullmatch(text) for covered in _coverage() for text in spellings)


@cache
def _coverage() -> tuple[re.Pattern[str], ...]:
    """The texts that each font can show, in the order of FAMILIES."""
    noto = (_character_class(path) for path in _noto_paths())
    classes = (f"\n{_BUILT_IN[0]}", *noto, _BUILT_IN[1])
    return tuple(re.compile(f"[{characters}]+") for characters in classes)


def _noto_paths() -> Iterator[Path]:
    for name in _NOTO_FILES.values():
        yield next(folder / name for folder in _folders() if (folder / name).is_file())


def _folders() -> Iterator[Path]:
    for package in _PACKAGES:
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"the fonts of {package} are not installed", name=package)
        yield Path(spec.origin).parent


def _character_class(path: Path) -> str:
    """The characters of a font as a class of a regular expression. Adjacent ranges are merged: the
    expression would take a second to compile.
    """
    merged: list[list[int]] = []
    for first, last in sorted(_mapped_ranges(path.read_bytes())):
        if merged and first <= merged[-1][1] + 1:
            merged[-1][1] = max(last, merged[-1][1])
        elif last >= ord(" "):
            merged.append([max(first, ord(" ")), last])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in merged)


def _mapped_ranges(font: bytes) -> Iterator[tuple[int, int]]:
    """The ranges of code points with a glyph: the table `cmap` in format 12, or in format 4 for
    fonts without characters beyond U+FFFF (ISO/IEC 14496-22, 5.2.1).
    """
    start = _table_offset(font, b"cmap")
    (count,) = struct.unpack_from(">2xH", font, start)
    subtables = {}
    for position in range(count):
        (offset,) = struct.unpack_from(">4xI", font, start + 4 + 8 * position)
        (table_format,) = struct.unpack_from(">H", font, start + offset)
        subtables[table_format] = start + offset
    if 12 in subtables:
        yield from _segmented_coverage(font, subtables[12])
    else:
        yield from _segment_mapping(font, subtables[4])


def _table_offset(font: bytes, tag: bytes) -> int:
    """The offset of a table in a font, or in the first font of a collection."""
    (start,) = struct.unpack_from(">12xI", font) if font[:4] == b"ttcf" else (0,)
    (count,) = struct.unpack_from(">4xH", font, start)
    records = (struct.unpack_from(">4s4xI", font, start + 12 + 16 * n) for n in range(count))
    return next(int(offset) for name, offset in records if name == tag)


def _segmented_coverage(font: bytes, start: int) -> Iterator[tuple[int, int]]:
    (count,) = struct.unpack_from(">12xI", font, start)
    for position in range(count):
        first, last, glyph = struct.unpack_from(">3I", font, start + 16 + 12 * position)
        yield first + (glyph == 0), last


def _segment_mapping(font: bytes, start: int) -> Iterator[tuple[int, int]]:
    (double_count,) = struct.unpack_from(">6xH", font, start)
    count = double_count // 2
    ends = struct.unpack_from(f">{count}H", font, start + 14)
    starts = struct.unpack_from(f">{count}H", font, start + 16 + double_count)
    for first, last in zip(starts, ends, strict=True):
        if first != 0xFFFF:
            yield first, last


def is_missing_glyph(error: typst.TypstError) -> bool:
    """Whether a page couldn't be made because no font can show a combination of characters."""
    return _MISSING_GLYPH_ERROR in error.message


def map_texts(value: Any, change: Callable[[str], str]) -> Any:
    """The input of a template with every text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: map_texts(item, change) for key, item in value.items()}
    return [map_texts(item, change) for item in value] if isinstance(value, list) else value
