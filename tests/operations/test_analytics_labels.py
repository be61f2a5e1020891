"""Numbers of analytics are written as people read them, in emails and on the page of charts."""

import pytest

from models.locale import Locale
from operations.analytics.facts import Unit
from operations.analytics.labels import number_label


@pytest.mark.parametrize(
    ("number", "unit", "french", "english"),
    [
        (0.125, Unit.SHARE, "12,5\N{NARROW NO-BREAK SPACE}%", "12.5%"),
        (1234.5, Unit.COUNT, "1\N{NARROW NO-BREAK SPACE}234,5", "1,234.5"),
        (None, Unit.SHARE, "–", "–"),
    ],
)
def test_numbers_follow_the_rules_of_the_language(
    number: float | None, unit: Unit, french: str, english: str
) -> None:
    assert number_label(number, unit, Locale.FR) == french
    assert number_label(number, unit, Locale.EN) == english
