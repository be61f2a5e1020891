"""Install the policy versions from a folder such as `seed/policies/`. Safe to run twice; installed
versions never change.

`versions.toml` lists the versions and says how to add one. Errors are ValueErrors that name the
file, raised before anything is written.
"""

import tomllib
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from models.clock import local_date
from models.content.policy import Policy, PolicyKind, content_sha256

FOLDER = Path(__file__).with_name("policies")
_INDEX = "versions.toml"
_VERSION_LENGTH = 20  # of the database column


@dataclass(frozen=True)
class PolicyContent:
    """A version of a policy. The texts are Markdown and start with the title."""

    kind: PolicyKind
    version: str
    effective_on: date
    fr: str
    en: str

    @property
    def name(self) -> str:
        """The name in error messages, such as `privacy 1.0`."""
        return f"{self.kind.lower()} {self.version}"

    @property
    def sha256(self) -> str:
        return content_sha256(self.fr, self.en)


def read_policies(folder: Path = FOLDER) -> list[PolicyContent]:
    """Read all versions, by kind, oldest first. Raises ValueError for an invalid, missing or
    unlisted one.
    """
    index = tomllib.loads((folder / _INDEX).read_text("utf-8"))
    if unknown := sorted(set(index) - {kind.lower() for kind in PolicyKind}):
        raise ValueError(f"{_INDEX}: unknown {', '.join(unknown)}")
    versions = [
        _read_version(folder, kind, table)
        for kind in PolicyKind
        for table in index.get(kind.lower(), [])
    ]
    for previous, version in pairwise(versions):
        if previous.kind is version.kind and previous.effective_on >= version.effective_on:
            raise ValueError(f"{_INDEX}: {version.name} must take effect after {previous.name}")
    _reject_unlisted(folder, versions)
    return versions


def _read_version(folder: Path, kind: PolicyKind, table: object) -> PolicyContent:
    match table:
        case {"version": str(version), "effective_on": date() as day, **extra} if (
            not extra and not isinstance(day, datetime)
        ):
            if (
                not 0 < len(version) <= _VERSION_LENGTH
                or not version.replace(".", "").isalnum()
                or not version.isascii()
            ):
                raise ValueError(
                    f"{_INDEX}: {kind.lower()} version {version} must consist of letters, digits "
                    f"and dots"
                )
            return PolicyContent(
                kind,
                version,
                day,
                _read_text(folder, kind, version, "fr"),
                _read_text(folder, kind, version, "en"),
            )
    raise ValueError(
        f"{_INDEX}: each {kind.lower()} entry must have version and effective_on (a date), and "
        f"nothing else"
    )


def _read_text(folder: Path, kind: PolicyKind, version: str, language: str) -> str:
    path = folder / kind.lower() / f"{version}.{language}.md"
    location = f"{kind.lower()}/{path.name}"
    if not path.exists():
        raise ValueError(f"{location}: file not found")
    text = path.read_bytes().decode()  # the exact bytes, because their hash is published
    if "\r" in text:
        raise ValueError(f"{location}: must have Unix line endings")
    title, _, body = text.partition("\n")
    if not title.startswith("# ") or not title[2:].strip() or not body.strip():
        raise ValueError(f"{location}: must start with a `# title` line, followed by text")
    return text


def _reject_unlisted(folder: Path, versions: list[PolicyContent]) -> None:
    listed_files = {
        f"{version.kind.lower()}/{version.version}.{language}.md"
        for version in versions
        for language in ("fr", "en")
    }
    files = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    } - {_INDEX}
    if unlisted := sorted(files - listed_files):
        raise ValueError(f"{unlisted[0]}: not listed in {_INDEX}")


async def install(at: datetime, contents: list[PolicyContent]) -> None:
    """Add the new versions. Raises ValueError, without writing anything, when an installed version
    has changed.

    A version installed after its effective date takes effect on the day of installation, because no
    one could have read it earlier. Of two such versions the later one wins. Only the first
    installation uses the dates as written.
    """
    async with in_transaction() as db:
        installed_policies = {
            (policy.kind, policy.version): policy for policy in await Policy.all().using_db(db)
        }
        for policy in installed_policies.values():
            if policy.sha256 != content_sha256(policy.text_fr, policy.text_en):
                raise ValueError(
                    f"{policy.kind.lower()} {policy.version}: the texts in the database do not "
                    f"match their hash"
                )
        installed_kinds = {kind for kind, _ in installed_policies}
        for content in contents:
            if (content.kind, content.version) in installed_policies:
                _require_unchanged(installed_policies[content.kind, content.version], content)
            else:
                await _add(db, at, content, first=content.kind not in installed_kinds)


def _require_unchanged(policy: Policy, content: PolicyContent) -> None:
    if policy.sha256 != content.sha256:
        raise ValueError(
            f"{content.name} is installed and must not change: add a new version instead"
        )
    if policy.effective_on not in (content.effective_on, local_date(policy.installed_at)):
        raise ValueError(
            f"{content.name} is installed and takes effect on {policy.effective_on}: this date "
            f"must not change"
        )


async def _add(db: BaseDBAsyncClient, at: datetime, content: PolicyContent, first: bool) -> None:
    day = content.effective_on if first else max(content.effective_on, local_date(at))
    latest_version = (
        await Policy.filter(kind=content.kind).using_db(db).order_by("-effective_on").first()
    )
    if latest_version and latest_version.effective_on > day:
        raise ValueError(
            f"{content.name} must take effect after {latest_version.version}, "
            f"on {latest_version.effective_on}"
        )
    await Policy.create(
        using_db=db,
        kind=content.kind,
        version=content.version,
        effective_on=day,
        text_fr=content.fr,
        text_en=content.en,
        sha256=content.sha256,
        installed_at=at,
    )
