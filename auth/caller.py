"""Who is calling: from an access token to a viewer, and whether long-lived sockets may stay.

A token is looked up with every request, and most requests come from somebody who asked a moment ago. So `Callers` keeps
viewers, by the token's hash, under three rules. None is trusted for longer than a second after the database was asked, nor
once its token has expired: so long may what another process changed go unseen, as it may for streams (`realtime/hub.py`).
What this process changes drops it at once: whoever ends a session, or changes a person or their place in a company, announces
it (`auth/sessions.py`). And an answer that was under way during such an announcement is used, but not kept.

The rows of a kept viewer are shared by requests that run at the same time, so nobody may change them: a verb that changes a
person or a session loads its own row, or writes by a statement.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection
from datetime import datetime
from functools import cache
from time import monotonic
from typing import Any

from auth.sessions import hashed, person, standing, stream
from models.accounts.account import Account, AccountStatus, Role
from models.clock import Clock
from models.database.instances import maker
from models.database.reading import every
from models.database.sql import dialect, records
from models.errors import Unauthenticated
from models.identity.session import Session
from models.identity.user import User
from models.locale import Locale, preferred
from models.viewer import Viewer
from realtime.hub import SWEEP_SECONDS, Hub

MOST_KEPT = 2_000

Seat = tuple[int, Role | None]


class Caller:
    """Somebody signed in, as one row of the database tells, and until when that is taken for true (on the clock's own)."""

    def __init__(self, told: tuple[Any, ...]) -> None:
        self.told, self.until = told, 0.0
        self.session, self.user, self.account, role = _rows(told)
        self.role = Role(role) if role else None
        self._viewers: dict[Locale, Viewer] = {}

    @property
    def keys(self) -> tuple[str, str]:
        """What is announced when this may no longer be true."""
        return stream(self.session.pk), person(self.user.pk)

    def stands(self, at: datetime) -> bool:
        """Whether token and session still count, and the person still belongs to the company they act for."""
        member = self.account is None or (self.role is not None and self.account.status is AccountStatus.ACTIVE)
        return member and at < self.session.access_expires_at and self.session.alive(at)

    def viewer(self, accept_language: str | None) -> Viewer:
        """The viewer, in the header's language when it names one of ours, else the person's own."""
        locale = preferred(accept_language, self.user.locale)
        if locale not in self._viewers:
            self._viewers[locale] = Viewer(self.user, self.account, self.role, self.session, locale)
        return self._viewers[locale]


class Callers:
    """The callers of one process. `seconds` tells seconds that pass, of which nothing but differences are used."""

    def __init__(self, hub: Hub, clock: Clock, seconds: Callable[[], float] = monotonic) -> None:
        self._clock, self._seconds = clock, seconds
        self._kept: OrderedDict[str, Caller] = OrderedDict()
        self._concerned: defaultdict[str, set[str]] = defaultdict(set)
        self._changes = 0
        hub.overhear(self._changed)

    def __len__(self) -> int:
        return len(self._kept)

    async def viewer_of(self, access_token: str | None, accept_language: str | None = None) -> Viewer:
        """As `viewer_of`, now."""
        if access_token is None:
            return nobody(accept_language)
        key, at = hashed(access_token), self._clock.now()
        caller = self._kept.get(key)
        if caller is None or self._seconds() >= caller.until or not caller.stands(at):
            caller = await self._asked(key, at, caller)
        else:
            self._kept.move_to_end(key)
        return caller.viewer(accept_language)

    async def _asked(self, key: str, at: datetime, before: Caller | None) -> Caller:
        changes, until = self._changes, self._seconds() + SWEEP_SECONDS
        caller = await _caller(key, at, before)
        if caller is None:
            self._drop(key)
            raise Unauthenticated
        if changes == self._changes:
            self._keep(key, caller, until)
        return caller

    def _keep(self, key: str, caller: Caller, until: float) -> None:
        caller.until = until
        self._kept[key] = caller
        self._kept.move_to_end(key)
        for concern in caller.keys:
            self._concerned[concern].add(key)
        if len(self._kept) > MOST_KEPT:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: str) -> None:
        if caller := self._kept.pop(key, None):
            for concern in caller.keys:
                self._concerned[concern].discard(key)
                if not self._concerned[concern]:
                    del self._concerned[concern]

    def _changed(self, announced: str) -> None:
        if announced.startswith(("session:", "user:")):
            self._changes += 1
            for key in tuple(self._concerned.get(announced, ())):
                self._drop(key)


async def viewer_of(access_token: str | None, at: datetime, accept_language: str | None = None) -> Viewer:
    """Whoever the token stands for, in one statement; nobody without a token. Raises Unauthenticated for a token that
    does not work (any more). The language is the header's when it names one of ours, else the person's own."""
    if access_token is None:
        return nobody(accept_language)
    caller = await _caller(hashed(access_token), at)
    if caller is None:
        raise Unauthenticated
    return caller.viewer(accept_language)


def nobody(accept_language: str | None = None) -> Viewer:
    """Whoever is not signed in."""
    return Viewer(locale=preferred(accept_language))


async def _caller(access_hash: str, at: datetime, before: Caller | None = None) -> Caller | None:
    found = await records(_statement(), access_hash)
    if not found:
        return None
    told = tuple(found[0])
    caller = before if before and before.told == told else Caller(told)
    return caller if caller.stands(at) else None


@cache
def _statement() -> str:
    # Written here, for the ORM takes a millisecond over it; every token that is used costs it once a second.
    columns = [f'"{model._meta.db_table}"."{name}"' for model in (Session, User, Account) for name in every(model)]
    return (
        f'SELECT {", ".join(columns)}, membership.role FROM session JOIN "user" ON "user".id = session.user_id'  # noqa: S608
        " LEFT JOIN account ON account.id = session.account_id LEFT JOIN membership"
        " ON membership.user_id = session.user_id AND membership.account_id = session.account_id"
        " WHERE session.access_hash = ?"
    )


def _rows(told: tuple[Any, ...]) -> tuple[Session, User, Account | None, str | None]:
    rows: list[Any] = []
    start = 0
    for make, width in _makers(dialect()):
        rows.append(make([told[start : start + width]])[0] if told[start] is not None else None)
        start += width
    return rows[0], rows[1], rows[2], told[start]


@cache
def _makers(dialect: str) -> Any:
    return [(maker(model, every(model), dialect), len(every(model))) for model in (Session, User, Account)]


async def still_valid(session_ids: Collection[int], at: datetime) -> set[int]:
    """Which of these sessions still count, in one statement. The others' sockets must close."""
    return set(await _acting(session_ids, at))


def seat(viewer: Viewer) -> Seat | None:
    """The session, and the role in which it acts: what a socket was opened with. None for nobody."""
    return (viewer.session.pk, viewer.role) if viewer.session else None


async def still_held(seats: Collection[Seat], at: datetime) -> set[Seat]:
    """Which of these sessions still count and act in this role, in one statement. The others are told nothing more."""
    return set(seats) & set((await _acting({session_id for session_id, _ in seats}, at)).items())


async def closing(viewer: Viewer, at: datetime) -> int | None:
    """Why this viewer's socket must close, by its code: 4401 once the session ended or expired; 4403 once their role is
    another, when they may connect again at once. None while all is as it was; nobody's socket stays."""
    if viewer.session is None:
        return None
    acting = await _acting([viewer.session.pk], at)
    if viewer.session.pk not in acting:
        return 4401
    return None if acting[viewer.session.pk] is viewer.role else 4403


async def _acting(session_ids: Collection[int], at: datetime) -> dict[int, Role | None]:
    """Those of these sessions that still count, and the role in which each acts."""
    found = standing(at).filter(pk__in=list(session_ids)).values_list("id", "account__memberships__role")
    return {int(str(key)): Role(str(role)) if role else None for key, role in await found}


async def end_sockets(hub: Hub, at: datetime) -> None:
    """Wake the sockets of sessions that no longer count, wherever they were ended: in another process, or by the clock."""
    keys = {int(key.partition(":")[2]): key for key in hub.listened("session:")}
    if keys:
        hub.announce(keys[session_id] for session_id in keys.keys() - await still_valid(keys.keys(), at))
