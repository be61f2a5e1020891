"""The offers and articles of a new installation, read from the files next to this module.

Everything is validated while it is read: an error is a ValueError that names the file and the key.
"""

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Literal, cast, get_args
from zoneinfo import ZoneInfo

Segment = Literal["TPE", "PME"]
Kind = Literal["GUIDE", "FAQ", "VIDEO", "WEBINAR"]
Category = Literal["ACCOUNT", "OFFERS", "BILLING", "SECURITY", "SUPPORT"]
Table = Mapping[str, object]

HERE = Path(__file__).parent
PARIS = ZoneInfo("Europe/Paris")
SATURDAY = 5

OFFER_KEYS = {"slug", "segment", "monthly_net_cents", "yearly_net_cents", "vat_basis_points", "trial_days", "fr", "en"}
ARTICLE_KEYS = {"title", "summary", "kind", "category", "position"}
KEYS_BY_KIND: dict[str, set[str]] = {
    "GUIDE": set(),
    "FAQ": set(),
    "VIDEO": {"media", "duration_seconds"},
    "WEBINAR": {"starts_in_days", "starts_at", "duration_seconds"},
}


@dataclass(frozen=True)
class OfferText:
    """The texts of an offer in one language."""

    name: str
    description: str
    features: tuple[str, ...]
    advantages: tuple[str, ...]


@dataclass(frozen=True)
class OfferContent:
    """An offer: net prices in euro cents per month and per year, VAT in basis points."""

    slug: str
    segment: Segment
    monthly_net_cents: int
    yearly_net_cents: int
    vat_basis_points: int
    trial_days: int
    fr: OfferText
    en: OfferText


@dataclass(frozen=True)
class ArticleText:
    """An article in one language. The body is Markdown; links to other articles have the form `/articles/<slug>`."""

    title: str
    summary: str
    body: str


@dataclass(frozen=True)
class Webinar:
    """The time of a webinar: days after the installation, and an hour of Europe/Paris."""

    starts_in_days: int
    starts_at: time

    def starts(self, installed_on: date) -> datetime:
        """Return the start with its time zone. A weekend is moved to the following Monday."""
        day = installed_on + timedelta(days=self.starts_in_days)
        if day.weekday() >= SATURDAY:
            day += timedelta(days=7 - day.weekday())
        return datetime.combine(day, self.starts_at, PARIS)


@dataclass(frozen=True)
class ArticleContent:
    """An article of the library. Videos have media and a duration, webinars have a date and a duration."""

    slug: str
    kind: Kind
    category: Category
    position: int
    fr: ArticleText
    en: ArticleText
    media: str | None = None
    webinar: Webinar | None = None
    duration_seconds: int | None = None


def offers(path: Path = HERE / "offers.toml") -> list[OfferContent]:
    """Read the offers, in the order of the file. Raises ValueError for an incomplete, unknown or repeated entry."""
    contents = [offer(table, f"{path.name}, offer {n}") for n, table in enumerate(_tables(path), 1)]
    _require_unique([content.slug for content in contents], f"{path.name}: slug")
    return contents


def _tables(path: Path) -> list[Table]:
    entries = tomllib.loads(path.read_text("utf-8")).get("offers")
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path.name}: [[offers]] is missing")
    return entries


def offer(table: Table, where: str) -> OfferContent:
    _reject_unknown(table, OFFER_KEYS, where)
    return OfferContent(
        slug=_text(table, "slug", where),
        segment=cast(Segment, _one_of(get_args(Segment), table, "segment", where)),
        monthly_net_cents=_number(table, "monthly_net_cents", where, least=1),
        yearly_net_cents=_number(table, "yearly_net_cents", where, least=1),
        vat_basis_points=_number(table, "vat_basis_points", where),
        trial_days=_number(table, "trial_days", where),
        fr=offer_text(table, "fr", where),
        en=offer_text(table, "en", where),
    )


def offer_text(table: Table, language: str, where: str) -> OfferText:
    text = table.get(language)
    if not isinstance(text, dict):
        raise ValueError(f"{where}: translation {language} is missing")
    where = f"{where}, {language}"
    _reject_unknown(text, {"name", "description", "features", "advantages"}, where)
    return OfferText(
        name=_text(text, "name", where),
        description=_text(text, "description", where),
        features=_texts(text, "features", where),
        advantages=_texts(text, "advantages", where),
    )


def articles(folder: Path = HERE / "articles") -> list[ArticleContent]:
    """Read the articles, sorted by category, kind and position. Raises ValueError for an invalid or repeated one."""
    contents = [article(folder, slug) for slug in sorted(set(_slugs(folder)))]
    _require_unique(
        [f"{content.category} {content.kind} {content.position}" for content in contents], f"{folder.name}: position"
    )
    return sorted(contents, key=lambda content: (content.category, content.kind, content.position))


def _slugs(folder: Path) -> Iterator[str]:
    for path in folder.iterdir():
        slug, _, ending = path.name.partition(".")
        if ending not in {"fr.md", "en.md"}:
            raise ValueError(f"{path.name}: an article must be named <slug>.fr.md or <slug>.en.md")
        yield slug


def article(folder: Path, slug: str) -> ArticleContent:
    """Read an article. The French file holds the facts that both languages share, so that they can't disagree."""
    where = f"{slug}.fr.md"
    facts, french = _page(folder, where)
    kind = cast(Kind, _one_of(get_args(Kind), facts, "kind", where))
    _reject_unknown(facts, ARTICLE_KEYS | KEYS_BY_KIND[kind], where)
    timed = kind in {"VIDEO", "WEBINAR"}
    return ArticleContent(
        slug=slug,
        kind=kind,
        category=cast(Category, _one_of(get_args(Category), facts, "category", where)),
        position=_number(facts, "position", where, least=1),
        fr=article_text(facts, french, where),
        en=english_text(folder, slug),
        media=_text(facts, "media", where) if kind == "VIDEO" else None,
        webinar=webinar(facts, where) if kind == "WEBINAR" else None,
        duration_seconds=_number(facts, "duration_seconds", where, least=1) if timed else None,
    )


def _page(folder: Path, name: str) -> tuple[Table, str]:
    path = folder / name
    if not path.exists():
        raise ValueError(f"{name}: translation is missing")
    before, *rest = path.read_text("utf-8").split("+++\n", 2)
    if before or len(rest) != 2:
        raise ValueError(f"{name}: must start with TOML between two +++ lines")
    return tomllib.loads(rest[0]), rest[1].strip()


def english_text(folder: Path, slug: str) -> ArticleText:
    where = f"{slug}.en.md"
    head, body = _page(folder, where)
    _reject_unknown(head, {"title", "summary"}, where)
    return article_text(head, body, where)


def article_text(head: Table, body: str, where: str) -> ArticleText:
    if not body:
        raise ValueError(f"{where}: the body is empty")
    return ArticleText(title=_text(head, "title", where), summary=_text(head, "summary", where), body=body)


def webinar(facts: Table, where: str) -> Webinar:
    hour = facts.get("starts_at")
    if not isinstance(hour, time):
        raise ValueError(f"{where}: starts_at must be a time of day")
    return Webinar(starts_in_days=_number(facts, "starts_in_days", where, least=1), starts_at=hour)


def _reject_unknown(table: Table, keys: Collection[str], where: str) -> None:
    if unknown := sorted(set(table) - set(keys)):
        raise ValueError(f"{where}: unknown {', '.join(unknown)}")


def _text(table: Table, key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where}: {key} must be a string")
    return value


def _texts(table: Table, key: str, where: str) -> tuple[str, ...]:
    values = table.get(key)
    if not isinstance(values, list) or not values:
        raise ValueError(f"{where}: {key} must be a list of strings")
    return tuple(_text({key: value}, key, where) for value in values)


def _number(table: Table, key: str, where: str, least: int = 0) -> int:
    value = table.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{where}: {key} must be an integer of at least {least}")
    return value


def _one_of(choices: Collection[str], table: Table, key: str, where: str) -> str:
    value = _text(table, key, where)
    if value not in choices:
        raise ValueError(f"{where}: unknown {key} {value}, expected {', '.join(choices)}")
    return value


def _require_unique(values: list[str], what: str) -> None:
    if repeated := sorted({value for value in values if values.count(value) > 1}):
        raise ValueError(f"{what} repeated: {', '.join(repeated)}")
