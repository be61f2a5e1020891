"""Whether the sessions and API keys of open websockets are still valid, and whether sessions act in
the role with which they were opened.
"""

import asyncio
from collections.abc import Collection
from datetime import datetime
from functools import cache

import orjson

from auth.api_keys import ApiKeyCredential, valid_key_ids
from models.accounts.account import AccountStatus, Role
from models.clock import Clock
from models.database.sql import dialect, fetch_records
from models.database.workload import Workload, assign_person, assign_workload
from models.viewer import Viewer
from realtime.close_codes import CloseCode
from realtime.hub import Hub

SessionRole = tuple[int, Role | None]
Credential = SessionRole | ApiKeyCredential
PAUSE_SECONDS = 0.01  # between two queries


class SessionChecks:
    """The checks of one process. A check begins at once, and those that are requested in the next
    moment share a query: thousands of websockets that are opened at once take a hundred a second.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: list[tuple[int, asyncio.Future[dict[int, Role | None]]]] = []
        self._running: asyncio.Task[None] | None = None

    async def close_code(self, viewer: Viewer) -> CloseCode | None:
        """The code to close this viewer's websocket with: UNAUTHORIZED when the session or the API
        key has ended or expired, FORBIDDEN when their role has changed. None while nothing has
        changed, and always for anonymous viewers. It is read after the call.
        """
        if viewer.api_key:
            is_valid = await valid_key_ids({viewer.api_key.pk}, self._clock.now())
            return None if is_valid else CloseCode.UNAUTHORIZED
        if viewer.session is None:
            return None
        roles = await self._roles_with(viewer.session.pk)
        if viewer.session.pk not in roles:
            return CloseCode.UNAUTHORIZED
        return None if roles[viewer.session.pk] is viewer.role else CloseCode.FORBIDDEN

    async def _roles_with(self, session_id: int) -> dict[int, Role | None]:
        """The valid sessions among those that are checked together with this one, and their
        roles.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[dict[int, Role | None]] = loop.create_future()
        self._waiting.append((session_id, future))
        if self._running is None:
            self._running = loop.create_task(self._run())
        return await future

    async def _run(self) -> None:
        assign_workload(Workload.CHAT)
        assign_person(None)  # nobody takes turns: the query is for all of them
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                await self._answer(waiting)
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            self._running = None

    async def _answer(
        self, waiting: list[tuple[int, asyncio.Future[dict[int, Role | None]]]]
    ) -> None:
        try:
            roles = await _session_roles(
                {session_id for session_id, _ in waiting}, self._clock.now()
            )
        except Exception as error:
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error)
        else:
            for _, future in waiting:
                if not future.done():  # its connection is closing
                    future.set_result(roles)


async def valid_session_ids(session_ids: Collection[int], at: datetime) -> set[int]:
    """Which of these sessions are still valid, in one query. The websockets of the others must
    close.
    """
    return set(await _session_roles(session_ids, at))


def credential(viewer: Viewer) -> Credential | None:
    """What the viewer's subscriptions depend on: their session with its role, or their API key.
    None for anonymous viewers.
    """
    return ApiKeyCredential(viewer.api_key.pk) if viewer.api_key else session_role(viewer)


async def valid_credentials(credentials: Collection[Credential], at: datetime) -> set[Credential]:
    """Which of these are still valid, in one query for each kind. The others receive no more
    events.
    """
    keys = {each for each in credentials if isinstance(each, ApiKeyCredential)}
    session_roles = [each for each in credentials if not isinstance(each, ApiKeyCredential)]
    valid: set[Credential] = set()
    if session_roles:
        valid |= await valid_session_roles(session_roles, at)
    if keys:
        key_ids = await valid_key_ids({each.key_id for each in keys}, at)
        valid |= {each for each in keys if each.key_id in key_ids}
    return valid


def session_role(viewer: Viewer) -> SessionRole | None:
    """The viewer's session and the role it acts in, with which a websocket was opened. None for
    anonymous viewers.
    """
    return (viewer.session.pk, viewer.role) if viewer.session else None


async def valid_session_roles(
    session_roles: Collection[SessionRole], at: datetime
) -> set[SessionRole]:
    """Which of these sessions are still valid and act in the same role, in one query. The others
    receive no more events.
    """
    return set(session_roles) & set(
        (await _session_roles({session_id for session_id, _ in session_roles}, at)).items()
    )


async def _session_roles(session_ids: Collection[int], at: datetime) -> dict[int, Role | None]:
    """The valid sessions among these (as in `auth.sessions.valid_sessions`), and the role in which
    each acts.
    """
    name = dialect()
    keys = list(session_ids) if name == "postgres" else orjson.dumps(list(session_ids)).decode()
    records = await fetch_records(_roles_query(name), keys, at)
    return {session_id: Role(role) if role else None for session_id, role in records}


@cache
def _roles_query(dialect: str) -> str:
    # Not built by the ORM, which would take longer than the database does.
    any_of_them = "= ANY(?)" if dialect == "postgres" else "IN (SELECT value FROM json_each(?))"
    return (
        "SELECT session.id, membership.role FROM session"  # noqa: S608
        " LEFT JOIN account ON account.id = session.account_id LEFT JOIN membership"
        " ON membership.user_id = session.user_id AND membership.account_id = session.account_id"
        f" WHERE session.id {any_of_them} AND session.ended_at IS NULL AND session.expires_at > ?"
        f" AND (session.account_id IS NULL OR account.status = '{AccountStatus.ACTIVE}'"
        " AND membership.id IS NOT NULL)"
    )


async def announce_ended_sessions(hub: Hub, at: datetime) -> None:
    """Notify the websockets of sessions and API keys that another process has ended or that have
    expired.
    """
    for prefix, valid_ids in (("session:", valid_session_ids), ("api_key:", valid_key_ids)):
        keys = {int(key.partition(":")[2]): key for key in hub.keys(prefix)}
        if keys:
            hub.announce(keys[each] for each in keys.keys() - await valid_ids(keys.keys(), at))
