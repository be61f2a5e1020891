"""API keys identify service accounts: cached as briefly as sessions, and hard to guess."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from accounts import service_accounts
from auth.api_keys import KEY_PATTERN, UNKNOWN_KEY, USE_PRECISION, api_key_key, new_key
from auth.caller import CallerCache
from auth.session_checks import (
    SessionChecks,
    announce_ended_sessions,
    credential,
    valid_credentials,
)
from models.accounts.account import Account, AccountStatus
from models.accounts.service_account import ApiKey, ApiKeyScope
from models.action import Action
from models.errors import Throttled, Unauthenticated
from models.identity.user import User
from realtime.close_codes import CloseCode
from realtime.hub import Hub
from tests.people import create_account, create_api_key, create_viewer, record_step_up

if TYPE_CHECKING:
    from tests.conftest import MovableClock

    Statements = Callable[[], list[str]]

pytestmark = pytest.mark.usefixtures("db")
ADDRESS = "192.0.2.7"


class Server:
    """One process with a hub, a viewer cache and a clock that the test moves."""

    def __init__(self, clock: "MovableClock") -> None:
        self.clock, self.hub, self.seconds = clock, Hub(), 0.0
        self.callers = CallerCache(self.hub, clock, lambda: self.seconds)

    def action(self, actor: User | None = None) -> Action:
        return Action(actor, self.clock.now(), self.hub)


@pytest.fixture
def server(clock: "MovableClock") -> Server:
    return Server(clock)


@pytest.fixture
async def account(owner: User) -> Account:
    return await Account.get()


@pytest.fixture
async def secret(server: Server, account: Account) -> str:
    return await create_api_key(server.action(), account, ApiKeyScope.READ_BILLING)


def test_keys_have_the_form_that_scanners_look_for() -> None:
    keys = {new_key() for _ in range(20)}
    assert len({each.secret for each in keys}) == 20
    for each in keys:
        assert KEY_PATTERN.fullmatch(each.secret)
        assert each.secret.startswith(f"{each.prefix}_")


async def test_a_key_is_read_once_per_second_and_its_use_written_once_in_five_minutes(
    server: Server, secret: str, statements: "Statements"
) -> None:
    viewer = await server.callers.viewer_of_key(secret)
    assert [viewer.user, viewer.account, viewer.role, viewer.session] == [None] * 4
    assert viewer.scopes == {ApiKeyScope.READ_BILLING}
    first_use = (await ApiKey.get()).last_used_at
    assert first_use == server.clock.now()
    before = len(statements())
    server.seconds += 0.9
    assert await server.callers.viewer_of_key(secret) is viewer
    assert len(statements()) == before
    server.seconds += 1
    server.clock.advance(USE_PRECISION - timedelta(seconds=1))
    await server.callers.viewer_of_key(secret)
    assert (await ApiKey.get()).last_used_at == first_use
    server.seconds += 1
    server.clock.advance(timedelta(seconds=1))
    await server.callers.viewer_of_key(secret)
    assert (await ApiKey.get()).last_used_at == server.clock.now()


async def test_a_key_is_no_access_token(server: Server, secret: str) -> None:
    """Which also comes from cookies."""
    with pytest.raises(Unauthenticated):
        await server.callers.viewer_of(secret)


async def test_guesses_are_limited_by_network(server: Server, secret: str) -> None:
    viewer_of_key = server.callers.viewer_of_key
    await viewer_of_key(secret, address=ADDRESS)
    for _ in range(UNKNOWN_KEY.free_attempts + 1):
        with pytest.raises(Unauthenticated):
            await viewer_of_key(new_key().secret, address=ADDRESS)
    with pytest.raises(Throttled):
        await viewer_of_key(new_key().secret, address=ADDRESS)
    server.seconds += 2
    assert await viewer_of_key(secret, address=ADDRESS)  # was in use before
    with pytest.raises(Unauthenticated):
        await viewer_of_key(new_key().secret, address="198.51.100.7")


async def test_a_revoked_key_is_no_guess(server: Server, secret: str) -> None:
    await ApiKey.filter().update(revoked_at=server.clock.now())
    for _ in range(UNKNOWN_KEY.free_attempts + 2):
        with pytest.raises(Unauthenticated):
            await server.callers.viewer_of_key(secret, address=ADDRESS)


async def test_a_key_revoked_in_this_process_ends_immediately(
    server: Server, owner: User, account: Account, secret: str
) -> None:
    await server.callers.viewer_of_key(secret)
    viewer = await create_viewer(server.action(), owner, account)
    assert viewer.session
    await record_step_up(server.action(), viewer.session)
    await service_accounts.revoke_key(server.action(owner), viewer.session, await ApiKey.get())
    with pytest.raises(Unauthenticated):
        await server.callers.viewer_of_key(secret)


async def test_open_websockets_follow_the_validity_of_keys(
    server: Server, owner: User, account: Account, secret: str
) -> None:
    """Together with sessions, which are checked by the same statement as before."""
    other_account = await create_account(server.action(), siren="552100554")
    other = await create_api_key(server.action(), other_account)
    viewers = [await server.callers.viewer_of_key(each) for each in (secret, other)]
    viewers.append(await create_viewer(server.action(), owner, account))
    checks, credentials = SessionChecks(server.clock), [credential(each) for each in viewers]
    known = [each for each in credentials if each is not None]

    async def check() -> list[bool]:
        at = server.clock.now()
        valid = await valid_credentials(known, at)
        codes = [await checks.close_code(each) for each in viewers]
        assert [code is None for code in codes] == [each in valid for each in known]
        assert {*codes} <= {None, CloseCode.UNAUTHORIZED}
        return [each in valid for each in known]

    assert await check() == [True, True, True]
    await Account.filter(pk=other_account.pk).update(status=AccountStatus.DEACTIVATED)
    assert await check() == [True, False, True]
    await ApiKey.filter(service_account__account_id=account.pk).update(
        expires_at=server.clock.now()
    )
    assert await check() == [False, False, True]


async def test_keys_that_other_processes_revoked_are_announced(server: Server, secret: str) -> None:
    viewer = await server.callers.viewer_of_key(secret)
    assert viewer.api_key
    with server.hub.listen(api_key_key(viewer.api_key.pk)) as announced:
        await announce_ended_sessions(server.hub, server.clock.now())
        assert not announced.is_set()
        await ApiKey.filter().update(revoked_at=server.clock.now())
        await announce_ended_sessions(server.hub, server.clock.now())
        assert announced.is_set()
