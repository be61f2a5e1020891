"""Step-up: proving one's identity again during a session."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from auth.reauthentication import has_step_up, require_step_up, step_up
from auth.services import AuthServices
from auth.sessions import Tokens, refresh, sign_in, sign_out
from models.action import Action
from models.errors import Refusal, Throttled, Unauthenticated
from models.identity.user import User
from tests.auth.conftest import code_of
from tests.people import PASSWORD

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus

    NewAction = Callable[[], Action]
    Enrol = Callable[[User], Awaitable[tuple[str, list[str], Tokens]]]

pytestmark = pytest.mark.usefixtures("db")


async def test_p4_3_a_step_up_lasts_five_minutes(
    owner: User,
    auth: AuthServices,
    new_action: "NewAction",
    clock: "MovableClock",
    bus: "RecordingBus",
) -> None:
    """Signing in is not a step-up, a step-up doesn't apply to another session, and it expires."""
    here, there = [await sign_in(owner, None, False, new_action()) for _ in range(2)]
    with pytest.raises(Refusal, match="STEP_UP_REQUIRED") as refused:
        await require_step_up(new_action(), here.session)
    assert refused.value.field == ()
    until = await step_up(new_action(), auth, here.session, password=PASSWORD, code=None)
    assert until == new_action().at + timedelta(minutes=5)
    assert bus.announced == [f"user:{owner.pk}"]
    await require_step_up(new_action(), here.session)
    assert not await has_step_up(new_action(), there.session)
    clock.advance(timedelta(minutes=5, seconds=-1))
    await refresh(here.refresh, new_action())
    assert await has_step_up(new_action(), here.session)
    clock.advance(timedelta(seconds=1))
    assert not await has_step_up(new_action(), here.session)


async def test_p4_3_a_step_up_requires_the_second_factor(
    owner: User, auth: AuthServices, new_action: "NewAction", enrol: "Enrol", clock: "MovableClock"
) -> None:
    secret, codes, tokens = await enrol(owner)

    async def try_step_up(code: str | None) -> None:
        await step_up(new_action(), auth, tokens.session, password=PASSWORD, code=code)

    with pytest.raises(Refusal, match="SECOND_FACTOR_REQUIRED"):
        await try_step_up(None)
    with pytest.raises(Refusal, match="SECOND_FACTOR_INVALID"):
        await try_step_up(code_of(secret, new_action()))  # the set-up has used it
    assert not await has_step_up(new_action(), tokens.session)
    clock.advance(timedelta(seconds=30))
    await try_step_up(code_of(secret, new_action()))
    assert await has_step_up(new_action(), tokens.session)
    with pytest.raises(Refusal, match="SECOND_FACTOR_INVALID"):
        await try_step_up(code_of(secret, new_action()))
    await try_step_up(codes[0])


async def test_a_wrong_password_is_refused_before_the_code_is_checked(
    owner: User, auth: AuthServices, new_action: "NewAction", enrol: "Enrol"
) -> None:
    _, codes, tokens = await enrol(owner)
    with pytest.raises(Refusal, match="CREDENTIALS_INVALID"):
        await step_up(new_action(), auth, tokens.session, password="-", code=codes[0])
    await step_up(new_action(), auth, tokens.session, password=PASSWORD, code=codes[0])


async def test_a_code_alone_is_not_enough(
    owner: User, auth: AuthServices, new_action: "NewAction", enrol: "Enrol"
) -> None:
    """An empty passkey answer doesn't replace the password."""
    _, codes, tokens = await enrol(owner)
    for passkey in (None, ""):
        with pytest.raises(Refusal, match="CREDENTIALS_INVALID"):
            await step_up(new_action(), auth, tokens.session, code=codes[0], passkey=passkey)
    assert not await has_step_up(new_action(), tokens.session)
    await step_up(new_action(), auth, tokens.session, password=PASSWORD, code=codes[0], passkey="")


async def test_guesses_in_a_stolen_session_are_throttled(
    owner: User, auth: AuthServices, new_action: "NewAction"
) -> None:
    tokens, responses = await sign_in(owner, None, False, new_action()), []
    for _ in range(9):
        try:
            await step_up(new_action(), auth, tokens.session, password="-", code=None)
        except (Refusal, Throttled) as error:
            responses.append(error.code)
    assert responses == ["CREDENTIALS_INVALID"] * 6 + ["RATE_LIMITED"] * 3


async def test_an_ended_session_cannot_step_up(
    owner: User, auth: AuthServices, new_action: "NewAction"
) -> None:
    tokens = await sign_in(owner, None, False, new_action())
    await sign_out(tokens.session, new_action())
    with pytest.raises(Unauthenticated):
        await step_up(new_action(), auth, tokens.session, password=PASSWORD, code=None)
    assert not await has_step_up(new_action(), tokens.session)


async def test_a_step_up_ends_with_its_session(
    owner: User, auth: AuthServices, new_action: "NewAction"
) -> None:
    tokens = await sign_in(owner, None, False, new_action())
    await step_up(new_action(), auth, tokens.session, password=PASSWORD, code=None)
    await sign_out(tokens.session, new_action())
    assert not await has_step_up(new_action(), tokens.session)
