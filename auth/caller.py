"""Identifying callers: from an access token or an API key to a viewer, cached for a second.

Each request looks up its token, and most requests come from someone who made another one a moment
ago. So `CallerCache` caches viewers by the hash of the token, under three rules. A cached viewer is
used for at most a second after the database was queried, and never after the token has expired; for
that long, changes made by other processes may go unnoticed, as with streams (`realtime/hub.py`). A
change made by this process removes the viewer at once: whoever ends a session or changes a user or
a membership announces it (`auth/sessions.py`), and so does whoever revokes an API key. The result
of a query that was running during such an announcement is used once, but not cached.

The rows of a cached viewer are shared by concurrent requests, so they must not be modified: code
that changes a user or a session loads its own row, or uses an UPDATE statement.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import cache
from time import monotonic
from typing import Any

import structlog
from tortoise.models import Model

from auth.api_keys import UNKNOWN_KEY, USE_PRECISION, api_key_key
from auth.sessions import session_key, token_hash, user_key
from auth.throttle import Key, Throttle, client_network
from auth.throttle import key as throttle_key
from models.accounts.account import Account, AccountStatus, Role
from models.accounts.service_account import ApiKey, ServiceAccount
from models.clock import Clock
from models.database.instances import row_factory
from models.database.reading import all_columns
from models.database.sql import dialect, fetch_records
from models.errors import ServiceUnavailable, Unauthenticated
from models.identity.session import Session
from models.identity.user import User
from models.locale import Locale, preferred_locale
from models.viewer import Viewer
from realtime.hub import SWEEP_SECONDS, Hub

MAX_CACHED = 2_000

log = structlog.stdlib.get_logger()


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


class KeyCaller:
    """A service account with one of its API keys, as read from one row of the database, and how
    long it may be cached.
    """

    def __init__(self, values: tuple[Any, ...]) -> None:
        self.values, self.cached_until = values, 0.0
        self.api_key, self.service_account, self.account = _build_key_rows(values)
        self._viewers: dict[Locale, Viewer] = {}

    @property
    def announcement_keys(self) -> tuple[str, ...]:
        """The announcements that invalidate this caller."""
        return (api_key_key(self.api_key.pk),)

    def is_valid(self, at: datetime) -> bool:
        """Whether the key is valid and its company active."""
        return self.account.status is AccountStatus.ACTIVE and self.api_key.is_valid(at)

    def viewer(self, accept_language: str | None) -> Viewer:
        """The viewer in the first supported language of the header."""
        locale = preferred_locale(accept_language)
        if locale not in self._viewers:
            self._viewers[locale] = Viewer(
                locale=locale, service_account=self.service_account, api_key=self.api_key
            )
        return self._viewers[locale]


AnyCaller = Caller | KeyCaller


class CallerCache:
    """The callers of one process. `throttle` limits guesses at API keys; `seconds` is a monotonic
    clock.
    """

    def __init__(
        self,
        hub: Hub,
        clock: Clock,
        seconds: Callable[[], float] = monotonic,
        throttle: Throttle | None = None,
    ) -> None:
        self._clock, self._seconds = clock, seconds
        self._throttle = throttle or Throttle(clock)
        self._cached: OrderedDict[str, AnyCaller] = OrderedDict()
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
        caller = self._cached_caller(key, at) or await self._look_up(
            key, _load_caller(key, at, self._cached.get(key))
        )
        return caller.viewer(accept_language)

    async def viewer_of_key(
        self, api_key: str, accept_language: str | None = None, address: str = ""
    ) -> Viewer:
        """The viewer that an API key stands for, in the first supported language of the header.
        `address` is the client's network address.

        Raises Unauthenticated for an invalid key, and Throttled for a network that has tried many
        keys that don't exist. It can't lock out a key that this process has just seen.
        """
        key, at = token_hash(api_key), self._clock.now()
        caller = self._cached_caller(key, at)
        if caller is None:
            guesses = throttle_key(UNKNOWN_KEY, client_network(address))
            is_known = key in self._cached
            if not is_known:
                await self._throttle.attempt(guesses)
            caller = await self._look_up(key, self._load_key(key, at, guesses, is_known=is_known))
        return caller.viewer(accept_language)

    async def _load_key(
        self, key: str, at: datetime, guesses: Key, *, is_known: bool
    ) -> KeyCaller | None:
        records = await fetch_records(_key_query(), key)
        if not records:
            return None
        if not is_known:  # also one that was revoked: that isn't a guess
            await self._throttle.undo_attempt(guesses)
        values, previous = tuple(records[0]), self._cached.get(key)
        is_same = isinstance(previous, KeyCaller) and previous.values == values
        caller = previous if isinstance(previous, KeyCaller) and is_same else KeyCaller(values)
        if not caller.is_valid(at):
            return None
        await _record_use(caller.api_key, at)
        return caller

    def _cached_caller(self, key: str, at: datetime) -> AnyCaller | None:
        """The cached caller, None when the database has to be queried."""
        caller = self._cached.get(key)
        if caller is None or self._seconds() >= caller.cached_until or not caller.is_valid(at):
            return None
        self._cached.move_to_end(key)
        return caller

    async def _look_up(self, key: str, query: Awaitable[AnyCaller | None]) -> AnyCaller:
        changes, cached_until = self._changes, self._seconds() + SWEEP_SECONDS
        caller = await query
        if caller is None:
            self._drop(key)
            raise Unauthenticated
        if changes == self._changes:
            self._store(key, caller, cached_until)
        return caller

    def _store(self, key: str, caller: AnyCaller, cached_until: float) -> None:
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
        if announcement_key.startswith(("session:", "user:", "api_key:")):
            self._changes += 1
            for key in tuple(self._tokens_by_announcement.get(announcement_key, ())):
                self._drop(key)


def anonymous(accept_language: str | None = None) -> Viewer:
    """An anonymous viewer."""
    return Viewer(locale=preferred_locale(accept_language))


async def _load_caller(
    access_hash: str, at: datetime, previous: AnyCaller | None = None
) -> Caller | None:
    records = await fetch_records(_caller_query(), access_hash)
    if not records:
        return None
    values = tuple(records[0])
    is_same = isinstance(previous, Caller) and previous.values == values
    caller = previous if isinstance(previous, Caller) and is_same else Caller(values)
    return caller if caller.is_valid(at) else None


async def _record_use(api_key: ApiKey, at: datetime) -> None:
    """Record that a key is in use, at most once per USE_PRECISION. A failure to record it doesn't
    fail the request.
    """
    recorded = api_key.last_used_at
    if recorded and abs(at - recorded) < USE_PRECISION:
        return
    unchanged = ApiKey.filter(pk=api_key.pk, last_used_at=recorded)
    try:
        await unchanged.update(last_used_at=at)
    except ServiceUnavailable:
        log.warning("api_key.use_not_recorded", key=api_key.pk)


@cache
def _caller_query() -> str:
    # Not built by the ORM, which would take a millisecond; it runs once a second for each token in
    # use.
    return (
        f"SELECT {_columns_of(*_SESSION_ROWS)}, membership.role FROM session"  # noqa: S608
        ' JOIN "user" ON "user".id = session.user_id'
        " LEFT JOIN account ON account.id = session.account_id LEFT JOIN membership"
        " ON membership.user_id = session.user_id AND membership.account_id = session.account_id"
        " WHERE session.access_hash = ?"
    )


@cache
def _key_query() -> str:
    return (
        f"SELECT {_columns_of(*_KEY_ROWS)} FROM api_key"  # noqa: S608
        " JOIN service_account ON service_account.id = api_key.service_account_id"
        " JOIN account ON account.id = service_account.account_id WHERE api_key.key_hash = ?"
    )


_SESSION_ROWS = (Session, User, Account)
_KEY_ROWS = (ApiKey, ServiceAccount, Account)


def _columns_of(*models: type[Model]) -> str:
    return ", ".join(
        f'"{model._meta.db_table}"."{name}"' for model in models for name in all_columns(model)
    )


def _build_rows(values: tuple[Any, ...]) -> tuple[Session, User, Account | None, str | None]:
    session, user, account = _split_rows(values, _SESSION_ROWS)
    return session, user, account, values[-1]


def _build_key_rows(values: tuple[Any, ...]) -> tuple[ApiKey, ServiceAccount, Account]:
    api_key, service_account, account = _split_rows(values, _KEY_ROWS)
    return api_key, service_account, account


def _split_rows(values: tuple[Any, ...], models: tuple[type[Model], ...]) -> list[Any]:
    """A row of each model, None where a join found none."""
    rows: list[Any] = []
    start = 0
    for make, width in _row_factories(dialect(), models):
        rows.append(make([values[start : start + width]])[0] if values[start] is not None else None)
        start += width
    return rows


@cache
def _row_factories(dialect: str, models: tuple[type[Model], ...]) -> Any:
    return [
        (row_factory(model, all_columns(model), dialect), len(all_columns(model)))
        for model in models
    ]
