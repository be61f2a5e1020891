"""Resetting a forgotten password and changing a known one."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tortoise.exceptions import OperationalError

from auth.authentication import authenticate
from auth.passwords import change
from auth.services import AuthServices
from auth.session_checks import valid_session_ids
from auth.sessions import Tokens, refresh, sign_in, token_hash
from models.action import Action
from models.database.sql import execute
from models.errors import Refusal, Throttled, Unauthenticated
from models.identity.access_links import PasswordReset
from models.identity.user import User
from tests.auth.conftest import code_of
from tests.outbox import templates_to, tokens_to
from tests.people import PASSWORD

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus

    NewAction = Callable[[], Action]
    Enrol = Callable[[User], Awaitable[tuple[str, list[str], Tokens]]]

pytestmark = pytest.mark.usefixtures("db")

NEW_PASSWORD = "mouette phare ardoise 77"


@pytest.fixture
def request_reset(auth: AuthServices, new_action: "NewAction") -> Callable[..., Awaitable[str]]:
    """Requests a reset email, and returns the latest token sent to Camille, or None."""

    async def request_reset(email: str, peer: str = "192.0.2.7") -> str:
        await change.request_reset(new_action(), auth, email=email, peer=peer)
        return ([""] + await tokens_to("camille@fournil.example", "reset"))[-1]

    return request_reset


@pytest.fixture
def reset_password(auth: AuthServices, new_action: "NewAction") -> Callable[..., Awaitable[None]]:
    async def reset_password(
        token: str, password: str = NEW_PASSWORD, code: str | None = None
    ) -> None:
        await change.reset(new_action(), auth, token=token, password=password, code=code)

    return reset_password


@pytest.fixture
def sign_in_with_password(
    auth: AuthServices, new_action: "NewAction"
) -> Callable[..., Awaitable[User]]:
    async def sign_in_with_password(user: User, password: str, code: str | None = None) -> User:
        return await authenticate(
            new_action(), auth, email=user.email, password=password, code=code, peer="192.0.2.7"
        )

    return sign_in_with_password


RequestReset = Callable[..., Awaitable[str]]
ResetPassword = Callable[..., Awaitable[None]]
SignInWithPassword = Callable[..., Awaitable[User]]


async def user_rows() -> list[dict[str, Any]]:
    return await User.all().order_by("id").values()


class TestReset:
    async def test_p4_3_a_forgotten_password_is_reset_by_email(
        self,
        owner: User,
        new_action: "NewAction",
        request_reset: RequestReset,
        reset_password: ResetPassword,
        sign_in_with_password: SignInWithPassword,
        bus: "RecordingBus",
    ) -> None:
        """The whole reset: every device is signed out, and an email notifies the user."""
        laptop, phone = [await sign_in(owner, None, False, new_action()) for _ in range(2)]
        token = await request_reset(f" {owner.email.upper()} ")
        stored_text = str(await PasswordReset.all().values())
        assert token not in stored_text
        assert token_hash(token) in stored_text
        assert (await sign_in_with_password(owner, PASSWORD)) == owner  # nothing has changed yet
        await reset_password(token)
        assert await sign_in_with_password(owner, NEW_PASSWORD) == owner
        with pytest.raises(Refusal, match="CREDENTIALS_INVALID"):
            await sign_in_with_password(owner, PASSWORD)
        ended_ids = [tokens.session.pk for tokens in (laptop, phone)]
        assert await valid_session_ids(ended_ids, new_action().at) == set()
        assert bus.announced == [f"user:{owner.pk}", *(f"session:{key}" for key in ended_ids)]
        with pytest.raises(Refusal, match="TOKEN_INVALID"):
            await refresh(laptop.refresh, new_action())
        assert await templates_to(owner.email) == ["password_reset", "password_changed"]

    async def test_p4_3_an_unknown_address_gets_the_same_answer_in_the_same_time(
        self, owner: User, auth: AuthServices, new_action: "NewAction"
    ) -> None:
        slow, times = replace(auth, min_response_seconds=0.2), []
        for email in (owner.email, "nobody@fournil.example"):
            start = time.monotonic()
            await change.request_reset(new_action(), slow, email=email, peer="192.0.2.7")
            times.append(time.monotonic() - start)
        assert await templates_to(owner.email) == ["password_reset"]
        assert all(seconds >= 0.2 for seconds in times)

    async def test_a_token_works_once_and_invalidates_the_others(
        self, owner: User, request_reset: RequestReset, reset_password: ResetPassword
    ) -> None:
        first, second = await request_reset(owner.email), await request_reset(owner.email)
        await reset_password(second)
        for token in (first, second):
            with pytest.raises(Refusal, match="TOKEN_INVALID"):
                await reset_password(token, "another one, phare ardoise 78")

    async def test_a_second_request_keeps_the_first_token_valid(
        self, owner: User, request_reset: RequestReset, reset_password: ResetPassword
    ) -> None:
        first = await request_reset(owner.email)
        await request_reset(owner.email, "198.51.100.66")
        await reset_password(first)

    async def test_a_token_is_valid_for_thirty_minutes(
        self,
        owner: User,
        request_reset: RequestReset,
        reset_password: ResetPassword,
        clock: "MovableClock",
        sign_in_with_password: SignInWithPassword,
    ) -> None:
        token = await request_reset(owner.email)
        clock.advance(timedelta(minutes=30))
        with pytest.raises(Refusal, match="TOKEN_INVALID"):
            await reset_password(token)
        clock.advance(timedelta(seconds=-1))
        await reset_password(token)
        assert await sign_in_with_password(owner, NEW_PASSWORD) == owner

    async def test_expired_rows_are_deleted_at_the_next_request(
        self, owner: User, request_reset: RequestReset, clock: "MovableClock"
    ) -> None:
        await request_reset(owner.email)
        clock.advance(timedelta(hours=1))
        await request_reset(owner.email)
        assert await PasswordReset.all().count() == 1

    async def test_only_one_of_two_concurrent_uses_sets_its_password(
        self,
        owner: User,
        request_reset: RequestReset,
        reset_password: ResetPassword,
        sign_in_with_password: SignInWithPassword,
    ) -> None:
        token = await request_reset(owner.email)
        passwords = [f"{NEW_PASSWORD} {number}" for number in range(3)]
        responses = await asyncio.gather(
            *(reset_password(token, each) for each in passwords), return_exceptions=True
        )
        valid_passwords = [
            password
            for password, response in zip(passwords, responses, strict=True)
            if response is None
        ]
        assert len(valid_passwords) == 1
        assert {str(response) for response in responses if response} <= {
            "TOKEN_INVALID",
            "CREDENTIALS_INVALID",
        }
        assert await sign_in_with_password(owner, valid_passwords[0]) == owner

    @pytest.mark.parametrize("token", ["", "cam_pr_", "cam_at_x", "\x00", "\ud800", "x" * 100_000])
    async def test_an_unknown_token_is_refused(
        self, owner: User, request_reset: RequestReset, reset_password: ResetPassword, token: str
    ) -> None:
        await request_reset(owner.email)
        before = await user_rows()
        with pytest.raises(Refusal, match="TOKEN_INVALID") as refused:
            await reset_password(token)
        assert refused.value.field == ("input", "token")
        assert await user_rows() == before

    async def test_a_token_changes_only_its_users_password(
        self,
        owner: User,
        agent: User,
        request_reset: RequestReset,
        reset_password: ResetPassword,
        sign_in_with_password: SignInWithPassword,
    ) -> None:
        await request_reset(agent.email)
        token = await request_reset(owner.email)
        await reset_password(token)
        assert await sign_in_with_password(agent, PASSWORD) == agent

    async def test_a_weak_password_is_refused_and_the_token_stays_valid(
        self,
        owner: User,
        request_reset: RequestReset,
        reset_password: ResetPassword,
        sign_in_with_password: SignInWithPassword,
    ) -> None:
        """The rules are those of sign-up, including the check against the user's own details."""
        token = await request_reset(owner.email)
        for weak_password in ("short", "x" * 129, "camille aubry fournil", "motdepasse12345"):
            with pytest.raises(Refusal, match="PASSWORD_WEAK"):
                await reset_password(token, weak_password)
        await reset_password(token)
        assert await sign_in_with_password(owner, NEW_PASSWORD) == owner

    async def test_reading_the_email_verifies_the_address(
        self,
        owner: User,
        request_reset: RequestReset,
        reset_password: ResetPassword,
        sign_in_with_password: SignInWithPassword,
    ) -> None:
        await User.filter(pk=owner.pk).update(email_verified_at=None)
        await reset_password(await request_reset(owner.email))
        assert await sign_in_with_password(owner, NEW_PASSWORD) == owner

    async def test_emails_to_one_address_and_from_one_network_are_limited(
        self, owner: User, request_reset: RequestReset
    ) -> None:
        for email in (owner.email, "nobody@fournil.example"):  # the same for both
            for number in range(6):
                await request_reset(email, f"192.0.2.{number}")
            with pytest.raises(Throttled):
                await request_reset(email, "198.51.100.1")
        for number in range(21):
            await request_reset(f"nobody{number}@fournil.example", "203.0.113.5")
        with pytest.raises(Throttled):
            await request_reset("nobody99@fournil.example", "203.0.113.5")

    async def test_an_invalid_address_is_reported(self, request_reset: RequestReset) -> None:
        with pytest.raises(Refusal, match="EMAIL_INVALID"):
            await request_reset("camille@")

    async def test_nothing_is_stored_when_the_email_cannot_be_written(
        self, owner: User, auth: AuthServices, new_action: "NewAction"
    ) -> None:
        await execute("ALTER TABLE email RENAME TO gone")
        with pytest.raises(OperationalError):
            await change.request_reset(new_action(), auth, email=owner.email, peer="192.0.2.7")
        assert not await PasswordReset.exists()


class TestResetWithASecondFactor:
    async def test_p4_3_a_reset_requires_and_keeps_the_second_factor(
        self,
        owner: User,
        new_action: "NewAction",
        enrol: "Enrol",
        request_reset: RequestReset,
        reset_password: ResetPassword,
        sign_in_with_password: SignInWithPassword,
        clock: "MovableClock",
    ) -> None:
        secret, codes, _ = await enrol(owner)
        token = await request_reset(owner.email)
        clock.advance(timedelta(seconds=30))
        with pytest.raises(Refusal, match="SECOND_FACTOR_REQUIRED"):
            await reset_password(token)
        with pytest.raises(Refusal, match="SECOND_FACTOR_INVALID"):
            await reset_password(token, NEW_PASSWORD, "000000")
        await reset_password(token, NEW_PASSWORD, code_of(secret, new_action()))
        assert (await User.get(pk=owner.pk)).second_factor
        with pytest.raises(Refusal, match="SECOND_FACTOR_REQUIRED"):
            await sign_in_with_password(owner, NEW_PASSWORD)
        assert await sign_in_with_password(owner, NEW_PASSWORD, codes[0]) == owner

    async def test_a_recovery_code_replaces_the_one_time_code(
        self,
        owner: User,
        enrol: "Enrol",
        request_reset: RequestReset,
        reset_password: ResetPassword,
        sign_in_with_password: SignInWithPassword,
    ) -> None:
        _, codes, _ = await enrol(owner)
        await reset_password(await request_reset(owner.email), NEW_PASSWORD, codes[3])
        with pytest.raises(Refusal, match="SECOND_FACTOR_INVALID"):
            await sign_in_with_password(owner, NEW_PASSWORD, codes[3])

    async def test_guesses_of_codes_during_a_reset_are_throttled(
        self,
        owner: User,
        enrol: "Enrol",
        request_reset: RequestReset,
        reset_password: ResetPassword,
    ) -> None:
        await enrol(owner)
        token, responses = await request_reset(owner.email), []
        for number in range(10):
            try:
                await reset_password(token, NEW_PASSWORD, f"{number:06}")
            except (Refusal, Throttled) as error:
                responses.append(error.code)
        assert responses == ["SECOND_FACTOR_INVALID"] * 6 + ["RATE_LIMITED"] * 4

    async def test_a_second_factor_turned_on_during_a_reset_is_required(
        self,
        owner: User,
        auth: AuthServices,
        new_action: "NewAction",
        enrol: "Enrol",
        request_reset: RequestReset,
    ) -> None:
        """The user turns the second factor on while a reset without it is in progress. The reset is
        refused.
        """
        token, hash_ = await request_reset(owner.email), auth.passwords.hash

        async def hash_after_change(password: str) -> str:
            await enrol(owner)
            return await hash_(password)

        auth.passwords.hash = hash_after_change  # type: ignore[method-assign]
        with pytest.raises(Refusal, match="CREDENTIALS_INVALID"):
            await change.reset(new_action(), auth, token=token, password=NEW_PASSWORD, code=None)


class TestChange:
    @pytest.fixture
    def change(self, auth: AuthServices, new_action: "NewAction") -> Callable[..., Awaitable[None]]:
        async def change_password(
            tokens: Tokens, current: str = PASSWORD, password: str = NEW_PASSWORD
        ) -> None:
            await change.change(
                new_action(), auth, tokens.session, current_password=current, password=password
            )

        return change_password

    async def test_p3_5_changing_a_password_requires_the_current_one(
        self,
        owner: User,
        new_action: "NewAction",
        change: ResetPassword,
        sign_in_with_password: SignInWithPassword,
        bus: "RecordingBus",
    ) -> None:
        """The current session stays, the others end, and an email notifies the user."""
        current_tokens, other_tokens = [
            await sign_in(owner, None, False, new_action()) for _ in range(2)
        ]
        await change(current_tokens)
        assert await sign_in_with_password(owner, NEW_PASSWORD) == owner
        assert await valid_session_ids(
            [current_tokens.session.pk, other_tokens.session.pk], new_action().at
        ) == {current_tokens.session.pk}
        assert bus.announced == [f"user:{owner.pk}", f"session:{other_tokens.session.pk}"]
        assert await templates_to(owner.email) == ["password_changed"]

    async def test_guesses_of_the_current_password_are_throttled(
        self, owner: User, new_action: "NewAction", change: ResetPassword
    ) -> None:
        current_tokens, responses = await sign_in(owner, None, False, new_action()), []
        for _ in range(8):
            try:
                await change(current_tokens, "a wrong one, ardoise 12")
            except (Refusal, Throttled) as error:
                responses.append(error.code)
        assert responses == ["CREDENTIALS_INVALID"] * 6 + ["RATE_LIMITED"] * 2
        assert (await User.get(pk=owner.pk)).password_hash == owner.password_hash

    async def test_a_weak_new_password_is_refused(
        self, owner: User, new_action: "NewAction", change: ResetPassword
    ) -> None:
        current_tokens = await sign_in(owner, None, False, new_action())
        with pytest.raises(Refusal, match="PASSWORD_WEAK") as refused:
            await change(current_tokens, PASSWORD, "Le Fournil d'Aubry")
        assert refused.value.field == ("input", "newPassword")

    async def test_only_one_of_two_concurrent_changes_succeeds(
        self,
        owner: User,
        new_action: "NewAction",
        change: ResetPassword,
        sign_in_with_password: SignInWithPassword,
    ) -> None:
        current_tokens, other_tokens = [
            await sign_in(owner, None, False, new_action()) for _ in range(2)
        ]
        responses = await asyncio.gather(
            change(current_tokens),
            change(other_tokens, PASSWORD, f"{NEW_PASSWORD} 2"),
            return_exceptions=True,
        )
        assert len([response for response in responses if response is None]) == 1
        assert (
            await sign_in_with_password(
                owner, NEW_PASSWORD if responses[0] is None else f"{NEW_PASSWORD} 2"
            )
            == owner
        )

    async def test_an_ended_session_cannot_change_the_password(
        self,
        owner: User,
        new_action: "NewAction",
        request_reset: RequestReset,
        reset_password: ResetPassword,
        change: ResetPassword,
    ) -> None:
        current_tokens = await sign_in(owner, None, False, new_action())
        await reset_password(await request_reset(owner.email))
        with pytest.raises(Unauthenticated):
            await change(current_tokens, NEW_PASSWORD, f"{NEW_PASSWORD} 2")

    async def test_a_change_invalidates_reset_tokens(
        self,
        owner: User,
        new_action: "NewAction",
        request_reset: RequestReset,
        reset_password: ResetPassword,
        change: ResetPassword,
    ) -> None:
        current_tokens = await sign_in(owner, None, False, new_action())
        token = await request_reset(owner.email)
        await change(current_tokens)
        with pytest.raises(Refusal, match="TOKEN_INVALID"):
            await reset_password(token)


async def test_a_password_replaced_during_sign_in_is_refused(
    owner: User,
    new_action: "NewAction",
    request_reset: RequestReset,
    reset_password: ResetPassword,
    sign_in_with_password: SignInWithPassword,
) -> None:
    """P4.3: a sign-in in progress during the change would otherwise have outlived the end of all
    sessions.
    """
    authenticated_user = await sign_in_with_password(owner, PASSWORD)
    await reset_password(await request_reset(owner.email))
    with pytest.raises(Refusal, match="CREDENTIALS_INVALID"):
        await sign_in(authenticated_user, None, False, new_action())
