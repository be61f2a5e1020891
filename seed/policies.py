"""Installs the versions of the policies that lie in `seed/policies/`. Safe to run twice; what is installed never changes.

`versions.toml` lists them and says how to add one. Faults are ValueErrors that name the file,
raised before anything is written.
"""

import tomllib
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from models.clock import local_date
from models.policy import Policy, PolicyKind, digest

FOLDER = Path(__file__).with_name("policies")
_INDEX = "versions.toml"
_LABEL = 20  # characters that the column takes


@dataclass(frozen=True)
class PolicyContent:
    """A version as it is written: its texts are Markdown whose first line is the title."""

    kind: PolicyKind
    version: str
    effective_on: date
    fr: str
    en: str

    @property
    def name(self) -> str:
        """How faults call it: `privacy 1.0`."""
        return f"{self.kind.lower()} {self.version}"

    @property
    def sha256(self) -> str:
        return digest(self.fr, self.en)


def written(folder: Path = FOLDER) -> list[PolicyContent]:
    """Every version of every policy, by kind, the first one first. Raises ValueError for a faulty, missing or stray one."""
    index = tomllib.loads((folder / _INDEX).read_text("utf-8"))
    if unknown := sorted(set(index) - {kind.lower() for kind in PolicyKind}):
        raise ValueError(f"{_INDEX}: unknown {', '.join(unknown)}")
    found = [_version(folder, kind, table) for kind in PolicyKind for table in index.get(kind.lower(), [])]
    for before, after in pairwise(found):
        if before.kind is after.kind and before.effective_on >= after.effective_on:
            raise ValueError(f"{_INDEX}: {after.name} must take effect after {before.name}")
    _none_stray(folder, found)
    return found


def _version(folder: Path, kind: PolicyKind, table: object) -> PolicyContent:
    match table:
        case {"version": str(version), "effective_on": date() as day, **others} if not others and not isinstance(day, datetime):
            if not 0 < len(version) <= _LABEL or not version.replace(".", "").isalnum() or not version.isascii():
                raise ValueError(f"{_INDEX}: {kind.lower()} version {version} must be letters, digits and points")
            return PolicyContent(kind, version, day, _text(folder, kind, version, "fr"), _text(folder, kind, version, "en"))
    raise ValueError(f"{_INDEX}: each {kind.lower()} has a version and the day effective_on, and nothing else")


def _text(folder: Path, kind: PolicyKind, version: str, language: str) -> str:
    path = folder / kind.lower() / f"{version}.{language}.md"
    where = f"{kind.lower()}/{path.name}"
    if not path.exists():
        raise ValueError(f"{where}: no such text")
    text = path.read_bytes().decode()  # exactly as it is: its hash is told
    if "\r" in text:
        raise ValueError(f"{where}: lines must end as on Unix")
    title, _, body = text.partition("\n")
    if not title.startswith("# ") or not title[2:].strip() or not body.strip():
        raise ValueError(f"{where}: must begin with a line `# title`, and go on")
    return text


def _none_stray(folder: Path, found: list[PolicyContent]) -> None:
    known = {f"{each.kind.lower()}/{each.version}.{language}.md" for each in found for language in ("fr", "en")}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {_INDEX}
    if stray := sorted(there - known):
        raise ValueError(f"{stray[0]}: not listed in {_INDEX}")


async def install(at: datetime, contents: list[PolicyContent]) -> None:
    """Add the versions that are new. Raises ValueError, having written nothing, when an installed one is not as it was.

    A version that comes to an installation after its day takes effect there on the day it comes: nobody could have read it
    before. Of two that come so late the latter wins. Only the first ones of all are in force from their own days on.
    """
    async with in_transaction() as db:
        known = {(policy.kind, policy.version): policy for policy in await Policy.all().using_db(db)}
        for policy in known.values():
            if policy.sha256 != digest(policy.text_fr, policy.text_en):
                raise ValueError(f"{policy.kind.lower()} {policy.version}: the database's texts are not those of their hash")
        settled = {kind for kind, _ in known}
        for content in contents:
            if (content.kind, content.version) in known:
                _require_same(known[content.kind, content.version], content)
            else:
                await _add(db, at, content, late=content.kind in settled)


def _require_same(policy: Policy, content: PolicyContent) -> None:
    if policy.sha256 != content.sha256:
        raise ValueError(f"{content.name} is installed and must not change: write a new version instead")
    if policy.effective_on not in (content.effective_on, local_date(policy.installed_at)):
        raise ValueError(f"{content.name} is installed and takes effect on {policy.effective_on}: that can't change any more")


async def _add(db: BaseDBAsyncClient, at: datetime, content: PolicyContent, late: bool) -> None:
    day = max(content.effective_on, local_date(at)) if late else content.effective_on
    latest = await Policy.filter(kind=content.kind).using_db(db).order_by("-effective_on").first()
    if latest and latest.effective_on > day:
        raise ValueError(f"{content.name} must take effect after {latest.version}, on {latest.effective_on}")
    await Policy.create(
        using_db=db, kind=content.kind, version=content.version, effective_on=day, text_fr=content.fr, text_en=content.en,
        sha256=content.sha256, installed_at=at,
    )  # fmt: skip
