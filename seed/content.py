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

FOLDER = Path(__file__).parent
PARIS = ZoneInfo("Europe/Paris")
SATURDAY = 5

OFFER_KEYS = {
    "slug",
    "segment",
    "monthly_net_cents",
    "yearly_net_cents",
    "vat_basis_points",
    "trial_days",
    "fr",
    "en",
}
ARTICLE_KEYS = {"title", "summary", "kind", "category", "position", "operations"}
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
    """An article in one language. The body is Markdown; links to other articles have the form
    `/articles/<slug>`.
    """

    title: str
    summary: str
    body: str


@dataclass(frozen=True)
class Webinar:
    """The time of a webinar: a number of days after the installation, and an hour in
    Europe/Paris.
    """

    starts_in_days: int
    starts_at: time

    def start_time(self, installed_on: date) -> datetime:
        """Return the start with its time zone. A start on a weekend is moved to the following
        Monday.
        """
        day = installed_on + timedelta(days=self.starts_in_days)
        if day.weekday() >= SATURDAY:
            day += timedelta(days=7 - day.weekday())
        return datetime.combine(day, self.starts_at, PARIS)


@dataclass(frozen=True)
class ArticleContent:
    """An article of the library. Videos have media and a duration, webinars have a date and a
    duration. operations are the fields of the schema that do what the article says, such as
    `Mutation.ticketOpen`.
    """

    slug: str
    kind: Kind
    category: Category
    position: int
    fr: ArticleText
    en: ArticleText
    media: str | None = None
    webinar: Webinar | None = None
    duration_seconds: int | None = None
    operations: tuple[str, ...] = ()


def offers(path: Path = FOLDER / "offers.toml") -> list[OfferContent]:
    """Read the offers, in the order of the file. Raises ValueError for an incomplete, unknown or
    repeated entry.
    """
    contents = [
        parse_offer(table, f"{path.name}, offer {number}")
        for number, table in enumerate(_tables(path), 1)
    ]
    _require_unique([content.slug for content in contents], f"{path.name}: slug")
    return contents


def _tables(path: Path) -> list[Table]:
    entries = tomllib.loads(path.read_text("utf-8")).get("offers")
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path.name}: [[offers]] is missing")
    return entries


def parse_offer(table: Table, location: str) -> OfferContent:
    _reject_unknown(table, OFFER_KEYS, location)
    return OfferContent(
        slug=_read_text(table, "slug", location),
        segment=cast(Segment, _read_choice(get_args(Segment), table, "segment", location)),
        monthly_net_cents=_read_number(table, "monthly_net_cents", location, minimum=1),
        yearly_net_cents=_read_number(table, "yearly_net_cents", location, minimum=1),
        vat_basis_points=_read_number(table, "vat_basis_points", location),
        trial_days=_read_number(table, "trial_days", location),
        fr=parse_offer_text(table, "fr", location),
        en=parse_offer_text(table, "en", location),
    )


def parse_offer_text(table: Table, language: str, location: str) -> OfferText:
    text = table.get(language)
    if not isinstance(text, dict):
        raise ValueError(f"{location}: translation {language} is missing")
    location = f"{location}, {language}"
    _reject_unknown(text, {"name", "description", "features", "advantages"}, location)
    return OfferText(
        name=_read_text(text, "name", location),
        description=_read_text(text, "description", location),
        features=_read_texts(text, "features", location),
        advantages=_read_texts(text, "advantages", location),
    )


def articles(folder: Path = FOLDER / "articles") -> list[ArticleContent]:
    """Read the articles that every installation has, which describe only what the API can do.
    Raises ValueError for an invalid or repeated one.
    """
    return _sorted_articles([folder])


def demonstration_articles() -> list[ArticleContent]:
    """Read all articles, including those about services that only the demonstration's vendor claims
    to offer. Raises ValueError like `articles`.
    """
    return _sorted_articles([FOLDER / "articles", FOLDER / "demonstration_articles"])


def _sorted_articles(folders: list[Path]) -> list[ArticleContent]:
    """The articles of the folders, sorted by category, kind and position."""
    contents = [
        read_article(folder, slug) for folder in folders for slug in sorted(set(_slugs(folder)))
    ]
    _require_unique(
        [f"{content.category} {content.kind} {content.position}" for content in contents],
        f"{folders[0].name}: position",
    )
    return sorted(contents, key=lambda content: (content.category, content.kind, content.position))


def _slugs(folder: Path) -> Iterator[str]:
    for path in folder.iterdir():
        slug, _, suffix = path.name.partition(".")
        if suffix not in {"fr.md", "en.md"}:
            raise ValueError(f"{path.name}: an article must be named <slug>.fr.md or <slug>.en.md")
        yield slug


def read_article(folder: Path, slug: str) -> ArticleContent:
    """Read an article. The facts that both languages share are in the French file only, so that
    they can't disagree.
    """
    location = f"{slug}.fr.md"
    front_matter, french = _read_page(folder, location)
    kind = cast(Kind, _read_choice(get_args(Kind), front_matter, "kind", location))
    _reject_unknown(front_matter, ARTICLE_KEYS | KEYS_BY_KIND[kind], location)
    has_duration = kind in {"VIDEO", "WEBINAR"}
    return ArticleContent(
        slug=slug,
        kind=kind,
        category=cast(
            Category, _read_choice(get_args(Category), front_matter, "category", location)
        ),
        position=_read_number(front_matter, "position", location, minimum=1),
        fr=parse_article_text(front_matter, french, location),
        en=read_english_text(folder, slug),
        media=_read_text(front_matter, "media", location) if kind == "VIDEO" else None,
        webinar=webinar(front_matter, location) if kind == "WEBINAR" else None,
        duration_seconds=_read_number(front_matter, "duration_seconds", location, minimum=1)
        if has_duration
        else None,
        operations=_read_texts(front_matter, "operations", location)
        if "operations" in front_matter
        else (),
    )


def _read_page(folder: Path, name: str) -> tuple[Table, str]:
    path = folder / name
    if not path.exists():
        raise ValueError(f"{name}: translation is missing")
    before, *rest = path.read_text("utf-8").split("+++\n", 2)
    if before or len(rest) != 2:
        raise ValueError(f"{name}: must start with TOML between two +++ lines")
    return tomllib.loads(rest[0]), rest[1].strip()


def read_english_text(folder: Path, slug: str) -> ArticleText:
    location = f"{slug}.en.md"
    front_matter, body = _read_page(folder, location)
    _reject_unknown(front_matter, {"title", "summary"}, location)
    return parse_article_text(front_matter, body, location)


def parse_article_text(front_matter: Table, body: str, location: str) -> ArticleText:
    if not body:
        raise ValueError(f"{location}: the body is empty")
    return ArticleText(
        title=_read_text(front_matter, "title", location),
        summary=_read_text(front_matter, "summary", location),
        body=body,
    )


def webinar(front_matter: Table, location: str) -> Webinar:
    start = front_matter.get("starts_at")
    if not isinstance(start, time):
        raise ValueError(f"{location}: starts_at must be a time of day")
    return Webinar(
        starts_in_days=_read_number(front_matter, "starts_in_days", location, minimum=1),
        starts_at=start,
    )


def _reject_unknown(table: Table, keys: Collection[str], location: str) -> None:
    if unknown := sorted(set(table) - set(keys)):
        raise ValueError(f"{location}: unknown {', '.join(unknown)}")


def _read_text(table: Table, key: str, location: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{location}: {key} must be a string")
    return value


def _read_texts(table: Table, key: str, location: str) -> tuple[str, ...]:
    values = table.get(key)
    if not isinstance(values, list) or not values:
        raise ValueError(f"{location}: {key} must be a list of strings")
    return tuple(_read_text({key: value}, key, location) for value in values)


def _read_number(table: Table, key: str, location: str, minimum: int = 0) -> int:
    value = table.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
        raise ValueError(f"{location}: {key} must be an integer of at least {minimum}")
    return value


def _read_choice(choices: Collection[str], table: Table, key: str, location: str) -> str:
    value = _read_text(table, key, location)
    if value not in choices:
        raise ValueError(f"{location}: unknown {key} {value}, expected {', '.join(choices)}")
    return value


def _require_unique(values: list[str], label: str) -> None:
    if repeated := sorted({value for value in values if values.count(value) > 1}):
        raise ValueError(f"{label} repeated: {', '.join(repeated)}")
