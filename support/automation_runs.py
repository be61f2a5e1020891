"""The job that lets automations act (models/support/automation.py).

It finds tickets whose stream has events that weren't handled: `AutomationCursor` says up to which
event they were. So posting a message costs nothing more, and no event is missed: a ticket's stream
has no gaps. Each change that counts moves `Ticket.updated_at`, by which the tickets are found; a
transaction may commit later than others that began after it, so the job looks some minutes back.

An automation acts under the lock of the ticket, in one transaction with its entry of the log, whose
key it can store once. So it acts once for each event, in any number of processes and after any
kill. Conditions are first checked without a lock, because most aren't met.

An automation that fails on a ticket doesn't hold up the others, nor the ticket's next events: it is
tried again some times, as an event for which it acts later, and then given up. The log of
automations and the operators' log say so.

What ends every chain: an automation acts once for each root, a chain has at most MAX_DEPTH links,
messages of automations start nothing, and customers get a few of them a day.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import IntegrityError

from models.accounts.account import Account, AccountStatus
from models.action import Action, Transaction, retry_conflict
from models.database.sql import execute, fetch_records
from models.due_rows import handle_each
from models.errors import CommonErrorCode, Refusal
from models.event import INBOX, Event, EventKind, ticket_stream
from models.identity.user import AUTOMATION_EMAIL, User
from models.support.audit_actions import SupportAuditAction
from models.support.automation import (
    ERROR_LENGTH,
    Automation,
    AutomationEvent,
    AutomationRun,
    AutomationScan,
    AutomationTimer,
    AutomationVersion,
)
from models.support.message import AUTOMATION_KEY, Message
from models.support.team import team_hours
from models.support.ticket import Ticket
from models.support.ticket_actions import TicketActionKind
from models.tracing import link_causes
from support.automation_facts import Facts, facts_of
from support.ticket_actions import (
    ActionRefusal,
    ActionRefusalReason,
    Actor,
    apply_actions,
    find_refusals,
    lock_people,
)

BATCH_SIZE = 200
LOOK_BACK = timedelta(minutes=5)  # longer than a transaction may take
MAX_DEPTH = 3
MESSAGE_PERIOD = timedelta(days=1)
MAX_MESSAGES, MAX_MESSAGES_TO_CUSTOMER = 2, 5  # in a ticket, and in all of a customer's, a day
AUTHOR_NAME = "Service automatique"  # as stored: see User.name_in
_CHECK_AGAIN = timedelta(days=1)  # whether hours have been planned
# after each failure of an automation on a ticket; then it is given up
RETRY_DELAYS = (
    timedelta(),
    timedelta(minutes=1),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
)

_EVENTS = {
    EventKind.TICKET_OPENED: AutomationEvent.TICKET_OPENED,
    EventKind.STATUS_CHANGED: AutomationEvent.STATUS_CHANGED,
    EventKind.TICKET_ASSIGNED: AutomationEvent.TICKET_ASSIGNED,
}
EVENT_KINDS = [*_EVENTS, EventKind.MESSAGE_POSTED]

log = structlog.stdlib.get_logger()


@dataclass(frozen=True)
class Rule:
    """An enabled automation in its current version."""

    automation: Automation
    version: AutomationVersion
    enabled_at: datetime


@dataclass(frozen=True)
class Happening:
    """An event in a ticket, as automations see it."""

    event: AutomationEvent
    at: datetime
    sequence: int = 0  # in the ticket's stream, 0 for what isn't in it
    message: Message | None = None
    root: str | None = None  # when it isn't looked up
    depth: int = 0


async def enabled_rules() -> list[Rule]:
    """The enabled automations, in their order."""
    automations = await Automation.filter(enabled_at__not_isnull=True, archived_at=None).order_by(
        "position", "id"
    )
    numbers = {automation.pk: automation.version_number for automation in automations}
    versions = {
        row.automation_id: row
        for row in await AutomationVersion.filter(automation_id__in=[*numbers] or [0])
        if row.number == numbers[row.automation_id]
    }
    return [
        Rule(each, versions[each.pk], each.enabled_at) for each in automations if each.enabled_at
    ]


async def run_automations(action: Action) -> int:
    """Let automations act on new events and when they are due: a job. Returns how often they acted
    or were refused. A ticket that fails is logged, tried again the next time, and doesn't hold up
    the others.
    """
    count = await handle_each(
        AutomationTimer.filter(due_at__lte=action.at),
        partial(_try_timer, action),
        "automation.failed",
    )
    rules = await enabled_rules()
    return count + (await _handle_events(action, rules) if rules else 0)


_CHANGED = """
SELECT t.id FROM ticket t JOIN stream s ON s.key = 'ticket:' || t.id
LEFT JOIN automation_cursor c ON c.ticket_id = t.id
WHERE t.updated_at >= ? AND t.id > ? AND s.last_sequence > COALESCE(c.sequence, 0)
ORDER BY t.id LIMIT ?
"""


async def _handle_events(action: Action, rules: Sequence[Rule]) -> int:
    # What happened before, by a clock that was set back since, was seen before.
    scanned_since = min(await _scanned_since(), action.at - LOOK_BACK)
    since = max(min(rule.enabled_at for rule in rules), scanned_since)
    count, last, has_failed = 0, 0, False
    while records := await fetch_records(_CHANGED, since, last, BATCH_SIZE):
        for (ticket_id,) in records:
            last = int(ticket_id)
            try:
                count += await retry_conflict(partial(_handle_ticket, action, rules, last))
            except Exception as error:
                has_failed = True
                log.error(
                    "automation.failed", ticket=last, error=type(error).__name__, exc_info=error
                )
    if not has_failed:
        await _store_scan(action.at - LOOK_BACK)
    return count


async def _scanned_since() -> datetime:
    scan = await AutomationScan.get_or_none(pk=1)
    return scan.since if scan else datetime.min.replace(tzinfo=UTC)


async def _store_scan(since: datetime) -> None:
    await execute(
        "INSERT INTO automation_scan (id, since) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET "
        "since = excluded.since WHERE automation_scan.since < excluded.since",
        since,
    )


async def _handle_ticket(action: Action, rules: Sequence[Rule], ticket_id: int) -> int:
    """Handle the events of a ticket that no process has handled. Returns how often automations
    acted.
    """
    stream, cursor = ticket_stream(ticket_id), await _cursor(ticket_id)
    head = await _head(ticket_id)
    events = await (
        Event.filter(stream=stream, sequence__gt=cursor, sequence__lte=head, kind__in=EVENT_KINDS)
        .order_by("sequence")
        .limit(BATCH_SIZE)
    )
    link_causes(event.traceparent for event in events)
    posted, count = await PostedMessages.of(ticket_id, events), 0
    for event in events:
        # An automation may have been enabled since they were read. But nothing waits for a clock
        # that was set back to catch up.
        if action.at < event.at < action.at + LOOK_BACK:
            await _advance(ticket_id, event.sequence - 1)
            return count
        happening = posted.happening_of(event)
        if happening is None or event.at < min(rule.enabled_at for rule in rules):
            continue
        meant = [
            rule
            for rule in rules
            if rule.version.event is happening.event and happening.at >= rule.enabled_at
        ]
        for rule in meant:
            if rule.version.delay:
                handle = partial(_handle_later, action, rule, ticket_id, happening)
                try:
                    await retry_conflict(handle)
                except Exception as error:
                    await _try_later(action, rule, ticket_id, happening, error)
        now = [rule for rule in meant if not rule.version.delay]
        count += await _handle_now(action, now, ticket_id, happening)
    await _advance(ticket_id, events[-1].sequence if len(events) == BATCH_SIZE else head)
    return count


async def _try_later(
    action: Action, rule: Rule, ticket_id: int, happening: Happening, error: Exception
) -> None:
    """Schedule another attempt of an automation that has failed on a ticket."""
    async with action.transaction() as tx:
        await tx.lock(Ticket, ticket_id)
        root, depth = await _root(tx, ticket_id, happening)
        await _insert_timer(
            tx,
            rule,
            ticket_id,
            happening,
            root,
            depth,
            action.at + RETRY_DELAYS[0],
            attempts=1,
            error=type(error).__name__[:ERROR_LENGTH],
        )
    _log_failure(rule.automation.pk, ticket_id, 1, error)


def _log_failure(automation_id: int, ticket_id: int, attempts: int, error: Exception) -> None:
    log.error(
        "automation.given_up" if attempts > len(RETRY_DELAYS) else "automation.failed",
        automation=automation_id,
        ticket=ticket_id,
        attempts=attempts,
        error=type(error).__name__,
        exc_info=error,
    )


@dataclass(frozen=True)
class PostedMessages:
    """The messages that events of a ticket are about, by key, and the ticket's first one."""

    by_key: Mapping[int, Message]
    first: Message | None

    @classmethod
    async def of(cls, ticket_id: int, events: Sequence[Event]) -> "PostedMessages":
        keys = [event.message_id for event in events if event.message_id]
        rows = await Message.filter(pk__in=keys).select_related("author") if keys else []
        first = await Message.filter(ticket_id=ticket_id).order_by("sequence").first()
        return cls({row.pk: row for row in rows}, first)

    def happening_of(self, event: Event) -> Happening | None:
        """What an event of the ticket means for automations, None if nothing. The first message is
        part of the opening, and what automations write isn't a reply.
        """
        if kind := _EVENTS.get(event.kind):
            message = self.first if kind is AutomationEvent.TICKET_OPENED else None
            return Happening(kind, event.at, event.sequence, message)
        message = self.by_key[event.message_id or 0]
        is_first = self.first is not None and message.sequence == self.first.sequence
        if is_first or message.author.email == AUTOMATION_EMAIL:
            return None
        kind = AutomationEvent.CUSTOMER_REPLIED
        if message.from_staff:
            kind = AutomationEvent.AGENT_REPLIED
        return Happening(kind, event.at, event.sequence, message)


async def _cursor(ticket_id: int, db: BaseDBAsyncClient | None = None) -> int:
    records = await fetch_records(
        "SELECT sequence FROM automation_cursor WHERE ticket_id = ?", ticket_id, db=db
    )
    return int(records[0][0]) if records else 0


async def _head(ticket_id: int, db: BaseDBAsyncClient | None = None) -> int:
    records = await fetch_records(
        "SELECT last_sequence FROM stream WHERE key = ?", ticket_stream(ticket_id), db=db
    )
    return int(records[0][0]) if records else 0


async def _advance(ticket_id: int, sequence: int) -> None:
    await execute(
        "INSERT INTO automation_cursor (ticket_id, sequence) VALUES (?, ?) ON CONFLICT (ticket_id) "
        "DO UPDATE SET sequence = excluded.sequence "
        "WHERE automation_cursor.sequence < excluded.sequence",
        ticket_id,
        sequence,
    )


async def _handle_later(action: Action, rule: Rule, ticket_id: int, happening: Happening) -> None:
    """Schedule an automation that acts after a delay. A repeat changes nothing."""
    ticket = await Ticket.get(pk=ticket_id)
    due_at = await due_time(rule.version, ticket, happening.at) or action.at + _CHECK_AGAIN
    async with action.transaction() as tx:
        await tx.lock(Ticket, ticket_id)
        if await _cursor(ticket_id, tx.db) >= happening.sequence:
            return  # another process has handled the event
        root, depth = await _root(tx, ticket_id, happening)
        await _insert_timer(tx, rule, ticket_id, happening, root, depth, due_at)


async def due_time(version: AutomationVersion, ticket: Ticket, at: datetime) -> datetime | None:
    """When an automation with a delay acts after an event in a ticket, by the opening hours of its
    team. None when the team isn't open for that long any more.
    """
    delay = version.delay or timedelta()
    if not version.is_delay_business_time:
        return at + delay
    return (await team_hours(ticket.team_id)).add(at, delay)


async def _insert_timer(
    tx: Transaction,
    rule: Rule,
    ticket_id: int,
    happening: Happening,
    root: str,
    depth: int,
    due_at: datetime,
    *,
    attempts: int = 0,
    error: str | None = None,
) -> None:
    await execute(
        "INSERT INTO automation_timer (automation_id, version_id, ticket_id, sequence, root, "
        "depth, happened_at, due_at, attempts, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT DO NOTHING",
        rule.automation.pk,
        rule.version.pk,
        ticket_id,
        happening.sequence,
        root,
        depth,
        happening.at,
        due_at,
        attempts,
        error,
        db=tx.db,
    )


async def plan_for_clock(tx: Transaction, ticket: Ticket, clock_id: int, kind: EventKind) -> None:
    """Schedule the automations that act on an SLA clock about which people are notified. The caller
    has locked the ticket.
    """
    event = AutomationEvent(kind.value)
    for rule in await enabled_rules():
        if rule.version.event is event and rule.enabled_at <= tx.action.at:
            happening = Happening(event, tx.action.at)
            root = f"clock:{clock_id}"
            await _insert_timer(tx, rule, ticket.pk, happening, root, 0, tx.action.at)


async def _root(tx: Transaction, ticket_id: int, happening: Happening) -> tuple[str, int]:
    """The root of what happened, and its place in the chain: 0 unless an automation did it."""
    if happening.root:
        return happening.root, happening.depth
    causes = AutomationRun.filter(
        ticket_id=ticket_id,
        first_sequence__lte=happening.sequence,
        last_sequence__gte=happening.sequence,
    )
    cause = await causes.using_db(tx.db).first()
    return (cause.root, cause.depth + 1) if cause else (f"event:{happening.sequence}", 0)


async def _handle_now(
    action: Action, rules: Sequence[Rule], ticket_id: int, happening: Happening
) -> int:
    """Let the automations whose conditions are met act immediately, in their order. Returns how
    many acted or were refused. The facts are read again only when one may have changed them, in
    this process or in another.
    """
    facts: Facts | None = None
    count = 0
    for rule in rules:
        try:
            facts = facts or await _facts(await Ticket.get(pk=ticket_id), happening)
            if facts.meets(rule.version):
                count += await retry_conflict(partial(_act_now, action, rule, ticket_id, happening))
                facts = None
        except Exception as error:
            await _try_later(action, rule, ticket_id, happening, error)
            facts = None
    return count


async def _act_now(action: Action, rule: Rule, ticket_id: int, happening: Happening) -> bool:
    author = await automation_author(action)
    async with action.transaction() as tx:
        people = await lock_people(tx, rule.version.ticket_actions, None)
        ticket = await tx.lock(Ticket, ticket_id)
        if await _cursor(ticket_id, tx.db) >= happening.sequence:
            return False
        return await _run(tx, rule, ticket, happening, author, people)


async def _try_timer(action: Action, key: int) -> bool:
    """Let a due automation act. If it fails again, it is tried later or given up."""
    try:
        return await retry_conflict(partial(_handle_timer, action, key))
    except Exception as error:
        await _record_failure(action, key, error)
        return False


async def _record_failure(action: Action, key: int, error: Exception) -> None:
    async with action.transaction() as tx:
        timer = await AutomationTimer.get(pk=key, using_db=tx.db)
        await tx.lock(Ticket, timer.ticket_id)
        timer = await AutomationTimer.get(pk=key, using_db=tx.db)
        timer.attempts += 1
        if timer.attempts <= len(RETRY_DELAYS):
            timer.due_at = action.at + RETRY_DELAYS[timer.attempts - 1]
            timer.error = type(error).__name__[:ERROR_LENGTH]
            await timer.save(using_db=tx.db, update_fields=["attempts", "due_at", "error"])
        else:
            await _give_up(tx, timer)
    _log_failure(timer.automation_id, timer.ticket_id, timer.attempts, error)


async def _give_up(tx: Transaction, timer: AutomationTimer) -> None:
    version = await AutomationVersion.get(pk=timer.version_id, using_db=tx.db)
    head, kinds = await _head(timer.ticket_id, tx.db), version.ticket_actions.kinds
    reason = ActionRefusalReason.FAILED
    await AutomationRun.create(
        using_db=tx.db,
        automation_id=timer.automation_id,
        version_id=timer.version_id,
        ticket_id=timer.ticket_id,
        event=version.event,
        root=timer.root,
        depth=timer.depth,
        happened_at=timer.happened_at,
        at=tx.action.at,
        first_sequence=head + 1,
        last_sequence=head,
        kinds=kinds,
        refusals=[{"kind": kind.value, "reason": reason.value} for kind in kinds],
        is_refused=True,
    )
    await timer.delete(using_db=tx.db)


async def _handle_timer(action: Action, key: int) -> bool:
    """Let a due automation act, unless it was changed or disabled, or the event is obsolete.
    Returns whether it acted or was refused.
    """
    timer = await AutomationTimer.get_or_none(pk=key)
    if timer is None:
        return False
    rules = {rule.automation.pk: rule for rule in await enabled_rules()}
    rule = rules.get(timer.automation_id)
    planned = await AutomationVersion.get(pk=timer.version_id)
    if rule is None or not rule.version.has_same_trigger(planned):
        await timer.delete()
        return False
    due_at = timer.due_at
    if rule.version.delay is not None:
        ticket = await Ticket.get(pk=timer.ticket_id)
        due_at = await due_time(planned, ticket, timer.happened_at) or action.at + _CHECK_AGAIN
    if due_at > action.at:  # the calendar was changed, or the ticket has another team
        await AutomationTimer.filter(pk=key).update(due_at=due_at)
        return False
    author = await automation_author(action)
    async with action.transaction() as tx:
        people = await lock_people(tx, rule.version.ticket_actions, None)
        ticket = await tx.lock(Ticket, timer.ticket_id)
        if not await AutomationTimer.filter(pk=key).using_db(tx.db).delete():
            return False  # another process has handled it
        message = await _message_at(tx, timer)
        happening = Happening(
            rule.version.event, timer.happened_at, timer.sequence, message, timer.root, timer.depth
        )
        if timer.happened_at < rule.enabled_at:
            return False
        if rule.version.delay is not None and await _is_obsolete(tx, ticket, happening):
            return False
        return await _run(tx, rule, ticket, happening, author, people)


async def _message_at(tx: Transaction, timer: AutomationTimer) -> Message | None:
    messages = Message.filter(ticket_id=timer.ticket_id, sequence=timer.sequence)
    return await messages.using_db(tx.db).first()


async def _is_obsolete(tx: Transaction, ticket: Ticket, happening: Happening) -> bool:
    """Whether something has happened since that makes a delayed automation obsolete: a message of
    either side after a reply, a new status, a new assignment.
    """
    later = {"ticket_id": ticket.pk, "sequence__gt": happening.sequence}
    if happening.event in (AutomationEvent.CUSTOMER_REPLIED, AutomationEvent.AGENT_REPLIED):
        messages = Message.filter(**later).exclude(author__email=AUTOMATION_EMAIL)
        return await messages.using_db(tx.db).exists()
    kinds = {event: kind for kind, event in _EVENTS.items()}
    kind = kinds.get(happening.event)
    if kind is None or kind is EventKind.TICKET_OPENED:
        return False
    events = Event.filter(
        stream=ticket_stream(ticket.pk), sequence__gt=happening.sequence, kind=kind
    )
    return await events.using_db(tx.db).exists()


async def _facts(ticket: Ticket, happening: Happening, tx: Transaction | None = None) -> Facts:
    facts = await facts_of(ticket, tx.db if tx else None)
    return facts.at(happening.at, happening.message)


async def _run(
    tx: Transaction,
    rule: Rule,
    ticket: Ticket,
    happening: Happening,
    author: User,
    people: Sequence[User],
) -> bool:
    """Let an automation act on a ticket, which the caller has locked after `people`, if its
    conditions are met and it hasn't acted for this root before.
    """
    root, depth = await _root(tx, ticket.pk, happening)
    known = AutomationRun.filter(automation_id=rule.automation.pk, ticket_id=ticket.pk, root=root)
    if await known.using_db(tx.db).exists():
        return False
    if not (await _facts(ticket, happening, tx)).meets(rule.version):
        return False
    erased = Account.filter(pk=ticket.account_id, status=AccountStatus.ERASED)
    if await erased.using_db(tx.db).exists():  # nothing is written about it anymore
        return False
    actions = rule.version.ticket_actions
    source = {"automation": rule.automation.pk, "version": rule.version.number}
    key = f"{AUTOMATION_KEY}{rule.automation.pk}:{root}"
    actor = Actor(author, source, key, is_automation=True)
    refusals = await find_refusals(tx, ticket, actions, actor, people)
    refusals += await _refuse_loops(tx, ticket, actions.kinds, depth)
    head = await _head(ticket.pk, tx.db)
    run = AutomationRun(
        automation_id=rule.automation.pk,
        version_id=rule.version.pk,
        ticket_id=ticket.pk,
        event=happening.event,
        root=root,
        depth=depth,
        happened_at=happening.at,
        at=tx.action.at,
        first_sequence=head + 1,
        last_sequence=head,
        kinds=actions.kinds,
        refusals=[{"kind": each.kind.value, "reason": each.reason.value} for each in refusals],
        is_refused=bool(refusals),
    )
    if not refusals:
        tx.audit(
            SupportAuditAction.AUTOMATION_RUN,
            ticket,
            account_id=None,
            actions=", ".join(actions.kinds),
            **source,
        )
        result = await apply_actions(tx, ticket, actions, actor)
        run.message_id = result.message.pk if result.message else None
        run.note_id = result.note.pk if result.note else None
        run.last_sequence = await _head(ticket.pk, tx.db)
    else:  # agents who look at the ticket have to learn of it
        await tx.append(INBOX, EventKind.TICKET_UPDATED, ticket_id=ticket.pk)
    await run.save(using_db=tx.db)
    return True


async def _refuse_loops(
    tx: Transaction, ticket: Ticket, kinds: Sequence[TicketActionKind], depth: int
) -> list[ActionRefusal]:
    refused = []
    if depth > MAX_DEPTH:
        refused = [(kind, ActionRefusalReason.CHAIN_LIMIT) for kind in kinds]
    if TicketActionKind.REPLY in kinds:
        sent = AutomationRun.filter(
            message_id__not_isnull=True, at__gt=tx.action.at - MESSAGE_PERIOD
        ).using_db(tx.db)
        if (
            await sent.filter(ticket_id=ticket.pk).count() >= MAX_MESSAGES
            or await sent.filter(
                ticket__account_id=ticket.account_id, ticket__requester_id=ticket.requester_id
            ).count()
            >= MAX_MESSAGES_TO_CUSTOMER
        ):
            refused.append((TicketActionKind.REPLY, ActionRefusalReason.MESSAGE_LIMIT))
    return [
        ActionRefusal(kind, reason, Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input"))
        for kind, reason in refused
    ]


async def automation_author(action: Action) -> User:
    """The author of what automations write: a user who can't sign in and belongs to no company."""
    author = await User.get_or_none(email=AUTOMATION_EMAIL)
    if author is None:
        try:
            return await User.create(
                name=AUTHOR_NAME,
                email=AUTOMATION_EMAIL,
                password_hash="!",  # noqa: S106 - no password hashes to it
                email_verified_at=action.at,
                created_at=action.at,
            )
        except IntegrityError:  # another process was faster
            return await User.get(email=AUTOMATION_EMAIL)
    return author
