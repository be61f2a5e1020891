"""Viewers are cached briefly, and never after their session, role or account has changed."""

import asyncio
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pyotp
import pytest

from accounts import registration
from auth import authentication, caller
from auth.caller import CallerCache
from auth.factors import enrolment
from auth.services import AuthServices
from auth.sessions import Tokens, end_all, refresh, sign_in, sign_out, user_key
from models.accounts.account import Membership, Role
from models.action import Action
from models.errors import Refusal, Unauthenticated
from models.identity.session import Session
from models.identity.user import User
from models.locale import Locale
from realtime.hub import Hub

if TYPE_CHECKING:
    from tests.conftest import MovableClock

    Statements = Callable[[], list[str]]

pytestmark = pytest.mark.usefixtures("db")


class Server:
    """One process with a hub, a viewer cache and a clock that the test moves."""

    def __init__(self, clock: "MovableClock") -> None:
        self.clock, self.hub, self.seconds = clock, Hub(), 0.0
        self.callers = CallerCache(self.hub, clock, lambda: self.seconds)
        self.viewer_of = self.callers.viewer_of

    def action(self, actor: User | None = None) -> Action:
        return Action(actor, self.clock.now(), self.hub)

    async def assert_refused(self, tokens: Tokens) -> None:
        with pytest.raises(Unauthenticated):
            await self.viewer_of(tokens.access)

    def size(self) -> int:
        """The total number of cached entries."""
        return sum(len(cache) for cache in vars(self.callers).values() if isinstance(cache, dict))


@pytest.fixture
def server(clock: "MovableClock") -> Server:
    return Server(clock)


@pytest.fixture
async def tokens(server: Server, owner: User) -> Tokens:
    """The tokens of Camille, signed in for her bakery and already cached."""
    tokens = await signed_in(server, owner)
    await server.viewer_of(tokens.access)
    return tokens


async def signed_in(server: Server, owner: User) -> Tokens:
    return await sign_in(owner, await authentication.sign_in_company(owner), False, server.action())


async def test_a_viewer_is_read_once_per_second(
    server: Server, tokens: Tokens, statements: "Statements"
) -> None:
    before = len(statements())
    first = await server.viewer_of(tokens.access)
    server.seconds += 0.9
    assert await server.viewer_of(tokens.access) is first
    assert len(statements()) == before
    server.seconds += 0.1
    assert await server.viewer_of(tokens.access) is first  # nothing changed
    assert len(statements()) == before + 1


async def test_a_session_ended_in_this_process_ends_immediately(
    server: Server, owner: User, tokens: Tokens
) -> None:
    await sign_out(tokens.session, server.action())
    await server.assert_refused(tokens)


async def test_all_sessions_ended_in_this_process_end_immediately(
    server: Server, owner: User, tokens: Tokens
) -> None:
    other = await signed_in(server, owner)
    await server.viewer_of(other.access)
    async with server.action().transaction() as tx:
        await end_all(tx, owner, excluded_session_id=tokens.session.pk)
    await server.assert_refused(other)
    assert (await server.viewer_of(tokens.access)).user == owner


async def test_a_session_ended_in_another_process_ends_within_a_second(
    server: Server, tokens: Tokens
) -> None:
    # As another process would.
    await Session.filter(pk=tokens.session.pk).update(ended_at=server.clock.now())
    server.seconds += 1
    await server.assert_refused(tokens)


async def test_a_role_removed_in_another_process_is_lost_within_a_second(
    server: Server, owner: User, tokens: Tokens
) -> None:
    await Membership.filter(user_id=owner.pk).update(role=Role.MEMBER)
    server.seconds += 1
    assert (await server.viewer_of(tokens.access)).role is Role.MEMBER
    await Membership.filter(user_id=owner.pk).delete()
    server.seconds += 1
    await server.assert_refused(tokens)


async def test_a_change_announced_in_this_process_applies_immediately(
    server: Server, owner: User, tokens: Tokens
) -> None:
    await Membership.filter(user_id=owner.pk).update(role=Role.MEMBER)
    server.hub.announce([user_key(owner.pk)])
    assert not (await server.viewer_of(tokens.access)).is_buyer
    await User.filter(pk=owner.pk).update(locale=Locale.EN)
    server.hub.announce([user_key(owner.pk)])
    assert (await server.viewer_of(tokens.access)).locale is Locale.EN


async def test_a_cached_token_expires_by_the_clock(server: Server, tokens: Tokens) -> None:
    """Even when the demonstration's clock moves within the cached second."""
    server.clock.advance(timedelta(minutes=15, microseconds=-1))
    await server.viewer_of(tokens.access)
    server.clock.advance(timedelta(microseconds=1))
    await server.assert_refused(tokens)


async def test_a_replaced_token_stops_working_immediately(
    server: Server, owner: User, tokens: Tokens
) -> None:
    new_tokens = await refresh(tokens.refresh, server.action())
    await server.assert_refused(tokens)
    assert (await server.viewer_of(new_tokens.access)).user == owner
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        # A second use ends the session.
        await refresh(tokens.refresh, server.action(), "another client")
    await server.assert_refused(new_tokens)


async def test_a_new_second_factor_applies_immediately(
    server: Server, agent: User, auth: AuthServices, password: str
) -> None:
    tokens = await sign_in(agent, None, False, server.action())
    viewer = await server.viewer_of(tokens.access)
    assert viewer.user
    assert not viewer.is_agent
    secret = await enrolment.begin_totp(server.action(), auth, tokens.session, password)
    code = pyotp.TOTP(secret).at(server.clock.now())
    await enrolment.confirm_totp(server.action(), auth, tokens.session, code)
    enrolled_viewer = await server.viewer_of(tokens.access)
    assert enrolled_viewer.is_agent
    assert enrolled_viewer.user
    assert enrolled_viewer.user.second_factor


async def test_a_verified_address_applies_immediately(
    server: Server, owner: User, auth: AuthServices, tokens: Tokens
) -> None:
    await User.filter(pk=owner.pk).update(email_verified_at=None)
    server.hub.announce([user_key(owner.pk)])
    assert (await server.viewer_of(tokens.access)).user == owner
    token = registration.verification_token(auth, owner, server.clock.now())
    await registration.verify_email(server.action(), auth, token)
    verified_user = (await server.viewer_of(tokens.access)).user
    assert verified_user
    assert verified_user.email_verified_at == server.clock.now()


async def test_a_viewer_read_during_a_change_is_not_cached(
    server: Server, owner: User, tokens: Tokens, statements: "Statements"
) -> None:
    server.hub.announce([user_key(owner.pk)])
    before, asking = len(statements()), asyncio.create_task(server.viewer_of(tokens.access))
    while len(statements()) == before:
        await asyncio.sleep(0)
    server.hub.announce([user_key(owner.pk)])
    await asking
    await server.viewer_of(tokens.access)
    assert len(statements()) == before + 2


async def test_each_request_has_its_own_language(
    server: Server, owner: User, tokens: Tokens
) -> None:
    assert (await server.viewer_of(tokens.access, "en")).locale is Locale.EN
    assert (await server.viewer_of(tokens.access, "fr")).locale is Locale.FR
    assert (await server.viewer_of(tokens.access)).locale is owner.locale
    assert (await server.viewer_of(None, "en")).locale is Locale.EN


async def test_invalid_tokens_are_not_cached(server: Server, tokens: Tokens) -> None:
    before = server.size()
    for _ in range(500):
        with pytest.raises(Unauthenticated):
            await server.viewer_of(f"cam_at_{secrets.token_urlsafe(32)}")
    assert server.size() == before


async def test_the_most_recent_viewers_stay_cached(
    server: Server, owner: User, statements: "Statements", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller, "MAX_CACHED", 3)
    sessions = [await signed_in(server, owner) for _ in range(6)]
    for tokens in sessions:
        await server.viewer_of(tokens.access)
        await server.viewer_of(sessions[0].access)  # in constant use, so it stays
    assert len(server.callers) == 3
    before = len(statements())
    for tokens in (sessions[0], sessions[4], sessions[5]):
        await server.viewer_of(tokens.access)
    assert len(statements()) == before
    server.hub.announce([user_key(owner.pk)])
    assert server.size() == 0
