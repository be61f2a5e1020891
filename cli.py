"""The operator's commands, one function each. See `bin/cli --help` and docs/operating.md."""

import argparse
import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING

import structlog
from asyncpg import PostgresError
from tortoise.exceptions import DBConnectionError, OperationalError

import logs
from accounts import staff as staff_accounts
from auth import secret_keys
from auth.secret_keys import has_expected_key, record_first_key
from auth.services import AuthServices
from engine import ManifestError
from installation import Finding, Severity, database_findings, setting_findings
from models.action import Action
from models.clock import SystemClock, local_date
from models.database.connection import (
    connect,
    disconnect,
    migrate_database,
    pending_migrations,
    sqlite_path,
)
from models.database.problems import database_problem
from models.errors import Refusal, ServiceUnavailable, message_for
from models.identity.user import Staff
from models.locale import Locale
from models.operations.clock_offset import clock_offset
from models.operations.installation import Installation
from operations.audit_proof import AuditProof, ChainPosition, audit_proof
from operations.held_work import discard_emails, held_work
from operations.invoice_numbering import numbering_errors
from operations.retention import due_rows
from operations.version import VERSION
from privacy.data_map import record_page
from realtime.hub import Hub
from seed import catalogue
from seed.people import people
from server import CommandError, bind, end_with_parent, lock_database, run_jobs, supervise, url_of
from server import serve as run_server
from settings import Settings, SettingsError, read_settings

if TYPE_CHECKING:
    from billing.checkout_services import CheckoutServices
    from billing.gateways.gateway import Gateway
    from billing.simulation import Simulated
    from models.billing.purchase import Purchase
    from operations.backup.backup import Made
    from operations.backup.encryption import Identity
    from operations.backup.manifest import Manifest
    from operations.backup.restore import Contents
    from storage.store import Store

_INSTALLATION_MIGRATION = "0022_installation"  # since which the database can recognize itself
_WRONG_KEY = (
    "CAMCHA_SECRET_KEY: this database was set up with another key, so nobody could sign in with "
    "an authenticator app. Set that key. To change it, set CAMCHA_SECRET_KEY_PREVIOUS to it, and "
    "run bin/cli encrypt-again"
)
_DATABASE_ERRORS = (
    OSError,
    PostgresError,
    DBConnectionError,
    OperationalError,
    ServiceUnavailable,
)
SCHEMA = Path(__file__).with_name("schema.graphql")
log = structlog.stdlib.get_logger()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 1 when it fails, 2 when the settings or the
    arguments are invalid.
    """
    logs.configure()
    args = _parser().parse_args(arguments)
    try:
        return int(args.command(args))
    except SettingsError as error:
        return _report(error.errors, 2)
    except CommandError as error:
        return _report([str(error)], 1)


def _report(errors: Sequence[str], status: int) -> int:
    for error in errors:
        print(f"error: {error}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bin/cli",
        description="Run and inspect CAMCHA. Settings come from CAMCHA_* environment variables.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: object, description: str) -> argparse.ArgumentParser:
        command_parser = commands.add_parser(name, help=description, description=description)
        command_parser.set_defaults(command=function)
        return command_parser

    subparser = command(
        "serve",
        serve,
        "start the server; without CAMCHA_DATABASE_URL, prepare and serve a demonstration",
    )
    subparser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    subparser.add_argument(
        "--port",
        type=int,
        default=8000,
        help="port to listen on, 0 for any free port (default: %(default)s)",
    )
    subparser.add_argument(
        "--processes",
        type=int,
        default=1,
        metavar="N",
        help="the number of processes that serve, with PostgreSQL; the first one runs the jobs",
    )
    subparser.add_argument("--inherited", type=int, nargs=2, help=argparse.SUPPRESS)
    subparser.add_argument(
        "--no-worker",
        action="store_true",
        help="leave emails, renewals and all other jobs to processes that run the work command",
    )
    command(
        "work",
        work,
        "run the jobs of servers that were started with --no-worker; any number of processes",
    )
    subparser = command(
        "check",
        check,
        "check the settings and the database, and print what to do before customers come",
    )
    subparser.add_argument(
        "--strict", action="store_true", help="fail when there are warnings, not only for errors"
    )
    subparser = command(
        "migrate", migrate, "apply all migrations, or migrate up or down to a given one"
    )
    subparser.add_argument(
        "--to",
        metavar="NAME",
        help="a migration such as 0001_initial, or __first__ to revert all of them",
    )
    command(
        "encrypt-again",
        encrypt_again,
        "encrypt everything with CAMCHA_SECRET_KEY that CAMCHA_SECRET_KEY_PREVIOUS encrypted",
    )
    command(
        "push-key",
        push_key,
        "print a new private key for notifications on devices (VAPID), for CAMCHA_PUSH_KEY",
    )
    command(
        "hold",
        hold,
        "hold emails and other external jobs, before a copy of a database is started",
    )
    subparser = command(
        "release", release, "print what is held, and let the jobs run again with --confirm"
    )
    subparser.add_argument("--confirm", action="store_true", help="release the jobs")
    subparser.add_argument(
        "--discard-emails", action="store_true", help="give up the emails that are waiting"
    )
    subparser = command(
        "backup", backup, "back up the database and the files into a new file, while servers run"
    )
    subparser.add_argument(
        "target", type=Path, metavar="FILE", help="a new file, or a folder, which names it"
    )
    subparser.add_argument(
        "--recipient",
        action="append",
        default=[],
        metavar="age1...",
        help="encrypt the backup to this public key, see backup-key; can be repeated",
    )
    subparser.add_argument(
        "--no-files", action="store_true", help="leave out the files in CAMCHA_FILES"
    )
    subparser = command(
        "restore", restore, "restore a backup into an empty database and an empty CAMCHA_FILES"
    )
    subparser.add_argument("file", type=Path, metavar="FILE", help="the backup")
    subparser.add_argument(
        "--identity", type=Path, metavar="KEY", help="the file of the private key of the backup"
    )
    subparser.add_argument(
        "--verify", action="store_true", help="verify the backup, and write nothing"
    )
    command(
        "backup-key",
        backup_key,
        "print a new private key for backups, with its public key in a comment",
    )
    command("version", version, "print the version")
    command("seed", seed, "install the offers, articles and policies from seed/; safe to repeat")
    command(
        "bill",
        bill,
        "bill every period that has begun, and collect late invoices; safe to repeat",
    )
    subparser = command(
        "simulate",
        simulate,
        "print what a purchase will be billed in the coming months, without writing anything",
    )
    subparser.add_argument("purchase", metavar="PURCHASE", help="its ID in the API, or its number")
    subparser.add_argument(
        "--months",
        type=int,
        default=36,
        help="how far to look ahead, at most 120 (default: %(default)s)",
    )
    subparser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    subparser = command(
        "staff", staff, "add a member of staff and print a link where they choose their password"
    )
    subparser.add_argument("email", help="the address they sign in with")
    subparser.add_argument("--name", required=True, help="first and last name")
    subparser.add_argument(
        "--role", required=True, type=Staff, choices=list(Staff), metavar="|".join(Staff)
    )
    subparser = command(
        "code", code, "print the current one-time code of a member of the demonstration's staff"
    )
    subparser.add_argument("email")
    subparser = command("export-schema", export_schema, "write schema.graphql")
    subparser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; fail when schema.graphql is out of date",
    )
    command(
        "retention",
        retention,
        "print how long each kind of data is kept, and how many rows are older; deletes nothing",
    )
    command(
        "data-map",
        data_map,
        "print the record of processing activities and what each table holds, in Markdown",
    )
    subparser = command(
        "check-documents", check_documents, "check that every document of a manifest can be trusted"
    )
    subparser.add_argument(
        "file", type=Path, help="JSON file: {hash or id: document}, or an Apollo manifest"
    )
    subparser = command(
        "messages", messages, "update the translations from the texts in code and templates"
    )
    subparser.add_argument(
        "--check", action="store_true", help="write nothing; list what is missing, unused or wrong"
    )
    command(
        "check-invoices",
        check_invoices,
        "check that invoice numbers have no gaps and are in the order of their dates",
    )
    command(
        "reconcile",
        reconcile,
        "compare the ledger with invoices, payments and bank statements, and print differences",
    )
    subparser = command(
        "import-statement",
        import_bank_statement,
        "import a bank statement (camt.053 or CSV) and match its lines with invoices",
    )
    subparser.add_argument("file", type=Path, help="the statement as the bank gives it")
    subparser.add_argument(
        "--iban", help="the account of a CSV file (default: the account for transfers)"
    )
    subparser = command(
        "verify-audit",
        verify_audit,
        "check that the audit log is complete and unchanged, and print its end",
    )
    subparser.add_argument(
        "--expect",
        type=ChainPosition.parse,
        metavar="NUMBER:HASH",
        help="an end printed earlier and stored elsewhere",
    )
    return parser


def serve(args: argparse.Namespace) -> int:
    if args.processes < 1:
        raise CommandError("--processes must be at least 1")
    is_ready: Callable[[], object] | None = None
    if args.inherited:  # by one of several processes
        socket_number, pipe = args.inherited
        end_with_parent()
        bound, is_ready = socket(fileno=socket_number), partial(os.write, pipe, b"r")
    else:
        bound = bind(args.host, args.port)
    with bound as listener:
        settings = read_settings(os.environ, url_of(listener))
        _require_ready(settings)
        if args.no_worker:
            _require_postgresql(settings, "serve --no-worker")
        if args.processes > 1:
            _require_postgresql(settings, "serve --processes")
            clock = asyncio.run(_recognize_installation(settings))
            return _supervise(args, settings, listener, lambda: _announce(settings, clock))
        with lock_database(settings.database_url):
            clock = asyncio.run(
                _prepare_demonstration(settings)
                if settings.demonstration
                else _recognize_installation(settings)
            )
            from app import create_app  # the whole graph, which the other commands need not load

            return run_server(
                create_app(settings, works=not args.no_worker),
                listener,
                is_ready or (lambda: _announce(settings, clock)),
                settings.connection_limits,
            )


def _supervise(
    args: argparse.Namespace,
    settings: Settings,
    listener: socket,
    on_listening: Callable[[], None],
) -> int:
    """Serve with several processes. The first one runs the jobs; each has a port of its own for its
    metrics.
    """
    command = [sys.executable, "-m", "cli", "serve"]
    environments = [dict(os.environ) for _ in range(args.processes)]
    if settings.metrics:
        host, port = os.environ["CAMCHA_METRICS"].rsplit(":", 1)
        for index, environment in enumerate(environments):
            environment["CAMCHA_METRICS"] = f"{host}:{int(port) + index}"
    commands = [
        [*command, "--no-worker"] if index or args.no_worker else command
        for index in range(args.processes)
    ]
    return supervise(commands, environments, listener, on_listening)


def version(args: argparse.Namespace) -> int:
    print(VERSION)
    return 0


def work(args: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    if not os.environ.get("CAMCHA_BASE_URL"):
        raise SettingsError(
            ["CAMCHA_BASE_URL: set it to the public address of the servers, for links in emails"]
        )
    _require_ready(settings)
    _require_postgresql(settings, "work")
    asyncio.run(_recognize_installation(settings))
    from app import create_app  # the whole graph, which the other commands need not load

    run_jobs(create_app(settings), lambda: log.info("worker.started"))
    return 0


def _require_postgresql(settings: Settings, command: str) -> None:
    if sqlite_path(settings.database_url):
        raise CommandError(
            f"{command} needs PostgreSQL, because SQLite supports one process: use serve, which "
            f"runs the jobs as well"
        )


def _require_ready(settings: Settings) -> None:
    """Raise SettingsError when the installation must not be used by customers."""
    findings = setting_findings(settings)
    if errors := [str(each) for each in findings if each.severity is Severity.ERROR]:
        raise SettingsError(
            [
                *errors,
                "This installation is not ready for customers. To start it nevertheless, for tests "
                "only, set CAMCHA_TEST_INSTALLATION=true.",
            ]
        )


async def _prepare_demonstration(settings: Settings) -> SystemClock:
    """Migrate the demonstration's database, and fill it if it is new or if filling it was
    interrupted. Returns its clock.
    """
    # The other commands don't need what prints invoices.
    from billing.gateways.sandbox import Sandbox
    from seed import demonstration

    path = sqlite_path(settings.database_url)
    assert path, "a demonstration is stored in an SQLite file"  # noqa: S101
    unfinished = path.with_name(f"{path.name}.unfinished")
    if unfinished.exists():  # nobody has used it: it was never served
        for suffix in ("", "-wal", "-shm"):
            path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
    elif not path.exists():
        unfinished.touch()
    await _migrate(settings)
    async with _open_database(settings) as clock, _auth_services(settings, clock) as auth:
        checkout_services = _checkout_services(settings, auth, Sandbox(settings.base_url))
        with _report_content_errors():
            await demonstration.load(clock.now(), Hub(), auth, checkout_services, settings.policies)
    unfinished.unlink(missing_ok=True)
    return clock


def _checkout_services(
    settings: Settings, auth: AuthServices, gateway: "Gateway"
) -> "CheckoutServices":
    from billing.checkout_services import CheckoutServices
    from billing.seller import seller

    return CheckoutServices(gateway, seller(settings.seller), auth.signer)


async def _recognize_installation(settings: Settings) -> SystemClock:
    """Check the secret key, and hold the jobs of a copy. Returns the clock."""
    async with _open_database(settings) as clock:
        if not await has_expected_key(settings.secret_key, settings.previous_keys):
            raise CommandError(_WRONG_KEY)
        await record_first_key(settings.secret_key)
        if await Installation.recognize_database(Action(None, clock.now(), Hub())):
            log.error("installation.held")
        return clock


async def _read_clock(settings: Settings) -> SystemClock:
    async with _open_database(settings) as clock:
        return clock


@asynccontextmanager
async def _open_database(settings: Settings) -> AsyncIterator[SystemClock]:
    """Connect to the database and yield its clock. Raises CommandError when it is unreachable or
    lacks migrations.
    """
    try:
        if pending := await _missing_migrations(settings):
            raise CommandError(
                f"migrations are missing ({', '.join(pending)}): run bin/cli migrate"
            )
        yield SystemClock(await clock_offset() if settings.demonstration else timedelta())
    finally:
        await disconnect()


async def _missing_migrations(settings: Settings) -> list[str]:
    await _require_database(settings)
    with _hide_database_errors():
        await connect(settings.database_url)
        return await pending_migrations()


async def _require_database(settings: Settings, *, migrating: bool = False) -> None:
    """Raise CommandError with the reason when the database can't be used."""
    if problem := await database_problem(settings.database_url, migrating=migrating):
        raise CommandError(f"CAMCHA_DATABASE_URL: {problem}.")


@contextmanager
def _hide_database_errors() -> Iterator[None]:
    try:
        yield
    except _DATABASE_ERRORS as error:  # its message may contain the password
        cause = error.__cause__ if isinstance(error, ServiceUnavailable) else None
        raise CommandError(
            f"CAMCHA_DATABASE_URL: can't use the database ({type(cause or error).__name__})"
        ) from None


@asynccontextmanager
async def _auth_services(settings: Settings, clock: SystemClock) -> AsyncIterator[AuthServices]:
    auth = AuthServices.create(
        settings.secret_key,
        clock,
        breaches_url=settings.breached_passwords,
        previous_keys=settings.previous_keys,
    )
    try:
        yield auth
    finally:
        auth.passwords.close()


def _announce(settings: Settings, clock: SystemClock) -> None:
    log.info("server.listening", url=settings.base_url)
    if (findings := setting_findings(settings)) and not settings.demonstration:
        log.warning("installation.warnings", names=[each.name for each in findings])
    if settings.demonstration:
        print(_welcome_text(settings, clock.now()), flush=True)


def _welcome_text(settings: Settings, now: datetime) -> str:
    """Return the text printed at start-up: where to go and how to sign in."""
    lines = [("role", "email", "password", "code")]
    lines += [
        (person.role, person.email, person.password, person.code_at(now)) for person in people()
    ]
    return "\n".join(
        [
            f"\nThe CAMCHA demonstration is running at {settings.base_url}\n",
            f"GraphiQL  {settings.base_url}/graphql",
            f"emails    {settings.mail_url}\n",
            *_columns(lines),
            "\nA code works once, for at most a minute. For another one: bin/cli "
            "code agent@camcha.example\n",
        ]
    )


def _columns(lines: Sequence[tuple[str, ...]]) -> list[str]:
    """The lines with their cells aligned."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def check(args: argparse.Namespace) -> int:
    errors: list[str] = []
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        if not error.settings:
            raise
        settings, errors = error.settings, error.errors
    findings = [Finding(Severity.ERROR, *_name_and_problem(each), "") for each in errors]
    findings += setting_findings(settings)
    if not errors and not settings.demonstration:  # which prepares its database when it starts
        findings += asyncio.run(_database_findings(settings))
    findings.sort(key=lambda each: each.severity is not Severity.ERROR)
    for each in findings:
        print(f"{each.severity}: {each}")
    counts = Counter(each.severity for each in findings)
    print(f"{counts[Severity.ERROR]} errors, {counts[Severity.WARNING]} warnings")
    return 1 if counts[Severity.ERROR] or (args.strict and findings) else 0


def _name_and_problem(error: str) -> tuple[str, str]:
    name, _, problem = error.partition(": ")
    return name, problem


async def _database_findings(settings: Settings) -> list[Finding]:
    """The problems of the database. If it can't be used, that is the only one."""
    try:
        async with _open_database(settings):
            findings = await database_findings(settings)
            if not await has_expected_key(settings.secret_key, settings.previous_keys):
                name, problem = _name_and_problem(_WRONG_KEY)
                findings.append(Finding(Severity.ERROR, name, f"{problem}.", ""))
            return findings
    except CommandError as error:
        return [Finding(Severity.ERROR, "database", f"{error}", "")]


def migrate(args: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    target = (args.to or "__latest__").removeprefix("models.")
    with lock_database(settings.database_url):
        asyncio.run(_migrate(settings, target))
    print("The database is up to date.")
    return 0


async def _migrate(settings: Settings, target: str = "__latest__") -> None:
    await _require_database(settings, migrating=True)
    with _hide_database_errors():
        is_recognized = await _is_recognized(settings)
        await migrate_database(settings.database_url, target)
        try:
            await connect(settings.database_url)
            if _INSTALLATION_MIGRATION not in await pending_migrations():
                await Installation.record_migration(is_recognized)
        finally:
            await disconnect()


async def _is_recognized(settings: Settings) -> bool:
    """Whether this is not a copy of another database, see models/operations/installation.py."""
    try:
        await connect(settings.database_url)
        is_older = _INSTALLATION_MIGRATION in await pending_migrations()
        return is_older or await Installation.is_recognized()
    finally:
        await disconnect()


def encrypt_again(args: argparse.Namespace) -> int:
    unreadable_count = asyncio.run(_encrypt_again(read_settings(os.environ)))
    if unreadable_count:
        raise CommandError(
            f"{unreadable_count} authenticator apps were set up with a key that is neither "
            f"CAMCHA_SECRET_KEY nor among CAMCHA_SECRET_KEY_PREVIOUS. Add that key, or reset the "
            f"second factors of these people, and run the command again"
        )
    print("Everything is encrypted with CAMCHA_SECRET_KEY.")
    return 0


async def _encrypt_again(settings: Settings) -> int:
    async with _open_database(settings) as clock:
        action = Action(None, clock.now(), Hub())
        return await secret_keys.encrypt_again(action, settings.secret_key, settings.previous_keys)


def hold(args: argparse.Namespace) -> int:
    asyncio.run(_hold(read_settings(os.environ)))
    print("Emails and other external jobs are held. See bin/cli release.")
    return 0


async def _hold(settings: Settings) -> None:
    async with _open_database(settings) as clock:
        await Installation.hold(Action(None, clock.now(), Hub()))


def release(args: argparse.Namespace) -> int:
    for line in asyncio.run(_release(read_settings(os.environ), args)):
        print(line)
    return 0


async def _release(settings: Settings, args: argparse.Namespace) -> list[str]:
    async with _open_database(settings) as clock:
        action = Action(None, clock.now(), Hub())
        if not await Installation.is_held():
            return ["Nothing is held."]
        waiting = await held_work(action.at)
        if not args.confirm:
            return [
                *waiting,
                "To do this work, add --confirm; with --discard-emails no email that is waiting "
                "is sent.",
            ]
        lines = ["The jobs run again."]
        if args.discard_emails:
            lines.insert(0, f"{await discard_emails(action)} emails were discarded.")
        await Installation.release(action)
        return [*waiting, *lines]


def backup(args: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    with _report_backup_errors():
        made = asyncio.run(_back_up(settings, args))
    megabytes = made.size / 1_000_000
    print(f"{made.path}: {megabytes:.1f} MB, {made.file_count} files, {_described(made.manifest)}")
    return 0


async def _back_up(settings: Settings, args: argparse.Namespace) -> "Made":
    from operations.backup.backup import back_up
    from operations.backup.encryption import parse_recipient

    recipients = [parse_recipient(text) for text in args.recipient]
    async with _open_database(settings) as clock:
        store = None if args.no_files else _store(settings)
        made = await back_up(
            settings.database_url, store, args.target, recipients, clock.now(), os.environ
        )
        await _record_backup(made)
    return made


async def _record_backup(made: "Made") -> None:
    """Record for the metrics that a backup was made, except in a database that can't be written,
    such as a standby, or that an earlier release has migrated.
    """
    try:
        await Installation.record_backup(made.manifest.created_at)
    except _DATABASE_ERRORS as error:
        log.warning("backup.not_recorded", error=type(error).__name__)


def _store(settings: Settings) -> "Store":
    from storage.object_store import store_from_url

    return store_from_url(settings.files, settings.s3_key_id, settings.s3_secret)


def restore(args: argparse.Namespace) -> int:
    settings, problems = read_settings(os.environ), list[str]()
    with _report_backup_errors():
        if args.verify:
            contents = asyncio.run(_verify_backup(args))
        else:
            with lock_database(settings.database_url):
                contents, problems = asyncio.run(_restore(settings, args))
    verb = "Verified" if args.verify else "Restored"
    print(f"{verb}: {contents.file_count} files, {_described(contents.manifest)}")
    if not args.verify:
        print("Emails and other external jobs are held. See bin/cli release.")
    if problems:
        return _report([f"restored, but: {each}" for each in problems], 1)
    return 0


async def _verify_backup(args: argparse.Namespace) -> "Contents":
    from operations.backup.restore import verify

    return await verify(args.file, _identities(args))


async def _restore(settings: Settings, args: argparse.Namespace) -> "tuple[Contents, list[str]]":
    from operations.backup.restore import restore

    identities = _identities(args)
    if not sqlite_path(settings.database_url):
        await _require_database(settings, migrating=True)
    action = Action(None, SystemClock().now(), Hub())
    url, store = settings.database_url, _store(settings)
    return await restore(action, url, store, args.file, identities, os.environ)


def _identities(args: argparse.Namespace) -> "list[Identity]":
    from operations.backup.encryption import parse_identities

    try:
        return parse_identities(args.identity.read_text("utf-8")) if args.identity else []
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"can't read {args.identity} ({type(error).__name__})") from None


def _described(manifest: "Manifest") -> str:
    return (
        f"{manifest.database_version} as of {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC, audit log "
        f"ending at {manifest.heads.audit}"
    )


@contextmanager
def _report_backup_errors() -> Iterator[None]:
    from operations.backup.encryption import BackupError
    from storage.store import StoreFull, StoreUnavailable

    try:
        yield
    except BackupError as error:
        raise CommandError(str(error)) from None
    except StoreUnavailable:
        raise CommandError("CAMCHA_FILES: the object store doesn't answer") from None
    except StoreFull:
        raise CommandError("CAMCHA_FILES: there is no space left") from None
    except (PostgresError, DBConnectionError, OperationalError, ServiceUnavailable):
        with _hide_database_errors():
            raise
    except OSError as error:
        raise CommandError(f"{error.filename or 'writing failed'}: {error.strerror}") from None


def backup_key(args: argparse.Namespace) -> int:
    from operations.backup.encryption import new_identity

    private_key, public_key = new_identity()
    print(f"# public key: {public_key}\n{private_key}")
    return 0


def seed(args: argparse.Namespace) -> int:
    asyncio.run(_seed(read_settings(os.environ)))
    print("The offers, articles and policies are up to date.")
    return 0


async def _seed(settings: Settings) -> None:
    async with _open_database(settings) as clock:
        with _report_content_errors():
            await catalogue.load(clock.now(), settings.policies, tax_rules_path=settings.tax_rules)


@contextmanager
def _report_content_errors() -> Iterator[None]:
    """Raise CommandError for invalid content, and for a policy that changed after it was
    installed.
    """
    try:
        yield
    except ValueError as error:
        raise CommandError(str(error)) from None


def staff(args: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    token = asyncio.run(_add_staff(settings, args))
    hours = int(staff_accounts.LIFETIME.total_seconds() / 3600)
    print(f"Choose a password at this address. It works once, within {hours} hours:\n")
    print(f"    {settings.base_url}/reset?token={token}\n")
    print(
        f"Then set up a second factor, which activates the role: {settings.base_url}/second-factor"
    )
    return 0


async def _add_staff(settings: Settings, args: argparse.Namespace) -> str:
    async with _open_database(settings) as clock, _auth_services(settings, clock) as auth:
        action = Action(None, clock.now(), Hub())
        try:
            return await staff_accounts.appoint(
                action, auth, email=args.email, name=args.name, role=args.role
            )
        except Refusal as refusal:
            raise CommandError(message_for(refusal, Locale.EN)) from None


def code(args: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    person = next(
        (person for person in people() if person.email == args.email and person.totp_secret), None
    )
    if person is None or not settings.demonstration:
        raise CommandError(
            "only the demonstration's staff have codes here; everyone else uses an authenticator"
        )
    print(person.code_at(asyncio.run(_read_clock(settings)).now()))
    return 0


def push_key(args: argparse.Namespace) -> int:
    from support.push.vapid import VapidKey

    print(VapidKey.generate())
    return 0


def export_schema(args: argparse.Namespace) -> int:
    from schema.root import schema  # the whole graph, which the other commands need not load

    sdl = f"{schema.as_str().strip()}\n"
    if not args.check:
        SCHEMA.write_text(sdl, "utf-8")
    elif not SCHEMA.exists() or SCHEMA.read_text("utf-8") != sdl:
        raise CommandError("schema.graphql is out of date: run bin/cli export-schema")
    return 0


def retention(args: argparse.Namespace) -> int:
    print("\n".join(asyncio.run(_retention_plan(read_settings(os.environ)))))
    return 0


async def _retention_plan(settings: Settings) -> list[str]:
    from billing.seller import seller

    async with _open_database(settings) as clock:
        periods = seller(settings.seller).retention_on(local_date(clock.now()))
        lines = [("table", "rows", "before", "job", "kept")]
        lines += [
            (due.table, f"{due.count}", f"{due.cutoff:%Y-%m-%d}", due.rule.job, str(due.rule.kept))
            async for due in due_rows(clock.now(), periods)
        ]
    return _columns(lines)


def data_map(args: argparse.Namespace) -> int:
    print(record_page())
    return 0


def messages(args: argparse.Namespace) -> int:
    from models.translations import extraction  # only engineers need it

    if not args.check:
        extraction.update_catalogues()
    problems = list(extraction.problems())
    return _report(problems, 1) if problems else 0


def check_documents(args: argparse.Namespace) -> int:
    from app import create_engine  # the whole graph, which the other commands need not load

    try:
        create_engine(args.file)
    except ManifestError as error:
        return _report(error.problems, 1)
    print("The documents can be trusted.")
    return 0


def bill(args: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    _require_ready(settings)
    billed_count, dunned_count = asyncio.run(_bill(settings))
    print(f"{billed_count} periods billed, {dunned_count} late invoices dunned.")
    return 0


async def _bill(settings: Settings) -> tuple[int, int]:
    from billing.dunning import dun_late_invoices
    from billing.renewals import bill_due_periods

    if not settings.demonstration:
        await _recognize_installation(settings)
    async with _open_database(settings) as clock, _auth_services(settings, clock) as auth:
        if await Installation.is_held():
            raise CommandError("the jobs of this installation are held: see bin/cli release")
        action, gateway = Action(None, clock.now(), Hub()), settings.gateway(clock)
        try:
            services = _checkout_services(settings, auth, gateway)
            return (
                await bill_due_periods(action, services),
                await dun_late_invoices(action, services),
            )
        finally:
            await gateway.close()


def simulate(args: argparse.Namespace) -> int:
    from billing.simulation import MAX_MONTHS, as_json, as_text

    if not 1 <= args.months <= MAX_MONTHS:
        raise CommandError(f"--months: 1 to {MAX_MONTHS}")
    try:
        purchase, events = asyncio.run(_simulate(read_settings(os.environ), args))
    except Refusal as refusal:
        raise CommandError(message_for(refusal, Locale.EN)) from None
    print(as_json(purchase, events) if args.json else as_text(purchase, events))
    return 0


async def _simulate(
    settings: Settings, args: argparse.Namespace
) -> "tuple[Purchase, list[Simulated]]":
    from billing.seller import seller
    from billing.simulation import simulate
    from models.billing.purchase import Purchase
    from resolvers.ids import key_of

    async with _open_database(settings) as clock:
        key = int(args.purchase) if args.purchase.isdecimal() else key_of(Purchase, args.purchase)
        purchase = await Purchase.get_or_none(pk=key or 0).select_related("price__offer")
        if purchase is None:
            raise CommandError(f"there is no purchase {args.purchase}")
        today = local_date(clock.now())
        return purchase, await simulate(purchase, seller(settings.seller), today, args.months)


def check_invoices(args: argparse.Namespace) -> int:
    errors = asyncio.run(_numbering_errors(read_settings(os.environ)))
    print("\n".join(errors) or "The numbering has no errors.")
    return 1 if errors else 0


async def _numbering_errors(settings: Settings) -> list[str]:
    async with _open_database(settings):
        return await numbering_errors()


def reconcile(args: argparse.Namespace) -> int:
    from billing.reconciliation import Reconciliation, reconciliation

    async def compare(settings: Settings) -> Reconciliation:
        async with _open_database(settings):
            return await reconciliation()

    result = asyncio.run(compare(read_settings(os.environ)))
    for name, money in (
        ("owed by customers", result.owed),
        ("open on invoices", result.open),
        ("received", result.received),
        (f"waiting in {result.unmatched_count} bank lines", result.unmatched),
    ):
        print(f"{money.formatted('en')} {name}")
    print("\n".join(result.errors) or "There are no differences.")
    return 1 if result.errors else 0


def import_bank_statement(args: argparse.Namespace) -> int:
    try:
        content = args.file.read_bytes()
    except OSError as error:
        raise CommandError(f"{args.file}: {error.strerror}") from None
    try:
        print(asyncio.run(_import_bank_statement(read_settings(os.environ), args, content)))
    except Refusal as refusal:
        messages = [message_for(each, Locale.EN) for each in refusal.refusals]
        return _report([f"{args.file}: {message}" for message in messages], 1)
    return 0


async def _import_bank_statement(
    settings: Settings, args: argparse.Namespace, content: bytes
) -> str:
    from billing.bank.importing import import_statement  # XML, which other commands don't need
    from billing.bank.matching import match_new_lines, unmatched_count
    from billing.seller import seller

    async with _open_database(settings) as clock:
        action = Action(None, clock.now(), Hub())
        account = seller(settings.seller).bank
        imported = await import_statement(
            action, account, name=args.file.name, content=content, iban=args.iban
        )
        matched_count = await match_new_lines(action)
        waiting_count = await unmatched_count()
    row = imported.statement
    first_part = (
        "This file was imported before."
        if imported.is_repeated
        else f"{row.line_count} lines, {row.new_count} of them new."
    )
    return f"{first_part} {matched_count} were matched; {waiting_count} wait for a person."


def verify_audit(args: argparse.Namespace) -> int:
    proof = asyncio.run(_audit_proof(read_settings(os.environ), args.expect))
    print(f"{proof.entries} entries, ending at {proof.last}")
    if proof.error:
        raise CommandError(proof.error)
    return 0


async def _audit_proof(settings: Settings, expected: ChainPosition | None) -> AuditProof:
    async with _open_database(settings):
        return await audit_proof(expected)


if __name__ == "__main__":
    sys.exit(main())
