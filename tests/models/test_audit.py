"""The audit log tells what was done, in one chain, and its proof finds whatever was done to the log itself."""

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

from models.accounts.account import Account
from models.accounts.audit_actions import AccountsAuditAction
from models.action import Action, Origin, network_address
from models.audit import GENESIS_HASH, HASHED_COLUMNS, AuditChain, AuditEntry, encode_details, entry_hash
from models.audit_action import AuditAction
from models.database.reading import read
from models.database.sql import dialect, execute
from models.identity.audit_actions import IdentityAuditAction
from models.identity.user import Staff, User
from models.operations.audit_actions import OperationsAuditAction
from models.support.audit_actions import SupportAuditAction
from models.support.ticket import Category, Channel, Ticket, TicketStatus
from operations.audit_proof import AuditProof, End, audit_proof, expire
from resolvers.operations.enums import AUDIT_ACTIONS
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from tests.conftest import MovableClock

pytestmark = pytest.mark.usefixtures("db")
REFUSED = (OperationalError, asyncpg.PostgresError)
MOVES = [each for actions in AUDIT_ACTIONS for each in actions]


async def told(action: Action, *actions: AuditAction) -> None:
    """One transaction for each action."""
    for audit_action in actions:
        async with action.transaction() as tx:
            tx.audit(audit_action, amount=1)


@pytest.fixture
async def five(db: str, action: Action) -> list[AuditEntry]:
    await told(action, *MOVES[:5])
    return await AuditEntry.all().order_by("id")


@pytest.fixture
async def unlocked(five: list[AuditEntry]) -> list[AuditEntry]:
    """Five entries, and a database whose triggers somebody with every right has taken away."""
    drops = ("DROP TRIGGER audit_entry_kept", "DROP TRIGGER audit_entry_unchanged")
    if dialect() == "postgres":
        drops = ("ALTER TABLE audit_entry DISABLE TRIGGER USER",)  # type: ignore[assignment] # one instead of two
    for statement in drops:
        await execute(statement)
    return five


async def test_a_ticket_is_claimed_and_moved_and_the_auditor_reads_who_did_it(action: Action) -> None:
    account = await Account.create(legal_name="Le Fournil", siren="404833048", created_at=action.at)
    camille = await User.create(email="c@fournil.example", name="Camille", password_hash="-", created_at=action.at)
    alice = await User.create(
        email="a@camcha.example", name="Alice", password_hash="-", created_at=action.at, staff=Staff.AGENT
    )
    async with action.transaction() as tx:
        ticket = await Ticket.open(
            tx, account, camille, subject="Panne", channel=Channel.CHAT, category=Category.BUG, status=TicketStatus.NEW
        )
    alices = replace(action, actor=alice, origin=Origin(7, None, "2001:db8::1"))
    await ticket.claim(alices, alice)
    await ticket.claim(alices, alice)  # a repeat changes nothing, and tells nothing
    await ticket.reply(alices, alice, "Bonjour", "m1")
    await ticket.move(alices, TicketStatus.SOLVED)
    claimed, moved = await AuditEntry.all().order_by("id")
    assert (claimed.id, claimed.action, claimed.actor_id, claimed.staff) == (1, "ticket.claim", alice.pk, "AGENT")
    assert (claimed.object_type, claimed.object_id, claimed.account_id) == ("Ticket", ticket.pk, account.pk)
    assert (claimed.session_id, claimed.address, claimed.at) == (7, "2001:db8::1", action.at)
    assert (claimed.previous_hash, moved.previous_hash) == (GENESIS_HASH, claimed.hash)
    assert (moved.action, moved.details) == ("ticket.move", '{"before":"OPEN","status":"SOLVED"}')
    assert await audit_proof() == AuditProof(2, End(2, moved.hash))


async def test_an_empty_log_is_proved() -> None:
    assert await audit_proof() == AuditProof(0, End(0, GENESIS_HASH))


async def test_the_hash_is_what_the_documentation_says(action: Action) -> None:
    """Anybody can compute it from the columns: docs/security.md."""
    import hashlib
    import json

    await told(replace(action, origin=Origin(1, 2, "192.0.2.1")), IdentityAuditAction.SESSION_SIGN_IN)
    (entry,) = await AuditEntry.all()
    values = [1, "2026-11-23 09:00:00+00:00", None, None, 2, 1, "session.sign_in", None, None, "192.0.2.1", '{"amount":1}']
    text = json.dumps([*values, GENESIS_HASH], separators=(",", ":"), ensure_ascii=False)
    assert entry.hash == hashlib.sha256(text.encode()).hexdigest()


async def failing(action: Action) -> None:
    async with action.transaction() as tx:
        tx.audit(SupportAuditAction.TICKET_MOVE)
        raise ZeroDivisionError


async def test_what_is_taken_back_leaves_no_gap(action: Action) -> None:
    await told(action, SupportAuditAction.TICKET_CLAIM)
    with pytest.raises(ZeroDivisionError):
        await failing(action)
    await told(action, SupportAuditAction.TICKET_MOVE)
    assert [entry.id for entry in await AuditEntry.all().order_by("id")] == [1, 2]
    assert (await audit_proof()).fault is None


async def hired(action: Action) -> None:
    async with action.transaction() as tx:
        await User.create(using_db=tx.db, email="c@fournil.example", name="C", password_hash="-", created_at=action.at)
        tx.audit(AccountsAuditAction.STAFF_HIRE)


async def test_without_its_chain_nothing_that_is_audited_is_done(action: Action) -> None:
    await execute("DELETE FROM audit_chain")
    with pytest.raises(ValueError, match="not enough values"):
        await hired(action)
    assert not await User.exists()


async def test_many_at_once_take_turns_without_gap(action: Action) -> None:
    async def several(count: int) -> None:
        async with action.transaction() as tx:
            for _ in range(count):
                tx.audit(SupportAuditAction.TICKET_CLAIM)
                await asyncio.sleep(0)

    await asyncio.gather(*(several(1 + n % 3) for n in range(30)))
    proof = await audit_proof()
    assert (proof.entries, proof.fault) == (60, None)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)  # only PostgreSQL has two writers at once
async def test_what_people_say_never_waits_for_the_log(db: str, action: Action) -> None:
    account = await Account.create(legal_name="Le Fournil", siren="404833048", created_at=action.at)
    camille = await User.create(email="c@fournil.example", name="Camille", password_hash="-", created_at=action.at)
    async with action.transaction() as tx:
        ticket = await Ticket.open(tx, account, camille, subject="Panne", channel=Channel.CHAT, category=Category.BUG)
    other = await asyncpg.connect(db)
    async with other.transaction():
        await other.execute("SELECT id FROM audit_chain WHERE id = 1 FOR UPDATE")
        waiting = asyncio.create_task(told(action, SupportAuditAction.TICKET_CLAIM))
        async with asyncio.timeout(PATIENCE):
            await ticket.reply(action, camille, "Bonjour", "m1")
        assert not waiting.done()
    await waiting
    await other.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET action = 'x' WHERE id = 3",
        "DELETE FROM audit_entry WHERE id = 3",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
    ],
)
async def test_the_database_itself_refuses_changes(five: list[AuditEntry], statement: str) -> None:
    with pytest.raises(REFUSED):
        await execute(statement)  # SQLite knows no TRUNCATE at all
    assert (await audit_proof()).entries == await AuditEntry.all().count() == 5


CHANGED = {
    "actor_id": "1", "staff": "'AGENT'", "account_id": "9", "session_id": "4", "action": "'ticket.clain'", "object_id": "1",
    "object_type": "'Ticket'", "address": "'192.0.2.1'", "details": "'{\"amount\": 1}'", "hash": "'0'",
}  # fmt: skip
TAMPERED = [
    *(("UPDATE audit_entry SET {} = {} WHERE id = 3".format(*each), 3, "entry 3 was changed") for each in CHANGED.items()),  # noqa: S608 - our own
    ("UPDATE audit_entry SET previous_hash = '0' WHERE id = 3", 3, "entry 3 does not follow"),
    ("DELETE FROM audit_entry WHERE id = 3", 3, "entry 3 is missing"),
    ("DELETE FROM audit_entry WHERE id = 1", 1, "entry 1 is missing"),
    ("DELETE FROM audit_entry WHERE id = 5", 5, "the entries end at 4, but the chain at 5"),
    ("DELETE FROM audit_entry", 1, "the entries end at 0, but the chain at 5"),
    ("DELETE FROM audit_chain", 0, "the row that holds both ends of the chain is missing"),
    ("UPDATE audit_entry SET id = 9 WHERE id = 5", 5, "the entries end at 4"),
    (
        "UPDATE audit_chain SET last_sequence = 4, last_hash = (SELECT hash FROM audit_entry WHERE id = 4)",
        5, "the entries end at 4, but the chain at 4, and there are later ones",
    ),
    (
        "UPDATE audit_chain SET expired_sequence = 2, expired_hash = (SELECT hash FROM audit_entry WHERE id = 2)",
        2, "no entry tells that those up to 2 expired",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "broken_at", "fault"), TAMPERED)
async def test_tampering_is_found_and_the_entry_named(
    unlocked: list[AuditEntry], statement: str, broken_at: int, fault: str
) -> None:
    await execute(statement)
    proof = await audit_proof()
    assert proof.broken_at == broken_at
    assert fault in str(proof.fault)


async def test_another_moment_is_found(unlocked: list[AuditEntry]) -> None:
    earlier = (unlocked[2].at - timedelta(microseconds=1)).replace(tzinfo=unlocked[2].at.tzinfo)
    await AuditEntry.filter(id=3).update(at=earlier)
    assert (await audit_proof()).fault == "entry 3 was changed"


async def test_two_that_changed_places_are_found(unlocked: list[AuditEntry]) -> None:
    for before, after in ((2, 99), (3, 2), (99, 3)):
        await execute("UPDATE audit_entry SET id = ? WHERE id = ?", after, before)
    assert (await audit_proof()).fault == "entry 2 does not follow the one before it"


async def test_a_value_no_verb_could_have_written_is_found_not_stumbled_over(unlocked: list[AuditEntry]) -> None:
    if dialect() == "sqlite":  # a column there holds whatever it is given
        await execute("UPDATE audit_entry SET details = x'00ff' WHERE id = 4")
    else:
        await execute("UPDATE audit_entry SET staff = 'EMPEROR' WHERE id = 4")
    assert (await audit_proof()).fault == "entry 4 was changed"


async def rewritten(entries: list[AuditEntry]) -> None:
    """What somebody with every right can do: change an entry and compute all that follows anew."""
    previous = GENESIS_HASH
    for entry in entries:
        action = "staff.hire" if entry.id == 3 else entry.action
        hashed = entry_hash(
            entry.id, [action if name == "action" else getattr(entry, name) for name in HASHED_COLUMNS], previous
        )
        await execute("UPDATE audit_entry SET action = ?, previous_hash = ?, hash = ? WHERE id = ?",
                   action, previous, hashed, entry.id)  # fmt: skip
        previous = hashed
    await execute("UPDATE audit_chain SET last_hash = ?", previous)


async def test_a_log_written_anew_is_held_against_what_was_noted(unlocked: list[AuditEntry], action: Action) -> None:
    noted = (await audit_proof()).last
    await told(action, SupportAuditAction.TICKET_CLAIM)
    assert (await audit_proof(End.of(str(noted)))).fault is None
    await rewritten(await AuditEntry.all().order_by("id"))
    assert (await audit_proof()).fault is None  # the chain alone can't know
    assert (await audit_proof(noted)).fault == "entry 5 is not the one that was noted"
    assert (await audit_proof(End(7, GENESIS_HASH))).fault == "entry 7 was noted, but the chain ends at 6"


@pytest.mark.parametrize("text", ["", "5", "5:abc", "x:" + GENESIS_HASH, GENESIS_HASH])
def test_an_end_is_a_number_and_a_hash(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - int's own words
        End.of(text)


async def test_what_is_too_old_expires_and_the_rest_is_proved(action: Action, clock: "MovableClock") -> None:
    for _ in range(4):
        await told(replace(action, at=clock.now()), IdentityAuditAction.SESSION_SIGN_IN)
        clock.advance(timedelta(days=100))
    noted = (await audit_proof()).last
    now = replace(action, at=clock.now())
    assert await expire(now) == 1
    assert await expire(now) == 0
    assert [entry.id for entry in await AuditEntry.all().order_by("id")] == [2, 3, 4, 5]
    (told_of,) = await AuditEntry.filter(action=OperationsAuditAction.AUDIT_EXPIRE.value)
    assert told_of.details.startswith('{"hash":"')
    assert (await audit_proof(noted)).fault is None
    assert (await audit_proof(End(1, GENESIS_HASH))).fault == "entry 1 is not the one that was noted"


async def test_everything_expires_in_pieces(action: Action, clock: "MovableClock", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operations.audit_proof._BATCH", 2)
    monkeypatch.setattr("operations.audit_proof._PAGE", 2)
    await told(action, *MOVES[:5])
    clock.advance(timedelta(days=366))
    assert await expire(replace(action, at=clock.now())) == 5
    proof = await audit_proof()
    assert (proof.entries, proof.last.sequence, proof.fault) == (3, 8, None)  # one tells of each piece
    clock.advance(timedelta(days=366))
    assert await expire(replace(action, at=clock.now())) == 3
    assert (await audit_proof()).fault is None
    assert (await audit_proof(End(1, GENESIS_HASH))).fault == "entry 1 was noted, but has expired: note a later one"


async def test_two_processes_let_the_same_expire_once(action: Action, clock: "MovableClock") -> None:
    await told(action, *MOVES[:5])
    clock.advance(timedelta(days=366))
    now = replace(action, at=clock.now())
    assert sum(await asyncio.gather(*(expire(now) for _ in range(4)))) == 5
    assert (await audit_proof()).entries == 1


async def test_a_young_entry_keeps_the_older_ones_behind_it(action: Action, clock: "MovableClock") -> None:
    """Entries are numbered when they are written, and dated when the act began: the order may differ a little."""
    late = replace(action, at=action.at - timedelta(seconds=1))
    await told(action, SupportAuditAction.TICKET_CLAIM)
    await told(late, SupportAuditAction.TICKET_CLAIM)
    assert await expire(replace(action, at=action.at + timedelta(days=365))) == 0


async def test_an_entry_that_expired_but_came_back_is_found(action: Action, clock: "MovableClock") -> None:
    await told(action, SupportAuditAction.TICKET_CLAIM)
    clock.advance(timedelta(days=366))
    await expire(replace(action, at=clock.now()))
    (entry,) = await AuditEntry.all()
    values = {name: getattr(entry, name) for name in (*HASHED_COLUMNS, "previous_hash", "hash")}
    await AuditEntry.create(id=1, **values)
    assert (await audit_proof()).fault == "entry 1 expired, but is there"


async def test_a_proof_begun_while_entries_expire_begins_again(
    action: Action, clock: "MovableClock", monkeypatch: pytest.MonkeyPatch
) -> None:
    import operations.audit_proof as proofs

    await told(action, *MOVES[:5])
    clock.advance(timedelta(days=366))
    walked = proofs._walked
    calls: list[Any] = []

    async def meanwhile(chain: Any, noted: End | None) -> None:
        if not calls:
            await expire(replace(action, at=clock.now()))
        calls.append(chain)
        await walked(chain, noted)

    monkeypatch.setattr(proofs, "_walked", meanwhile)
    assert (await audit_proof()).fault is None
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("said", "kept"),
    [("192.0.2.1", "192.0.2.1"), ("2001:0DB8::0001", "2001:db8::1"), ("fe80::1%eth0", "fe80::1"), ("", None), ("Paul", None)],
)
def test_an_address_is_an_address_or_nothing(said: str, kept: str | None) -> None:
    assert network_address(said) == kept


async def test_light_rows_hold_what_was_stored(five: list[AuditEntry]) -> None:
    assert [(row.at, row.hash) for row in await read(AuditEntry.all(), None, "id")] == [(e.at, e.hash) for e in five]
    assert (await AuditChain.get(id=1)).last_hash == five[-1].hash


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
NUMBERS = st.none() | st.integers(1, 2**63 - 1)
ENTRIES = st.tuples(
    st.datetimes(timezones=st.just(UTC), allow_imaginary=False), NUMBERS, TEXTS, NUMBERS, NUMBERS, TEXTS, TEXTS, NUMBERS, TEXTS,
    st.dictionaries(TEXTS, TEXTS | st.integers(-(2**53), 2**53) | st.booleans() | st.none()).map(encode_details),
)  # fmt: skip


@given(ENTRIES, st.integers(1, 2**63 - 1), st.randoms(use_true_random=False))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_other_byte_is_another_hash(entry: tuple[Any, ...], sequence: int, random: Random) -> None:
    hashed = entry_hash(sequence, entry, GENESIS_HASH)
    place = random.randrange(len(entry))
    changed = list(entry)
    changed[place] = _other(entry[place], random)
    assert entry_hash(sequence, changed, GENESIS_HASH) != hashed
    assert entry_hash(sequence + 1, entry, GENESIS_HASH) != hashed
    assert entry_hash(sequence, entry, "1" + GENESIS_HASH[1:]) != hashed
    assert entry_hash(sequence, entry, GENESIS_HASH) == hashed


def _other(value: Any, random: Random) -> Any:
    """Nearly the same."""
    if isinstance(value, datetime):
        return value - timedelta(microseconds=1) if value.year > 1 else value + timedelta(microseconds=1)
    if isinstance(value, int):
        return value ^ 1 << random.randrange(62)
    if value:
        place = random.randrange(len(value))
        return value[:place] + chr((ord(value[place]) + 1) % 0xD800) + value[place + 1 :]
    return "-" if value is None else None


@pytest.mark.parametrize("seed", range(4))
async def test_any_acts_are_proved_and_any_change_of_them_found(action: Action, seed: int) -> None:
    random = Random(seed)

    async def one() -> None:
        try:
            async with action.transaction() as tx:
                for _ in range(random.randint(1, 3)):
                    tx.audit(
                        random.choice(MOVES), account_id=random.choice([None, 1]), given=random.choice(["é", 1, True, None])
                    )
                if random.random() < 0.3:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            pass

    await asyncio.gather(*(one() for _ in range(20)))
    assert (await audit_proof()).fault is None
    entries = await AuditEntry.all().order_by("id")
    victim = random.choice(entries)
    column = random.choice(["action", "details", "hash", "previous_hash"])
    if dialect() == "postgres":
        await execute("ALTER TABLE audit_entry DISABLE TRIGGER USER")
    else:
        await execute("DROP TRIGGER audit_entry_unchanged")
    await execute(f"UPDATE audit_entry SET {column} = ? WHERE id = ?", _other(getattr(victim, column), random), victim.id)  # noqa: S608
    assert (await audit_proof()).broken_at == victim.id
