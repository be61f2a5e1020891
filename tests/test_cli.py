"""The operator's commands, as processes of their own."""

import asyncio
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from shutil import copytree
from urllib.parse import urlsplit, urlunsplit

import httpx
import orjson
import pytest

from auth.authentication import authenticate
from auth.passwords import change
from auth.services import AuthServices
from auth.sessions import sign_in
from models.action import Action
from models.billing.invoice import Counter
from models.billing.offer import Offer
from models.clock import SystemClock
from models.content.policy import Policy, PolicyKind
from models.database.connection import connect, disconnect
from models.database.sql import execute
from models.errors import Refusal, ServiceUnavailable
from models.identity.user import Staff
from models.locale import Locale
from operations.version import VERSION
from realtime.hub import Hub
from seed.people import AGENT, people
from seed.policies import FOLDER, install, read_policies
from support.push.vapid import VapidKey
from tests.forked import ForkedProcess, inherited_environment, run
from tests.people import viewer_of
from tests.waiting import MAX_WAIT

ROOT = Path(__file__).parents[1]
NEW_PASSWORD = "mouette phare ardoise 77"
SECRET_KEY = "k8Zp2vQx7Lr4Ns9Tb3Wc6Yd1Hf5Jg0Ma"
TEST_SETTINGS = {"SECRET_KEY": SECRET_KEY, "TEST_INSTALLATION": "true"}


def environment(**settings: str) -> dict[str, str]:
    return (
        inherited_environment()
        | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        | {f"CAMCHA_{k}": v for k, v in settings.items()}
    )


def command(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in a folder of its own, where the demonstration stores its var/."""
    return run(arguments, cwd=folder, env=environment(**settings))


class Demonstration:
    """`python -m cli serve` without settings, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out, self.err = folder, folder / "out", folder / "err"
        self.process: subprocess.Popen[bytes] | ForkedProcess

    def start(self) -> None:
        """Starts the server as operators do, and waits until it reports its address."""
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cli", "serve", "--port", "0"],
                cwd=self.folder,
                env=environment(),
                stdout=out,
                stderr=err,
            )
        self._wait_until_ready()

    def start_again(self) -> None:
        """Starts the server in a forked process, which is faster."""
        for path in (self.out, self.err):
            path.write_text("")
        self.process = ForkedProcess(
            ["serve", "--port", "0"],
            cwd=self.folder,
            env=environment(),
            stdout=self.out,
            stderr=self.err,
        )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        # Another thread writes the log, so either text may be there first.
        while (
            "A code works once" not in self.out.read_text()
            or '"server.listening"' not in self.err.read_text()
        ):
            assert self.process.poll() is None, self.err.read_text()
            time.sleep(0.02)

    @property
    def url(self) -> str:
        lines = [orjson.loads(line) for line in self.err.read_text().splitlines()]
        return str(next(line["url"] for line in lines if line["event"] == "server.listening"))

    def command(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return command(self.folder, *arguments, **settings)

    def end(self, signal_number: signal.Signals) -> None:
        self.process.send_signal(signal_number)
        self.process.wait(60)


@pytest.fixture(scope="module")
def shared_demonstration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    """One demonstration for all tests of this module, because filling it takes seconds. The first
    attempt to fill it was interrupted.
    """
    folder = tmp_path_factory.mktemp("demonstration")
    (folder / "var").mkdir()
    for name in ("camcha.sqlite3", "camcha.sqlite3-wal", "camcha.sqlite3.unfinished"):
        (folder / "var" / name).write_text("interrupted")
    demonstration = Demonstration(folder)
    demonstration.start()
    yield demonstration
    demonstration.end(signal.SIGKILL)


@pytest.fixture
def demonstration(shared_demonstration: Demonstration) -> Demonstration:
    """The demonstration, started if it isn't running."""
    if shared_demonstration.process.poll() is not None:
        shared_demonstration.start_again()
    return shared_demonstration


def test_a_key_for_notifications_is_made_and_a_wrong_one_is_reported(tmp_path: Path) -> None:
    key = command(tmp_path, "push-key").stdout.strip()
    assert str(VapidKey.parse(key)) == key
    checked = command(tmp_path, "check", PUSH_KEY=key[:-1])
    assert checked.returncode == 1
    assert "error: CAMCHA_PUSH_KEY: must be a private key of 32 bytes" in checked.stdout


def test_a_demonstration_is_filled_and_keeps_its_data_when_it_starts_again(
    demonstration: Demonstration,
) -> None:
    assert not (demonstration.folder / "var/camcha.sqlite3.unfinished").exists()
    url, output = demonstration.url, demonstration.out.read_text()
    # It accepts connections before it reports its address.
    assert httpx.get(f"{url}/readyz").status_code == 200
    assert f"{url}/graphql" in output
    assert all(person.email in output and person.password in output for person in people())
    assert re.search(rf"{AGENT.email} +{AGENT.password} +\d{{6}}$", output, re.M)
    demonstration.end(signal.SIGKILL)
    demonstration.start_again()
    response = httpx.post(
        f"{demonstration.url}/graphql", json={"query": "{ offers { nodes { slug } } }"}
    )
    assert len(response.json()["data"]["offers"]["nodes"]) == 6
    assert demonstration.command("check-invoices").stdout == "The numbering has no errors.\n"
    assert demonstration.command("verify-audit").returncode == 0


def test_a_second_process_on_the_same_sqlite_file_is_refused(demonstration: Demonstration) -> None:
    result = demonstration.command("serve", "--port", "0")
    assert result.returncode == 1
    assert result.stderr == (
        "error: another process is using var/camcha.sqlite3."
        " SQLite supports one server process: stop the other one or use PostgreSQL.\n"
    )


def test_codes_are_printed_only_for_the_demonstrations_staff(demonstration: Demonstration) -> None:
    result = demonstration.command("code", AGENT.email)
    assert re.fullmatch(r"\d{6}\n", result.stdout)
    assert demonstration.command("code", "customer@camcha.example").returncode == 1
    settings = {
        "DATABASE_URL": f"sqlite://{demonstration.folder}/var/camcha.sqlite3",
        "SECRET_KEY": SECRET_KEY,
    }
    assert demonstration.command("code", AGENT.email, **settings).returncode == 1


def test_a_stopped_server_shuts_down_cleanly(demonstration: Demonstration) -> None:
    demonstration.end(signal.SIGTERM)
    assert "Traceback" not in demonstration.err.read_text()


def test_a_port_in_use_is_reported(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = command(tmp_path, "serve", "--port", str(port))
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: can't listen on 127.0.0.1, port {port}: ")


def test_jobs_run_in_a_process_of_their_own_on_postgresql_only(tmp_path: Path) -> None:
    settings = TEST_SETTINGS | {"DATABASE_URL": f"sqlite://{tmp_path}/ours.sqlite3"}
    result = command(tmp_path, "work", **settings)
    assert (result.returncode, "CAMCHA_BASE_URL" in result.stderr) == (2, True)
    settings["BASE_URL"] = "http://127.0.0.1:8000"
    serve = ["serve", "--port", "0"]
    for arguments in (["work"], [*serve, "--no-worker"], [*serve, "--processes", "2"]):
        result = command(tmp_path, *arguments, **settings)
        assert result.returncode == 1
        assert "needs PostgreSQL" in result.stderr


def test_the_version_is_printed(tmp_path: Path) -> None:
    assert command(tmp_path, "version").stdout.strip() == VERSION


def test_errors_of_the_environment_are_printed_one_per_line(tmp_path: Path) -> None:
    result = command(tmp_path, "serve", "--port", "0", DATABASE_URL="mysql://x", NONSENSE="1")
    assert result.returncode == 2
    assert [line.split(":")[1].strip() for line in result.stderr.splitlines()] == [
        "CAMCHA_NONSENSE",
        "CAMCHA_DATABASE_URL",
        "CAMCHA_SECRET_KEY",
    ]


def test_only_migrate_creates_a_database_and_others_refuse_an_old_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "camcha.sqlite3"
    assert database_errors(tmp_path, f"sqlite://{path}", ["check-invoices"], ["seed"]) == {
        f"error: CAMCHA_DATABASE_URL: the file {path} does not exist. To create it, run "
        "bin/cli migrate.\n"
    }
    assert not path.exists()
    settings = TEST_SETTINGS | {"DATABASE_URL": f"sqlite://{path}"}
    result = command(tmp_path, "serve", "--port", "0", **settings)
    assert (result.returncode, "run bin/cli migrate" in result.stderr) == (1, True)
    assert command(tmp_path, "migrate", **settings).returncode == 0
    assert command(tmp_path, "check-invoices", **settings).returncode == 0
    assert command(tmp_path, "seed", **settings).returncode == 0
    assert command(tmp_path, "migrate", "--to", "0035_disputes", **settings).returncode == 0
    assert "run bin/cli migrate" in command(tmp_path, "seed", **settings).stderr


COMMANDS = (["serve", "--port", "0"], ["migrate"], ["check-invoices"])


def database_errors(folder: Path, url: str, *commands: list[str]) -> set[str]:
    """The errors of these commands about a database that can't be used."""
    results = [
        command(folder, *each, **TEST_SETTINGS, DATABASE_URL=url) for each in commands or COMMANDS
    ]
    assert {result.returncode for result in results} == {1}
    assert "hunter2" not in str(results)
    return {result.stderr for result in results}


def test_an_unusable_sqlite_file_is_reported(tmp_path: Path) -> None:
    folder, text_file, locked = tmp_path / "folder", tmp_path / "text", tmp_path / "locked"
    folder.mkdir()
    text_file.write_text("This is not a database, whatever its name is. " * 20)
    prefix = "error: CAMCHA_DATABASE_URL: "
    assert database_errors(tmp_path, f"sqlite://{folder}") == {
        f"{prefix}{folder} is a folder. Name a file in it.\n"
    }
    assert database_errors(tmp_path, f"sqlite://{text_file}") == {
        f"{prefix}{text_file} is not an SQLite database. Name another file.\n"
    }
    with closing(sqlite3.connect(locked, isolation_level=None)) as other_program:
        other_program.execute("PRAGMA locking_mode = EXCLUSIVE")
        other_program.execute("BEGIN EXCLUSIVE")
        assert database_errors(tmp_path, f"sqlite://{locked}", ["migrate"]) == {
            f"{prefix}{locked} is locked by another program. Stop it, and run the command again.\n"
        }


def test_a_folder_that_cannot_be_written_to_is_reported(tmp_path: Path) -> None:
    (error,) = database_errors(tmp_path, "sqlite:///proc/nowhere/camcha.sqlite3", ["migrate"])
    assert error.startswith("error: CAMCHA_DATABASE_URL: can't write next to /proc/nowhere/camcha")


def test_an_unreachable_postgresql_server_is_reported(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent_server:
        port = silent_server.getsockname()[1]
        url = f"postgres://camcha:hunter2@127.0.0.1:{port}/camcha?connect_timeout=0.5"
        assert database_errors(tmp_path, url) == {
            f"error: CAMCHA_DATABASE_URL: 127.0.0.1, port {port} doesn't answer within 0.5 "
            "seconds. Check the host and port.\n"
        }
    url = "postgres://camcha:hunter2@127.0.0.1:1/camcha"
    assert database_errors(tmp_path, url) == {
        "error: CAMCHA_DATABASE_URL: there is no server at 127.0.0.1, port 1. Check the host and "
        "port, or start PostgreSQL.\n"
    }
    url = "postgres://camcha:hunter2@database.invalid/camcha"
    assert database_errors(tmp_path, url, ["migrate"]) == {
        "error: CAMCHA_DATABASE_URL: the host database.invalid is unknown. Check its name.\n"
    }
    url = f"postgres://camcha:hunter2@/camcha?host={tmp_path}"
    assert database_errors(tmp_path, url, ["migrate"]) == {
        f"error: CAMCHA_DATABASE_URL: there is no server at the socket in {tmp_path}. Check the "
        "folder, or start PostgreSQL.\n"
    }


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_missing_postgresql_database_or_user_is_reported(
    database_url: str, tmp_path: Path
) -> None:
    parts = urlsplit(database_url)
    missing = urlunsplit(parts._replace(path="/nowhere"))
    (error,) = database_errors(tmp_path, missing)
    assert "the database nowhere does not exist" in error
    assert "run createdb" in error
    user = urlunsplit(parts._replace(netloc="nobody:hunter2@"))
    (error,) = database_errors(tmp_path, user)
    assert "doesn't accept the user nobody with this password" in error


async def test_a_statement_after_a_failed_connection_does_not_wait(tmp_path: Path) -> None:
    """Tortoise keeps its lock when the file can't be opened."""
    await connect(f"sqlite://{tmp_path}")
    try:
        async with asyncio.timeout(MAX_WAIT):
            for _ in range(3):
                with pytest.raises(ServiceUnavailable):
                    await execute("SELECT 1")
    finally:
        await disconnect()


async def test_p4_3_a_link_is_printed_instead_of_a_password(db: str, tmp_path: Path) -> None:
    """OWASP ASVS 5, 6.4.1: the first operator's link works once and for three days, and the role
    requires a second factor.
    """
    settings = {
        "DATABASE_URL": db,
        "SECRET_KEY": SECRET_KEY,
        "BASE_URL": "https://api.camcha.example",
    }
    arguments = ["staff", "Omar@camcha.example", "--name", "Omar Diop", "--role", "OPERATOR"]
    result = command(tmp_path, *arguments, **settings)
    assert result.returncode == 0, result.stderr
    link = re.search(r"https://api\.camcha\.example/reset\?token=(\S+)", result.stdout)
    assert link, result.stdout
    assert not re.search("password:|secret|code", result.stdout, re.I)
    result = command(tmp_path, *arguments, **settings)
    assert (result.returncode, result.stderr) == (
        1,
        "error: This email address is already in use.\n",
    )
    clock = SystemClock()
    auth, action = AuthServices.create(SECRET_KEY, clock), Action(None, clock.now(), Hub())
    try:
        late_action = replace(action, at=action.at + timedelta(hours=72))
        with pytest.raises(Refusal, match="TOKEN_INVALID"):
            await change.reset(late_action, auth, token=link[1], password=NEW_PASSWORD, code=None)
        await change.reset(action, auth, token=link[1], password=NEW_PASSWORD, code=None)
        with pytest.raises(Refusal, match="TOKEN_INVALID"):
            await change.reset(action, auth, token=link[1], password=NEW_PASSWORD, code=None)
        user = await authenticate(
            action, auth, email="omar@camcha.example", password=NEW_PASSWORD, code=None, peer="::1"
        )
        assert (user.staff, user.name, user.second_factor) == (Staff.OPERATOR, "Omar Diop", False)
        tokens = await sign_in(user, None, False, action)
        assert (await viewer_of(tokens.access, action.at)).staff is None
    finally:
        auth.passwords.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_staff_with_an_invalid_address_or_role_are_refused(
    database_url: str, tmp_path: Path
) -> None:
    settings = {"DATABASE_URL": database_url, "SECRET_KEY": SECRET_KEY}
    assert (
        "isn’t valid"
        in command(tmp_path, "staff", "nobody", "--name", "N", "--role", "AGENT", **settings).stderr
    )
    assert (
        command(
            tmp_path, "staff", "n@camcha.example", "--name", "N", "--role", "OWNER", **settings
        ).returncode
        == 2
    )


async def test_the_catalogue_can_be_seeded_twice_and_invoices_are_checked(
    db: str, tmp_path: Path
) -> None:
    settings = {"DATABASE_URL": db, "SECRET_KEY": SECRET_KEY}
    for _ in range(2):
        assert (
            command(tmp_path, "seed", **settings).stdout
            == "The offers, articles and policies are up to date.\n"
        )
    assert await Offer.all().count() == 6
    await Counter.create(series="FA", last_position=1)
    result = command(tmp_path, "check-invoices", **settings)
    assert (result.returncode, result.stdout) == (
        1,
        "FA: the last invoice has position 0, but the counter stands at 1\n",
    )


async def test_p4_4_an_operator_s_own_policies_are_installed(db: str, tmp_path: Path) -> None:
    folder = tmp_path / "ours"
    copytree(FOLDER, folder)
    text = folder / "terms" / "1.0.fr.md"
    text.write_text("# Nos conditions\n\nLes voici.\n", "utf-8")
    assert (
        command(
            tmp_path, "seed", DATABASE_URL=db, SECRET_KEY=SECRET_KEY, POLICIES="ours"
        ).returncode
        == 0
    )
    assert (await Policy.get(kind=PolicyKind.TERMS)).title(Locale.FR) == "Nos conditions"


async def test_p4_4_seed_refuses_a_policy_that_changed_since_it_was_installed(
    db: str, tmp_path: Path, action: Action
) -> None:
    first, *others = read_policies()
    await install(action.at, [replace(first, fr=f"{first.fr}Et encore.\n"), *others])
    result = command(tmp_path, "seed", DATABASE_URL=db, SECRET_KEY=SECRET_KEY)
    output = f"error: {first.name} is installed and must not change: add a new version instead\n"
    assert (result.returncode, result.stderr) == (1, output)
    assert not await Offer.exists()


async def test_the_audit_log_is_verified_and_its_last_hash_printed(
    db: str, tmp_path: Path, action: Action
) -> None:
    settings = {"DATABASE_URL": db, "SECRET_KEY": SECRET_KEY}
    arguments = ["staff", "amadou@camcha.example", "--name", "Amadou Diop", "--role", "AGENT"]
    assert command(tmp_path, *arguments, **settings).returncode == 0
    result = command(tmp_path, "verify-audit", **settings)
    assert (result.returncode, result.stdout[:23]) == (0, "1 entries, ending at 1:")
    last_hash = result.stdout.split()[-1]
    assert command(tmp_path, "verify-audit", "--expect", last_hash, **settings).returncode == 0
    await execute("UPDATE audit_chain SET last_sequence = 2")
    result = command(tmp_path, "verify-audit", **settings)
    assert (result.returncode, result.stderr) == (
        1,
        "error: the entries end at 1, but the chain at 2\n",
    )
    assert command(tmp_path, "verify-audit", "--expect", "1", **settings).returncode == 2


def test_the_exported_schema_is_compared(tmp_path: Path) -> None:
    assert command(tmp_path, "export-schema", "--check").returncode == 0
