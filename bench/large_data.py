"""The data of a large vendor, for `bin/bench lists`: `rows` tickets, invoices, payments and audit
entries, twice as many messages, and five times as many events, over three years.

PostgreSQL makes most rows itself (`generate_series`), without indexes and checks of foreign keys.
The data is consistent: numbers have no gaps, the last sequence of each stream is that of its last
event, totals are the sums of their lines, the ledger balances, and the audit log is a chain of
hashes, so that the proofs run through. Texts are made of a vocabulary whose words are as unequally
frequent as those of a language.

Audit entries, events and emails are as recent as the retention plan keeps them: otherwise the
server would begin by deleting most of them.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from stdnum.luhn import calc_check_digit

from auth.sessions import token_hash
from bench.data import END_OF_SESSIONS
from models.accounts.account import Account, Organization
from models.audit import GENESIS_HASH, HASHED_COLUMNS, encode_details, entry_hash
from models.identity.user import person_search_text
from models.support.audit_actions import SupportAuditAction
from models.support.search_entry import indexed_stems

DAYS = 1_095  # three years
RETAINED_DAYS = 350  # of audit entries, events and emails
AGENTS = 40
PERIODS = 36  # invoices of each purchase
TEXTS = 5_000
WORDS = """
facture paiement abonnement compte bonjour problème merci erreur question connexion société
adresse mot passe changement prix offre remboursement virement carte banque échéance relance
délai résiliation avoir TVA devis contrat client support application écran bouton message
fichier export import synchronisation lenteur panne mise jour version téléphone tablette
navigateur impression étiquette stock commande livraison fournisseur caisse ticket salarié
absence planning congé paie déclaration bilan écriture journal rapprochement comptable expert
signature certificat archive sauvegarde accès droit rôle invitation courriel notification
doublon suppression historique recherche filtre tableau graphique exercice clôture report
""".split()  # noqa: SIM905 - easier to read


@dataclass(frozen=True)
class LargeSizes:
    """The numbers of rows."""

    rows: int = 1_000_000

    @property
    def accounts(self) -> int:
        return max(20, self.rows // 50)

    @property
    def purchases(self) -> int:
        return max(1, self.rows // PERIODS)

    @property
    def invoices(self) -> int:
        return self.purchases * PERIODS

    @property
    def first_agent(self) -> int:
        """The key of the first agent, after those of the companies' owners."""
        return self.accounts + 1


VIEWERS = ("AGENT", "SUPERVISOR", "OPERATOR", "ANALYST", "OWNER")


def token_of(viewer: str) -> str:
    """The access token of a kind of viewer. It is only valid in a database for benchmarks."""
    return f"cam_at_large-data-of-benchmarks-{viewer.lower()}-0123456789"


async def fill_large(url: str, sizes: LargeSizes, now: datetime) -> None:
    """Fill an empty, migrated database."""
    connection = await asyncpg.connect(url)
    try:
        for setting in (
            "session_replication_role = replica",  # no foreign keys
            "synchronous_commit = off",
            "maintenance_work_mem = '512MB'",
            "work_mem = '256MB'",
            "timezone = 'UTC'",
        ):
            await connection.execute(f"SET {setting}")
        await _create_texts(connection)
        indexes = await _drop_indexes(connection)
        values = _values(sizes, now)
        await _copy_people(connection, sizes, now)
        for statement in _STATEMENTS:
            await connection.execute(statement.format(**values))
        await _copy_audit_entries(connection, sizes, now)
        await _insert_sessions(connection, sizes, now)
        for definition in indexes:
            await connection.execute(definition)
        await _set_sequences(connection)
        await connection.execute("DROP TABLE bench_text")
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


def _values(sizes: LargeSizes, now: datetime) -> dict[str, Any]:
    return {
        "n": sizes.rows,
        "accounts": sizes.accounts,
        "purchases": sizes.purchases,
        "invoices": sizes.invoices,
        "agent": sizes.first_agent,
        "agents": AGENTS,
        "texts": TEXTS,
        "periods": PERIODS,
        "start": f"timestamptz '{now - timedelta(days=DAYS):%Y-%m-%d %H:%M}'",
        "span": f"interval '{DAYS} days'",
        "recent": f"timestamptz '{now - timedelta(days=RETAINED_DAYS):%Y-%m-%d %H:%M}'",
        "recent_span": f"interval '{RETAINED_DAYS} days'",
    }


async def _create_texts(connection: asyncpg.Connection) -> None:
    """A table of subjects and messages with their stems."""
    choices = random.Random(15)
    weights = [1 / rank for rank in range(1, len(WORDS) + 1)]
    texts = [" ".join(choices.choices(WORDS, weights, k=12)).capitalize() for _ in range(TEXTS)]
    await connection.execute(
        "CREATE TABLE bench_text (id int, subject text, body text, stems text, subject_stems text)"
    )
    await connection.copy_records_to_table(
        "bench_text",
        records=[
            (
                number,
                " ".join(text.split()[:5]),
                text,
                indexed_stems(text),
                indexed_stems(" ".join(text.split()[:5])),
            )
            for number, text in enumerate(texts)
        ],
    )
    await connection.execute("CREATE INDEX ON bench_text (id)")


async def _drop_indexes(connection: asyncpg.Connection) -> list[str]:
    """Drop the indexes of all tables except those of constraints. Returns their definitions."""
    rows = await connection.fetch(
        "SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition"
        " FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> 'bench_text'"
        " AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)"
    )
    for row in rows:
        await connection.execute(f"DROP INDEX {row['name']}")
    return [row["definition"] for row in rows]


async def _copy_people(connection: asyncpg.Connection, sizes: LargeSizes, now: datetime) -> None:
    """The companies with an owner each, and the staff."""
    start = now - timedelta(days=DAYS)
    staff = [*["AGENT"] * AGENTS, "SUPERVISOR", "OPERATOR", "ANALYST"]
    users: list[tuple[int, str, str, str | None]] = [
        (n, f"Client {n}", f"client{n}@pme{n % 97}.example", None) for n in _keys(sizes.accounts)
    ]
    users += [
        (sizes.first_agent + n, f"{role.title()} {n}", f"staff{n}@vendor.example", role)
        for n, role in enumerate(staff)
    ]
    await connection.copy_records_to_table(
        "user",
        columns=[
            *("id", "name", "email", "staff", "locale", "password_hash", "email_verified_at"),
            *("second_factor_at", "created_at", "search_text"),
        ],
        records=[
            (
                *user,
                "fr",
                "!",
                start,
                start if user[3] else None,
                start,
                person_search_text(user[1], user[2]),
            )
            for user in users
        ],
    )
    accounts = [
        Account(
            id=n,
            legal_name=f"{WORDS[n % len(WORDS)].title()} et fils {n} SARL",
            organization=Organization.COMPANY,
            siren=_siren(n),
            street=f"{n} rue de la Paix",
            postal_code="75002",
            city="Paris",
            country=("FR", "FR", "FR", "BE", "RE")[n % 5],
            created_at=start + timedelta(days=n % DAYS),
        )
        for n in _keys(sizes.accounts)
    ]
    columns = [
        "id",
        "legal_name",
        "organization",
        "siren",
        "street",
        "postal_code",
        "city",
        "country",
        "created_at",
    ]
    await connection.copy_records_to_table(
        "account",
        columns=[*columns, "status", "search_text"],
        records=[
            (*(getattr(each, name) for name in columns), "ACTIVE", each.build_search_text())
            for each in accounts
        ],
    )


def _keys(maximum: int) -> range:
    return range(1, maximum + 1)


def _siren(n: int) -> str:
    digits = f"{40_000_000 + n}"
    return digits + str(calc_check_digit(digits))


async def _copy_audit_entries(
    connection: asyncpg.Connection, sizes: LargeSizes, now: datetime
) -> None:
    start, step = now - timedelta(days=RETAINED_DAYS), timedelta(days=RETAINED_DAYS) / sizes.rows
    first = await connection.fetchrow("SELECT last_sequence, last_hash FROM audit_chain")
    end: list[Any] = list(first)

    def entries() -> Iterator[Sequence[Any]]:
        for n in range(1, sizes.rows + 1):
            staff = n % 3 == 0
            values = {
                "at": (start + n * step).astimezone(UTC),
                "actor_id": sizes.first_agent + n % AGENTS if staff else 1 + n % sizes.accounts,
                "staff": "AGENT" if staff else None,
                "account_id": 1 + n % sizes.accounts,
                "session_id": 1 + n % 1_000,
                "action": SupportAuditAction.TICKET_MOVE.value,
                "object_type": "Ticket",
                "object_id": n,
                "address": f"192.0.2.{n % 250}",
                "details": encode_details({"before": "OPEN", "status": "CLOSED"}),
            }
            row = [values[column] for column in HASHED_COLUMNS]
            sequence, previous = end[0] + 1, end[1]
            end[:] = sequence, entry_hash(sequence, row, previous)
            yield [sequence, *row, previous, end[1]]

    columns = ["id", *HASHED_COLUMNS, "previous_hash", "hash"]
    for batch in _batches(entries(), 50_000):
        await connection.copy_records_to_table("audit_entry", columns=columns, records=batch)
    await connection.execute(
        "UPDATE audit_chain SET last_sequence = $1, last_hash = $2", end[0], end[1]
    )
    assert end[1] != GENESIS_HASH  # noqa: S101


def _batches(rows: Iterator[Sequence[Any]], size: int) -> Iterator[list[Sequence[Any]]]:
    while batch := list(itertools.islice(rows, size)):
        yield batch


async def _insert_sessions(
    connection: asyncpg.Connection, sizes: LargeSizes, now: datetime
) -> None:
    people = {
        "AGENT": sizes.first_agent,
        "SUPERVISOR": sizes.first_agent + AGENTS,
        "OPERATOR": sizes.first_agent + AGENTS + 1,
        "ANALYST": sizes.first_agent + AGENTS + 2,
        "OWNER": 7,
    }
    for viewer in VIEWERS:
        await connection.execute(
            "INSERT INTO session (user_id, account_id, access_hash, access_expires_at, expires_at,"
            " created_at, last_used_at, second_factor) VALUES ($1, $2, $3, $4, $4, $5, $5, true)",
            people[viewer],
            7 if viewer == "OWNER" else None,
            token_hash(token_of(viewer)),
            END_OF_SESSIONS,
            now,
        )


async def _set_sequences(connection: asyncpg.Connection) -> None:
    for row in await connection.fetch(
        "SELECT table_name, pg_get_serial_sequence('\"' || table_name || '\"', 'id') AS sequence"
        " FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'id'"
    ):
        if row["sequence"]:
            await connection.execute(
                f'SELECT setval($1, GREATEST((SELECT MAX(id) FROM "{row["table_name"]}"), 1))',  # noqa: S608 - a table
                row["sequence"],
            )


# The time and the company of ticket n. One in a hundred is of company 7, a large one.
_AT = "({start} + {span} * (n / {n}.0))"
_COMPANY = "(CASE WHEN n % 100 = 0 THEN 7 ELSE 1 + (n * 7919) % {accounts} END)"
_ANSWERED = f"({_AT} + interval '1 minute' * (1 + n % 600))"
_BOOKED = "({start} + {span} * (n * 5.0 / {n}))"  # of a fifth of the rows
_RECENT = "({recent} + {recent_span} * (n / {n}.0))"
_TICKETS = "FROM generate_series(1::bigint, {n}) AS n"
_IS_OPEN = "n > {n} * 0.98 AND n % 3 > 0"  # of the last weeks
# The text of message k of ticket n; 0 is the subject.
_TEXT = "bench_text t ON t.id = (n * 31 + {k} * 97) % {texts}"
_ISSUED = (
    "({start} + interval '30 days' * ((n - 1) / {purchases})"
    " + interval '1 minute' * ((n - 1) % {purchases}))"
)
_DAY = f"(({_ISSUED}) AT TIME ZONE 'Europe/Paris')::date"
_PURCHASE = "(1 + (n - 1) % {purchases})"
_BUYER = (
    "(CASE WHEN n % {purchases} < {purchases} / 100 THEN 7"
    " ELSE 1 + ((n - 1) % {purchases}) % {accounts} END)"
)
_PRICE = "(1 + (n - 1) % {purchases} % 40)"
_NET = "(1900 + 100 * ((n - 1) % {purchases} % 40))"
_GROSS = f"({_NET} + ROUND({_NET} * 0.2))::bigint"
_NUMBER = (
    f"'FA-' || extract(year FROM {_DAY}) || '-' || lpad(n::text, GREATEST(6, length(n::text)), '0')"
)
_INVOICES = "FROM generate_series(1::bigint, {invoices}) AS n"
_UNPAID = "n > {invoices} * 0.99 AND n % 5 = 0"

_STATEMENTS = (
    """INSERT INTO membership (id, user_id, account_id, role, created_at)
        SELECT n, n, n, 'OWNER', {start} FROM generate_series(1, {accounts}) AS n""",
    """INSERT INTO billing_profile (id, account_id, version, territory, legal_name, siren, street,
            postal_code, city, country, created_at)
        SELECT id, id, 1, 'METROPOLITAN_FRANCE', legal_name, siren, street, postal_code, city,
            country, created_at FROM account""",
    """INSERT INTO offer (id, slug, segment, position, status, texts)
        SELECT n, 'offre-' || n, CASE n % 2 WHEN 0 THEN 'TPE' ELSE 'PME' END, n, 'ON_SALE',
            jsonb_build_object('fr', t, 'en', t)
        FROM generate_series(1, 20) AS n, LATERAL (SELECT jsonb_build_object('name', 'Offre ' || n,
            'description', 'Une offre', 'features', '[]'::jsonb, 'advantages', '[]'::jsonb))
            AS x(t)""",
    """INSERT INTO price (id, offer_id, interval, net_cents, vat_rate, currency, tax_category,
            trial_days, trial_requires_payment_method, is_public, valid_from)
        SELECT n, (n + 1) / 2, 'MONTH', 1900 + 100 * (n - 1), 2000, 'EUR', 'STANDARD', 0, true,
            true,
            {start} FROM generate_series(1, 40) AS n""",
    f"""INSERT INTO purchase (id, account_id, buyer_id, price_id, billing_profile_id, quantity,
            cancel_at_period_end, status, anchor, base_index, base_months, next_period_index,
            bills_on, created_at, activated_at)
        SELECT n, {_BUYER}, {_BUYER}, {_PRICE}, {_BUYER}, 1, false, 'ACTIVE', {_DAY}, 0, 0,
            {{periods}}, CURRENT_DATE + 30, {_ISSUED}, {_ISSUED}
        FROM generate_series(1::bigint, {{purchases}}) AS n""",  # noqa: S608 - our own names
    f"""INSERT INTO invoice (id, type, series, position, number, account_id, billing_profile_id,
            purchase_id, issued_at, issued_on, due_on, net_cents, vat_cents, gross_cents, currency,
            treatment, locale, facts)
        SELECT n, 380, 'FA', n, {_NUMBER}, {_BUYER}, {_BUYER}, {_PURCHASE}, {_ISSUED}, {_DAY},
            {_DAY}, {_NET}, {_GROSS} - {_NET}, {_GROSS}, 'EUR', 'standard', 'fr', '{{{{}}}}'
        {_INVOICES}""",
    f"""INSERT INTO invoice_line (id, invoice_id, position, quantity, label, unit, unit_net_cents,
            net_cents, vat_rate, tax_category, treatment, starts_on, ends_on)
        SELECT n, n, 1, 1, 'Abonnement', 'C62', {_NET}, {_NET}, 2000, 'STANDARD', 'standard',
            {_DAY}, {_DAY} + 30 {_INVOICES}""",
    f"""INSERT INTO invoice_document (invoice_id, pdf, sha256, created_at)
        SELECT n, convert_to('%PDF-' || n, 'UTF8'),
            encode(sha256(convert_to('%PDF-' || n, 'UTF8')), 'hex'), {_ISSUED} {_INVOICES}""",
    f"""INSERT INTO billing_period (id, purchase_id, index, starts_on, ends_on, invoice_id,
            created_at)
        SELECT n, {_PURCHASE}, (n - 1) / {{purchases}}, {_DAY}, {_DAY} + 30, n, {_ISSUED}
        {_INVOICES}""",
    f"""INSERT INTO billing_item (id, account_id, purchase_id, billing_period_id, kind,
            description_key, data, quantity, unit_net_cents, tax_category, starts_on, ends_on,
            created_at, invoice_line_id)
        SELECT n, {_BUYER}, {_PURCHASE}, n, 'CYCLE', 'cycle', jsonb_build_object('price', {_PRICE}),
            1, {_NET}, 'STANDARD', {_DAY}, {_DAY} + 30, {_ISSUED}, n {_INVOICES}""",
    f"""INSERT INTO payment (id, account_id, purchase_id, status, amount_cents, method, kind,
            provider, is_off_session, refunded_cents, attempt, brand, last_four, created_at,
            settled_at, invoice_id)
        SELECT n, {_BUYER}, {_PURCHASE}, CASE WHEN {_UNPAID} THEN 'FAILED' ELSE 'SUCCEEDED' END,
            {_GROSS}, 'pm_sandbox_success', 'CARD', 'sandbox', true, 0, 1, 'visa', '4242',
            {_ISSUED}, {_ISSUED}, n {_INVOICES}""",
    f"""INSERT INTO receivable (invoice_id, account_id, due_on, gross_cents, open_cents,
            credited_cents, settled_at)
        SELECT n, {_BUYER}, {_DAY}, {_GROSS}, CASE WHEN {_UNPAID} THEN {_GROSS} ELSE 0 END, 0,
            CASE WHEN {_UNPAID} THEN NULL ELSE {_ISSUED} END {_INVOICES}""",
    f"""INSERT INTO allocation (id, account_id, invoice_id, payment_id, amount_cents, created_at)
        SELECT n, {_BUYER}, n, n, {_GROSS}, {_ISSUED} {_INVOICES} WHERE NOT ({_UNPAID})""",
    f"""INSERT INTO ledger_entry (id, journal, number, day, at, account_id, label_key, piece,
            invoice_id, payment_id)
        SELECT 2 * n - 1, 'VE', n, {_DAY}, {_ISSUED}, {_BUYER}, 'invoice', {_NUMBER}, n, NULL
        {_INVOICES}
        UNION ALL
        SELECT 2 * n, 'BQ', row_number() OVER (ORDER BY n), {_DAY}, {_ISSUED}, {_BUYER}, 'payment',
            'PAY-' || n, n, n {_INVOICES} WHERE NOT ({_UNPAID})""",
    f"""INSERT INTO ledger_line (id, entry_id, position, code, account_id, debit_cents,
            credit_cents)
        SELECT 5 * n - 4, 2 * n - 1, 1, '411', {_BUYER}, {_GROSS}, 0 {_INVOICES}
        UNION ALL SELECT 5 * n - 3, 2 * n - 1, 2, '706', NULL, 0, {_NET} {_INVOICES}
        UNION ALL SELECT 5 * n - 2, 2 * n - 1, 3, '44571', NULL, 0, {_GROSS} - {_NET} {_INVOICES}
        UNION ALL SELECT 5 * n - 1, 2 * n, 1, '512', NULL, {_GROSS}, 0 {_INVOICES}
            WHERE NOT ({_UNPAID})
        UNION ALL SELECT 5 * n, 2 * n, 2, '411', {_BUYER}, 0, {_GROSS} {_INVOICES}
            WHERE NOT ({_UNPAID})""",
    """INSERT INTO counter (series, last_position, last_issued_at)
        SELECT 'FA', MAX(position), MAX(issued_at) FROM invoice
        UNION ALL SELECT journal, MAX(number), MAX(at) FROM ledger_entry GROUP BY journal""",
    f"""INSERT INTO invoice_delivery (id, invoice_id, account_id, channel, state, attempts,
            created_at, sent_at)
        SELECT n, n, {_BUYER}, 'MAIL', CASE n % 1000 WHEN 0 THEN 'FAILED' ELSE 'SENT' END, 1,
            {_ISSUED}, {_ISSUED} {_INVOICES}""",
    f"""INSERT INTO refund (id, account_id, payment_id, amount_cents, status, created_at,
            settled_at)
        SELECT n / 50, {_BUYER}, n, 100, 'SUCCEEDED', {_ISSUED}, {_ISSUED} {_INVOICES}
        WHERE n % 50 = 0""",
    f"""INSERT INTO provider_event (id, provider, event_id, type, subject, reference, body,
            received_at, status, handled_at, attempts)
        SELECT n, 'sandbox', 'evt_' || n, 'charge', 'payment', 'ch_' || n, '{{{{}}}}'::bytea,
            now() - interval '80 days' * (1 - n / {{n}}.0), CASE n % 5000 WHEN 0 THEN 'FAILED'
            ELSE 'APPLIED' END, now(), 1 {_TICKETS} WHERE n <= {{n}} / 4""",
    f"""INSERT INTO bank_statement (id, sha256, name, format, created_at, line_count, new_count,
            pending_count)
        SELECT n, md5(n::text), 'releve-' || n, 'CAMT_053', {_AT}, 100, 100, 0 {_TICKETS}
        WHERE n <= {{n}} / 500""",
    f"""INSERT INTO bank_line (id, statement_id, position, fingerprint, iban, booked_on, value_on,
            amount_cents, is_reversal, bank_reference, end_to_end_id, structured_reference, text,
            counterparty_name, counterparty_iban, return_reason, status, created_at, account_id)
        SELECT n, 1 + (n - 1) / 100, 1 + (n - 1) % 100, md5(n::text), 'FR7630006000011234567890189',
            {_BOOKED}::date, {_BOOKED}::date,
            1000 + n % 90000, false, '', '', '', 'VIR SEPA ' || n, 'Client ' || n,
            'FR76' || lpad(n::text, 23, '0'), '', CASE WHEN n > {{n}} / 5 * 0.99 AND n % 3 = 0
            THEN 'UNMATCHED' ELSE 'MATCHED' END, {_BOOKED}, {_COMPANY}
        {_TICKETS} WHERE n <= {{n}} / 5""",
    """INSERT INTO team (id, name, categories, created_at)
        SELECT n, 'Équipe ' || n, '[]', {start} FROM generate_series(1, 8) AS n""",
    """INSERT INTO team_member (id, team_id, user_id)
        SELECT n, 1 + n % 8, {agent} + n - 1 FROM generate_series(1, {agents}) AS n""",
    f"""INSERT INTO ticket (id, account_id, requester_id, assignee_id, team_id, subject, channel,
            category, kind, status, priority, created_at, opened_on, updated_at, deadline_at,
            reply_awaited_since, answered_at, first_response_at, first_response_seconds, solved_at,
            closed_at)
        SELECT n, {_COMPANY}, {_COMPANY},
            CASE WHEN {_IS_OPEN} AND n % 5 = 0 THEN NULL ELSE {{agent}} + n % {{agents}} END,
            CASE n % 10 WHEN 0 THEN NULL ELSE 1 + n % 8 END, t.subject,
            (ARRAY['CHAT', 'WEB', 'EMAIL', 'PHONE'])[1 + n % 4],
            (ARRAY['USAGE', 'BUG', 'BILLING', 'ACCOUNT'])[1 + n / 4 % 4], 'GENERAL',
            CASE WHEN {_IS_OPEN} THEN (ARRAY['OPEN', 'PENDING', 'ON_HOLD', 'OPEN'])[1 + n % 4]
                ELSE 'CLOSED' END,
            (ARRAY['NORMAL', 'NORMAL', 'NORMAL', 'HIGH'])[1 + n / 16 % 4],
            {_AT}, ({_AT} AT TIME ZONE 'Europe/Paris')::date,
            {_AT} + interval '1 hour' * (1 + n % 300),
            CASE n % 1000 WHEN 0 THEN {_AT} + interval '30 days' END,
            CASE WHEN {_IS_OPEN} AND n % 2 = 0 THEN {_AT} + interval '1 hour' END,
            {_ANSWERED}, {_ANSWERED},
            60 * (1 + n % 600), CASE WHEN NOT ({_IS_OPEN}) THEN {_AT} + interval '1 day' END,
            CASE WHEN NOT ({_IS_OPEN}) THEN {_AT} + interval '1 day' END
        {_TICKETS} JOIN {_TEXT.replace("{k}", "0")}""",
    *(
        f"""INSERT INTO message (id, ticket_id, origin_id, sequence, author_id, from_staff, body,
                client_message_id, at, is_final)
            SELECT 2 * n - 2 + {k}, n, n, {k} + 1, {author}, {staff}, t.body, 'k{k}',
                {_AT} + interval '{k} minutes', false
            {_TICKETS} JOIN {_TEXT.replace("{k}", str(k))}"""
        for k, author, staff in (
            (1, _COMPANY, "false"),
            (2, "{agent} + n % {agents}", "true"),
        )
    ),
    f"""INSERT INTO event (id, stream, sequence, kind, at, status, actor_id, ticket_id,
            message_id)
        SELECT 5 * (n - 1) + k, CASE k WHEN 2 THEN 'account:' || company WHEN 3 THEN 'inbox'
                ELSE 'ticket:' || n END,
            CASE k WHEN 1 THEN 1 WHEN 2 THEN place WHEN 3 THEN n ELSE k - 2 END,
            CASE WHEN k < 4 THEN 'TICKET_OPENED' ELSE 'MESSAGE_POSTED' END,
            {_RECENT}, CASE WHEN k < 4 THEN 'NEW' END,
            CASE k WHEN 5 THEN {{agent}} + n % {{agents}} ELSE company END, n,
            CASE WHEN k > 3 THEN 2 * n - 5 + k END
        FROM (SELECT n, {_COMPANY} AS company,
                row_number() OVER (PARTITION BY {_COMPANY} ORDER BY n) AS place
            {_TICKETS}) AS tickets
        CROSS JOIN generate_series(1, 5) AS k ORDER BY n, k""",  # noqa: S608 - our own names
    """INSERT INTO stream (key, last_sequence)
        SELECT stream, MAX(sequence) FROM event GROUP BY stream""",
    f"""INSERT INTO search_entry (id, ticket_id, message_id, internal, stems)
        SELECT n, n, NULL, false, t.subject_stems {_TICKETS} JOIN {_TEXT.replace("{k}", "0")}
        UNION ALL
        SELECT {{n}} + 2 * n - 1, n, 2 * n - 1, false, t.stems {_TICKETS}
            JOIN {_TEXT.replace("{k}", "1")}
        UNION ALL
        SELECT {{n}} + 2 * n, n, 2 * n, false, t.stems {_TICKETS}
            JOIN {_TEXT.replace("{k}", "2")}""",
    f"""INSERT INTO search_entry (id, ticket_id, note_id, internal, stems)
        SELECT 3 * {{n}} + n, n, n, true, 'note ' || n {_TICKETS} WHERE n % 10 = 0""",
    f"""INSERT INTO ticket_position (id, ticket_id, user_id, read_sequence, is_staff)
        SELECT n, n, {_COMPANY}, CASE WHEN n % 50 = 0 THEN 2 ELSE 3 END, false {_TICKETS}
        UNION ALL SELECT {{n}} + n, n, {{agent}} + n % {{agents}}, 3, true {_TICKETS}""",
    f"""INSERT INTO sla_clock (id, ticket_id, measure, state, calendar_id, target,
            business_time, wall_time, started_at, started_on, stopped_at, running_since,
            breached_at)
        SELECT 2 * n - k, n, CASE k WHEN 0 THEN 'FIRST_RESPONSE' ELSE 'RESOLUTION' END,
            CASE WHEN k = 1 AND {_IS_OPEN} THEN 'RUNNING' ELSE 'SETTLED' END, calendar.id,
            14400000000, 60000000 * (1 + n % 600), 60000000 * (1 + n % 600), {_AT},
            ({_AT} AT TIME ZONE 'Europe/Paris')::date,
            CASE WHEN k = 1 AND {_IS_OPEN} THEN NULL ELSE {_AT} + interval '1 day' END,
            CASE WHEN k = 1 AND {_IS_OPEN} THEN {_AT} END,
            CASE WHEN n % 600 > 239 THEN {_AT} + interval '5 hours' END
        {_TICKETS} CROSS JOIN generate_series(0, 1) AS k
        CROSS JOIN (SELECT id FROM calendar WHERE is_default) AS calendar""",  # noqa: S608 - our own names
    f"""INSERT INTO live_chat (id, ticket_id, state, team_id, agent_id, queued_at, since,
            first_assigned_at)
        SELECT n, n, 'ENDED', NULL, {{agent}} + n % {{agents}}, {_AT}, {_AT}, {_AT} {_TICKETS}
        WHERE n % 4 = 0""",
    f"""INSERT INTO ticket_rating (id, ticket_id, finished_at, requested_at, score, rated_at,
            rated_on, updated_at, agent_id, rater_id, team_id)
        SELECT n, n, {_AT}, {_AT}, 1 + n % 5, {_AT} + interval '2 days',
            (({_AT} + interval '2 days') AT TIME ZONE 'Europe/Paris')::date,
            {_AT} + interval '2 days', {{agent}} + n % {{agents}}, {_COMPANY}, 1 + n % 8 {_TICKETS}
        WHERE n % 7 = 0""",
    f"""INSERT INTO note (id, ticket_id, author_id, body, at)
        SELECT n, n, {{agent}} + n % {{agents}}, 'Note ' || n, {_AT} {_TICKETS} WHERE n % 10 = 0""",
    f"""INSERT INTO ticket_tag (id, ticket_id, tag)
        SELECT n, n, 'tag' || n / 5 % 40 {_TICKETS} WHERE n % 5 = 0""",
    f"""INSERT INTO phone_call (id, direction, outcome, number, started_at, duration_seconds,
            created_at, agent_id, ticket_id)
        SELECT n, 'INBOUND', CASE n % 8 WHEN 0 THEN 'MISSED' ELSE 'ANSWERED' END,
            '+336' || lpad(n::text, 8, '0'), {_AT}, 120, {_AT}, {{agent}} + n % {{agents}}, n
        {_TICKETS} WHERE n % 4 = 3""",
    f"""INSERT INTO incoming_email (id, source, size, is_partial, fingerprint, sender, sender_name,
            subject, status, reason, authentication, text, html, refused_files, received_at,
            processed_at, attempts, user_id, posted_message_id)
        SELECT n, 'SMTP', 4000, false, md5(n::text), 'client' || n || '@pme.example', 'Client',
            'Question', CASE n % 5000 WHEN 2 THEN 'UNMATCHED' ELSE 'POSTED' END,
            CASE n % 5000 WHEN 2 THEN 'UNKNOWN_SENDER' ELSE 'NEW_TICKET' END, '{{{{}}}}', '', '',
            '[]', {_AT}, {_AT}, 1, {_COMPANY}, 2 * n - 1 {_TICKETS} WHERE n % 4 = 2""",
    f"""INSERT INTO email (id, template, recipient, subject, text, html, created_at, attempts,
            priority, sent_at, user_id, account_id, ticket_id)
        SELECT n, 'ticket_replied', 'client' || {_COMPANY} || '@pme.example', 'Réponse', '', '',
            {_RECENT}, 1, 10, CASE WHEN n % 2000 > 0 THEN {_RECENT} END, {_COMPANY}, {_COMPANY}, n
        {_TICKETS} WHERE n % 2 = 0""",
    """INSERT INTO legal_name_change (id, account_id, requester_id, previous_name, legal_name,
            status, created_at, updated_at, decided_at, checks)
        SELECT n, n, n, 'A', 'B', CASE n % 100 WHEN 0 THEN 'IN_REVIEW' ELSE 'ACCEPTED' END,
            {start}, {start} + interval '1 minute' * n, {start}, 0
        FROM generate_series(1, {accounts}) AS n""",
)
