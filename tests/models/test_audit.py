"""The audit log records actions in a hash chain, and verifying it detects every change to the
log.
"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tortoise.exceptions import OperationalError

from models.accounts.audit_actions import AccountsAuditAction
from models.action import Action, Origin, network_address
from models.audit import (
    GENESIS_HASH,
    HASHED_COLUMNS,
    AuditChain,
    AuditEntry,
    encode_details,
    entry_hash,
)
from models.audit_action import AuditAction
from models.database.reading import read
from models.database.sql import dialect, execute
from models.identity.audit_actions import IdentityAuditAction
from models.identity.user import Staff, User
from models.operations.audit_actions import OperationsAuditAction
from models.support.audit_actions import SupportAuditAction
from models.support.classification import Category, Channel
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from operations.audit_proof import AuditProof, ChainPosition, audit_proof, expire
from resolvers.operations.enums import AUDIT_ACTIONS
from support.assignment import claim
from tests.people import create_account, create_staff, create_user
from tests.waiting import MAX_WAIT, driver_url

if TYPE_CHECKING:
    from tests.conftest import MovableClock

pytestmark = pytest.mark.usefixtures("db")
DATABASE_ERRORS = (OperationalError, asyncpg.PostgresError)
ACTIONS = [each for actions in AUDIT_ACTIONS for each in actions]


async def record(action: Action, *actions: AuditAction) -> None:
    """Record actions, each in a transaction of its own."""
    for audit_action in actions:
        async with action.transaction() as tx:
            tx.audit(audit_action, amount=1)


@pytest.fixture
async def entries(db: str, action: Action) -> list[AuditEntry]:
    await record(action, *ACTIONS[:5])
    return await AuditEntry.all().order_by("id")


@pytest.fixture
async def unprotected_entries(entries: list[AuditEntry]) -> list[AuditEntry]:
    """Five entries in a database whose triggers an administrator has removed."""
    statements = ("DROP TRIGGER audit_entry_kept", "DROP TRIGGER audit_entry_unchanged")
    if dialect() == "postgres":
        statements = ("ALTER TABLE audit_entry DISABLE TRIGGER USER",)  # type: ignore[assignment] # one instead of two
    for statement in statements:
        await execute(statement)
    return entries


async def test_claiming_and_solving_a_ticket_is_audited(action: Action) -> None:
    account = await create_account(action, "Le Fournil")
    camille = await create_user(action, "Camille", email="c@fournil.example")
    alice = await create_staff(action, "Alice", Staff.AGENT, email="a@camcha.example")
    async with action.transaction() as tx:
        ticket = await Ticket.open(
            tx,
            account,
            camille,
            subject="Panne",
            channel=Channel.CHAT,
            category=Category.BUG,
            status=TicketStatus.NEW,
        )
    alices_action = replace(action, actor=alice, origin=Origin(7, None, "2001:db8::1"))
    await claim(alices_action, ticket, alice)
    await claim(alices_action, ticket, alice)  # a repeat changes nothing and is not audited
    await ticket.reply(alices_action, alice, "Bonjour", "m1")
    await ticket.transition_to(alices_action, TicketStatus.SOLVED)
    claim_entry, move_entry = await AuditEntry.all().order_by("id")
    assert (claim_entry.id, claim_entry.action, claim_entry.actor_id, claim_entry.staff) == (
        1,
        "ticket.claim",
        alice.pk,
        "AGENT",
    )
    assert (claim_entry.object_type, claim_entry.object_id, claim_entry.account_id) == (
        "Ticket",
        ticket.pk,
        account.pk,
    )
    assert (claim_entry.session_id, claim_entry.address, claim_entry.at) == (
        7,
        "2001:db8::1",
        action.at,
    )
    assert (claim_entry.previous_hash, move_entry.previous_hash) == (GENESIS_HASH, claim_entry.hash)
    assert (move_entry.action, move_entry.details) == (
        "ticket.move",
        '{"before":"OPEN","status":"SOLVED"}',
    )
    assert await audit_proof() == AuditProof(2, ChainPosition(2, move_entry.hash))


async def test_an_empty_log_is_valid() -> None:
    assert await audit_proof() == AuditProof(0, ChainPosition(0, GENESIS_HASH))


async def test_the_hash_can_be_computed_as_documented(action: Action) -> None:
    """Anyone can compute it from the columns (docs/security.md)."""
    import hashlib
    import json

    await record(
        replace(action, origin=Origin(1, 2, "192.0.2.1")), IdentityAuditAction.SESSION_SIGN_IN
    )
    (entry,) = await AuditEntry.all()
    values = [
        1,
        "2026-11-23 09:00:00.123457+00:00",
        None,
        None,
        2,
        1,
        "session.sign_in",
        None,
        None,
        "192.0.2.1",
        '{"amount":1}',
    ]
    text = json.dumps([*values, GENESIS_HASH], separators=(",", ":"), ensure_ascii=False)
    assert entry.hash == hashlib.sha256(text.encode()).hexdigest()


async def record_and_fail(action: Action) -> None:
    async with action.transaction() as tx:
        tx.audit(SupportAuditAction.TICKET_MOVE)
        raise ZeroDivisionError


async def test_a_rollback_leaves_no_gap(action: Action) -> None:
    await record(action, SupportAuditAction.TICKET_CLAIM)
    with pytest.raises(ZeroDivisionError):
        await record_and_fail(action)
    await record(action, SupportAuditAction.TICKET_MOVE)
    assert [entry.id for entry in await AuditEntry.all().order_by("id")] == [1, 2]
    assert (await audit_proof()).error is None


async def hire_staff(action: Action) -> None:
    async with action.transaction() as tx:
        await User.create(
            using_db=tx.db,
            email="c@fournil.example",
            name="C",
            password_hash="-",
            created_at=action.at,
        )
        tx.audit(AccountsAuditAction.STAFF_HIRE)


async def test_audited_actions_fail_without_the_chain(action: Action) -> None:
    await execute("DELETE FROM audit_chain")
    with pytest.raises(ValueError, match="not enough values"):
        await hire_staff(action)
    assert not await User.exists()


async def test_concurrent_entries_have_no_gaps(action: Action) -> None:
    async def record_several(count: int) -> None:
        async with action.transaction() as tx:
            for _ in range(count):
                tx.audit(SupportAuditAction.TICKET_CLAIM)
                await asyncio.sleep(0)

    await asyncio.gather(*(record_several(1 + n % 3) for n in range(30)))
    proof = await audit_proof()
    assert (proof.entries, proof.error) == (60, None)


# Only PostgreSQL has two writers at once.
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_posting_a_message_does_not_wait_for_the_audit_log(db: str, action: Action) -> None:
    account = await create_account(action, "Le Fournil")
    camille = await create_user(action, "Camille", email="c@fournil.example")
    async with action.transaction() as tx:
        ticket = await Ticket.open(
            tx, account, camille, subject="Panne", channel=Channel.CHAT, category=Category.BUG
        )
    connection = await asyncpg.connect(driver_url(db))
    async with connection.transaction():
        await connection.execute("SELECT id FROM audit_chain WHERE id = 1 FOR UPDATE")
        record_task = asyncio.create_task(record(action, SupportAuditAction.TICKET_CLAIM))
        async with asyncio.timeout(MAX_WAIT):
            await ticket.reply(action, camille, "Bonjour", "m1")
        assert not record_task.done()
    await record_task
    await connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET action = 'x' WHERE id = 3",
        "DELETE FROM audit_entry WHERE id = 3",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
    ],
)
async def test_the_database_refuses_changes_of_entries(
    entries: list[AuditEntry], statement: str
) -> None:
    with pytest.raises(DATABASE_ERRORS):
        await execute(statement)  # SQLite knows no TRUNCATE at all
    assert (await audit_proof()).entries == await AuditEntry.all().count() == 5


CHANGED_COLUMNS = {
    "actor_id": "1",
    "staff": "'AGENT'",
    "account_id": "9",
    "session_id": "4",
    "action": "'ticket.clain'",
    "object_id": "1",
    "object_type": "'Ticket'",
    "address": "'192.0.2.1'",
    "details": "'{\"amount\": 1}'",
    "hash": "'0'",
}
TAMPERING_CASES = [
    *(
        ("UPDATE audit_entry SET {} = {} WHERE id = 3".format(*each), 3, "entry 3 was changed")  # noqa: S608
        for each in CHANGED_COLUMNS.items()
    ),
    ("UPDATE audit_entry SET previous_hash = '0' WHERE id = 3", 3, "entry 3 does not follow"),
    ("DELETE FROM audit_entry WHERE id = 3", 3, "entry 3 is missing"),
    ("DELETE FROM audit_entry WHERE id = 1", 1, "entry 1 is missing"),
    ("DELETE FROM audit_entry WHERE id = 5", 5, "the entries end at 4, but the chain at 5"),
    ("DELETE FROM audit_entry", 1, "the entries end at 0, but the chain at 5"),
    ("DELETE FROM audit_chain", 0, "the row that holds both ends of the chain is missing"),
    ("UPDATE audit_entry SET id = 9 WHERE id = 5", 5, "the entries end at 4"),
    (
        "UPDATE audit_chain SET last_sequence = 4, last_hash = (SELECT hash FROM audit_entry WHERE "
        "id = 4)",
        5,
        "the entries end at 4, but the chain at 4, and there are later ones",
    ),
    (
        "UPDATE audit_chain SET expired_sequence = 2, expired_hash = (SELECT hash FROM audit_entry "
        "WHERE id = 2)",
        2,
        "no entry tells that those up to 2 expired",
    ),
]


@pytest.mark.parametrize(("statement", "sequence", "error"), TAMPERING_CASES)
async def test_tampering_is_detected_with_the_entry(
    unprotected_entries: list[AuditEntry], statement: str, sequence: int, error: str
) -> None:
    await execute(statement)
    proof = await audit_proof()
    assert proof.first_invalid_sequence == sequence
    assert error in str(proof.error)


async def test_a_changed_time_is_detected(unprotected_entries: list[AuditEntry]) -> None:
    earlier_time = (unprotected_entries[2].at - timedelta(microseconds=1)).replace(
        tzinfo=unprotected_entries[2].at.tzinfo
    )
    await AuditEntry.filter(id=3).update(at=earlier_time)
    assert (await audit_proof()).error == "entry 3 was changed"


async def test_two_swapped_entries_are_detected(unprotected_entries: list[AuditEntry]) -> None:
    for before, after in ((2, 99), (3, 2), (99, 3)):
        await execute("UPDATE audit_entry SET id = ? WHERE id = ?", after, before)
    assert (await audit_proof()).error == "entry 2 does not follow the one before it"


async def test_an_invalid_value_is_reported_instead_of_raising(
    unprotected_entries: list[AuditEntry],
) -> None:
    if dialect() == "sqlite":  # a column there holds whatever it is given
        await execute("UPDATE audit_entry SET details = x'00ff' WHERE id = 4")
    else:
        await execute("UPDATE audit_entry SET staff = 'EMPEROR' WHERE id = 4")
    assert (await audit_proof()).error == "entry 4 was changed"


async def rewrite(entries: list[AuditEntry]) -> None:
    """Change an entry and compute all later hashes again, as an administrator of the database
    can.
    """
    previous = GENESIS_HASH
    for entry in entries:
        action = "staff.hire" if entry.id == 3 else entry.action
        digest = entry_hash(
            entry.id,
            [action if name == "action" else getattr(entry, name) for name in HASHED_COLUMNS],
            previous,
        )
        await execute(
            "UPDATE audit_entry SET action = ?, previous_hash = ?, hash = ? WHERE id = ?",
            action,
            previous,
            digest,
            entry.id,
        )
        previous = digest
    await execute("UPDATE audit_chain SET last_hash = ?", previous)


async def test_a_rewritten_log_is_detected_by_an_earlier_proof(
    unprotected_entries: list[AuditEntry], action: Action
) -> None:
    recorded_end = (await audit_proof()).last
    await record(action, SupportAuditAction.TICKET_CLAIM)
    assert (await audit_proof(ChainPosition.parse(str(recorded_end)))).error is None
    await rewrite(await AuditEntry.all().order_by("id"))
    assert (await audit_proof()).error is None  # not detectable from the chain alone
    assert (await audit_proof(recorded_end)).error == "entry 5 is not the one that was expected"
    assert (
        await audit_proof(ChainPosition(7, GENESIS_HASH))
    ).error == "entry 7 was expected, but the chain ends at 6"


@pytest.mark.parametrize("text", ["", "5", "5:abc", "x:" + GENESIS_HASH, GENESIS_HASH])
def test_an_invalid_end_of_the_chain_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - int's own words
        ChainPosition.parse(text)


async def test_old_entries_expire_and_the_others_remain_valid(
    action: Action, clock: "MovableClock"
) -> None:
    for _ in range(4):
        await record(replace(action, at=clock.now()), IdentityAuditAction.SESSION_SIGN_IN)
        clock.advance(timedelta(days=100))
    recorded_end = (await audit_proof()).last
    later_action = replace(action, at=clock.now())
    assert await expire(later_action) == 1
    assert await expire(later_action) == 0
    assert [entry.id for entry in await AuditEntry.all().order_by("id")] == [2, 3, 4, 5]
    (expiry,) = await AuditEntry.filter(action=OperationsAuditAction.AUDIT_EXPIRE.value)
    assert expiry.details.startswith('{"hash":"')
    assert (await audit_proof(recorded_end)).error is None
    assert (
        await audit_proof(ChainPosition(1, GENESIS_HASH))
    ).error == "entry 1 is not the one that was expected"


async def test_entries_expire_in_batches(
    action: Action, clock: "MovableClock", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("operations.audit_proof._BATCH_SIZE", 2)
    monkeypatch.setattr("operations.audit_proof._PAGE_SIZE", 2)
    await record(action, *ACTIONS[:5])
    clock.advance(timedelta(days=366))
    assert await expire(replace(action, at=clock.now())) == 5
    proof = await audit_proof()
    # One entry per batch records the expiry.
    assert (proof.entries, proof.last.sequence, proof.error) == (3, 8, None)
    clock.advance(timedelta(days=366))
    assert await expire(replace(action, at=clock.now())) == 3
    assert (await audit_proof()).error is None
    assert (
        await audit_proof(ChainPosition(1, GENESIS_HASH))
    ).error == "entry 1 was expected, but has expired: use a later one"


async def test_concurrent_expiry_removes_each_entry_once(
    action: Action, clock: "MovableClock"
) -> None:
    await record(action, *ACTIONS[:5])
    clock.advance(timedelta(days=366))
    later_action = replace(action, at=clock.now())
    assert sum(await asyncio.gather(*(expire(later_action) for _ in range(4)))) == 5
    assert (await audit_proof()).entries == 1


async def test_older_entries_after_a_recent_one_are_kept(
    action: Action, clock: "MovableClock"
) -> None:
    """Entries are numbered when they are written and dated when the action began, so the orders may
    differ slightly.
    """
    earlier_action = replace(action, at=action.at - timedelta(seconds=1))
    await record(action, SupportAuditAction.TICKET_CLAIM)
    await record(earlier_action, SupportAuditAction.TICKET_CLAIM)
    assert await expire(replace(action, at=action.at + timedelta(days=365))) == 0


async def test_a_restored_expired_entry_is_detected(action: Action, clock: "MovableClock") -> None:
    await record(action, SupportAuditAction.TICKET_CLAIM)
    clock.advance(timedelta(days=366))
    await expire(replace(action, at=clock.now()))
    (entry,) = await AuditEntry.all()
    values = {name: getattr(entry, name) for name in (*HASHED_COLUMNS, "previous_hash", "hash")}
    await AuditEntry.create(id=1, **values)
    assert (await audit_proof()).error == "entry 1 expired, but is there"


async def test_a_proof_restarts_when_entries_expire_during_it(
    action: Action, clock: "MovableClock", monkeypatch: pytest.MonkeyPatch
) -> None:
    import operations.audit_proof as proofs

    await record(action, *ACTIONS[:5])
    clock.advance(timedelta(days=366))
    verify_chain = proofs._verify
    calls: list[Any] = []

    async def expire_and_verify(chain: Any, recorded_end: ChainPosition | None) -> None:
        if not calls:
            await expire(replace(action, at=clock.now()))
        calls.append(chain)
        await verify_chain(chain, recorded_end)

    monkeypatch.setattr(proofs, "_verify", expire_and_verify)
    assert (await audit_proof()).error is None
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:0DB8::0001", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", None),
        ("Paul", None),
    ],
)
def test_only_valid_network_addresses_are_recorded(text: str, address: str | None) -> None:
    assert network_address(text) == address


async def test_entries_are_read_as_stored(entries: list[AuditEntry]) -> None:
    assert [(row.at, row.hash) for row in await read(AuditEntry.all(), None, "id")] == [
        (e.at, e.hash) for e in entries
    ]
    assert (await AuditChain.get(id=1)).last_hash == entries[-1].hash


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
NUMBERS = st.none() | st.integers(1, 2**63 - 1)
ENTRIES = st.tuples(
    st.datetimes(timezones=st.just(UTC), allow_imaginary=False),
    NUMBERS,
    TEXTS,
    NUMBERS,
    NUMBERS,
    TEXTS,
    TEXTS,
    NUMBERS,
    TEXTS,
    st.dictionaries(TEXTS, TEXTS | st.integers(-(2**53), 2**53) | st.booleans() | st.none()).map(
        encode_details
    ),
)


@given(ENTRIES, st.integers(1, 2**63 - 1), st.randoms(use_true_random=False))
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changed_value_changes_the_hash(
    entry: tuple[Any, ...], sequence: int, random: Random
) -> None:
    digest = entry_hash(sequence, entry, GENESIS_HASH)
    position = random.randrange(len(entry))
    changed = list(entry)
    changed[position] = _different_value(entry[position], random)
    assert entry_hash(sequence, changed, GENESIS_HASH) != digest
    assert entry_hash(sequence + 1, entry, GENESIS_HASH) != digest
    assert entry_hash(sequence, entry, "1" + GENESIS_HASH[1:]) != digest
    assert entry_hash(sequence, entry, GENESIS_HASH) == digest


def _different_value(value: Any, random: Random) -> Any:
    """A value that differs slightly."""
    if isinstance(value, datetime):
        return (
            value - timedelta(microseconds=1)
            if value.year > 1
            else value + timedelta(microseconds=1)
        )
    if isinstance(value, int):
        return value ^ 1 << random.randrange(62)
    if value:
        position = random.randrange(len(value))
        return value[:position] + chr((ord(value[position]) + 1) % 0xD800) + value[position + 1 :]
    return "-" if value is None else None


@pytest.mark.parametrize("seed", range(4))
async def test_random_actions_are_valid_and_any_change_is_detected(
    action: Action, seed: int
) -> None:
    random = Random(seed)

    async def record_random_actions() -> None:
        try:
            async with action.transaction() as tx:
                for _ in range(random.randint(1, 3)):
                    tx.audit(
                        random.choice(ACTIONS),
                        account_id=random.choice([None, 1]),
                        given=random.choice(["é", 1, True, None]),
                    )
                if random.random() < 0.3:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            pass

    await asyncio.gather(*(record_random_actions() for _ in range(20)))
    assert (await audit_proof()).error is None
    entries = await AuditEntry.all().order_by("id")
    changed_entry = random.choice(entries)
    column = random.choice(["action", "details", "hash", "previous_hash"])
    if dialect() == "postgres":
        await execute("ALTER TABLE audit_entry DISABLE TRIGGER USER")
    else:
        await execute("DROP TRIGGER audit_entry_unchanged")
    await execute(
        f"UPDATE audit_entry SET {column} = ? WHERE id = ?",  # noqa: S608 - our own
        _different_value(getattr(changed_entry, column), random),
        changed_entry.id,
    )
    assert (await audit_proof()).first_invalid_sequence == changed_entry.id
