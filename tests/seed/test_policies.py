"""P4.4: versions of the policies are installed once, never change, and errors are reported before
anything is written.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from shutil import copytree
from typing import TYPE_CHECKING, Any

import pytest
from asyncpg import PostgresError
from hypothesis import given
from hypothesis import strategies as st
from tortoise.exceptions import BaseORMException

from models.clock import PARIS, local_date
from models.content.policy import (
    AcceptanceChannel,
    Policy,
    PolicyAcceptance,
    PolicyKind,
    content_sha256,
)
from models.database.sql import execute
from models.identity.user import User
from seed import catalogue, policies
from seed.policies import FOLDER, PolicyContent, install, read_policies
from tests.engine.differential.example_counts import examples

if TYPE_CHECKING:
    from tests.conftest import MovableClock

DATABASE_ERRORS = (BaseORMException, PostgresError)


def version(number: str, day: date, kind: PolicyKind = PolicyKind.TERMS) -> PolicyContent:
    return PolicyContent(kind, number, day, f"# Conditions\n\n{number}\n", f"# Terms\n\n{number}\n")


async def stored_policies() -> list[dict[str, Any]]:
    return await Policy.all().order_by("id").values()


async def test_p4_4_the_catalogue_installs_both_policies_with_the_hash_of_their_files(
    db: str, clock: "MovableClock"
) -> None:
    await catalogue.load(clock.now())
    current = await Policy.in_force(local_date(clock.now()))
    assert list(current) == list(PolicyKind)
    for kind, in_force in current.items():
        policy = await Policy.get(pk=in_force.pk)
        files = [
            FOLDER / kind.lower() / f"{policy.version}.{language}.md" for language in ("fr", "en")
        ]
        assert policy.sha256 == sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
        assert (policy.text_fr, policy.text_en) == tuple(
            file.read_bytes().decode() for file in files
        )
        assert policy.installed_at == clock.now()
    before = await stored_policies()
    clock.advance(timedelta(days=40))
    await catalogue.load(clock.now())
    assert await stored_policies() == before


def test_the_texts_are_complete() -> None:
    """Each text has one or two pages, French typography, and the statements that the law
    requires.
    """
    for content in read_policies():
        for text, words in (
            (content.fr, ("dpo@camcha.example", "CNIL")),
            (content.en, ("dpo@camcha.example", "CNIL")),
        ):
            assert 600 < len(text.split()) < 1200, content.name
            assert not re.search(r" [:;!?»]|« |\w[!?»](?=\s)", text)
            assert content.kind is PolicyKind.TERMS or all(word in text for word in words)
        assert len(re.findall(r"^## ", content.fr, re.M)) == len(
            re.findall(r"^## ", content.en, re.M)
        )


async def test_p4_4_a_new_version_is_added_and_the_previous_one_is_kept(
    db: str, clock: "MovableClock"
) -> None:
    today = local_date(clock.now())
    first, second = version("1.0", date(2026, 1, 1)), version("1.1", today + timedelta(days=30))
    await install(clock.now(), [first])
    before = await stored_policies()
    await install(clock.now(), [first, second])
    assert (await stored_policies())[:1] == before
    assert (await Policy.in_force(today))[PolicyKind.TERMS].version == "1.0"
    assert (await Policy.in_force(today + timedelta(days=30)))[PolicyKind.TERMS].version == "1.1"


async def test_p4_4_a_late_version_is_in_force_from_the_day_it_is_installed(
    db: str, clock: "MovableClock"
) -> None:
    """A version can't bind anyone before it can be read. When two versions are installed late, the
    more recent one counts.
    """
    today = local_date(clock.now())
    contents = [
        version("1.0", date(2026, 1, 1)),
        version("1.1", date(2026, 2, 1)),
        version("1.2", date(2026, 3, 1)),
    ]
    await install(clock.now(), contents[:1])
    await install(clock.now(), contents)
    assert await Policy.all().order_by("id").values_list("effective_on", flat=True) == [
        date(2026, 1, 1),
        today,
        today,
    ]
    assert (await Policy.in_force(today))[PolicyKind.TERMS].version == "1.2"
    assert (await Policy.in_force(today - timedelta(days=1)))[PolicyKind.TERMS].version == "1.0"
    before = await stored_policies()
    clock.advance(timedelta(days=9))
    await install(clock.now(), contents)
    assert await stored_policies() == before


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (
            lambda content: replace(content, fr=content.fr + "."),
            "terms 1.0 is installed and must not change: add a new version",
        ),
        (
            lambda content: replace(content, en=content.en + "."),
            "terms 1.0 is installed and must not change: add a new version",
        ),
        (
            lambda content: replace(content, effective_on=date(2026, 1, 2)),
            "terms 1.0 is installed and takes effect on 2026-01-01: this date must not change",
        ),
    ],
)
async def test_p4_4_a_change_of_an_installed_version_is_refused(
    db: str, clock: "MovableClock", change: Callable[[PolicyContent], PolicyContent], error: str
) -> None:
    content = version("1.0", date(2026, 1, 1))
    await install(clock.now(), [content])
    before = await stored_policies()
    with pytest.raises(ValueError, match=re.escape(error)):
        await install(clock.now(), [change(content), version("1.1", date(2027, 1, 1))])
    assert await stored_policies() == before


async def test_p4_4_a_version_must_take_effect_after_the_installed_ones(
    db: str, clock: "MovableClock"
) -> None:
    await install(clock.now(), [version("1.0", date(2026, 1, 1)), version("2.0", date(2027, 6, 1))])
    with pytest.raises(ValueError, match=r"terms 1\.5 must take effect after 2\.0, on 2027-06-01"):
        await install(clock.now(), [version("1.5", date(2027, 1, 1))])


@pytest.mark.parametrize(
    "statement",
    ["UPDATE policy SET text_fr = 'x'", "UPDATE policy SET version = '9'", "DELETE FROM policy"],
)
async def test_p4_4_the_database_refuses_changes_of_a_policy(
    db: str, clock: "MovableClock", statement: str
) -> None:
    await catalogue.load(clock.now())
    before = await stored_policies()
    with pytest.raises(DATABASE_ERRORS):
        await execute(statement)
    assert await stored_policies() == before


async def test_p4_4_the_database_refuses_changes_of_an_acceptance(
    db: str, clock: "MovableClock"
) -> None:
    await catalogue.load(clock.now())
    user = await User.create(
        email="c@fournil.example", name="Camille", password_hash="-", created_at=clock.now()
    )
    policy = await Policy.first()
    acceptance: dict[str, Any] = {
        "user": user,
        "policy": policy,
        "locale": "fr",
        "channel": AcceptanceChannel.SETTINGS,
    }
    await PolicyAcceptance.create(accepted_at=clock.now(), **acceptance)
    for statement in (
        "UPDATE policy_acceptance SET channel = 'SIGN_UP'",
        "UPDATE policy_acceptance SET accepted_at = NULL",
    ):
        with pytest.raises(DATABASE_ERRORS):
            await execute(statement)
    assert (await PolicyAcceptance.get()).accepted_at == clock.now()


async def test_p4_4_a_text_changed_without_the_triggers_is_detected(
    db: str, clock: "MovableClock"
) -> None:
    await Policy.create(
        kind=PolicyKind.TERMS,
        version="0.9",
        effective_on=date(2025, 1, 1),
        text_fr="# A\n\nb\n",
        text_en="# A\n\nb\n",
        sha256=content_sha256("# A\n\nb\n", "# A\n\nc\n"),
        installed_at=clock.now(),
    )
    with pytest.raises(
        ValueError, match=r"terms 0\.9: the texts in the database do not match their hash"
    ):
        await catalogue.load(clock.now())


@examples(0.1, 1)
@given(data=st.data())
async def test_p4_4_the_version_in_force_is_the_latest_in_effect(
    data: st.DataObject, db: str
) -> None:
    """On every day in Paris, for any versions, announced in any order."""
    days = data.draw(
        st.lists(st.dates(date(2026, 1, 1), date(2026, 3, 1)), unique=True, max_size=6).map(sorted)
    )
    await execute(
        "DROP TRIGGER IF EXISTS policy_kept"
        if db.startswith("sqlite")
        else "ALTER TABLE policy DISABLE TRIGGER USER"
    )
    await Policy.all().delete()
    at = datetime(2025, 1, 1, tzinfo=PARIS)
    await install(at, [version(str(number), day) for number, day in enumerate(days)])
    today = data.draw(st.dates(date(2025, 12, 30), date(2026, 3, 3)))
    expected_versions = [str(number) for number, day in enumerate(days) if day <= today]
    current = await Policy.in_force(today)
    assert [policy.version for policy in current.values()] == expected_versions[-1:]


POLICY_ERRORS = [
    ("versions.toml", "[[terms]]", "[[cookies]]", "versions.toml: unknown cookies"),
    (
        "versions.toml",
        'version = "1.0"',
        'version = "1/0"',
        "privacy version 1/0 must consist of letters, digits and dots",
    ),
    (
        "versions.toml",
        'version = "1.0"',
        "version = 1",
        "each privacy entry must have version and effective_on",
    ),
    (
        "versions.toml",
        "effective_on = 2026-01-01",
        'effective_on = "2026"',
        "each privacy entry must have version",
    ),
    (
        "versions.toml",
        "effective_on = 2026-01-01",
        "effective_on = 2026-01-01T00:00:00",
        "each privacy entry must have version",
    ),
    ("versions.toml", 'version = "1.0"', 'version = "1.1"', "privacy/1.1.fr.md: file not found"),
    ("terms/1.0.en.md", "# Terms", "Terms", "terms/1.0.en.md: must start with a `# title` line"),
    ("terms/1.0.en.md", "\n", "\r\n", "terms/1.0.en.md: must have Unix line endings"),
]


@pytest.mark.parametrize(("name", "valid", "invalid", "error"), POLICY_ERRORS)
def test_an_error_in_the_policies_is_reported(
    tmp_path: Path, name: str, valid: str, invalid: str, error: str
) -> None:
    folder = tmp_path / "policies"
    copytree(FOLDER, folder)
    path = folder / name
    path.write_bytes(path.read_bytes().replace(valid.encode(), invalid.encode(), 1))
    with pytest.raises(ValueError, match=re.escape(error)):
        policies.read_policies(folder)


def test_an_unlisted_file_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    copytree(FOLDER, folder)
    (folder / "terms" / "2.0.fr.md").write_text("# Conditions\n\nx\n")
    with pytest.raises(ValueError, match=r"terms/2\.0\.fr\.md: not listed"):
        policies.read_policies(folder)


def test_versions_must_be_in_the_order_of_their_dates(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    copytree(FOLDER, folder)
    for language in ("fr", "en"):
        (folder / "terms" / f"2.0.{language}.md").write_text("# T\n\nx\n")
    index = folder / "versions.toml"
    index.write_text(index.read_text() + '[[terms]]\nversion = "2.0"\neffective_on = 2026-01-01\n')
    with pytest.raises(ValueError, match=r"terms 2\.0 must take effect after terms 1\.0"):
        policies.read_policies(folder)
