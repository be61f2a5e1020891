"""A fault in the content is named before anything is written."""

import re
from pathlib import Path
from shutil import copytree

import pytest

from seed.content import HERE, articles, offers

OFFER_FAULTS = [
    ('slug = "tpe-gestion"', 'slug = "tpe-essentiel"', "slug repeated: tpe-essentiel"),
    ('segment = "TPE"', 'segment = "ETI"', "offer 1: unknown segment ETI"),
    ("[offers.en]", "[offers.de]", "offer 1: unknown de"),
    ("monthly_net_cents = 2900", "monthly_net_cents = 29.0", "monthly_net_cents must be a whole number, at least 1"),
    ('name = "Essentiel"', 'name = " "', "offer 1, fr: name must be a text"),
    ("features = [", "features = []\nothers = [", "offer 1, fr: unknown others"),
]


@pytest.mark.parametrize(("good", "bad", "fault"), OFFER_FAULTS)
def test_a_fault_in_the_offers_is_named(tmp_path: Path, good: str, bad: str, fault: str) -> None:
    path = tmp_path / "offers.toml"
    path.write_text((HERE / "offers.toml").read_text("utf-8").replace(good, bad, 1), "utf-8")
    with pytest.raises(ValueError, match=re.escape(fault)):
        offers(path)


def test_an_offer_needs_both_languages(tmp_path: Path) -> None:
    path = tmp_path / "offers.toml"
    path.write_text((HERE / "offers.toml").read_text("utf-8").partition("[offers.en]")[0], "utf-8")
    with pytest.raises(ValueError, match=r"offer 1: no translation en"):
        offers(path)


ARTICLE_FAULTS = [
    ("billing-date.fr.md", 'kind = "FAQ"', 'kind = "NEWS"', "billing-date.fr.md: unknown kind NEWS"),
    ("billing-date.fr.md", "BILLING", "MONEY", "billing-date.fr.md: unknown category MONEY"),
    ("billing-date.fr.md", "position = 6", "position = 7", "position repeated: BILLING FAQ 7"),
    ("billing-date.fr.md", "position = 6", 'position = 6\nmedia = "x"', "billing-date.fr.md: unknown media"),
    ("billing-date.en.md", "+++\n", "position = 6\n+++\n", "billing-date.en.md: must begin with TOML"),
    ("billing-date.en.md", "summary = ", "subtitle = ", "billing-date.en.md: unknown subtitle"),
    ("webinar-e-invoicing.fr.md", "starts_at = 14:00:00", "", "webinar-e-invoicing.fr.md: starts_at must be an hour"),
]


@pytest.mark.parametrize(("name", "good", "bad", "fault"), ARTICLE_FAULTS)
def test_a_fault_in_an_article_is_named(tmp_path: Path, name: str, good: str, bad: str, fault: str) -> None:
    folder = copytree(HERE / "articles", tmp_path / "articles")
    path = folder / name
    path.write_text(path.read_text("utf-8").replace(good, bad, 1), "utf-8")
    with pytest.raises(ValueError, match=re.escape(fault)):
        articles(folder)


@pytest.mark.parametrize("name", ["billing-date.fr.md", "billing-date.en.md"])
def test_an_article_needs_both_languages(tmp_path: Path, name: str) -> None:
    folder = copytree(HERE / "articles", tmp_path / "articles")
    (folder / name).unlink()
    with pytest.raises(ValueError, match=f"{name}: no such translation"):
        articles(folder)


def test_another_language_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "billing-date.de.md").write_text("")
    with pytest.raises(ValueError, match=r"billing-date\.de\.md: an article's name is"):
        articles(tmp_path)
