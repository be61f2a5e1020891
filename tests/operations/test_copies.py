"""A copy of a database is recognized, and its emails and other external jobs are held."""

import asyncio
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import asyncpg
import pytest
from tortoise import Tortoise

from models.action import Action
from models.audit import AuditEntry
from models.database.connection import connect, disconnect, sqlite_path
from models.operations.email import Email, EmailState
from models.operations.installation import Installation
from tests.forked import run as run_command
from tests.story.server_fixtures import SECRET_KEY as SERVER_KEY
from tests.story.server_fixtures import Server
from tests.test_cli import SECRET_KEY, environment
from tests.waiting import MAX_WAIT
from worker import Job, run


async def add_email(action: Action, template: str = "invoice.fr") -> Email:
    return await Email.create(
        template=template,
        recipient="paul@fournil.example",
        subject="Votre facture",
        text="Bonjour",
        html="<p>Bonjour</p>",
        created_at=action.at,
        next_attempt_at=action.at,
    )


async def copy_of(url: str, folder: Path) -> str:
    """The URL of a restored backup of the database."""
    await disconnect()
    if path := sqlite_path(url):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("VACUUM INTO ?", [str(folder / "backup.sqlite3")])
        path.unlink()
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        (folder / "backup.sqlite3").rename(path)
        return url
    name = re.search(r"/(test_\w+)", url)
    assert name
    connection = await asyncpg.connect(re.sub(r"/test_\w+", "/postgres", url).partition("&")[0])
    try:
        await connection.execute(f"CREATE DATABASE copy_of_{name[1]} TEMPLATE {name[1]}")
    finally:
        await connection.close()
    return url.replace(name[1], f"copy_of_{name[1]}")


async def test_an_unmoved_database_is_not_held(db: str, action: Action) -> None:
    for _ in range(2):
        assert not await Installation.recognize_database(action)
        await disconnect()
        await connect(db)
    assert not await Installation.is_held()


async def test_a_restored_backup_is_held_until_it_is_released(
    db: str, action: Action, tmp_path: Path
) -> None:
    assert not await Installation.recognize_database(action)
    await connect(await copy_of(db, tmp_path))
    for _ in range(2):
        assert await Installation.recognize_database(action)
    await Installation.release(action)
    assert not await Installation.recognize_database(action)
    entries = await AuditEntry.all().order_by("id")
    assert [entry.action for entry in entries] == ["installation.hold", "installation.release"]


@pytest.mark.usefixtures("db")
async def test_only_internal_jobs_run_while_the_installation_is_held(action: Action) -> None:
    await Installation.hold(action)
    runs: list[str] = []
    rounds = asyncio.Event()

    def job(name: str, *, internal: bool) -> Job:
        async def work() -> None:
            runs.append(name)
            if len(runs) >= 3:
                rounds.set()

        return Job(name, 0, work, internal=internal)

    async def run_until(condition: Callable[[], bool]) -> None:
        rounds.clear()
        timetable = asyncio.create_task(
            run([job("outside", internal=False), job("inside", internal=True)])
        )
        async with asyncio.timeout(MAX_WAIT):
            while not condition():
                await asyncio.sleep(0)
        timetable.cancel()
        with suppress(asyncio.CancelledError):
            await timetable

    await run_until(lambda: len(runs) >= 3)
    assert {*runs} == {"inside"}
    await Installation.release(action)
    await run_until(lambda: "outside" in runs)


async def test_an_operator_sees_what_is_held_and_discards_the_emails(
    db: str, action: Action, tmp_path: Path
) -> None:
    await add_email(action)
    confidential = await add_email(action, "password_reset.fr")
    env = environment(DATABASE_URL=db, SECRET_KEY=SECRET_KEY)

    def command(*arguments: str) -> str:
        result = run_command(arguments, cwd=tmp_path, env=env)
        assert result.returncode == 0, result.stderr
        return result.stdout

    assert command("release") == "Nothing is held.\n"
    command("hold")
    assert "2 emails to send" in command("release")
    assert await Installation.is_held()
    assert "2 emails were discarded" in command("release", "--confirm", "--discard-emails")
    assert not await Installation.is_held()
    assert {email.state for email in await Email.all()} == {EmailState.GIVEN_UP}
    await confidential.refresh_from_db()
    assert confidential.text == ""


async def test_a_copy_of_a_server_sends_nothing(
    catalogue_url: str, action: Action, tmp_path: Path
) -> None:
    server = Server(catalogue_url, tmp_path)
    await asyncio.to_thread(server.start)
    await asyncio.to_thread(server.stop)
    await connect(catalogue_url)
    await add_email(action)
    server.database_url = await copy_of(catalogue_url, tmp_path)
    for key, problem in ((SECRET_KEY, "another key"), (SERVER_KEY, "are held")):
        env = environment(
            DATABASE_URL=server.database_url, SECRET_KEY=key, TEST_INSTALLATION="true"
        )
        result = await asyncio.to_thread(run_command, ["bill"], cwd=tmp_path, env=env)
        assert result.returncode == 1
        assert problem in result.stderr
    await asyncio.to_thread(server.start)
    try:
        assert "installation.held" in server.log
        assert "1 emails to send" in await asyncio.to_thread(server.command, "release")
        assert server.emails("paul@fournil.example") == []
        await asyncio.to_thread(server.command, "release", "--confirm")
        await server.email("paul@fournil.example")
    finally:
        await asyncio.to_thread(server.stop)
        await Tortoise.close_connections()


async def test_a_migration_does_not_make_a_copy(tmp_path: Path, action: Action) -> None:
    url = f"sqlite://{tmp_path}/camcha.sqlite3"
    env = environment(DATABASE_URL=url, SECRET_KEY=SECRET_KEY)
    for arguments in (["migrate"], ["migrate", "--to", "0035_disputes"], ["migrate"]):
        assert run_command(arguments, cwd=tmp_path, env=env).returncode == 0
        await connect(url)
        assert not await Installation.recognize_database(action)
        await disconnect()
