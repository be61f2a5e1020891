"""Migrations create what the models describe, and can be reverted and applied again."""

import asyncio
import gc
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest
from tortoise import Tortoise
from tortoise.connection import get_connection
from tortoise.exceptions import IntegrityError
from tortoise.indexes import Index
from tortoise.migrations.autodetector import MigrationAutodetector
from tortoise.migrations.operations import AlterModelOptions
from tortoise.migrations.schema_generator.state import State
from tortoise.models import Model

from models.accounts.account import Account
from models.accounts.vat_number import VatCheck, VatNumberStatus
from models.action import Action
from models.billing.invoice import Counter, Invoice, InvoiceDocument, InvoiceLine
from models.billing.periods import period
from models.billing.purchase import Purchase
from models.billing.receivable import InvoiceState, Receivable
from models.billing.tax_rule import TaxRule
from models.clock import local_date
from models.database.connection import (
    connect,
    disconnect,
    migrate_database,
    pending_migrations,
    sqlite_path,
    tortoise_config,
)
from models.database.migrations import Executor, migrate, migration_names
from models.database.sql import dialect, execute, fetch_records
from models.event import EventKind, Stream, ticket_stream
from models.operations.email import Email
from models.support.ticket import Ticket
from models.support.ticket_position import TicketPosition
from seed.tax_rules import read_rules
from tests.conftest import postgres_copy
from tests.waiting import driver_url

ROOT = Path(__file__).parents[3]
# The last migration of the release before this one. Change it with each release.
FORMER_RELEASE = "0070_automations"


async def table_names(url: str) -> set[str]:
    """The names of all tables except Tortoise's own table of migrations."""
    await connect(url)
    is_sqlite = get_connection("default").capabilities.dialect == "sqlite"
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        if is_sqlite
        else "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'"
    )
    names = {row["name"] for row in await execute(query)}
    await disconnect()
    return {name for name in names if "migration" not in name}


_POSTGRES_INDEXES = """
SELECT t.relname, i.indisunique, array_agg(a.attname ORDER BY k.n)
FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
CROSS JOIN unnest(i.indkey) WITH ORDINALITY k(number, n)
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number
WHERE t.relnamespace = 'public'::regnamespace GROUP BY i.indexrelid, t.relname, i.indisunique"""
_SQLITE_INDEXES = """
SELECT m.name, l."unique", (SELECT group_concat(name) FROM
    (SELECT name FROM pragma_index_info(l.name) ORDER BY seqno))
FROM sqlite_master m, pragma_index_list(m.name) l WHERE m.type = 'table'"""


async def _indexes() -> set[tuple[str, bool, tuple[str, ...]]]:
    """The table, uniqueness and columns of each index in the database."""
    if dialect() == "postgres":
        rows = await fetch_records(_POSTGRES_INDEXES)
        return {(row[0], row[1], tuple(row[2])) for row in rows}
    rows = await fetch_records(_SQLITE_INDEXES)
    return {(row[0], bool(row[1]), tuple((row[2] or "").split(","))) for row in rows}


def _declared_indexes(model: type[Model]) -> set[tuple[bool, tuple[str, ...]]]:
    """The uniqueness and the columns of each index that a model declares."""
    meta = model._meta
    columns = {**meta.fields_db_projection, **{each: each for each in meta.db_fields}}
    columns |= {name: f"{name}_id" for name in meta.fk_fields | meta.o2o_fields}
    groups = [(True, each) for each in meta.unique_together]
    groups += [
        (False, tuple(each.fields if isinstance(each, Index) else each)) for each in meta.indexes
    ]
    for name in meta.fields_db_projection:
        each = meta.fields_map[name]
        if not each.pk and (each.unique or each.index):
            groups.append((each.unique, (name,)))
    return {(is_unique, tuple(columns[name] for name in names)) for is_unique, names in groups}


async def test_every_index_of_the_models_exists(db: str) -> None:
    existing = await _indexes()
    for model in Tortoise.apps["models"].values():
        table = model._meta.db_table
        for is_unique, columns in _declared_indexes(model):
            found = {(table, True, columns), (table, is_unique, columns)}
            assert found & existing, (table, is_unique, columns)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def upgraded_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a migrated database, in which rows were stored between earlier migrations."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite://{tmp_path_factory.mktemp('upgraded')}/camcha.sqlite3"
        else:
            url = stack.enter_context(postgres_copy(request, "template1"))
        for migration, store in STORED_AFTER.items():
            asyncio.run(migrate_database(url, migration))
            asyncio.run(_store(url, store))
        asyncio.run(migrate_database(url))
        yield url


async def _store(url: str, store: Callable[[], Awaitable[None]]) -> None:
    await connect(url)
    await store()
    await disconnect()


@pytest.fixture
async def upgraded(upgraded_url: str) -> AsyncIterator[str]:
    """The migrated database, with the models connected to it."""
    await connect(upgraded_url)
    yield upgraded_url
    await disconnect()


async def store_people() -> None:
    for table, columns, values in (
        ('"user"', "name, email, locale, password_hash", "'Élodie', 'e@x.example', 'fr', '-'"),
        (
            "account",
            "legal_name, siren, street, postal_code, city, country",
            "'L''Épi', '404833048', '', '', '', 'FR'",
        ),
    ):
        await execute(
            f"INSERT INTO {table} (id, {columns}, created_at)"  # noqa: S608
            f" VALUES (11, {values}, '2026-11-01 00:00:00+00:00')"
        )


@pytest.mark.usefixtures("upgraded")
async def test_existing_people_can_be_searched_after_the_migration() -> None:
    search_texts = [
        row["search_text"]
        for table in ('"user"', "account")
        for row in await execute(f"SELECT search_text FROM {table} WHERE id = 11")  # noqa: S608
    ]
    assert search_texts == ["elodie e x example exexample", "l epi 404833048 lepi"]


async def store_waiting_email() -> None:
    """Store an email in the table, and with the template name, of an earlier version."""
    await execute(
        "INSERT INTO letter (id, template, recipient, subject, text, html, attempts, created_at, "
        "next_attempt_at) VALUES (15, 'email_change_asked.fr', 'e@x.example', '-', 'cam_ec_1', "
        "'-', 0, '2026-11-01 00:00:00+00:00', '2026-11-01 00:00:00+00:00')"
    )


@pytest.mark.usefixtures("upgraded")
async def test_waiting_emails_stay_confidential_after_the_migration() -> None:
    email = await Email.get(pk=15)
    await email.mark_sent(email.created_at)
    sent = await Email.get(pk=15)
    assert (sent.template, sent.text) == ("email_change_requested.fr", "")


async def store_legal_requests() -> None:
    at = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)  # already 1 February in Paris
    await execute(
        'INSERT INTO "user" (id, name, email, locale, password_hash, created_at)'
        " VALUES (19, 'É', 'd@x.example', 'fr', '-', ?)",
        at,
    )
    await execute(
        "INSERT INTO account (id, legal_name, siren, street, postal_code, city, country,"
        " created_at) VALUES (19, 'É', '404833048', '', '', '', 'FR', ?)",
        at,
    )
    for key, category, kind in (
        (191, "ACCOUNT", "ACCOUNT_DELETION"),
        (192, "SECURITY", "GENERAL"),
        (193, "USAGE", "GENERAL"),
    ):
        await execute(
            "INSERT INTO ticket (id, account_id, requester_id, subject, channel, category, kind,"
            " status, created_at, updated_at, opened_on)"
            " VALUES (?, 19, 19, 'É', 'WEB', ?, ?, 'CLOSED', ?, ?, '2026-02-01')",
            *(key, category, kind, at, at),
        )


@pytest.mark.usefixtures("upgraded")
async def test_existing_legal_requests_get_their_deadline() -> None:
    tickets = await Ticket.filter(account_id=19).order_by("id")
    assert [ticket.deadline_at for ticket in tickets] == [
        datetime(2026, 2, 28, 23, tzinfo=UTC),
        datetime(2026, 2, 3, 23, 30, tzinfo=UTC),
        None,
    ]


async def store_chat() -> None:
    at = "'2026-11-20 09:00:00+00:00'"
    for statement in (
        """INSERT INTO "user" (id, name, email, locale, password_hash, created_at) VALUES
            (201, 'Paul', 'paul@x.example', 'fr', '-', {at}),
            (202, 'Alice', 'alice@x.example', 'fr', '-', {at})""",
        """INSERT INTO account (id, legal_name, siren, street, postal_code, city, country,
            created_at) VALUES (20, 'Paul SARL', '404833048', '', '', '', 'FR', {at})""",
        """INSERT INTO membership (user_id, account_id, role, created_at)
            VALUES (201, 20, 'OWNER', {at})""",
        """INSERT INTO ticket (id, account_id, requester_id, assignee_id, subject, channel,
            category, status, created_at, opened_on, updated_at)
            VALUES (20, 20, 201, 202, 'Aide', 'CHAT', 'USAGE', 'OPEN', {at}, '2026-11-20', {at})""",
        "INSERT INTO stream (key, last_sequence) VALUES ('ticket:20', 7)",
    ):
        await execute(statement.format(at=at))


@pytest.mark.usefixtures("upgraded")
async def test_messages_from_before_the_migration_count_as_read() -> None:
    positions = TicketPosition.filter(ticket_id=20).order_by("user_id")
    assert await positions.values_list("user_id", "read_sequence") == [(201, 7), (202, 7)]


async def store_companies() -> None:
    for key, vat_key in ((301, "'83'"), (302, "NULL")):
        await execute(
            "INSERT INTO account (id, legal_name, siren, vat_key, street, postal_code, city, "  # noqa: S608 - constants
            f"country, created_at) VALUES ({key}, 'X', '404833048', {vat_key}, '', '', '', 'FR', "
            "'2026-11-01 00:00:00+00:00')"
        )


@pytest.mark.usefixtures("upgraded")
async def test_only_entered_vat_numbers_are_kept_by_the_migration() -> None:
    """They are pending, and the VAT rules exist for the next purchase."""
    companies = Account.filter(pk__in=(301, 302)).order_by("id")
    numbers = await companies.values_list("siren", "vat_number")
    assert numbers == [("404833048", "FR83404833048"), ("404833048", None)]
    checks = await VatCheck.all().values_list("account_id", "vat_number", "status")
    assert checks == [(301, "FR83404833048", VatNumberStatus.PENDING)]
    assert rule_values(await TaxRule.all()) == rule_values(read_rules())


def rule_values(rules: list[TaxRule]) -> set[tuple[Any, ...]]:
    names = ("territory", "category", "valid_since", "rate", "treatment", "exemption_code")
    return {(*(getattr(rule, name) for name in names), rule.mention) for rule in rules}


async def store_purchases() -> None:
    for table, values in PURCHASED.items():
        for row in values:
            names, places = ", ".join(row), ", ".join("?" * len(row))
            await execute(f'INSERT INTO "{table}" ({names}) VALUES ({places})', *row.values())  # noqa: S608 - our own names


# What the tests above and below find after all migrations, by the migration after which it was
# stored, in the order of the migrations.
STORED_AFTER: dict[str, Callable[[], Awaitable[None]]] = {
    "0011_letters_given_up": store_people,
    "0015_abandoned_files": store_waiting_email,
    "0019_latest_time": store_legal_requests,
    "0020_legal_deadlines": store_chat,
    "0027_plain_names": store_purchases,
    "0030_bank_lines": store_companies,
}


async def test_existing_invoices_get_what_later_ones_are_issued_with(upgraded_url: str) -> None:
    """Up, down and up again, the amounts and the confirmed addresses are the same. The last test of
    this database: other tests don't expect a reverted database.
    """
    await connect(upgraded_url)
    await _verify_migrated_invoices()
    await disconnect()
    await migrate_database(upgraded_url, "0027_plain_names", "backward")
    await connect(upgraded_url)
    former = await execute(
        "SELECT invoice.payment_id, invoice.offer_id, invoice.period_index, invoice.sha256, "
        "purchase.street, purchase.city, purchase.order_number, email.invoice_id "
        "FROM invoice JOIN purchase ON purchase.id = purchase_id JOIN email ON email.id = 1 "
        "ORDER BY invoice.id"
    )
    await disconnect()
    billing = ("2 rue Y", "Lyon", "PO 1")
    assert [tuple(row.values()) for row in former] == [
        (1, 1, 0, "a" * 64, *billing, 1),
        (2, 1, 1, "b" * 64, *billing, 1),
    ]
    await migrate_database(upgraded_url)
    await connect(upgraded_url)
    await _verify_migrated_invoices()
    await disconnect()


async def _verify_migrated_invoices() -> None:
    purchase, draft = await Purchase.all().select_related("billing_profile").order_by("id")
    # The periods that began before the upgrade are never billed.
    assert purchase.anchor is not None
    following = period(purchase.anchor, 1, purchase.next_period_index or 0)
    assert purchase.bills_on == following.start >= local_date(datetime.now(UTC))
    assert following.index >= 2
    former = period(purchase.anchor, 1, following.index - 1)
    assert following.index == 2 or former.start < local_date(datetime.now(UTC))
    profile = purchase.billing_profile
    assert profile is not None
    assert (profile.street, profile.billing_street) == ("1 rue X", "2 rue Y")
    assert (draft.billing_profile_id, draft.next_period_index) == (None, None)
    invoices = await Invoice.all().select_related("billing_profile").order_by("id")
    assert [each.billing_profile.legal_name for each in invoices] == ["Ancien nom", "Paul SARL"]
    assert [(each.type, each.locale) for each in invoices] == [(380, "en"), (380, "en")]
    line = await InvoiceLine.get(invoice_id=1)
    assert (line.unit, line.starts_on, line.ends_on) == (
        "MON",
        date(2026, 9, 30),
        date(2026, 10, 30),
    )
    assert (await InvoiceDocument.get(invoice_id=2)).sha256 == "b" * 64
    counters = {each.series: each.last_position for each in await Counter.all()}
    assert counters == {"FA": 2, "VE": 2, "BQ": 2}
    assert (await Counter.get(series="FA")).last_issued_at == invoices[1].issued_at
    assert {each.state for each in await Receivable.all()} == {InvoiceState.PAID}
    balances = await execute(
        "SELECT code, SUM(debit_cents - credit_cents) AS cents FROM ledger_line GROUP BY code "
        "ORDER BY code"
    )
    assert [(row["code"], int(row["cents"])) for row in balances] == [
        ("411000", 0),
        ("445710", -1160),
        ("512000", 6960),
        ("706000", -5800),
    ]
    for table in ("invoice", "invoice_line", "invoice_document", "ledger_entry", "ledger_line"):
        with pytest.raises(
            (sqlite3.IntegrityError, IntegrityError, asyncpg.RaiseError), match="append-only"
        ):
            await execute(f"DELETE FROM {table}")  # noqa: S608 - our own names


AT, LATER = datetime(2026, 9, 30, 9, tzinfo=UTC), datetime(2026, 10, 30, 9, tzinfo=UTC)
PURCHASED: dict[str, list[dict[str, Any]]] = {
    "user": [
        {
            "id": 1,
            "name": "Paul",
            "email": "p@x.example",
            "locale": "en",
            "password_hash": "-",
            "created_at": AT,
        }
    ],
    "account": [
        {
            "id": 1,
            "legal_name": "Paul SARL",
            "siren": "404833048",
            "street": "1 rue X",
            "postal_code": "75001",
            "city": "Paris",
            "country": "FR",
            "status": "ACTIVE",
            "created_at": AT,
        }
    ],
    "offer": [{"id": 1, "slug": "o", "segment": "TPE", "position": 1, "texts": "{}"}],
    "price": [
        {
            "id": 1,
            "offer_id": 1,
            "interval": "MONTH",
            "net_cents": 2900,
            "vat_rate": 2000,
            "valid_from": AT,
        }
    ],
    "purchase": [
        {
            "id": key,
            "account_id": 1,
            "buyer_id": 1,
            "price_id": 1,
            "status": status,
            "street": "2 rue Y",
            "postal_code": "69001",
            "city": "Lyon",
            "country": "FR",
            "order_number": "PO 1",
            "anchor": date(2026, 9, 30) if status == "ACTIVE" else None,
            "created_at": AT,
        }
        for key, status in ((1, "ACTIVE"), (2, "DRAFT"))
    ],
    "payment": [
        {
            "id": key,
            "account_id": 1,
            "purchase_id": 1,
            "status": "SUCCEEDED",
            "amount_cents": 3480,
            "method": "m",
            "provider_reference": f"r{key}",
            "created_at": at,
        }
        for key, at in ((1, AT), (2, LATER))
    ],
    "invoice": [
        {
            "id": key,
            "series": "FA",
            "position": key,
            "number": f"FA-2026-00000{key}",
            "account_id": 1,
            "purchase_id": 1,
            "payment_id": key,
            "offer_id": 1,
            "period_index": key - 1,
            "issued_at": at,
            "issued_on": at.date(),
            "due_on": at.date(),
            "net_cents": 2900,
            "vat_cents": 580,
            "gross_cents": 3480,
            "facts": orjson.dumps(
                {
                    "buyer": {"name": name, "siren": "404833048"},
                    "lines": [
                        {"unit": "MON", "period_start": "2026-09-30", "period_end": "2026-10-29"}
                    ],
                }
            ).decode(),
            "sha256": letter * 64,
        }
        for key, at, name, letter in ((1, AT, "Ancien nom", "a"), (2, LATER, "Paul SARL", "b"))
    ],
    "invoice_line": [
        {
            "id": key,
            "invoice_id": key,
            "position": 1,
            "label": "O",
            "quantity": 1,
            "unit_net_cents": 2900,
            "net_cents": 2900,
            "vat_rate": 2000,
        }
        for key in (1, 2)
    ],
    "invoice_document": [{"invoice_id": key, "pdf": b"%PDF"} for key in (1, 2)],
    "email": [
        {
            "id": 1,
            "template": "invoice_issued.en",
            "recipient": "p@x.example",
            "subject": "-",
            "text": "-",
            "html": "-",
            "invoice_id": 1,
            "attempts": 0,
            "priority": 0,
            "created_at": AT,
        }
    ],
    "counter": [{"series": "FA", "last_position": 2}],
}


@pytest.mark.usefixtures("db")
async def test_a_migrated_database_has_no_pending_migrations() -> None:
    assert await pending_migrations() == []


async def test_all_migrations_of_an_empty_database_are_pending_in_their_order(
    empty_url: str,
) -> None:
    await connect(empty_url)
    executor = Executor(get_connection("default"), tortoise_config(empty_url)["apps"])
    steps = [step.migration.name for step in await executor.plan()]
    assert await pending_migrations() == steps
    await disconnect()


async def test_migrating_again_changes_nothing(db: str, action: Action) -> None:
    async with action.transaction() as tx:
        await tx.append(ticket_stream(1), EventKind.STATUS_CHANGED)
    await disconnect()
    await migrate_database(db)
    await connect(db)
    assert await Stream.all().count() == 1


class Detector(MigrationAutodetector):
    """Applies all migrations like `migrate`: Tortoise's own takes twenty times as long."""

    async def _project_state(self) -> State:
        executor = Executor(get_connection("default"), self.apps_config)
        executor.loader = self.loader
        return await executor._project_state({*self._full_plan()})


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # no statement is executed
async def test_migrations_create_everything_in_the_models(db: str) -> None:
    apps: Any = Tortoise.apps
    writers = await Detector(apps, tortoise_config(db)["apps"]).changes()
    operations = [operation for writer in writers for operation in writer.operations]
    # Tortoise sees different options where a foreign key is the primary key (the invoice's PDF); no
    # table depends on them.
    assert [each for each in operations if not isinstance(each, AlterModelOptions)] == []


async def test_migrations_create_every_index_of_the_models(db: str) -> None:
    """Tortoise's AddField adds a column without its index."""
    created_indexes = {
        re.sub(r"[\" ]|public\.|USING btree", "", each) for each in schema(db) if "(" in each
    }
    declared_indexes = {
        f"{model._meta.db_table}({column})"
        for model in Tortoise.apps["models"].values()
        for name, column in model._meta.fields_db_projection.items()
        if model._meta.fields_map[name].index and not model._meta.fields_map[name].unique
    }
    assert "ticket(deadline_at)" in declared_indexes
    assert declared_indexes <= created_indexes


async def _default_expressions() -> dict[tuple[str, str], str]:
    """The default of each column that has one, as the database writes it."""
    if get_connection("default").capabilities.dialect == "postgres":
        rows = await execute(
            "SELECT table_name AS t, column_name AS c, column_default AS d"
            " FROM information_schema.columns WHERE table_schema = 'public'"
            " AND column_default IS NOT NULL AND column_default NOT LIKE 'nextval(%'"
        )
    else:
        rows = await execute(
            "SELECT m.name AS t, i.name AS c, i.dflt_value AS d FROM sqlite_master m"
            " JOIN pragma_table_info(m.name) i WHERE m.type = 'table' AND i.dflt_value IS NOT NULL"
        )
    return {(row["t"], row["c"]): row["d"] for row in rows}


async def test_columns_have_the_defaults_of_the_models(db: str) -> None:
    """A column's `db_default` is what the database stores in it when no value is given."""
    found, declared = await _default_expressions(), {}
    for model in Tortoise.apps["models"].values():
        for name, column in model._meta.fields_db_projection.items():
            field = model._meta.fields_map[name]
            if field.has_db_default():
                default = field.to_db_value(field.db_default, model)
                declared[model._meta.db_table, column] = str(getattr(default, "value", default))
    assert ("ticket", "priority") in declared
    values = {
        key: {"true": "True", "false": "False"}.get(value, value)
        for key, text in found.items()
        if key in declared
        for value in [re.sub(r"^'(.*)'$", r"\1", text.partition("::")[0])]
    }
    booleans = {"1": "True", "0": "False"}
    is_boolean = {key for key, value in declared.items() if value in ("True", "False")}
    values = {
        key: booleans.get(value, value) if key in is_boolean else value
        for key, value in values.items()
    }
    assert values == declared
    tables = {model._meta.db_table for model in Tortoise.apps["models"].values()}
    assert {key for key in found if key[0] in tables} <= declared.keys()


def test_migrations_are_in_a_linear_order() -> None:
    """Two migrations that depend on the same one would be applied in an arbitrary order."""
    names = sorted(path.stem for path in (ROOT / "migrations").glob("0*.py"))
    for previous, name in pairwise(names):
        assert f"dependencies = [('models', '{previous}')]" in (
            ROOT / "migrations" / f"{name}.py"
        ).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "target", [FORMER_RELEASE, pytest.param("__first__", marks=pytest.mark.long)]
)
async def test_migrations_can_be_reverted_and_applied_again(database_url: str, target: str) -> None:
    """Each step down leaves the same columns and indexes as there were on the way up. Older
    migrations don't change any more, so `bin/check` reverts those of this release only.
    """
    assert {"account", "ticket", "invoice", "stream"} <= await table_names(database_url)
    full_schema = schema(database_url)
    names = migration_names()
    first_of_release = names[names.index(FORMER_RELEASE) + 1]
    if target == FORMER_RELEASE:
        names = names[names.index(first_of_release) :]
    schemas_downwards = await schema_after_each_migration(database_url, target)
    schemas_upwards = await schema_after_each_migration(database_url, "__latest__")
    assert ([*schemas_downwards], [*schemas_upwards]) == (names[::-1], names)
    if target == "__first__":
        assert schemas_downwards[names[0]] == set()
    for previous, name in pairwise(names):
        assert schemas_downwards[name] == schemas_upwards[previous], name
    assert schemas_upwards[names[-1]] == full_schema
    await verify_statements_of(schemas_downwards[first_of_release], database_url)


async def verify_statements_of(former_schema: set[str], url: str) -> None:
    """While the processes of an upgrade are restarted one by one, those of the former release read
    and write the columns that they know, in the new schema.
    """
    columns: dict[str, list[str]] = {}
    for text in former_schema:
        if "(" not in text:  # an index
            table, column = text.split(".")
            columns.setdefault(table, []).append(f'"{column}"')
    await connect(url)
    try:
        for table, names in columns.items():
            listed = ", ".join(names)
            values = ", ".join(f"{name} = {name}" for name in names)
            for statement in (
                f'INSERT INTO "{table}" ({listed}) SELECT {listed} FROM "{table}" WHERE FALSE',  # noqa: S608
                f'UPDATE "{table}" SET {values} WHERE FALSE',  # noqa: S608 - our own names
            ):
                await execute(statement)
        required = {
            text
            for text in await _columns_without_default()
            if text not in former_schema and text.split(".")[0] in columns
        }
        assert required == set(), "new columns need a default or null, until the next release"
    finally:
        await disconnect()


async def _columns_without_default() -> set[str]:
    """The columns that every INSERT has to name."""
    if dialect() == "postgres":
        query = (
            "SELECT table_name || '.' || column_name AS c FROM information_schema.columns "
            "WHERE table_schema = 'public' AND is_nullable = 'NO' AND column_default IS NULL"
        )
    else:
        query = (
            "SELECT m.name || '.' || i.name AS c FROM sqlite_master m "
            "JOIN pragma_table_info(m.name) i "
            "WHERE m.type = 'table' AND i.\"notnull\" = 1 AND i.dflt_value IS NULL AND i.pk = 0"
        )
    return {row["c"] for row in await execute(query)}


async def schema_after_each_migration(url: str, target: str) -> dict[str, set[str]]:
    """The schema after each migration up or down to `target`, all in one run: each run begins by
    building the models of every migration.
    """
    schemas: dict[str, set[str]] = {}

    def record_schema(event: str, _: str, name: str) -> None:
        if event in ("apply_done", "rollback_done"):
            schemas[name] = schema(url)

    direction = "forward" if target == "__latest__" else "backward"
    gc.disable()  # it would take as long as the migrations, which therefore run without it
    try:
        await migrate(tortoise_config(url), target, direction, record_schema)
    finally:
        gc.enable()
        await disconnect()
    return schemas


def schema(url: str) -> set[str]:
    """Every column, and every index by what it covers."""
    if path := sqlite_path(url):
        with closing(sqlite3.connect(path)) as connection:
            return {
                text for (text,) in connection.execute(SQLITE_SCHEMA) if "migration" not in text
            }
    with ThreadPoolExecutor(1) as thread:  # this one's loop is about to apply the next migration
        return thread.submit(asyncio.run, _postgres_schema(url)).result()


SQLITE_SCHEMA = """
    SELECT m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c
    WHERE m.type = 'table'
    AND m.name NOT LIKE 'sqlite_%'
    UNION ALL
    SELECT tbl_name || substr(sql, instr(sql, '(')) FROM sqlite_master WHERE type = 'index'
    AND sql NOT NULL"""
POSTGRES_SCHEMA = """
    SELECT table_name || '.' || column_name FROM information_schema.columns
    WHERE table_schema = 'public'
    UNION ALL
    SELECT regexp_replace(indexdef, '^.* ON ', '') FROM pg_indexes WHERE schemaname = 'public'"""


async def _postgres_schema(url: str) -> set[str]:
    connection = await asyncpg.connect(driver_url(url))
    try:
        return {
            text for (text,) in await connection.fetch(POSTGRES_SCHEMA) if "migration" not in text
        }
    finally:
        await connection.close()
