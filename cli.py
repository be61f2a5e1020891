"""The operator's commands: `python -m cli --help`. One line each, calling one function; see docs/operating.md."""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from asyncpg import PostgresError
from tortoise.exceptions import DBConnectionError, OperationalError

import logs
from auth import staff as personnel
from auth.services import AuthServices
from engine import Unusable
from models.action import Action
from models.audit_proof import AuditProof, End, audit_proof
from models.clock import SystemClock
from models.database import connect, disconnect, migrated, pending_migrations
from models.demonstration import offset
from models.errors import Refusal
from models.locale import Locale
from models.messages import worded
from models.numbering import numbering_faults
from models.sql import rows
from models.user import Staff
from realtime.hub import Hub
from seed import catalogue
from seed.people import people
from server import Failed, alone, bound, url_of
from server import serve as run_server
from settings import Settings, SettingsError, read

_UNUSABLE = (OSError, PostgresError, DBConnectionError, OperationalError)
SCHEMA = Path(__file__).with_name("schema.graphql")
log = structlog.stdlib.get_logger()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 1 when it can't be done, 2 when the environment or the words are wrong."""
    logs.configure()
    asked = _parser().parse_args(arguments)
    try:
        return int(asked.command(asked))
    except SettingsError as error:
        return _complain(error.faults, 2)
    except Failed as failure:
        return _complain([str(failure)], 1)


def _complain(faults: Sequence[str], status: int) -> int:
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cli", description="CAMCHA's commands; settings come from CAMCHA_*.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: object, told: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=told, description=told)
        added.set_defaults(command=function)
        return added

    serving = command("serve", serve, "serve; without CAMCHA_DATABASE_URL a demonstration, made ready first")
    serving.add_argument("--host", default="127.0.0.1")
    serving.add_argument("--port", type=int, default=8000, help="0 takes any free one")
    migrating = command("migrate", migrate, "apply the migrations, or move up or down to one")
    migrating.add_argument("--to", metavar="NAME", help="such as 0001_initial; __first__ takes everything back")
    command("seed", seed, "write the offers, articles and policies of seed/; safe to repeat")
    hiring = command("staff", staff, "have somebody work for the vendor; prints where they choose a password")
    hiring.add_argument("email")
    hiring.add_argument("--name", required=True)
    hiring.add_argument("--role", required=True, type=Staff, choices=list(Staff), metavar="|".join(Staff))
    command("code", code, "the one-time code of a demonstration's member of staff").add_argument("email")
    exporting = command("export-schema", export_schema, "write schema.graphql")
    exporting.add_argument("--check", action="store_true", help="only compare, and fail when it is stale")
    checking = command("check-documents", check_documents, "prove that a manifest's documents can be trusted")
    checking.add_argument("file", type=Path, help="JSON: {hash or id: text}, or Apollo's manifest")
    command("check-invoices", check_invoices, "prove that invoices are numbered without gap, in the order of their dates")
    verifying = command("verify-audit", verify_audit, "prove that the audit log is whole and was never changed; print its end")
    verifying.add_argument("--noted", type=End.of, metavar="NUMBER:HASH", help="an end printed before, kept elsewhere")
    return parser


def serve(asked: argparse.Namespace) -> int:
    with bound(asked.host, asked.port) as listener:
        settings = read(os.environ, url_of(listener))
        with alone(settings.database_url):
            clock = asyncio.run(_made_ready(settings) if settings.demonstration else _time(settings))
            from app import create_app  # the whole graph, which the other commands need not load

            return run_server(create_app(settings), listener, lambda: _announce(settings, clock))


async def _made_ready(settings: Settings) -> SystemClock:
    """Migrate the demonstration's database and fill it when it is new. Returns its clock."""
    from billing.checkout import (
        CheckoutServices,  # printing invoices takes half a second to load, which the other commands don't need
    )
    from billing.sandbox import Sandbox
    from billing.seller import seller
    from seed import demonstration

    await migrated(settings.database_url)
    async with _connected(settings) as clock, _guard(settings, clock) as auth:
        checkout_services = CheckoutServices(
            Sandbox(settings.base_url), seller(settings.seller), auth.signer, settings.base_url
        )
        with _faultless():
            await demonstration.load(clock.now(), Hub(), auth, checkout_services, settings.policies)
    return clock


async def _time(settings: Settings) -> SystemClock:
    async with _connected(settings) as clock:
        return clock


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[SystemClock]:
    """The database, ready, and its clock. Raises Failed when it can't be reached or lacks migrations."""
    try:
        if pending := await _pending(settings):
            raise Failed(f"the database lacks {', '.join(pending)}: run python -m cli migrate")
        yield SystemClock(await offset() if settings.demonstration else timedelta())
    finally:
        await disconnect()


async def _pending(settings: Settings) -> list[str]:
    with _in_words():
        await connect(settings.database_url)
        await rows("SELECT 1")  # the next line takes a database that can't be reached for one without migrations
        return await pending_migrations()


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except _UNUSABLE as fault:  # its own words may hold the password
        raise Failed(f"CAMCHA_DATABASE_URL: the database can't be used ({type(fault).__name__})") from None


@asynccontextmanager
async def _guard(settings: Settings, clock: SystemClock) -> AsyncIterator[AuthServices]:
    auth = AuthServices.of(settings.secret_key, clock, breaches_url=settings.breached_passwords)
    try:
        yield auth
    finally:
        auth.passwords.close()


def _announce(settings: Settings, clock: SystemClock) -> None:
    log.info("server.listening", url=settings.base_url)
    if settings.demonstration:
        print(_welcome(settings, clock.now()), flush=True)


def _welcome(settings: Settings, now: datetime) -> str:
    """Where to go, and as whom to sign in."""
    lines = [("sign in as", "e-mail", "password", "code now")]
    lines += [(person.role, person.email, person.password, person.code_at(now)) for person in people()]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join(
        [
            f"\nCAMCHA's demonstration is at {settings.base_url}\n",
            f"GraphiQL  {settings.base_url}/graphql",
            f"letters   {settings.mail_url}\n",
            *table,
            "\nA code works once, for a minute at most; the next one: .venv/bin/python -m cli code agent@camcha.example\n",
        ]
    )


def migrate(asked: argparse.Namespace) -> int:
    settings = read(os.environ)
    target = f"models.{asked.to}" if asked.to and "." not in asked.to else asked.to
    with alone(settings.database_url), _in_words():
        asyncio.run(migrated(settings.database_url, target))
    print("The database is migrated.")
    return 0


def seed(asked: argparse.Namespace) -> int:
    asyncio.run(_seeded(read(os.environ)))
    print("The catalogue is up to date.")
    return 0


async def _seeded(settings: Settings) -> None:
    async with _connected(settings) as clock:
        with _faultless():
            await catalogue.load(clock.now(), settings.policies)


@contextmanager
def _faultless() -> Iterator[None]:
    """Raises Failed for faulty content, and for a policy that changed after it was installed."""
    try:
        yield
    except ValueError as fault:
        raise Failed(str(fault)) from None


def staff(asked: argparse.Namespace) -> int:
    settings = read(os.environ)
    token, hours = asyncio.run(_appointed(settings, asked)), int(personnel.LIFETIME.total_seconds() / 3600)
    print(f"Choose a password here, once and within {hours} hours:\n\n    {settings.base_url}/reset?token={token}\n")
    print("Then sign in and set up a second factor: the role begins with it.")
    return 0


async def _appointed(settings: Settings, asked: argparse.Namespace) -> str:
    async with _connected(settings) as clock, _guard(settings, clock) as auth:
        action = Action(None, clock.now(), Hub())
        try:
            return await personnel.appoint(action, auth, email=asked.email, name=asked.name, role=asked.role)
        except Refusal as refusal:
            raise Failed(worded(refusal, Locale.EN)) from None


def code(asked: argparse.Namespace) -> int:
    settings = read(os.environ)
    person = next((person for person in people() if person.email == asked.email and person.seed), None)
    if person is None or not settings.demonstration:
        raise Failed("codes are told of the demonstration's staff only; everybody else has an authenticator")
    print(person.code_at(asyncio.run(_time(settings)).now()))
    return 0


def export_schema(asked: argparse.Namespace) -> int:
    from schema.root import schema  # the whole graph, which the other commands need not load

    exported = f"{schema.as_str().strip()}\n"
    if not asked.check:
        SCHEMA.write_text(exported, "utf-8")
    elif not SCHEMA.exists() or SCHEMA.read_text("utf-8") != exported:
        raise Failed("schema.graphql is stale: run python -m cli export-schema")
    return 0


def check_documents(asked: argparse.Namespace) -> int:
    from app import engine  # the whole graph, which the other commands need not load

    try:
        engine(asked.file)
    except Unusable as error:
        return _complain(error.faults, 1)
    print("The documents can be trusted.")
    return 0


def check_invoices(asked: argparse.Namespace) -> int:
    faults = asyncio.run(_numbering(read(os.environ)))
    print("The numbering has no fault." if not faults else "\n".join(faults))
    return 1 if faults else 0


async def _numbering(settings: Settings) -> list[str]:
    async with _connected(settings):
        return await numbering_faults()


def verify_audit(asked: argparse.Namespace) -> int:
    proof = asyncio.run(_audited(read(os.environ), asked.noted))
    print(f"{proof.entries} entries, the last is {proof.last}")
    if proof.fault:
        raise Failed(proof.fault)
    return 0


async def _audited(settings: Settings, noted: End | None) -> AuditProof:
    async with _connected(settings):
        return await audit_proof(noted)


if __name__ == "__main__":
    sys.exit(main())
