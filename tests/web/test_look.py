"""Emails and pages share one design, in light and dark, with readable contrast."""

import re

import pytest

from mail.rendering import TEMPLATES as EMAIL_TEMPLATES
from web.page import _STYLE

LAYOUT = (EMAIL_TEMPLATES / "html" / "layout.jinja").read_text(encoding="utf-8")
PALETTES = [
    dict(re.findall(r"--([\w-]+): (#\w+);", block))
    for block in re.findall(r":root \{([^}]*)\}", _STYLE)
]
# WCAG 2.2, 1.4.3 and 1.4.11: foreground, background and the least contrast of the two.
COLOR_PAIRS = [
    ("ink", "paper", 4.5),
    ("ink", "ground", 4.5),
    ("soft", "paper", 4.5),
    ("soft", "ground", 4.5),
    ("accent", "paper", 4.5),
    ("accent", "ground", 4.5),
    ("on-accent", "accent", 4.5),
    ("field", "paper", 3),
]


def luminance(color: str) -> float:
    """The relative luminance of #rgb or #rrggbb, as WCAG defines it."""
    digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
    parts = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("foreground", "background", "min_contrast"), COLOR_PAIRS)
def test_text_and_fields_have_enough_contrast(
    scheme: int, foreground: str, background: str, min_contrast: float
) -> None:
    palette = PALETTES[scheme]
    assert contrast(palette[foreground], palette[background]) >= min_contrast


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_emails_have_the_colors_of_pages(scheme: int) -> None:
    dark = LAYOUT[LAYOUT.index("prefers-color-scheme") : LAYOUT.index("</style>")]
    colors = set(re.findall(r"#[0-9a-f]{6}", [LAYOUT.replace(dark, ""), dark][scheme]))
    palette = PALETTES[scheme]
    for name in ("ink", "soft", "accent", "ground"):
        assert palette[name] in colors, name
