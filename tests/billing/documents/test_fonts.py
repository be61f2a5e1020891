"""Any text that a form accepts can be shown on an invoice."""

import io
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from billing.documents import factur_x
from billing.documents.cii import build_cii
from billing.documents.facts import InvoiceFacts
from billing.documents.factur_x import render
from billing.documents.fonts import FAMILIES, MISSING_GLYPH, common_text, fonts, printable_text
from tests.billing.documents.invoice_fixtures import BUYER, LINE, invoice

SCRIPTS = {
    "Latin": "Œuvre d’été à l’Haÿ-les-Roses — Łódź Ærø Đặng Ștefan ½",
    "combining marks": "Q\u0302ui\u0306 Ба\u0301нка и\u0301 ё\u0301",
    "Greek": "Ελλάς Ἀθῆναι",
    "Cyrillic": "Київ №5 Сърбия Ђорђе",
    "Armenian": "Հայաստան",
    "Georgian": "საქართველო",
    "Hebrew": "חברת אור בע״מ שָׁלוֹם",
    "Arabic": "شركة النور للتجارة بِسْمِ",
    "Persian": "شرکت می\u200cخواهم گچ پژ",
    "Hindi": "हिन्दी कंपनी",
    "Thai": "บริษัทไทย",
    "Chinese": "北京科技有限公司 𠮷野家",
    "Japanese": "株式会社さくら カタカナ",
    "Korean": "한국 주식회사",
    "Ethiopic": "ኢትዮጵያ",
    "emoji": "☕ 🎉",
}


def _pdf_text(facts: InvoiceFacts) -> str:
    pages = PdfReader(io.BytesIO(render(facts))).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def _letters(text: str) -> list[str]:
    """The letters of a text in no order: extraction returns those of some scripts as drawn."""
    plain = unicodedata.normalize("NFKC", text)
    return sorted(char for char in plain if unicodedata.category(char)[0] in "LN")


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_name_in_any_script_is_printed(script: str) -> None:
    name = SCRIPTS[script]
    assert printable_text(name) == unicodedata.normalize("NFC", name)
    text = _pdf_text(invoice(buyer=replace(BUYER, name=name)))
    assert MISSING_GLYPH not in text
    if script not in {"Persian", "Arabic", "Hindi", "emoji"}:  # whose glyphs aren't single letters
        assert not set(_letters(name)) - set(_letters(text))


def test_a_character_without_a_glyph_is_a_box_on_the_page_and_complete_in_the_xml() -> None:
    facts = invoice(buyer=replace(BUYER, name="Café 𐎀𐎁 ﬁn"))
    assert f"Café {MISSING_GLYPH} fin" in _pdf_text(facts).replace("ﬁ", "fi")
    assert "Café 𐎀𐎁 ﬁn".encode() in build_cii(facts)


def test_a_mark_that_the_font_of_its_letter_lacks_is_left_out() -> None:
    assert printable_text("b\u064ec") == "bc"
    assert printable_text("\u064eb") in {"b", "\u064eb"}


def test_invisible_characters_are_removed() -> None:
    assert printable_text("a\u00ad\u200b\ufeffb\ufe0f\x00\ud800") == "ab"


def test_right_to_left_overrides_cannot_disguise_a_name() -> None:
    assert printable_text("abc\u202edcba\u2066") == "abcdcba"


def test_the_page_is_rendered_even_when_the_coverage_of_a_font_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(factur_x, "printable_text", str)
    text = _pdf_text(invoice(buyer=replace(BUYER, name="Café 𐎀𐎁 漢字")))
    assert f"Café {MISSING_GLYPH}" in text


def test_every_font_is_found() -> None:
    assert set(FAMILIES) <= set(fonts().families())


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_can_be_rendered(name: str, label: str) -> None:
    facts = invoice(replace(LINE, label=label), buyer=replace(BUYER, name=name))
    assert render(facts).startswith(b"%PDF-1.7")


@pytest.mark.parametrize(
    ("last", "at_least"),
    [(0x1200, 3_000), pytest.param(0x32000, 50_000, marks=pytest.mark.long)],
)
def test_all_printable_characters_can_be_rendered(
    last: int, at_least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = map(chr, range(0x20, last))
    characters = [character for character in everything if printable_text(character) == character]
    assert len(characters) > at_least
    monkeypatch.setattr(factur_x, "common_text", None)  # the second attempt would hide a failure
    for start in range(0, len(characters), 2_000):
        assert render(invoice(replace(LINE, label=" ".join(characters[start : start + 2_000]))))


@given(st.text(st.characters()))
def test_cleaning_text_is_idempotent(text: str) -> None:
    assert printable_text(printable_text(text)) == printable_text(text)
    assert common_text(common_text(text)) == common_text(text)
    categories = {
        unicodedata.category(char) for char in printable_text(text) if char not in "\u200c\u200d\n"
    }
    assert not categories & {"Cf", "Cs", "Cc"}
