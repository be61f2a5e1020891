"""Sessions: tokens rotate and work once, and websockets close with their session."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from auth.authentication import company_of
from auth.caller import close_code, session_role, still_valid, valid_session_roles
from auth.sessions import (
    LONGEST,
    LONGEST_OF_STAFF,
    SHARED,
    DeliveredElsewhere,
    Tokens,
    end_all,
    end_others,
    refresh,
    refresh_shared,
    sign_in,
    sign_out,
    switch,
)
from models.accounts.account import Account, Membership, Role
from models.action import Action
from models.errors import Refusal, Unauthenticated
from models.identity.session import RefreshToken, Session
from models.identity.user import User
from models.locale import Locale
from models.viewer import Viewer
from realtime.close_codes import CloseCode
from tests.people import OTHER_SIREN, add_member, create_account, viewer_of

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus

    Now = Callable[[], Action]

pytestmark = pytest.mark.usefixtures("db")


async def signed_in(owner: User, now: "Now") -> Tokens:
    return await sign_in(owner, await company_of(owner), False, now())


async def test_tokens_are_opaque_and_stored_only_as_hashes(owner: User, now: "Now") -> None:
    tokens = await signed_in(owner, now)
    assert tokens.access.startswith("cam_at_")
    assert tokens.refresh.startswith("cam_rt_")
    assert len(tokens.access) >= 7 + 256 / 6
    stored = str(await Session.all().values()) + str(await RefreshToken.all().values())
    assert tokens.access not in stored
    assert tokens.refresh not in stored


async def test_a_token_identifies_the_user_account_and_role(owner: User, now: "Now") -> None:
    """P1.4: a signed-in user acts for their company in their role."""
    tokens = await signed_in(owner, now)
    viewer = await viewer_of(tokens.access, now().at)
    assert viewer.user == owner
    assert viewer.account == await Account.get(memberships__user_id=owner.pk)
    assert viewer.role is Role.OWNER
    assert viewer.session == tokens.session
    assert viewer.is_buyer


async def test_staff_are_signed_in_without_a_company(agent: User, now: "Now") -> None:
    """P4.3: staff have a staff role only with a second factor."""
    bare = await viewer_of((await sign_in(agent, None, False, now())).access, now().at)
    assert (bare.user, bare.account, bare.role, bare.staff) == (agent, None, None, None)
    assert (await viewer_of((await sign_in(agent, None, True, now())).access, now().at)).is_agent


async def test_without_a_token_the_viewer_is_anonymous(now: "Now") -> None:
    viewer = await viewer_of(None, now().at, "en-GB,fr;q=0.5")
    assert viewer.user is None
    assert viewer.locale is Locale.EN


async def test_the_header_overrides_the_users_language(owner: User, now: "Now") -> None:
    tokens = await signed_in(owner, now)
    assert (await viewer_of(tokens.access, now().at, "en")).locale is Locale.EN
    assert (await viewer_of(tokens.access, now().at, "de")).locale is Locale.FR
    await User.filter(pk=owner.pk).update(locale=Locale.EN)
    assert (await viewer_of(tokens.access, now().at, None)).locale is Locale.EN


@pytest.mark.parametrize(
    "token", ["", "cam_at_unknown", "cam_rt_", "\x00", "\ud800", "x" * 100_000]
)
async def test_an_invalid_token_is_an_error(token: str, now: "Now") -> None:
    with pytest.raises(Unauthenticated):
        await viewer_of(token, now().at)


async def test_a_refresh_token_gives_no_access(owner: User, now: "Now") -> None:
    tokens = await signed_in(owner, now)
    with pytest.raises(Unauthenticated):
        await viewer_of(tokens.refresh, now().at)
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await refresh(tokens.access, now())


async def test_access_lasts_fifteen_minutes(owner: User, now: "Now", clock: "MovableClock") -> None:
    tokens = await signed_in(owner, now)
    clock.advance(timedelta(minutes=15, seconds=-1))
    assert (await viewer_of(tokens.access, now().at)).user == owner
    clock.advance(timedelta(seconds=1))
    with pytest.raises(Unauthenticated):
        await viewer_of(tokens.access, now().at)
    # It can still be refreshed.
    assert await still_valid([tokens.session.pk], now().at) == {tokens.session.pk}


async def test_refreshing_replaces_both_tokens(
    owner: User, now: "Now", clock: "MovableClock"
) -> None:
    first = await signed_in(owner, now)
    clock.advance(timedelta(minutes=20))
    second = await refresh(first.refresh, now())
    assert second.session == first.session
    assert second.access_expires_at == now().at + timedelta(minutes=15)
    assert (await viewer_of(second.access, now().at)).user == owner
    with pytest.raises(Unauthenticated):
        await viewer_of(first.access, now().at)
    assert (await refresh(second.refresh, now())).refresh not in (first.refresh, second.refresh)


async def test_a_session_unused_for_thirty_days_ends(
    owner: User, now: "Now", clock: "MovableClock"
) -> None:
    tokens = await signed_in(owner, now)
    clock.advance(timedelta(days=29))
    tokens = await refresh(tokens.refresh, now())
    clock.advance(timedelta(days=30))
    assert await still_valid([tokens.session.pk], now().at) == set()
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await refresh(tokens.refresh, now())


async def test_a_refresh_token_used_twice_ends_the_session(
    owner: User, now: "Now", bus: "RecordingBus"
) -> None:
    """P3.5: a copied refresh token soon becomes useless."""
    first = await signed_in(owner, now)
    other = await signed_in(owner, now)
    second = await refresh(first.refresh, now())
    assert bus.announced == [f"user:{owner.pk}"]
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await refresh(first.refresh, now())
    assert bus.announced == [f"user:{owner.pk}", f"session:{first.session.pk}"]
    with pytest.raises(Unauthenticated):
        await viewer_of(second.access, now().at)
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await refresh(second.refresh, now())
    assert (
        await viewer_of(other.access, now().at)
    ).user == owner  # another device has another session


async def test_only_one_of_two_concurrent_refreshes_succeeds(
    owner: User, now: "Now", bus: "RecordingBus"
) -> None:
    tokens = await signed_in(owner, now)
    responses = await asyncio.gather(
        *(refresh(tokens.refresh, now()) for _ in range(4)), return_exceptions=True
    )
    assert len([response for response in responses if isinstance(response, Tokens)]) == 1
    assert [str(response) for response in responses if not isinstance(response, Tokens)] == [
        "TOKEN_INVALID"
    ] * 3
    assert await still_valid([tokens.session.pk], now().at) == set()
    assert sorted(bus.announced) == [f"session:{tokens.session.pk}", f"user:{owner.pk}"]


async def test_signing_out_ends_the_session_and_notifies_its_websockets(
    owner: User, now: "Now", bus: "RecordingBus"
) -> None:
    tokens = await signed_in(owner, now)
    await sign_out(tokens.session, now())
    await sign_out(tokens.session, now())
    assert bus.announced == [f"session:{tokens.session.pk}"]
    with pytest.raises(Unauthenticated):
        await viewer_of(tokens.access, now().at)
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await refresh(tokens.refresh, now())


async def test_all_other_sessions_of_a_user_end(
    owner: User, agent: User, now: "Now", bus: "RecordingBus"
) -> None:
    current, lost = await signed_in(owner, now), await signed_in(owner, now)
    strangers = await sign_in(agent, None, True, now())
    async with now().transaction() as tx:
        await end_all(tx, owner, but=current.session.pk)
    every = [tokens.session.pk for tokens in (current, lost, strangers)]
    assert await still_valid(every, now().at) == {current.session.pk, strangers.session.pk}
    assert bus.announced == [f"session:{lost.session.pk}"]


async def test_leaving_a_company_ends_the_sessions_for_it(owner: User, now: "Now") -> None:
    tokens = await signed_in(owner, now)
    account = await create_account(now(), "Autre", OTHER_SIREN)
    await add_member(now(), account, owner)
    assert await still_valid([tokens.session.pk], now().at) == {tokens.session.pk}
    assert (await viewer_of(tokens.access, now().at)).role is Role.OWNER
    await Membership.filter(user_id=owner.pk).exclude(account_id=account.pk).delete()
    assert await still_valid([tokens.session.pk], now().at) == set()
    with pytest.raises(Unauthenticated):
        await viewer_of(tokens.access, now().at)
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await refresh(tokens.refresh, now())


@pytest.fixture
async def second(owner: User, action: Action) -> Account:
    """Another company, of which Camille is a member."""
    account = await create_account(action, "Autre", OTHER_SIREN)
    await add_member(action, account, owner)
    return account


async def test_p1_4_switching_continues_the_session_for_another_company(
    owner: User, second: Account, now: "Now", bus: "RecordingBus", clock: "MovableClock"
) -> None:
    """P1.4: the viewer gets new tokens, the old ones stop working, and websockets opened with them
    close.
    """
    first = await signed_in(owner, now)
    await Session.filter(pk=first.session.pk).update(second_factor=True)
    clock.advance(timedelta(minutes=5))
    tokens = await switch(first.session, second.pk, now())
    viewer = await viewer_of(tokens.access, now().at)
    assert (viewer.user, viewer.account, viewer.role) == (owner, second, Role.MEMBER)
    assert bus.announced == [f"session:{first.session.pk}"]
    assert await still_valid([first.session.pk, tokens.session.pk], now().at) == {tokens.session.pk}
    with pytest.raises(Unauthenticated):
        await viewer_of(first.access, now().at)
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await refresh(first.refresh, now())
    assert (
        await viewer_of((await refresh(tokens.refresh, now())).access, now().at)
    ).account == second
    assert (tokens.session.second_factor, tokens.session.created_at) == (
        True,
        first.session.created_at,
    )


async def test_switching_requires_a_membership(
    owner: User, now: "Now", bus: "RecordingBus"
) -> None:
    tokens = await signed_in(owner, now)
    strangers = await create_account(now(), "-", "-")
    for key in (strangers.pk, 999_999, None):
        with pytest.raises(Refusal, match="NOT_FOUND"):
            await switch(tokens.session, key, now())
    assert (await viewer_of(tokens.access, now().at)).user == owner
    assert bus.announced == []


async def test_an_ended_session_cannot_switch(owner: User, second: Account, now: "Now") -> None:
    tokens = await signed_in(owner, now)
    await sign_out(tokens.session, now())
    with pytest.raises(Unauthenticated):
        await switch(tokens.session, second.pk, now())
    assert await Session.all().count() == 1


async def test_only_one_of_two_concurrent_switches_succeeds(
    owner: User, second: Account, now: "Now"
) -> None:
    tokens = await signed_in(owner, now)
    responses = await asyncio.gather(
        *(switch(tokens.session, second.pk, now()) for _ in range(3)), return_exceptions=True
    )
    assert sorted(type(response).__name__ for response in responses) == [
        "Tokens",
        "Unauthenticated",
        "Unauthenticated",
    ]
    assert await Session.filter(ended_at=None).count() == 1


async def test_a_former_member_cannot_sign_in_to_the_company(
    owner: User, second: Account, now: "Now"
) -> None:
    await Membership.filter(user_id=owner.pk, account_id=second.pk).delete()
    with pytest.raises(Refusal, match="NOT_FOUND"):
        await sign_in(owner, second, False, now())
    assert not await Session.exists()


async def test_a_websocket_closes_when_the_users_role_changes(
    owner: User, agent: User, now: "Now"
) -> None:
    """It receives nothing more, and the client reconnects with the new role."""
    tokens, staffs = await signed_in(owner, now), await sign_in(agent, None, True, now())
    viewer, staff = [await viewer_of(each.access, now().at) for each in (tokens, staffs)]
    opened_with = [session_role(viewer), session_role(staff)]
    assert opened_with == [(tokens.session.pk, Role.OWNER), (staffs.session.pk, None)]
    assert await valid_session_roles([each for each in opened_with if each], now().at) == set(
        opened_with
    )
    assert [await close_code(each, now().at) for each in (viewer, staff, Viewer())] == [
        None,
        None,
        None,
    ]
    await Membership.filter(user_id=owner.pk).update(role=Role.BILLING)
    assert await valid_session_roles([each for each in opened_with if each], now().at) == {
        opened_with[1]
    }
    assert await close_code(viewer, now().at) is CloseCode.FORBIDDEN
    await Membership.filter(user_id=owner.pk).delete()
    assert await close_code(viewer, now().at) is CloseCode.UNAUTHORIZED


async def test_a_deleted_user_has_no_session(owner: User, now: "Now") -> None:
    tokens = await signed_in(owner, now)
    await owner.delete()
    assert await still_valid([tokens.session.pk], now().at) == set()


async def test_sessions_take_one_statement_regardless_of_their_number(
    owner: User, now: "Now", statements: "Callable[[], list[str]]"
) -> None:
    many = [await signed_in(owner, now) for _ in range(5)]
    before = len(statements())
    await viewer_of(many[0].access, now().at)
    assert len(statements()) == before + 1
    assert len(await still_valid([tokens.session.pk for tokens in many], now().at)) == 5
    assert len(statements()) == before + 2


async def test_p4_3_a_session_knows_its_device_and_when_it_was_last_used(
    owner: User, now: "Now", clock: "MovableClock", statements: "Callable[[], list[str]]"
) -> None:
    """The time is updated only when the tokens are refreshed, so that requests cause no writes."""
    began = now().at
    tokens = await sign_in(owner, None, False, now(), "Firefox, Linux")
    clock.advance(timedelta(minutes=10))
    before = len(statements())
    await viewer_of(tokens.access, now().at)
    assert all(each.startswith("SELECT") for each in statements()[before:])
    session = await Session.get()
    assert (session.device, session.last_used_at) == ("Firefox, Linux", began)
    await refresh(tokens.refresh, now())
    assert (await Session.get()).last_used_at == now().at


async def test_p4_3_users_see_only_their_own_sessions(owner: User, agent: User, now: "Now") -> None:
    own_tokens, agent_tokens = await signed_in(owner, now), await sign_in(agent, None, True, now())
    for tokens, seen in (
        (own_tokens, [own_tokens.session]),
        (agent_tokens, [agent_tokens.session]),
    ):
        viewer = await viewer_of(tokens.access, now().at)
        assert await Session.visible_to(viewer) == seen
    assert await Session.visible_to(await viewer_of(None, now().at)) == []


async def test_p4_3_all_other_sessions_end_immediately(
    owner: User, agent: User, now: "Now", bus: "RecordingBus"
) -> None:
    current, *lost = [await signed_in(owner, now) for _ in range(3)]
    stranger = await sign_in(agent, None, True, now())
    assert await end_others(current.session, now()) == 2
    assert await end_others(current.session, now()) == 0
    every = [tokens.session.pk for tokens in (current, *lost, stranger)]
    assert await still_valid(every, now().at) == {current.session.pk, stranger.session.pk}
    assert bus.announced == [f"session:{tokens.session.pk}" for tokens in lost]


async def test_a_session_that_ended_ends_no_others(owner: User, now: "Now") -> None:
    ended, current = await signed_in(owner, now), await signed_in(owner, now)
    await sign_out(ended.session, now())
    with pytest.raises(Unauthenticated):
        await end_others(ended.session, now())
    assert await still_valid([current.session.pk], now().at) == {current.session.pk}


@pytest.mark.parametrize("role", ["customer", "staff"])
async def test_p4_3_a_session_in_constant_use_ends_after_its_maximum_lifetime(
    role: str, owner: User, agent: User, now: "Now", clock: "MovableClock"
) -> None:
    """OWASP ASVS 5, 7.3.2: however often it is refreshed, it ends exactly at its maximum
    lifetime.
    """
    longest, user = (LONGEST_OF_STAFF, agent) if role == "staff" else (LONGEST, owner)
    began, tokens = now().at, await sign_in(user, await company_of(user), True, now())
    step = (longest - timedelta(seconds=1)) / 5
    for _ in range(5):
        clock.advance(step)
        tokens = await refresh(tokens.refresh, now())
    assert (tokens.access_expires_at, tokens.session.expires_at) == (
        began + longest,
        began + longest,
    )
    viewer = await viewer_of(tokens.access, now().at)
    assert viewer.user == user
    assert await close_code(viewer, now().at) is None
    clock.advance(timedelta(seconds=1))
    assert await close_code(viewer, now().at) is CloseCode.UNAUTHORIZED
    with pytest.raises(Unauthenticated):
        await viewer_of(tokens.access, now().at)
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await refresh(tokens.refresh, now())


async def test_switching_companies_does_not_extend_the_session(
    owner: User, now: "Now", clock: "MovableClock"
) -> None:
    other = await create_account(now(), "Autre", OTHER_SIREN)
    await add_member(now(), other, owner, Role.OWNER)
    began, tokens = now().at, await signed_in(owner, now)
    clock.advance(timedelta(days=29))
    tokens = await refresh(tokens.refresh, now())
    clock.advance(timedelta(days=29))
    tokens = await refresh(tokens.refresh, now())
    clock.advance(timedelta(days=29))
    switched = await switch((await refresh(tokens.refresh, now())).session, other.pk, now())
    assert switched.session.expires_at == began + LONGEST


async def test_two_tabs_can_refresh_concurrently(
    owner: User, now: "Now", clock: "MovableClock"
) -> None:
    """The second tab gets no tokens in its response: the first response has already set them as
    cookies.
    """
    first = await signed_in(owner, now)
    renewed, shared = await asyncio.gather(
        refresh_shared(first.refresh, now()), refresh_shared(first.refresh, now())
    )
    if isinstance(renewed, DeliveredElsewhere):
        renewed, shared = shared, renewed
    assert isinstance(renewed, Tokens)
    assert shared == DeliveredElsewhere(renewed.access_expires_at, renewed.session)
    clock.advance(SHARED - timedelta(microseconds=1))
    assert await refresh_shared(first.refresh, now()) == shared
    assert (await viewer_of(renewed.access, now().at)).user == owner
    clock.advance(timedelta(microseconds=1))
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await refresh_shared(first.refresh, now())
    assert await still_valid([first.session.pk], now().at) == set()


async def test_refreshing_an_ended_session_fails_in_every_tab(owner: User, now: "Now") -> None:
    first = await signed_in(owner, now)
    renewed = await refresh_shared(first.refresh, now())
    await sign_out(renewed.session, now())
    for token in (first.refresh, "cam_rt_unknown"):
        with pytest.raises(Refusal, match="TOKEN_INVALID"):
            await refresh_shared(token, now())


async def test_a_bearer_token_has_no_grace_period(owner: User, now: "Now") -> None:
    first = await signed_in(owner, now)
    await refresh(first.refresh, now())
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await refresh(first.refresh, now())
    assert await still_valid([first.session.pk], now().at) == set()
