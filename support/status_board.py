"""Taking the daily snapshot of the status board, and reading it.

The snapshot of a day is taken once, from 7:00 in Paris on, by whichever process inserts the row of
the day first. One statement copies all requests, so they are consistent with each other. A later
run of the same day changes nothing. Snapshots of days that haven't begun, because the clock was set
back, are deleted: otherwise the board would show one of them until its day has passed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from tortoise.queryset import QuerySet

from auth import throttle
from auth.services import AuthServices
from models.accounts.account import AccountStatus
from models.action import Action, Transaction
from models.clock import PARIS, local_date
from models.database.sql import execute
from models.support.status_board import (
    FINISHED_PERIOD,
    TOKEN_LENGTH,
    BoardEntry,
    BoardSnapshot,
    StatusBoard,
    new_token,
)
from models.support.ticket_status import FINISHED_STATUSES, TicketStatus
from models.text import can_be_stored

SNAPSHOT_TIME = time(7, 0)  # in Paris
MAX_REQUESTS = 500
FEED_PERIOD = timedelta(days=30)
MAX_CHANGES = 100


async def take_snapshot(action: Action) -> bool:
    """Take the snapshot of the day, if it is time and there is none yet. Returns whether it was
    taken.
    """
    day = local_date(action.at)
    await _delete_later_snapshots(action, day)
    is_time = action.at.astimezone(PARIS).time() >= SNAPSHOT_TIME
    if not is_time or await BoardSnapshot.filter(day=day).exists():
        return False
    async with action.transaction() as tx:
        claimed = await execute(_CLAIM_DAY, day, action.at, db=tx.db)
        if not claimed:  # by another process
            return False
        await execute(_COPY_REQUESTS, day, action.at - FINISHED_PERIOD, db=tx.db)
        await _create_links(tx, day)
    return True


async def _delete_later_snapshots(action: Action, day: date) -> None:
    later_days = await BoardSnapshot.filter(day__gt=day).values_list("day", flat=True)
    if later_days:
        async with action.transaction() as tx:
            await BoardSnapshot.filter(day__in=later_days).using_db(tx.db).delete()
            await BoardEntry.filter(day__in=later_days).using_db(tx.db).delete()


_CLAIM_DAY = """
    INSERT INTO board_snapshot (day, as_of) VALUES (?, ?) ON CONFLICT (day) DO NOTHING
    RETURNING day"""
_FINISHED = ", ".join(f"'{status.value}'" for status in FINISHED_STATUSES)
_COPY_REQUESTS = f"""
    INSERT INTO board_entry (day, account_id, ticket_id, category, status, opened_at, updated_at)
    SELECT ?, ticket.account_id, ticket.id, ticket.category,
        CASE ticket.status WHEN '{TicketStatus.ON_HOLD.value}' THEN '{TicketStatus.OPEN.value}'
        ELSE ticket.status END, ticket.created_at, ticket.updated_at
    FROM ticket JOIN account ON account.id = ticket.account_id
    WHERE ticket.deadline_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM ticket_merge WHERE ticket_merge.ticket_id = ticket.id)
    AND account.status <> '{AccountStatus.ERASED.value}'
    AND (ticket.status NOT IN ({_FINISHED}) OR ticket.updated_at >= ?)"""  # noqa: S608 - made of our own names only


async def _create_links(tx: Transaction, day: date) -> None:
    """Create a link for every company that has a request and never had a link."""
    entries = BoardEntry.filter(day=day).using_db(tx.db).distinct()
    account_ids = {int(str(key)) for key in await entries.values_list("account_id", flat=True)}
    known = StatusBoard.filter(account_id__in=list(account_ids)).using_db(tx.db)
    account_ids -= {int(str(key)) for key in await known.values_list("account_id", flat=True)}
    boards = [
        StatusBoard(account_id=key, token=new_token(), updated_at=tx.action.at)
        for key in sorted(account_ids)
    ]
    await StatusBoard.bulk_create(boards, ignore_conflicts=True, using_db=tx.db)


@dataclass(frozen=True)
class Board:
    """What a company's board shows of one day: the requests, most recently updated first, and the
    days of the snapshots before and after it. `changed_at` is when the page last changed: when the
    next snapshot was taken.
    """

    day: date
    as_of: datetime
    changed_at: datetime
    requests: Sequence[BoardEntry]
    previous_day: date | None
    next_day: date | None


@dataclass(frozen=True)
class StatusChange:
    """A request that appeared on the board, or whose status differs from the one before."""

    entry: BoardEntry
    as_of: datetime


async def count_visit(auth: AuthServices, client: str) -> None:
    """Count a visit to a board, whether its link is valid or not. Raises Throttled."""
    network = throttle.client_network(client)
    await auth.throttle.attempt(throttle.key(throttle.STATUS_BOARD, network))


async def find_board(token: str) -> StatusBoard | None:
    """The board that a link leads to."""
    if not can_be_stored(token, TOKEN_LENGTH):
        return None
    return await StatusBoard.get_or_none(token=token)


async def read_board(board: StatusBoard, day: date | None = None) -> Board | None:
    """What a board shows of a day, by default the latest one; None without a snapshot of that
    day.
    """
    snapshots = QuerySet(BoardSnapshot)
    snapshot = (
        await snapshots.get_or_none(day=day) if day else await snapshots.order_by("-day").first()
    )
    if snapshot is None:
        return None
    entries = BoardEntry.filter(account_id=board.account_id, day=snapshot.day)
    earlier, later = (snapshots.filter(**{f"day__{name}": snapshot.day}) for name in ("lt", "gt"))
    previous, following = (
        await earlier.order_by("-day").first(),
        await later.order_by("day").first(),
    )
    return Board(
        snapshot.day,
        snapshot.as_of,
        following.as_of if following else snapshot.as_of,
        await entries.order_by("-updated_at", "-ticket_id").limit(MAX_REQUESTS),
        previous.day if previous else None,
        following.day if following else None,
    )


async def recent_changes(board: StatusBoard) -> list[StatusChange]:
    """The changes of status between the snapshots of the last days, most recent first."""
    latest = await QuerySet(BoardSnapshot).order_by("-day").first()
    if latest is None:
        return []
    since = latest.day - FEED_PERIOD
    snapshots = {each.day: each.as_of for each in await BoardSnapshot.filter(day__gte=since)}
    entries = BoardEntry.filter(account_id=board.account_id, day__gte=since)
    statuses = await _statuses_before(board, since)
    changes = []
    for entry in await entries.order_by("day", "ticket_id"):
        if statuses.get(entry.ticket_id) != entry.status:
            changes.append(StatusChange(entry, snapshots[entry.day]))
        statuses[entry.ticket_id] = entry.status
    return changes[: -MAX_CHANGES - 1 : -1]


async def _statuses_before(board: StatusBoard, day: date) -> dict[int, TicketStatus]:
    """The statuses in the last snapshot before a day."""
    earlier = BoardEntry.filter(account_id=board.account_id, day__lt=day)
    last = await earlier.order_by("-day").first()
    if last is None:
        return {}
    entries = await BoardEntry.filter(account_id=board.account_id, day=last.day)
    return {entry.ticket_id: entry.status for entry in entries}
