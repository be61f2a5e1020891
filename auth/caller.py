"""Identifying callers: from an access token to a viewer, cached for a second.

Each request looks up its token, and most requests come from someone who made another one a moment
ago. So `CallerCache` caches viewers by the hash of the token, under three rules. A cached viewer is
used for at most a second after the database was queried, and never after the token has expired; for
that long, changes made by other processes may go unnoticed, as with streams (`realtime/hub.py`). A
change made by this process removes the viewer at once: whoever ends a session or changes a user or
a membership announces it (`auth/sessions.py`). The result of a query that was running during such
an announcement is used once, but not cached.

The rows of a cached viewer are shared by concurrent requests, so they must not be modified: code
that changes a user or a session loads its own row, or uses an UPDATE statement.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from datetime import datetime
from functools import cache
from time import monotonic
from typing import Any

from auth.sessions import session_key, token_hash, user_key
from models.accounts.account import Account, AccountStatus, Role
from models.clock import Clock
from models.database.instances import row_factory
from models.database.reading import all_columns
from models.database.sql import dialect, fetch_records
from models.errors import Unauthenticated
from models.identity.session import Session
from models.identity.user import User
from models.locale import Locale, preferred_locale
from models.viewer import Viewer
from realtime.hub import SWEEP_SECONDS, Hub

MAX_CACHED = 2_000


class Caller:
    """A signed-in user, as read from one row of the database, and how long it may be cached (by the
    monotonic clock).
    """

    def __init__(self, values: tuple[Any, ...]) -> None:
        self.values, self.cached_until = values, 0.0
        self.session, self.user, self.account, role = _build_rows(values)
        self.role = Role(role) if role else None
        self._viewers: dict[Locale, Viewer] = {}

    @property
    def announcement_keys(self) -> tuple[str, str]:
        """The announcements that invalidate this caller."""
        return session_key(self.session.pk), user_key(self.user.pk)

    def is_valid(self, at: datetime) -> bool:
        """Whether token and session are valid, and the user is still a member of the company."""
        is_member = self.account is None or (
            self.role is not None and self.account.status is AccountStatus.ACTIVE
        )
        return is_member and at < self.session.access_expires_at and self.session.is_active(at)

    def viewer(self, accept_language: str | None) -> Viewer:
        """The viewer in the first supported language of the header, else in the user's own
        language.
        """
        locale = preferred_locale(accept_language, self.user.locale)
        if locale not in self._viewers:
            self._viewers[locale] = Viewer(self.user, self.account, self.role, self.session, locale)
        return self._viewers[locale]


class CallerCache:
    """The callers of one process. `seconds` is a monotonic clock."""

    def __init__(self, hub: Hub, clock: Clock, seconds: Callable[[], float] = monotonic) -> None:
        self._clock, self._seconds = clock, seconds
        self._cached: OrderedDict[str, Caller] = OrderedDict()
        self._tokens_by_announcement: defaultdict[str, set[str]] = defaultdict(set)
        self._changes = 0
        hub.add_observer(self._on_announcement)

    def __len__(self) -> int:
        return len(self._cached)

    async def viewer_of(
        self, access_token: str | None, accept_language: str | None = None
    ) -> Viewer:
        """The viewer that an access token stands for, anonymous without one. Raises Unauthenticated
        for an invalid token.

        `accept_language` is the request's header: the viewer's language is the first supported one,
        else the user's own.
        """
        if access_token is None:
            return anonymous(accept_language)
        key, at = token_hash(access_token), self._clock.now()
        caller = self._cached.get(key)
        if caller is None or self._seconds() >= caller.cached_until or not caller.is_valid(at):
            caller = await self._look_up(key, at, caller)
        else:
            self._cached.move_to_end(key)
        return caller.viewer(accept_language)

    async def _look_up(self, key: str, at: datetime, previous: Caller | None) -> Caller:
        changes, cached_until = self._changes, self._seconds() + SWEEP_SECONDS
        caller = await _load_caller(key, at, previous)
        if caller is None:
            self._drop(key)
            raise Unauthenticated
        if changes == self._changes:
            self._store(key, caller, cached_until)
        return caller

    def _store(self, key: str, caller: Caller, cached_until: float) -> None:
        caller.cached_until = cached_until
        self._cached[key] = caller
        self._cached.move_to_end(key)
        for announcement_key in caller.announcement_keys:
            self._tokens_by_announcement[announcement_key].add(key)
        if len(self._cached) > MAX_CACHED:
            self._drop(next(iter(self._cached)))

    def _drop(self, key: str) -> None:
        if caller := self._cached.pop(key, None):
            for announcement_key in caller.announcement_keys:
                self._tokens_by_announcement[announcement_key].discard(key)
                if not self._tokens_by_announcement[announcement_key]:
                    del self._tokens_by_announcement[announcement_key]

    def _on_announcement(self, announcement_key: str) -> None:
        if announcement_key.startswith(("session:", "user:")):
            self._changes += 1
            for key in tuple(self._tokens_by_announcement.get(announcement_key, ())):
                self._drop(key)


def anonymous(accept_language: str | None = None) -> Viewer:
    """An anonymous viewer."""
    return Viewer(locale=preferred_locale(accept_language))


async def _load_caller(
    access_hash: str, at: datetime, previous: Caller | None = None
) -> Caller | None:
    records = await fetch_records(_caller_query(), access_hash)
    if not records:
        return None
    values = tuple(records[0])
    caller = previous if previous and previous.values == values else Caller(values)
    return caller if caller.is_valid(at) else None


@cache
def _caller_query() -> str:
    # Not built by the ORM, which would take a millisecond; it runs once a second for each token in
    # use.
    columns = [
        f'"{model._meta.db_table}"."{name}"'
        for model in (Session, User, Account)
        for name in all_columns(model)
    ]
    return (
        f"SELECT {', '.join(columns)}, membership.role FROM session"  # noqa: S608
        ' JOIN "user" ON "user".id = session.user_id'
        " LEFT JOIN account ON account.id = session.account_id LEFT JOIN membership"
        " ON membership.user_id = session.user_id AND membership.account_id = session.account_id"
        " WHERE session.access_hash = ?"
    )


def _build_rows(values: tuple[Any, ...]) -> tuple[Session, User, Account | None, str | None]:
    rows: list[Any] = []
    start = 0
    for make, width in _row_factories(dialect()):
        rows.append(make([values[start : start + width]])[0] if values[start] is not None else None)
        start += width
    return rows[0], rows[1], rows[2], values[start]


@cache
def _row_factories(dialect: str) -> Any:
    return [
        (row_factory(model, all_columns(model), dialect), len(all_columns(model)))
        for model in (Session, User, Account)
    ]
