"""Errors in the content are reported before anything is written."""

import re
from pathlib import Path
from shutil import copytree

import pytest

from seed.content import FOLDER, articles, offers

OFFER_ERRORS = [
    ('slug = "tpe-gestion"', 'slug = "tpe-essentiel"', "slug repeated: tpe-essentiel"),
    ('segment = "TPE"', 'segment = "ETI"', "offer 1: unknown segment ETI"),
    ("[offers.en]", "[offers.de]", "offer 1: unknown de"),
    (
        "monthly_net_cents = 2900",
        "monthly_net_cents = 29.0",
        "monthly_net_cents must be an integer of at least 1",
    ),
    ('name = "Essentiel"', 'name = " "', "offer 1, fr: name must be a string"),
    ("features = [", "features = []\nothers = [", "offer 1, fr: unknown others"),
]


@pytest.mark.parametrize(("valid", "invalid", "error"), OFFER_ERRORS)
def test_an_error_in_the_offers_is_reported(
    tmp_path: Path, valid: str, invalid: str, error: str
) -> None:
    path = tmp_path / "offers.toml"
    path.write_text((FOLDER / "offers.toml").read_text("utf-8").replace(valid, invalid, 1), "utf-8")
    with pytest.raises(ValueError, match=re.escape(error)):
        offers(path)


def test_an_offer_needs_both_languages(tmp_path: Path) -> None:
    path = tmp_path / "offers.toml"
    path.write_text(
        (FOLDER / "offers.toml").read_text("utf-8").partition("[offers.en]")[0], "utf-8"
    )
    with pytest.raises(ValueError, match=r"offer 1: translation en is missing"):
        offers(path)


ARTICLE_ERRORS = [
    (
        "billing-date.fr.md",
        'kind = "FAQ"',
        'kind = "NEWS"',
        "billing-date.fr.md: unknown kind NEWS",
    ),
    ("billing-date.fr.md", "BILLING", "MONEY", "billing-date.fr.md: unknown category MONEY"),
    ("billing-date.fr.md", "position = 6", "position = 7", "position repeated: BILLING FAQ 7"),
    (
        "billing-date.fr.md",
        "position = 6",
        'position = 6\nmedia = "x"',
        "billing-date.fr.md: unknown media",
    ),
    (
        "billing-date.en.md",
        "+++\n",
        "position = 6\n+++\n",
        "billing-date.en.md: must start with TOML",
    ),
    ("billing-date.en.md", "summary = ", "subtitle = ", "billing-date.en.md: unknown subtitle"),
    (
        "webinar-e-invoicing.fr.md",
        "starts_at = 14:00:00",
        "",
        "webinar-e-invoicing.fr.md: starts_at must be a time of day",
    ),
]


@pytest.mark.parametrize(("name", "valid", "invalid", "error"), ARTICLE_ERRORS)
def test_an_error_in_an_article_is_reported(
    tmp_path: Path, name: str, valid: str, invalid: str, error: str
) -> None:
    folder = copytree(FOLDER / "demonstration_articles", tmp_path / "articles")
    path = folder / name
    path.write_text(path.read_text("utf-8").replace(valid, invalid, 1), "utf-8")
    with pytest.raises(ValueError, match=re.escape(error)):
        articles(folder)


@pytest.mark.parametrize("name", ["billing-date.fr.md", "billing-date.en.md"])
def test_an_article_needs_both_languages(tmp_path: Path, name: str) -> None:
    folder = copytree(FOLDER / "demonstration_articles", tmp_path / "articles")
    (folder / name).unlink()
    with pytest.raises(ValueError, match=f"{name}: translation is missing"):
        articles(folder)


def test_an_unsupported_language_is_refused(tmp_path: Path) -> None:
    (tmp_path / "billing-date.de.md").write_text("")
    with pytest.raises(ValueError, match=r"billing-date\.de\.md: an article must be named"):
        articles(tmp_path)
