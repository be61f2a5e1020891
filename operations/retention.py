"""The retention plan: how long each kind of data is kept, and the job that deletes what is older.

The periods are those of the data map (models/data_map.py) and of the privacy policy. What a job of
its own deletes, because it has to delete files or to continue a chain, is in the plan as well, so
that `cli retention` counts everything.

Rows are deleted in batches of one statement each, in the order of their keys. So a process that is
killed leaves nothing half done, two that run at once delete nothing twice, and nobody waits for
more than a batch.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from models.data_map import Kept
from models.database.sql import dialect, execute
from models.database.workload import Workload, workload
from models.privacy.erasure import Retention
from privacy.buyer_erasures import OLD_ROWS, kept_since
from privacy.unused_accounts import UNUSED_ACCOUNTS, UNUSED_PEOPLE, unused_since

_DAY = timedelta(days=1)
_MONTH, _YEAR = 30 * _DAY, 365 * _DAY
_THIRTEEN_MONTHS = _YEAR + _MONTH
_FIVE_YEARS = 5 * 366 * _DAY  # the database refuses to delete younger entries of the ledgers
_BATCH_SIZE = 500
# Rows of people whose data may only be stored stay (GDPR, Article 18).
_KEPT_ON_REQUEST = {"session", "email", "data_request", "consent_change", "policy_acceptance"}
_RETENTION = "retention"  # the job that runs `delete_due`

log = structlog.stdlib.get_logger()


def _as_time(cutoff: datetime) -> object:
    return cutoff.astimezone(UTC)


def _as_text(cutoff: datetime) -> object:
    return cutoff.date().isoformat()


def _as_day(cutoff: datetime) -> object:
    return cutoff.date() if dialect() == "postgres" else cutoff.date().isoformat()


@dataclass(frozen=True)
class Rule:
    """How long one kind of data is kept. `tables` has the condition of each table's expired
    rows, in the order in which the tables are emptied. A `?` in a condition is a parameter: the
    time before which rows have expired. `job` is the name of the job that deletes them.
    """

    kept: Kept
    period: timedelta
    tables: Mapping[str, str]
    job: str = _RETENTION
    parameter: Callable[[datetime], object] = _as_time
    dated: Callable[[datetime, Retention], datetime] | None = None

    def cutoff(self, at: datetime, retention: Retention | None = None) -> datetime:
        """The time before which rows are too old at `at`."""
        return self.dated(at, retention) if self.dated and retention else at - self.period


@dataclass(frozen=True)
class DueRows:
    """How many rows of a table are older than `cutoff`, and are therefore deleted next."""

    rule: Rule
    table: str
    cutoff: datetime
    count: int


PLAN = (
    Rule(
        Kept.USED_ACCOUNT,
        2 * _YEAR,
        {"account": UNUSED_ACCOUNTS},
        "unused accounts",
        dated=unused_since,
    ),
    Rule(
        Kept.USED_PERSON, 2 * _YEAR, {"user": UNUSED_PEOPLE}, "unused accounts", dated=unused_since
    ),
    Rule(
        Kept.INVOICES,
        11 * 366 * _DAY,
        OLD_ROWS,
        "buyer erasures",
        parameter=_as_day,
        dated=kept_since,
    ),
    Rule(
        Kept.SESSIONS,
        _YEAR,
        # Not the last one of a person: it says since when they haven't signed in.
        {
            "session": "COALESCE(ended_at, expires_at) < ? AND EXISTS (SELECT 1 FROM session s"
            " WHERE s.user_id = session.user_id AND s.id > session.id)"
        },
    ),
    Rule(
        Kept.TOKENS,
        _MONTH,
        {
            "refresh_token": "session_id IN"
            " (SELECT id FROM session WHERE COALESCE(ended_at, expires_at) < ?)"
        },
    ),
    Rule(
        Kept.LINKS,
        _DAY,
        {
            "email_change": "expires_at < ?",
            "password_reset": "expires_at < ?",
            "sign_in_unlock": "expires_at < ?",
        },
    ),
    Rule(Kept.API_KEYS, _YEAR, {"api_key": "COALESCE(revoked_at, expires_at) < ?"}),
    Rule(Kept.CHALLENGES, timedelta(), {"webauthn_challenge": "expires_at <= ?"}),
    Rule(Kept.AUDIT, _YEAR, {"audit_entry": "at < ?"}, "audit"),
    Rule(
        Kept.EVENTS,
        _THIRTEEN_MONTHS,
        # Events are stored in the order of their times, so this reads none but the old ones.
        {
            "event": "id < COALESCE((SELECT id FROM event WHERE at >= ? ORDER BY id LIMIT 1),"
            " 9223372036854775807)"
        },
    ),
    Rule(
        Kept.EMAILS,
        _YEAR,
        {
            "email": "sent_at < ?"
            " OR (sent_at IS NULL AND next_attempt_at IS NULL AND created_at < ?)"
        },
    ),
    Rule(
        Kept.INCOMING_EMAILS,
        180 * _DAY,
        {"incoming_email": "status = 'IGNORED' AND processed_at < ?"},
        "old incoming emails",
    ),
    Rule(Kept.CALLS, _YEAR, {"phone_call": "ticket_id IS NULL AND created_at < ?"}),
    Rule(
        Kept.FILES,
        _DAY,
        {
            "file": "created_at < ? AND article_id IS NULL AND legal_name_change_id IS NULL"
            " AND message_id IS NULL AND scheduled_reply_id IS NULL"
        },
        "abandoned files",
    ),
    Rule(
        Kept.INVITATIONS,
        _MONTH,  # they contain addresses of people who may not be customers
        {"invitation": "accepted_at < ? OR revoked_at < ? OR expires_at < ?"},
    ),
    Rule(
        Kept.IDEMPOTENCY,
        _MONTH,
        # A provider may report on the same dispute months later.
        {"idempotency_key": "created_on < ? AND owner NOT LIKE 'provider:%'"},
        parameter=_as_text,
    ),
    Rule(
        Kept.WEBHOOKS,
        _MONTH,
        {"webhook_delivery": "created_at < ? AND next_attempt_at IS NULL"},
    ),
    Rule(
        Kept.PROVIDER_EVENTS,
        90 * _DAY,  # providers repeat one for some days only
        {"provider_event": "status IN ('APPLIED', 'IGNORED') AND received_at < ?"},
    ),
    Rule(Kept.AUTOMATION, _THIRTEEN_MONTHS, {"automation_run": "at < ?"}),
    Rule(
        Kept.PROOF,
        _FIVE_YEARS,
        {
            "consent_change": "at < ? AND (NOT given OR EXISTS (SELECT 1 FROM consent_change c"
            " WHERE c.user_id = consent_change.user_id AND c.purpose = consent_change.purpose"
            " AND c.id > consent_change.id AND c.at < ?))",
            "policy_acceptance": 'user_id IN (SELECT id FROM "user" WHERE erased_at < ?)'
            " OR EXISTS (SELECT 1 FROM policy p, policy_acceptance a"
            " JOIN policy q ON q.id = a.policy_id WHERE p.id = policy_acceptance.policy_id"
            " AND q.kind = p.kind AND a.user_id = policy_acceptance.user_id"
            " AND a.id > policy_acceptance.id AND a.accepted_at < ?)",
        },
    ),
    Rule(
        Kept.REGISTER,
        _FIVE_YEARS,
        {
            "data_request": "decided_at < ?",
            "incident_entry": "incident_id IN (SELECT id FROM incident WHERE closed_at < ?)",
            "incident_notice_version": "notice_id IN (SELECT n.id FROM incident_notice n"
            " JOIN incident i ON i.id = n.incident_id WHERE i.closed_at < ?)",
            "incident_notice": "incident_id IN (SELECT id FROM incident WHERE closed_at < ?)",
            "incident": "closed_at < ?",
            "erasure": "COALESCE(finished_at, canceled_at) < ?"
            " AND (kept_until IS NULL OR kept_until < ?)",
        },
    ),
)


async def due_rows(at: datetime, retention: Retention | None = None) -> AsyncIterator[DueRows]:
    """What is too old at a time, table by table, with the periods of the configuration that is in
    force. Deletes nothing.
    """
    for rule in PLAN:
        for table in rule.tables:
            condition = _condition(rule, table)
            statement = f'SELECT COUNT(*) AS count FROM "{table}" WHERE {condition}'  # noqa: S608 - of PLAN
            with workload(Workload.REPORTS):
                cutoff = rule.cutoff(at, retention)
                rows = await execute(statement, *_parameters(rule, condition, cutoff))
            yield DueRows(rule, table, cutoff, int(rows[0]["count"]))


async def delete_due(at: datetime) -> Counter[str]:
    """Delete what is too old and has no job of its own. Returns the number of rows of each table,
    and logs it.
    """
    counts = Counter[str]()
    for rule in PLAN:
        if rule.job == _RETENTION:
            for table in rule.tables:
                counts[table] += await _delete(rule, table, at)
    if deleted := dict(+counts):
        log.info("retention.deleted", tables=deleted)
    return counts


def _condition(rule: Rule, table: str) -> str:
    condition = rule.tables[table]
    if table in _KEPT_ON_REQUEST:
        condition = (
            f'({condition}) AND NOT EXISTS (SELECT 1 FROM "user" u'  # noqa: S608 - of PLAN
            f" WHERE u.id = {table}.user_id AND u.restricted_at IS NOT NULL)"
        )
    return condition


async def _delete(rule: Rule, table: str, at: datetime) -> int:
    """Delete rows of a table in batches, the oldest first: an entry of the ledger of consents must
    not become the last one because a later one was deleted.
    """
    condition = _condition(rule, table)
    statement = (
        f'DELETE FROM "{table}" WHERE id IN'  # noqa: S608 - of PLAN
        f' (SELECT id FROM "{table}" WHERE {condition} ORDER BY id LIMIT {_BATCH_SIZE})'
        " RETURNING id"
    )
    count = 0
    while rows := await execute(statement, *_parameters(rule, condition, rule.cutoff(at))):
        count += len(rows)
    return count


def _parameters(rule: Rule, condition: str, cutoff: datetime) -> list[object]:
    return [rule.parameter(cutoff)] * condition.count("?")
