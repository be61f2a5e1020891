"""The language of an answer is the one that the Accept-Language header prefers."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from models.locale import Locale, preferred_locale

FR, EN = Locale.FR, Locale.EN


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        (None, FR),
        ("", FR),
        ("en", EN),
        ("EN-gb", EN),
        ("en_US", EN),
        ("de, es", FR),
        ("en, fr", EN),
        ("fr, en", FR),
        ("fr;q=0.8, en;q=0.9", EN),
        ("fr;Q=0.8, en;Q=0.9", EN),
        ("fr;q=0.8;x=1, en;q=0.9;x=1", EN),
        ("fr ; q=0.1 , en ; q=0.2", EN),
        ("fr-CA;q=0.5, en;q=0.6, fr;q=0.7", FR),
        ("de, *;q=0.5", FR),
        ("en;q=0.5, *;q=0.4", EN),
        ("fr;q=0.3, *;q=0.4", EN),
        ("fr;q=0, *", EN),
        ("*, fr;q=0", EN),
        ("fr;q=0", EN),
        ("en;q=0", FR),
        ("fr;q=0, en;q=0", FR),
        ("*;q=0", FR),
        ("*;q=0, en;q=0.1", EN),
        ("fr-CA;q=0, en-GB;q=0", FR),
        ("fr-CA;q=0, en", EN),
        ("en;q=nonsense, fr;q=0.1", FR),
        ("en;q=2, fr;q=1", EN),
        ("english, fr;q=0.1", FR),
        (",;q=1,;,en", EN),
        (", ".join(["de"] * 30) + ", en", FR),
    ],
)
def test_the_preferred_language_is_selected(header: str | None, locale: Locale) -> None:
    assert preferred_locale(header) is locale


def test_the_default_applies_without_another_preference() -> None:
    for header in (None, "de", "*", "*;q=0", "fr;q=0, en;q=0"):
        assert preferred_locale(header, EN) is EN
    assert preferred_locale("en;q=0", EN) is FR


@given(some.text('frenFREN*-_;,=qQ0.19 "\\', max_size=60))
def test_every_header_selects_a_locale(header: str) -> None:
    assert preferred_locale(header) in Locale
