"""Cleaning text that people enter: text without visible characters is blank, and a line keeps only
the invisible characters that its script needs.
"""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as some

from models.errors import Refusal
from models.text import (
    clean_line,
    client_key,
    is_blank,
    line,
    masked_line,
    message_text,
    search_text,
    search_words,
)

BLANKS = [
    "",
    " ",
    "\t\r\n\v\f",
    "\u00a0\u2003\u202f\u3000\u2028",
    "\u200b",
    " \u200b \u200c \u200d \ufeff ",
    "\u2060\u2061\u2062\u2063\u2064",
    "\u00ad\u180e\u034f",
    "\u202a\u202e\u2066\u2069\u200e\u200f\u061c",
    "\u115f\u1160",
    "\u3164\u3164",
    "\uffa0",
    "\u2800\u2800",
    "\u17b4\u17b5",
    "\ufe0f\ufe0e",
    "\U000e0100\U000e01ef",
    "\u180b\u180f",
    "\U000e0001\U000e0061\U000e007f",
    "\u0301\u0308",
    " \u0301\u20dd",
    "\ufffc",
    "\U0001d159",
    "\ue000\U000f0000",
    "\x00\x01\x1b\x7f\x85\x9f",
    "\u200b\u3164 \u2800\ufe0f\u0301\u202e",
]
INVISIBLE = [
    c
    for c in map(chr, (*range(0x3200), *range(0xF900, 0x10000), *range(0xE0000, 0xE0200)))
    if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Zs", "Mn", "Me")
] + list("\u115f\u1160\u2800\u3164\uffa0\ufffc")


@pytest.mark.parametrize("text", BLANKS)
def test_a_text_without_visible_characters_is_blank(text: str) -> None:
    assert is_blank(text)
    for check in (line, masked_line):
        with pytest.raises(Refusal) as refused:
            check(text, "name", 100)
        assert refused.value.code == "BLANK"
    for refused_text in (message_text, client_key):
        with pytest.raises(Refusal) as refused:
            refused_text(text)
        assert refused.value.code == "BLANK"


@given(some.text(some.sampled_from(INVISIBLE), max_size=40))
def test_no_invisible_text_is_accepted(text: str) -> None:
    assert is_blank(text)
    assert clean_line(text) == ""


@given(
    some.text(some.sampled_from(INVISIBLE), max_size=5), some.sampled_from("aé字ශ0-€🙂\U0001fae9")
)
def test_anything_visible_is_not_blank(surrounding_text: str, visible_character: str) -> None:
    text = f"{surrounding_text}{visible_character}{surrounding_text}"
    assert not is_blank(text)
    decomposed = unicodedata.normalize("NFD", visible_character)
    assert decomposed[0] in unicodedata.normalize("NFD", clean_line(text))


@pytest.mark.parametrize(
    "name",
    [
        "Élodie d’Œuvre-Ségur",
        "Łukasz Søren Straße",
        "ශ්‍රී ලංකා",  # Sinhala: Sri, with a zero-width joiner
        "ක්‍ෂණික",
        "علی‌رضا",  # Persian: Alireza, with a zero-width non-joiner
        "نمی‌خواهم",
        "क्‍ष र्‍य",  # Devanagari
        "കല്‍പ്പന പൊന്‍",  # Malayalam, with a joiner at the end of a word
        "ক্‌ষ",  # Bengali
        "ᠮᠣᠩᠭᠣᠯ᠋",  # Mongolian, with a variation selector
        "葛\U000e0100飾",  # an ideograph in its variant
        "김철수",
        "שָׁלוֹם",
        "Zoë 🙂",
        "👩‍💻 👨‍👩‍👧 🏳️‍🌈 👩🏽‍🚀 ❤️‍🔥",
        "🏴󠁧󠁢󠁥󠁮󠁧󠁿 🇫🇷",
        "\U0001fae9",  # an emoji of Unicode 16
        "\U00031350",  # an ideograph of Unicode 15
        "©™ 1️⃣",
    ],
)
def test_names_are_kept_in_every_script(name: str) -> None:
    composed_text = unicodedata.normalize("NFC", name)
    assert clean_line(name) == composed_text
    assert line(name, "name", 100) == composed_text
    assert message_text(name) == name


@pytest.mark.parametrize(
    ("text", "cleaned_text"),
    [
        ("  a \t\r\n b  ", "a b"),
        ("a\x00b\x1b[31mc", "ab[31mc"),
        ("Facture\u202egnp.exe", "Facturegnp.exe"),
        ("a\u2066b\u2069\u200ec\u061cd", "abcd"),
        ("Ma\u200brie", "Marie"),
        ("Ma\u200d\u200crie", "Marie"),
        ("\u200dMarie\u200d", "Marie"),
        ("ශ්‍\u200d\u200dරී", "ශ්‍රී"),
        ("🙂\u200dMarie", "🙂Marie"),
        ("🙂\u200d", "🙂"),
        ("a\u3164b\u2800c", "abc"),
        ("a\U000e0061\U000e007fb", "ab"),
        ("a \u200b \u202e b", "a b"),
        ("e\u0301", "é"),
        ("Rene\u200b\u0301", "René"),
        ("a\u2028b\u0085c", "a b c"),
    ],
)
def test_a_line_contains_no_invisible_characters(text: str, cleaned_text: str) -> None:
    assert clean_line(text) == cleaned_text


@given(some.text(max_size=60))
def test_cleaning_is_idempotent_and_leaves_one_line(text: str) -> None:
    cleaned_text = clean_line(text)
    assert clean_line(cleaned_text) == cleaned_text
    assert cleaned_text.splitlines() == ([cleaned_text] if cleaned_text else [])
    assert not {unicodedata.category(c) for c in cleaned_text} & {"Cc", "Zl", "Zp"}
    assert not set(cleaned_text) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def test_a_message_keeps_its_lines_and_emoji() -> None:
    assert message_text("voir \u202ehttps://moc.\u202c \u2066ici\u2069 שלום\u200f") == (
        "voir https://moc. ici שלום\u200f"
    )
    assert message_text(" Bonjour\r\n\tà 👩‍💻\x00\x1b\x9b ! \n") == "Bonjour\r\n\tà 👩‍💻 !"


@given(some.text(max_size=40))
def test_search_texts_hold_words_and_single_spaces(text: str) -> None:
    normalized_text = search_text(text)
    assert normalized_text == " ".join(normalized_text.split())
    assert not set(normalized_text) & set("%_?*'\"\\.-")
    for parts in search_words(text):
        assert "".join(parts) in normalized_text.split() or all(
            part in normalized_text for part in parts
        )
