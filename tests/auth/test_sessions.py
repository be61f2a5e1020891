"""Sessions: tokens rotate and work once, and websockets close with their session."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auth.authentication import sign_in_company
from auth.session_checks import SessionChecks, session_role, valid_session_ids, valid_session_roles
from auth.sessions import (
    MAX_LIFETIME,
    MAX_STAFF_LIFETIME,
    REUSE_WINDOW,
    Tokens,
    end_all,
    end_others,
    refresh,
    sign_in,
    sign_out,
    switch,
    token_hash,
    valid_sessions,
)
from auth.token_successors import decrypt_successor
from models.accounts.account import Account, AccountStatus, Membership, Role
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

    NewAction = Callable[[], Action]

pytestmark = pytest.mark.usefixtures("db")


async def signed_in(owner: User, new_action: "NewAction") -> Tokens:
    return await sign_in(owner, await sign_in_company(owner), False, new_action())


async def test_tokens_are_opaque_and_stored_only_as_hashes(
    owner: User, new_action: "NewAction"
) -> None:
    tokens = await signed_in(owner, new_action)
    assert tokens.access.startswith("cam_at_")
    assert tokens.refresh.startswith("cam_rt_")
    assert len(tokens.access) >= 7 + 256 / 6
    stored = str(await Session.all().values()) + str(await RefreshToken.all().values())
    assert tokens.access not in stored
    assert tokens.refresh not in stored


async def test_a_token_identifies_the_user_account_and_role(
    owner: User, new_action: "NewAction"
) -> None:
    """P1.4: a signed-in user acts for their company in their role."""
    tokens = await signed_in(owner, new_action)
    viewer = await viewer_of(tokens.access, new_action().at)
    assert viewer.user == owner
    assert viewer.account == await Account.get(memberships__user_id=owner.pk)
    assert viewer.role is Role.OWNER
    assert viewer.session == tokens.session
    assert viewer.is_buyer


async def test_staff_are_signed_in_without_a_company(agent: User, new_action: "NewAction") -> None:
    """P4.3: staff have a staff role only with a second factor."""
    viewer = await viewer_of(
        (await sign_in(agent, None, False, new_action())).access, new_action().at
    )
    assert (viewer.user, viewer.account, viewer.role, viewer.staff) == (agent, None, None, None)
    assert (
        await viewer_of((await sign_in(agent, None, True, new_action())).access, new_action().at)
    ).is_agent


async def test_without_a_token_the_viewer_is_anonymous(new_action: "NewAction") -> None:
    viewer = await viewer_of(None, new_action().at, "en-GB,fr;q=0.5")
    assert viewer.user is None
    assert viewer.locale is Locale.EN


async def test_the_header_overrides_the_users_language(
    owner: User, new_action: "NewAction"
) -> None:
    tokens = await signed_in(owner, new_action)
    assert (await viewer_of(tokens.access, new_action().at, "en")).locale is Locale.EN
    assert (await viewer_of(tokens.access, new_action().at, "de")).locale is Locale.FR
    await User.filter(pk=owner.pk).update(locale=Locale.EN)
    assert (await viewer_of(tokens.access, new_action().at, None)).locale is Locale.EN


@pytest.mark.parametrize(
    "token", ["", "cam_at_unknown", "cam_rt_", "\x00", "\ud800", "x" * 100_000]
)
async def test_an_invalid_token_is_an_error(token: str, new_action: "NewAction") -> None:
    with pytest.raises(Unauthenticated):
        await viewer_of(token, new_action().at)


async def test_a_refresh_token_gives_no_access(owner: User, new_action: "NewAction") -> None:
    tokens = await signed_in(owner, new_action)
    with pytest.raises(Unauthenticated):
        await viewer_of(tokens.refresh, new_action().at)
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await refresh(tokens.access, new_action())


async def test_access_lasts_fifteen_minutes(
    owner: User, new_action: "NewAction", clock: "MovableClock"
) -> None:
    tokens = await signed_in(owner, new_action)
    clock.advance(timedelta(minutes=15, seconds=-1))
    assert (await viewer_of(tokens.access, new_action().at)).user == owner
    clock.advance(timedelta(seconds=1))
    with pytest.raises(Unauthenticated):
        await viewer_of(tokens.access, new_action().at)
    # It can still be refreshed.
    assert await valid_session_ids([tokens.session.pk], new_action().at) == {tokens.session.pk}


async def test_refreshing_replaces_both_tokens(
    owner: User, new_action: "NewAction", clock: "MovableClock"
) -> None:
    first = await signed_in(owner, new_action)
    clock.advance(timedelta(minutes=20))
    second = await refresh(first.refresh, new_action())
    assert second.session == first.session
    assert second.access_expires_at == new_action().at + timedelta(minutes=15)
    assert (await viewer_of(second.access, new_action().at)).user == owner
    with pytest.raises(Unauthenticated):
        await viewer_of(first.access, new_action().at)
    assert (await refresh(second.refresh, new_action())).refresh not in (
        first.refresh,
        second.refresh,
    )


async def test_a_session_unused_for_thirty_days_ends(
    owner: User, new_action: "NewAction", clock: "MovableClock"
) -> None:
    tokens = await signed_in(owner, new_action)
    clock.advance(timedelta(days=29))
    tokens = await refresh(tokens.refresh, new_action())
    clock.advance(timedelta(days=30))
    assert await valid_session_ids([tokens.session.pk], new_action().at) == set()
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await refresh(tokens.refresh, new_action())


async def test_a_refresh_token_used_twice_ends_the_session(
    owner: User, new_action: "NewAction", bus: "RecordingBus", clock: "MovableClock"
) -> None:
    """P3.5: a copied refresh token soon becomes useless."""
    first = await signed_in(owner, new_action)
    other = await signed_in(owner, new_action)
    second = await refresh(first.refresh, new_action())
    assert bus.announced == [f"user:{owner.pk}"]
    clock.advance(REUSE_WINDOW)
    await assert_ends_session(first.refresh, second, new_action)
    assert bus.announced == [f"user:{owner.pk}", f"session:{first.session.pk}"]
    assert (
        await viewer_of(other.access, new_action().at)
    ).user == owner  # another device has another session


async def assert_ends_session(
    token: str, tokens: Tokens, new_action: "NewAction", user_agent: str = ""
) -> None:
    """Checks that a use of `token` is refused and that the session's tokens stop working."""
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await refresh(token, new_action(), user_agent)
    assert await valid_session_ids([tokens.session.pk], new_action().at) == set()
    with pytest.raises(Unauthenticated):
        await viewer_of(tokens.access, new_action().at)
    for spent in (tokens.refresh, token):
        with pytest.raises(Refusal, match="TOKEN_INVALID"):
            await refresh(spent, new_action(), user_agent)


async def test_a_refresh_whose_response_was_lost_can_be_repeated(
    owner: User, new_action: "NewAction", clock: "MovableClock", bus: "RecordingBus"
) -> None:
    """The client gets the same tokens, which keep the times of the first response."""
    first = await signed_in(owner, new_action)
    second = await refresh(first.refresh, new_action(), "app/7")
    clock.advance(REUSE_WINDOW - timedelta(microseconds=1))
    assert await refresh(first.refresh, new_action(), "app/7") == second
    assert await refresh(first.refresh, new_action(), "app/7") == second
    assert bus.announced == [f"user:{owner.pk}"]
    assert (await viewer_of(second.access, new_action().at)).user == owner
    third_tokens = await refresh(second.refresh, new_action(), "app/7")
    assert third_tokens.refresh != second.refresh
    assert await refresh(second.refresh, new_action(), "app/7") == third_tokens


async def test_concurrent_refreshes_get_the_same_tokens(
    owner: User, new_action: "NewAction", bus: "RecordingBus"
) -> None:
    """Two browser tabs, or two threads of an app, may do this."""
    tokens = await signed_in(owner, new_action)
    first, *other_results = await asyncio.gather(
        *(refresh(tokens.refresh, new_action()) for _ in range(4))
    )
    assert other_results == [first] * 3
    assert (await viewer_of(first.access, new_action().at)).user == owner
    assert bus.announced == [f"user:{owner.pk}"]
    assert await RefreshToken.all().count() == 2


async def test_another_device_cannot_repeat_a_refresh(owner: User, new_action: "NewAction") -> None:
    first = await signed_in(owner, new_action)
    second = await refresh(first.refresh, new_action(), "Mozilla/5.0 (iPhone)")
    await assert_ends_session(first.refresh, second, new_action, "curl/8.5.0")


async def test_a_refresh_cannot_be_repeated_once_its_tokens_are_used(
    owner: User, new_action: "NewAction"
) -> None:
    """The client has them, so whoever presents the older token is someone else."""
    first = await signed_in(owner, new_action)
    second = await refresh(first.refresh, new_action())
    third_tokens = await refresh(second.refresh, new_action())
    await assert_ends_session(first.refresh, third_tokens, new_action)


async def test_a_refresh_can_be_repeated_while_the_clock_is_set_back(
    owner: User, new_action: "NewAction", clock: "MovableClock"
) -> None:
    """By a moment only: when it was set back by an hour, a token must not be repeatable for an
    hour.
    """
    first = await signed_in(owner, new_action)
    second = await refresh(first.refresh, new_action())
    clock.advance(-REUSE_WINDOW / 2)
    assert await refresh(first.refresh, new_action()) == second
    clock.advance(timedelta(hours=-1))
    await assert_ends_session(first.refresh, second, new_action)


async def test_a_repeat_gets_nothing_after_the_session_has_ended(
    owner: User, new_action: "NewAction"
) -> None:
    first = await signed_in(owner, new_action)
    second = await refresh(first.refresh, new_action())
    await sign_out(second.session, new_action())
    for token in (first.refresh, second.refresh, "cam_rt_unknown"):
        with pytest.raises(Refusal, match="TOKEN_INVALID"):
            await refresh(token, new_action())


async def test_a_copy_of_the_database_reveals_no_tokens(
    owner: User, new_action: "NewAction"
) -> None:
    """The tokens for a repeat are encrypted with a key that is derived from the previous token, and
    deleted at the next refresh.
    """
    first = await signed_in(owner, new_action)
    second = await refresh(first.refresh, new_action(), "app/7")
    [stored] = [row.successor for row in await RefreshToken.all() if row.successor]
    for wrong_tokens in (second.refresh, token_hash(first.refresh), ""):
        assert decrypt_successor(wrong_tokens, "app/7", stored) is None
    assert decrypt_successor(first.refresh, "app/8", stored) is None
    assert decrypt_successor(first.refresh, "app/7", stored) == (second.access, second.refresh)
    stored_values = str(await Session.all().values()) + str(await RefreshToken.all().values())
    for tokens in (first, second):
        assert tokens.access not in stored_values
        assert tokens.refresh not in stored_values
    await refresh(second.refresh, new_action(), "app/7")
    successors = [row.successor for row in await RefreshToken.all() if row.successor]
    assert len(successors) == 1
    assert successors != [stored]


CLIENTS = st.sampled_from(["app/7", "thief/1"])
# Which of the tokens obtained so far is presented, counted from the most recent one, by whom, and
# how many seconds after the step before.
STEPS = st.tuples(st.integers(0, 3), CLIENTS, st.sampled_from([0, 1, 14, 29, 30, 31, 900]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, min_size=1, max_size=12))
async def test_in_any_order_a_token_is_exchanged_once_repeated_briefly_or_ends_the_session(
    owner: User, new_action: "NewAction", clock: "MovableClock", steps: list[tuple[int, str, int]]
) -> None:
    """Whatever clients present in whatever order, the session has one chain of tokens, and nothing
    works after a token was presented that may be stolen.
    """
    tokens = await signed_in(owner, new_action)
    chain, exchanged_by, exchanged_at, is_ended = [tokens], "", new_action().at, False
    for back, client, seconds in steps:
        clock.advance(timedelta(seconds=seconds))
        token_index = max(0, len(chain) - 1 - back)
        is_newest = token_index == len(chain) - 1
        is_repeat = (
            token_index == len(chain) - 2
            and client == exchanged_by
            and new_action().at - exchanged_at < REUSE_WINDOW
        )
        try:
            answer = await refresh(chain[token_index].refresh, new_action(), client)
        except Refusal:
            assert is_ended or not (is_newest or is_repeat)
            is_ended = True
            continue
        assert not is_ended
        if is_newest:
            assert answer.refresh not in {each.refresh for each in chain}
            chain, exchanged_by, exchanged_at = [*chain, answer], client, new_action().at
        else:
            assert is_repeat
            assert answer == chain[-1]
    valid_ids = await valid_session_ids([tokens.session.pk], new_action().at)
    assert valid_ids == (set() if is_ended else {tokens.session.pk})
    if is_ended:
        for each in chain:
            with pytest.raises(Unauthenticated):
                await viewer_of(each.access, new_action().at)


async def test_signing_out_ends_the_session_and_notifies_its_websockets(
    owner: User, new_action: "NewAction", bus: "RecordingBus"
) -> None:
    tokens = await signed_in(owner, new_action)
    await sign_out(tokens.session, new_action())
    await sign_out(tokens.session, new_action())
    assert bus.announced == [f"session:{tokens.session.pk}"]
    with pytest.raises(Unauthenticated):
        await viewer_of(tokens.access, new_action().at)
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await refresh(tokens.refresh, new_action())


async def test_all_other_sessions_of_a_user_end(
    owner: User, agent: User, new_action: "NewAction", bus: "RecordingBus"
) -> None:
    current, other_tokens = await signed_in(owner, new_action), await signed_in(owner, new_action)
    agent_tokens = await sign_in(agent, None, True, new_action())
    async with new_action().transaction() as tx:
        await end_all(tx, owner, excluded_session_id=current.session.pk)
    session_keys = [tokens.session.pk for tokens in (current, other_tokens, agent_tokens)]
    assert await valid_session_ids(session_keys, new_action().at) == {
        current.session.pk,
        agent_tokens.session.pk,
    }
    assert bus.announced == [f"session:{other_tokens.session.pk}"]


async def test_leaving_a_company_ends_the_sessions_for_it(
    owner: User, new_action: "NewAction"
) -> None:
    tokens = await signed_in(owner, new_action)
    account = await create_account(new_action(), "Autre", OTHER_SIREN)
    await add_member(new_action(), account, owner)
    assert await valid_session_ids([tokens.session.pk], new_action().at) == {tokens.session.pk}
    assert (await viewer_of(tokens.access, new_action().at)).role is Role.OWNER
    await Membership.filter(user_id=owner.pk).exclude(account_id=account.pk).delete()
    assert await valid_session_ids([tokens.session.pk], new_action().at) == set()
    with pytest.raises(Unauthenticated):
        await viewer_of(tokens.access, new_action().at)
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await refresh(tokens.refresh, new_action())


@pytest.fixture
async def second_account(owner: User, action: Action) -> Account:
    """Another company, of which Camille is a member."""
    account = await create_account(action, "Autre", OTHER_SIREN)
    await add_member(action, account, owner)
    return account


async def test_p1_4_switching_continues_the_session_for_another_company(
    owner: User,
    second_account: Account,
    new_action: "NewAction",
    bus: "RecordingBus",
    clock: "MovableClock",
) -> None:
    """P1.4: the viewer gets new tokens, the old ones stop working, and websockets opened with them
    close.
    """
    first = await signed_in(owner, new_action)
    await Session.filter(pk=first.session.pk).update(second_factor=True)
    clock.advance(timedelta(minutes=5))
    tokens = await switch(first.session, second_account.pk, new_action())
    viewer = await viewer_of(tokens.access, new_action().at)
    assert (viewer.user, viewer.account, viewer.role) == (owner, second_account, Role.MEMBER)
    assert bus.announced == [f"session:{first.session.pk}"]
    assert await valid_session_ids([first.session.pk, tokens.session.pk], new_action().at) == {
        tokens.session.pk
    }
    with pytest.raises(Unauthenticated):
        await viewer_of(first.access, new_action().at)
    renewed = await refresh(tokens.refresh, new_action())
    assert (await viewer_of(renewed.access, new_action().at)).account == second_account
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await refresh(first.refresh, new_action())
    assert (tokens.session.second_factor, tokens.session.created_at) == (
        True,
        first.session.created_at,
    )


async def test_a_switch_whose_response_was_lost_is_continued_by_a_refresh(
    owner: User, second_account: Account, new_action: "NewAction", clock: "MovableClock"
) -> None:
    """The client still has the previous refresh token. What the response contained stops
    working.
    """
    first = await signed_in(owner, new_action)
    lost = await switch(first.session, second_account.pk, new_action())
    clock.advance(REUSE_WINDOW - timedelta(seconds=1))
    tokens = await refresh(first.refresh, new_action())
    assert (await viewer_of(tokens.access, new_action().at)).account == second_account
    assert await refresh(first.refresh, new_action()) == tokens
    with pytest.raises(Unauthenticated):
        await viewer_of(lost.access, new_action().at)
    await assert_ends_session(lost.refresh, tokens, new_action)


async def test_a_switch_cannot_be_continued_later_or_after_its_tokens_were_used(
    owner: User, second_account: Account, new_action: "NewAction", clock: "MovableClock"
) -> None:
    for pause, is_used in ((REUSE_WINDOW, False), (timedelta(), True)):
        first = await signed_in(owner, new_action)
        tokens = await switch(first.session, second_account.pk, new_action())
        clock.advance(pause)
        if is_used:
            tokens = await refresh(tokens.refresh, new_action())
        with pytest.raises(Refusal, match="TOKEN_INVALID"):
            await refresh(first.refresh, new_action())
        assert (await viewer_of(tokens.access, new_action().at)).account == second_account
        assert await refresh(tokens.refresh, new_action())


async def test_switching_requires_a_membership(
    owner: User, new_action: "NewAction", bus: "RecordingBus"
) -> None:
    tokens = await signed_in(owner, new_action)
    other_account = await create_account(new_action(), "-", "-")
    for key in (other_account.pk, 999_999, None):
        with pytest.raises(Refusal, match="NOT_FOUND"):
            await switch(tokens.session, key, new_action())
    assert (await viewer_of(tokens.access, new_action().at)).user == owner
    assert bus.announced == []


async def test_an_ended_session_cannot_switch(
    owner: User, second_account: Account, new_action: "NewAction"
) -> None:
    tokens = await signed_in(owner, new_action)
    await sign_out(tokens.session, new_action())
    with pytest.raises(Unauthenticated):
        await switch(tokens.session, second_account.pk, new_action())
    assert await Session.all().count() == 1


async def test_only_one_of_two_concurrent_switches_succeeds(
    owner: User, second_account: Account, new_action: "NewAction"
) -> None:
    tokens = await signed_in(owner, new_action)
    responses = await asyncio.gather(
        *(switch(tokens.session, second_account.pk, new_action()) for _ in range(3)),
        return_exceptions=True,
    )
    assert sorted(type(response).__name__ for response in responses) == [
        "Tokens",
        "Unauthenticated",
        "Unauthenticated",
    ]
    assert await Session.filter(ended_at=None).count() == 1


async def test_a_former_member_cannot_sign_in_to_the_company(
    owner: User, second_account: Account, new_action: "NewAction"
) -> None:
    await Membership.filter(user_id=owner.pk, account_id=second_account.pk).delete()
    with pytest.raises(Refusal, match="NOT_FOUND"):
        await sign_in(owner, second_account, False, new_action())
    assert not await Session.exists()


async def test_a_websocket_closes_when_the_users_role_changes(
    owner: User, agent: User, new_action: "NewAction", clock: "MovableClock"
) -> None:
    """It receives nothing more, and the client reconnects with the new role."""
    checks = SessionChecks(clock)
    tokens, staff_tokens = (
        await signed_in(owner, new_action),
        await sign_in(agent, None, True, new_action()),
    )
    viewer, staff = [
        await viewer_of(each.access, new_action().at) for each in (tokens, staff_tokens)
    ]
    session_roles = [session_role(viewer), session_role(staff)]
    assert session_roles == [(tokens.session.pk, Role.OWNER), (staff_tokens.session.pk, None)]
    assert await valid_session_roles(
        [each for each in session_roles if each], new_action().at
    ) == set(session_roles)
    assert [await checks.close_code(each) for each in (viewer, staff, Viewer())] == [
        None,
        None,
        None,
    ]
    await Membership.filter(user_id=owner.pk).update(role=Role.BILLING)
    assert await valid_session_roles([each for each in session_roles if each], new_action().at) == {
        session_roles[1]
    }
    assert await checks.close_code(viewer) is CloseCode.FORBIDDEN
    await Membership.filter(user_id=owner.pk).delete()
    assert await checks.close_code(viewer) is CloseCode.UNAUTHORIZED


async def test_open_websockets_follow_the_rule_for_valid_sessions(
    owner: User, agent: User, new_action: "NewAction"
) -> None:
    """The statement for websockets isn't built by the ORM, so it states the rule once more."""
    at = new_action().at
    company, ended, staff = [
        await signed_in(owner, new_action),
        await signed_in(owner, new_action),
        await sign_in(agent, None, True, new_action()),
    ]
    await sign_out(ended.session, new_action())
    keys = [each.session.pk for each in (company, ended, staff)]

    async def valid(at: datetime = at) -> set[int]:
        found = await valid_session_ids(keys, at)
        assert found == {each.pk for each in await valid_sessions(at)}
        return found

    assert await valid() == {company.session.pk, staff.session.pk}
    assert await valid(staff.session.expires_at) == {company.session.pk}
    account = Account.filter(memberships__user_id=owner.pk)
    (account_id,) = await account.values_list("id", flat=True)
    for status in set(AccountStatus) - {AccountStatus.ACTIVE}:
        await Account.filter(pk=account_id).update(status=status)
        assert await valid() == {staff.session.pk}, status


async def test_checks_that_are_requested_together_share_statements(
    owner: User,
    agent: User,
    new_action: "NewAction",
    clock: "MovableClock",
    statements: "Callable[[], list[str]]",
) -> None:
    """Thousands of websockets are opened at once after a restart. What is requested while a
    statement runs is read afterwards, and a request that is given up disturbs none.
    """
    checks = SessionChecks(clock)
    tokens = [await signed_in(owner, new_action) for _ in range(20)]
    tokens.append(await sign_in(agent, None, True, new_action()))
    viewers = [await viewer_of(each.access, new_action().at) for each in tokens]
    await sign_out(tokens[0].session, new_action())
    before = len(statements())
    first = [asyncio.create_task(checks.close_code(each)) for each in viewers]
    while len(statements()) == before:
        await asyncio.sleep(0)
    await sign_out(tokens[1].session, new_action())
    between = len(statements())
    later = [asyncio.create_task(checks.close_code(each)) for each in viewers]
    await asyncio.sleep(0)
    later.pop().cancel()
    assert await asyncio.gather(*first[2:]) == [None] * 19
    assert await first[0] is CloseCode.UNAUTHORIZED
    assert await asyncio.gather(*later) == [CloseCode.UNAUTHORIZED] * 2 + [None] * 18
    assert len(statements()) == between + 1


async def test_a_deleted_user_has_no_session(owner: User, new_action: "NewAction") -> None:
    tokens = await signed_in(owner, new_action)
    await owner.delete()
    assert await valid_session_ids([tokens.session.pk], new_action().at) == set()


async def test_sessions_take_one_statement_regardless_of_their_number(
    owner: User, new_action: "NewAction", statements: "Callable[[], list[str]]"
) -> None:
    session_tokens = [await signed_in(owner, new_action) for _ in range(5)]
    before = len(statements())
    await viewer_of(session_tokens[0].access, new_action().at)
    assert len(statements()) == before + 1
    assert (
        len(
            await valid_session_ids(
                [tokens.session.pk for tokens in session_tokens], new_action().at
            )
        )
        == 5
    )
    assert len(statements()) == before + 2


async def test_p4_3_a_session_knows_its_device_and_when_it_was_last_used(
    owner: User,
    new_action: "NewAction",
    clock: "MovableClock",
    statements: "Callable[[], list[str]]",
) -> None:
    """The time is updated only when the tokens are refreshed, so that requests cause no writes."""
    started_at = new_action().at
    tokens = await sign_in(owner, None, False, new_action(), "Firefox, Linux")
    clock.advance(timedelta(minutes=10))
    before = len(statements())
    await viewer_of(tokens.access, new_action().at)
    assert all(each.startswith("SELECT") for each in statements()[before:])
    session = await Session.get()
    assert (session.device, session.last_used_at) == ("Firefox, Linux", started_at)
    await refresh(tokens.refresh, new_action())
    assert (await Session.get()).last_used_at == new_action().at


async def test_p4_3_users_see_only_their_own_sessions(
    owner: User, agent: User, new_action: "NewAction"
) -> None:
    own_tokens, agent_tokens = (
        await signed_in(owner, new_action),
        await sign_in(agent, None, True, new_action()),
    )
    for tokens, visible_sessions in (
        (own_tokens, [own_tokens.session]),
        (agent_tokens, [agent_tokens.session]),
    ):
        viewer = await viewer_of(tokens.access, new_action().at)
        assert await Session.visible_to(viewer) == visible_sessions
    assert await Session.visible_to(await viewer_of(None, new_action().at)) == []


async def test_p4_3_all_other_sessions_end_immediately(
    owner: User, agent: User, new_action: "NewAction", bus: "RecordingBus"
) -> None:
    current, *other_tokens = [await signed_in(owner, new_action) for _ in range(3)]
    agent_tokens = await sign_in(agent, None, True, new_action())
    assert await end_others(current.session, new_action()) == 2
    assert await end_others(current.session, new_action()) == 0
    session_keys = [tokens.session.pk for tokens in (current, *other_tokens, agent_tokens)]
    assert await valid_session_ids(session_keys, new_action().at) == {
        current.session.pk,
        agent_tokens.session.pk,
    }
    assert bus.announced == [f"session:{tokens.session.pk}" for tokens in other_tokens]


async def test_a_session_that_ended_ends_no_others(owner: User, new_action: "NewAction") -> None:
    ended_tokens, current = await signed_in(owner, new_action), await signed_in(owner, new_action)
    await sign_out(ended_tokens.session, new_action())
    with pytest.raises(Unauthenticated):
        await end_others(ended_tokens.session, new_action())
    assert await valid_session_ids([current.session.pk], new_action().at) == {current.session.pk}


@pytest.mark.parametrize("role", ["customer", "staff"])
async def test_p4_3_a_session_in_constant_use_ends_after_its_maximum_lifetime(
    role: str, owner: User, agent: User, new_action: "NewAction", clock: "MovableClock"
) -> None:
    """OWASP ASVS 5, 7.3.2: however often it is refreshed, it ends exactly at its maximum
    lifetime.
    """
    checks = SessionChecks(clock)
    longest, user = (MAX_STAFF_LIFETIME, agent) if role == "staff" else (MAX_LIFETIME, owner)
    started_at, tokens = (
        new_action().at,
        await sign_in(user, await sign_in_company(user), True, new_action()),
    )
    step = (longest - timedelta(seconds=1)) / 5
    for _ in range(5):
        clock.advance(step)
        tokens = await refresh(tokens.refresh, new_action())
    assert (tokens.access_expires_at, tokens.session.expires_at) == (
        started_at + longest,
        started_at + longest,
    )
    viewer = await viewer_of(tokens.access, new_action().at)
    assert viewer.user == user
    assert await checks.close_code(viewer) is None
    clock.advance(timedelta(seconds=1))
    assert await checks.close_code(viewer) is CloseCode.UNAUTHORIZED
    with pytest.raises(Unauthenticated):
        await viewer_of(tokens.access, new_action().at)
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await refresh(tokens.refresh, new_action())


async def test_switching_companies_does_not_extend_the_session(
    owner: User, new_action: "NewAction", clock: "MovableClock"
) -> None:
    other = await create_account(new_action(), "Autre", OTHER_SIREN)
    await add_member(new_action(), other, owner, Role.OWNER)
    started_at, tokens = new_action().at, await signed_in(owner, new_action)
    clock.advance(timedelta(days=29))
    tokens = await refresh(tokens.refresh, new_action())
    clock.advance(timedelta(days=29))
    tokens = await refresh(tokens.refresh, new_action())
    clock.advance(timedelta(days=29))
    switched_tokens = await switch(
        (await refresh(tokens.refresh, new_action())).session, other.pk, new_action()
    )
    assert switched_tokens.session.expires_at == started_at + MAX_LIFETIME
