"""An email lets a throttled user sign in despite other people's guesses, and gives nothing to those
who can't read it.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from auth.authentication import authenticate
from auth.passwords import change
from auth.services import AuthServices
from auth.sessions import Tokens
from auth.throttle import EMAIL, unlocking
from models.action import Action
from models.errors import Refusal, Throttled
from models.identity.access_links import SignInUnlock
from models.identity.user import User
from models.operations.email import Email
from tests.auth.conftest import code_of
from tests.outbox import token_to
from tests.people import PASSWORD

if TYPE_CHECKING:
    from tests.conftest import MovableClock

    NewAction = Callable[[], Action]
    Enrol = Callable[[User], Awaitable[tuple[str, list[str], Tokens]]]

pytestmark = pytest.mark.usefixtures("db")
SHARED_ADDRESS = "192.0.2.7"  # the network of both the customer and the guesser


class SignInClient:
    """Signs users in and requests unlock emails."""

    def __init__(self, auth: AuthServices, new_action: "NewAction") -> None:
        self.auth, self.new_action = auth, new_action

    async def sign_in(
        self,
        user: User,
        password: str = PASSWORD,
        code: str | None = None,
        unlock: str | None = None,
    ) -> User:
        return await authenticate(
            self.new_action(),
            self.auth,
            email=user.email,
            password=password,
            code=code,
            peer=SHARED_ADDRESS,
            unlock=unlock,
        )

    async def outcome(
        self,
        user: User,
        password: str = PASSWORD,
        code: str | None = None,
        unlock: str | None = None,
    ) -> str:
        try:
            await self.sign_in(user, password, code, unlock)
        except (Refusal, Throttled) as error:
            return error.code
        return "in"

    async def request_unlock_email(self, user: User) -> str:
        """The token from the email that the user requested."""
        await unlocking.request(self.new_action(), self.auth, email=user.email, peer=SHARED_ADDRESS)
        return await token_to(user.email, "unlock")


@pytest.fixture
def sign_in_client(auth: AuthServices, new_action: "NewAction") -> SignInClient:
    return SignInClient(auth, new_action)


async def lock_out(sign_in_client: SignInClient, user: User) -> None:
    while await sign_in_client.outcome(user, "mouette phare ardoise 77") != "RATE_LIMITED":
        pass


async def test_p3_5_an_unlock_email_lets_the_user_sign_in_despite_guesses(
    sign_in_client: SignInClient, owner: User
) -> None:
    """This works even from the network that the guesses come from. The guesser still has to wait,
    and the email works once.
    """
    await lock_out(sign_in_client, owner)
    assert await sign_in_client.outcome(owner) == "RATE_LIMITED"
    token = await sign_in_client.request_unlock_email(owner)
    assert await sign_in_client.sign_in(owner, unlock=token) == owner
    assert not await SignInUnlock.exists()
    assert await sign_in_client.outcome(owner, "mouette phare ardoise 77") == "RATE_LIMITED"
    assert await sign_in_client.outcome(owner, unlock=token) == "RATE_LIMITED"


async def test_p3_5_guesses_of_the_code_do_not_lock_the_user_out(
    sign_in_client: SignInClient,
    new_action: "NewAction",
    owner: User,
    enrol: "Enrol",
    clock: "MovableClock",
) -> None:
    secret, _, _ = await enrol(owner)
    clock.advance(timedelta(minutes=1))
    while await sign_in_client.outcome(owner, code="000000") != "RATE_LIMITED":
        pass
    assert await sign_in_client.outcome(owner, code=code_of(secret, new_action())) == "RATE_LIMITED"
    assert (
        await sign_in_client.sign_in(
            owner,
            code=code_of(secret, new_action()),
            unlock=await sign_in_client.request_unlock_email(owner),
        )
        == owner
    )


async def test_an_unlock_token_replaces_no_factor(
    sign_in_client: SignInClient, owner: User, enrol: "Enrol"
) -> None:
    token = await sign_in_client.request_unlock_email(owner)
    assert (
        await sign_in_client.outcome(owner, "mouette phare ardoise 77", unlock=token)
        == "CREDENTIALS_INVALID"
    )
    await enrol(owner)
    token = await sign_in_client.request_unlock_email(owner)
    assert await sign_in_client.outcome(owner, unlock=token) == "SECOND_FACTOR_REQUIRED"


async def test_guesses_with_an_unlock_token_are_throttled(
    sign_in_client: SignInClient, owner: User
) -> None:
    token = await sign_in_client.request_unlock_email(owner)
    guesses = [
        await sign_in_client.outcome(owner, "mouette phare ardoise 77", unlock=token)
        for _ in range(20)
    ]
    assert guesses == ["CREDENTIALS_INVALID"] * 11 + ["RATE_LIMITED"] * 9
    assert await sign_in_client.outcome(owner) == "in"  # those with a count of their own


async def test_p3_5_unlock_emails_do_not_allow_unlimited_guesses_of_the_code(
    sign_in_client: SignInClient,
    new_action: "NewAction",
    owner: User,
    enrol: "Enrol",
    clock: "MovableClock",
) -> None:
    """Further emails don't help either, and the user's own code is accepted after the wait."""
    secret, _, _ = await enrol(owner)
    clock.advance(timedelta(minutes=1))
    guesses = []
    for _ in range(3):
        token = await sign_in_client.request_unlock_email(owner)
        guesses += [
            await sign_in_client.outcome(owner, code="000000", unlock=token) for _ in range(20)
        ]
    assert guesses == ["SECOND_FACTOR_INVALID"] * 11 + ["RATE_LIMITED"] * 49
    clock.advance(timedelta(seconds=1))
    assert (
        await sign_in_client.sign_in(owner, code=code_of(secret, new_action()), unlock=token)
        == owner
    )


@pytest.mark.parametrize("is_expired", [True, False])
async def test_an_expired_or_another_users_unlock_token_is_ignored(
    sign_in_client: SignInClient, owner: User, agent: User, is_expired: bool, clock: "MovableClock"
) -> None:
    token = await sign_in_client.request_unlock_email(owner if is_expired else agent)
    clock.advance(unlocking.LIFETIME if is_expired else timedelta())
    await lock_out(sign_in_client, owner)
    for useless in (token, "cam_ul_unknown", "\x00", "\ud800"):
        assert await sign_in_client.outcome(owner, unlock=useless) == "RATE_LIMITED"


async def test_requesting_an_unlock_email_does_not_reveal_known_addresses(
    sign_in_client: SignInClient, owner: User
) -> None:
    """Requests don't flood the address with emails either."""
    await unlocking.request(
        sign_in_client.new_action(),
        sign_in_client.auth,
        email="nobody@fournil.example",
        peer=SHARED_ADDRESS,
    )
    assert not await Email.exists()
    for _ in range(6):
        await sign_in_client.request_unlock_email(owner)
    with pytest.raises(Throttled):
        await sign_in_client.request_unlock_email(owner)


async def test_p3_5_requests_for_other_emails_do_not_block_the_unlock_email(
    sign_in_client: SignInClient, owner: User
) -> None:
    """Reset emails by someone else delay it only until their own limit, and requesting the unlock
    email itself sends it.
    """

    async def request_other_emails() -> None:
        await change.request_reset(
            sign_in_client.new_action(), sign_in_client.auth, email=owner.email, peer="198.51.100.7"
        )

    await lock_out(sign_in_client, owner)
    for _ in range(EMAIL.free_attempts + 1):
        await request_other_emails()
    with pytest.raises(Throttled):
        await request_other_emails()
    assert (
        await sign_in_client.sign_in(owner, unlock=await sign_in_client.request_unlock_email(owner))
        == owner
    )


async def test_guesses_in_a_stolen_session_do_not_throttle_other_sessions(
    auth: AuthServices, new_action: "NewAction", owner: User, enrol: "Enrol"
) -> None:
    from auth.reauthentication import step_up
    from auth.sessions import sign_in
    from models.action import Origin

    def action_of(tokens: Tokens) -> Action:
        return Action(owner, new_action().at, new_action().bus, Origin(tokens.session.pk))

    stolen_tokens, own_tokens = (
        await sign_in(owner, None, False, new_action()),
        await sign_in(owner, None, False, new_action()),
    )
    for _ in range(6):
        with pytest.raises(Refusal, match="CREDENTIALS_INVALID"):
            await step_up(
                action_of(stolen_tokens),
                auth,
                stolen_tokens.session,
                password="mouette phare ardoise 77",
            )
    with pytest.raises(Throttled):
        await step_up(action_of(stolen_tokens), auth, stolen_tokens.session, password=PASSWORD)
    assert await step_up(action_of(own_tokens), auth, own_tokens.session, password=PASSWORD)
