"""Changing a user's email address."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from auth import email_change
from auth.authentication import authenticate
from auth.factors import enrolment
from auth.passwords import change
from auth.reauthentication import step_up
from auth.services import AuthServices
from auth.session_checks import valid_session_ids
from auth.sessions import Tokens, sign_in, sign_out, token_hash
from models.action import Action
from models.audit import AuditEntry
from models.errors import Refusal, Throttled
from models.identity.access_links import EmailChange
from models.identity.audit_actions import IdentityAuditAction
from models.identity.authenticator import Authenticator
from models.identity.user import User
from models.operations.email import Email
from tests.auth.conftest import code_of
from tests.outbox import templates_to, token_to, tokens_to
from tests.people import PASSWORD

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus

    NewAction = Callable[[], Action]
    Enrol = Callable[[User], Awaitable[tuple[str, list[str], Tokens]]]

pytestmark = pytest.mark.usefixtures("db")

NEW_EMAIL = "camille@aubry.example"


@pytest.fixture
async def current_tokens(owner: User, auth: AuthServices, new_action: "NewAction") -> Tokens:
    """Camille's session, with a recent step-up."""
    tokens = await sign_in(owner, None, False, new_action())
    await step_up(new_action(), auth, tokens.session, password=PASSWORD, code=None)
    return tokens


@pytest.fixture
def request_change(auth: AuthServices, new_action: "NewAction") -> Callable[..., Awaitable[None]]:
    async def request_change(tokens: Tokens, email: str = NEW_EMAIL) -> None:
        await email_change.request(new_action(), auth, tokens.session, email=email)

    return request_change


@pytest.fixture
def confirm(new_action: "NewAction") -> Callable[[str], Awaitable[bool]]:
    async def confirm(token: str) -> bool:
        return await email_change.confirm(new_action(), token)

    return confirm


RequestChange = Callable[..., Awaitable[None]]
Confirm = Callable[[str], Awaitable[bool]]


async def address_of(user: User) -> str:
    return (await User.get(pk=user.pk)).email


class TestWithoutASecondFactor:
    @pytest.mark.parametrize("first", ["new", "old"])
    async def test_p1_3_both_addresses_confirm_and_nothing_changes_until_then(
        self,
        owner: User,
        auth: AuthServices,
        current_tokens: Tokens,
        new_action: "NewAction",
        request_change: RequestChange,
        confirm: Confirm,
        bus: "RecordingBus",
        first: str,
    ) -> None:
        """The whole change, with either address confirming first."""
        other_tokens = await sign_in(owner, None, False, new_action())
        await request_change(current_tokens, f" {NEW_EMAIL.title()} ")
        tokens = [await token_to(NEW_EMAIL, "email"), await token_to(owner.email, "email")]
        stored_text = str(await EmailChange.all().values())
        assert all(
            token_hash(token) in stored_text and token not in stored_text for token in tokens
        )
        bus.announced.clear()
        tokens = tokens if first == "new" else tokens[::-1]
        assert await confirm(tokens[0]) is False
        assert (await address_of(owner), bus.announced) == (owner.email, [])
        assert await confirm(tokens[1]) is True
        assert await address_of(owner) == NEW_EMAIL
        assert await templates_to(owner.email) == ["email_change_requested", "email_changed"]
        assert await valid_session_ids(
            [current_tokens.session.pk, other_tokens.session.pk], new_action().at
        ) == {current_tokens.session.pk}
        assert bus.announced == [f"session:{other_tokens.session.pk}", f"user:{owner.pk}"]
        authenticated_user = await authenticate(
            new_action(), auth, email=NEW_EMAIL, password=PASSWORD, code=None, peer="192.0.2.7"
        )
        assert authenticated_user == owner
        with pytest.raises(Refusal, match="CREDENTIALS_INVALID"):
            await authenticate(
                new_action(),
                auth,
                email=owner.email,
                password=PASSWORD,
                code=None,
                peer="192.0.2.7",
            )

    async def test_the_audit_log_names_the_confirming_address(
        self, owner: User, current_tokens: Tokens, request_change: RequestChange, confirm: Confirm
    ) -> None:
        """The link may be opened in a browser without a session: the token identifies the address
        that confirmed.
        """
        await request_change(current_tokens)
        for token in (await token_to(NEW_EMAIL, "email"), await token_to(owner.email, "email")):
            await confirm(token)
        audit_entries = await AuditEntry.filter(
            action=IdentityAuditAction.EMAIL_CONFIRM_CHANGE.value
        ).order_by("id")
        assert [(each.actor_id, each.object_id) for each in audit_entries] == [
            (owner.pk, owner.pk)
        ] * 2

    async def test_each_address_confirms_once_and_only_for_itself(
        self, owner: User, current_tokens: Tokens, request_change: RequestChange, confirm: Confirm
    ) -> None:
        await request_change(current_tokens)
        assert await confirm(await token_to(NEW_EMAIL, "email")) is False
        with pytest.raises(Refusal, match="TOKEN_INVALID"):
            await confirm(await token_to(NEW_EMAIL, "email"))
        assert await address_of(owner) == owner.email

    async def test_both_addresses_confirm_concurrently(
        self, owner: User, current_tokens: Tokens, request_change: RequestChange, confirm: Confirm
    ) -> None:
        await request_change(current_tokens)
        tokens = await token_to(NEW_EMAIL, "email"), await token_to(owner.email, "email")
        responses = await asyncio.gather(*map(confirm, tokens))
        assert sorted(responses) == [False, True]
        assert await address_of(owner) == NEW_EMAIL

    async def test_concurrent_confirmations_by_one_address_count_once(
        self, owner: User, current_tokens: Tokens, request_change: RequestChange, confirm: Confirm
    ) -> None:
        await request_change(current_tokens)
        token = await token_to(NEW_EMAIL, "email")
        responses = await asyncio.gather(
            *(confirm(token) for _ in range(4)), return_exceptions=True
        )
        assert sorted(str(response) for response in responses) == ["False", *["TOKEN_INVALID"] * 3]


class TestWithASecondFactor:
    async def test_p1_3_the_new_address_confirms_and_the_old_one_is_notified(
        self,
        owner: User,
        auth: AuthServices,
        new_action: "NewAction",
        enrol: "Enrol",
        request_change: RequestChange,
        confirm: Confirm,
        clock: "MovableClock",
    ) -> None:
        _, codes, tokens = await enrol(owner)
        clock.advance(timedelta(days=7))
        await step_up(new_action(), auth, tokens.session, password=PASSWORD, code=codes[0])
        await request_change(tokens)
        assert await tokens_to(owner.email, "email") == []
        assert await confirm(await token_to(NEW_EMAIL, "email")) is True
        assert await address_of(owner) == NEW_EMAIL
        assert (await templates_to(owner.email))[-2:] == ["email_change_requested", "email_changed"]

    async def test_turning_the_second_factor_off_cancels_the_change(
        self,
        owner: User,
        auth: AuthServices,
        new_action: "NewAction",
        enrol: "Enrol",
        request_change: RequestChange,
        confirm: Confirm,
        clock: "MovableClock",
    ) -> None:
        """Otherwise the old address, which didn't have to confirm, would never be asked to."""
        _, codes, tokens = await enrol(owner)
        clock.advance(timedelta(days=7))
        await step_up(new_action(), auth, tokens.session, password=PASSWORD, code=codes[0])
        await request_change(tokens)
        await enrolment.remove(new_action(), tokens.session, await Authenticator.get())
        with pytest.raises(Refusal, match="TOKEN_INVALID"):
            await confirm(await token_to(NEW_EMAIL, "email"))

    async def test_with_a_recent_second_factor_the_old_address_must_still_confirm(
        self,
        owner: User,
        auth: AuthServices,
        new_action: "NewAction",
        enrol: "Enrol",
        request_change: RequestChange,
        confirm: Confirm,
        clock: "MovableClock",
    ) -> None:
        """Otherwise someone with a stolen password could turn on a second factor of their own and
        confirm with that.
        """
        _, codes, tokens = await enrol(owner)
        clock.advance(timedelta(days=7, seconds=-1))
        await step_up(new_action(), auth, tokens.session, password=PASSWORD, code=codes[0])
        await request_change(tokens)
        assert await confirm(await token_to(NEW_EMAIL, "email")) is False
        assert await address_of(owner) == owner.email


class TestStepUp:
    async def test_p1_3_an_email_change_requires_a_step_up(
        self, owner: User, new_action: "NewAction", request_change: RequestChange
    ) -> None:
        tokens = await sign_in(owner, None, False, new_action())
        with pytest.raises(Refusal, match="STEP_UP_REQUIRED"):
            await request_change(tokens)
        assert not await Email.exists()

    async def test_a_step_up_expires_after_five_minutes(
        self, current_tokens: Tokens, request_change: RequestChange, clock: "MovableClock"
    ) -> None:
        clock.advance(timedelta(minutes=5))
        with pytest.raises(Refusal, match="STEP_UP_REQUIRED"):
            await request_change(current_tokens)

    async def test_a_step_up_applies_to_one_session(
        self,
        owner: User,
        current_tokens: Tokens,
        new_action: "NewAction",
        request_change: RequestChange,
    ) -> None:
        with pytest.raises(Refusal, match="STEP_UP_REQUIRED"):
            await request_change(await sign_in(owner, None, False, new_action()))

    async def test_an_ended_session_cannot_request_a_change(
        self, current_tokens: Tokens, new_action: "NewAction", request_change: RequestChange
    ) -> None:
        await sign_out(current_tokens.session, new_action())
        with pytest.raises(Refusal, match="STEP_UP_REQUIRED"):
            await request_change(current_tokens)


class TestLimits:
    async def test_p1_3_an_existing_users_address_gets_the_same_answer(
        self,
        owner: User,
        agent: User,
        current_tokens: Tokens,
        request_change: RequestChange,
        confirm: Confirm,
    ) -> None:
        """The email to that address notifies its owner. The requester sees no difference, and the
        old address must still confirm.
        """
        await request_change(current_tokens, agent.email)
        assert await templates_to(agent.email) == ["email_change_taken"]
        assert await confirm(await token_to(owner.email, "email")) is False
        assert await address_of(owner) == owner.email

    async def test_an_address_taken_before_confirmation_stays_with_its_user(
        self,
        owner: User,
        agent: User,
        current_tokens: Tokens,
        request_change: RequestChange,
        confirm: Confirm,
        new_action: "NewAction",
    ) -> None:
        await request_change(current_tokens)
        await confirm(await token_to(owner.email, "email"))
        await User.filter(pk=agent.pk).update(email=NEW_EMAIL)
        with pytest.raises(Refusal, match="TOKEN_INVALID"):
            await confirm(await token_to(NEW_EMAIL, "email"))
        assert (await address_of(owner), await address_of(agent)) == (owner.email, NEW_EMAIL)
        assert await templates_to(owner.email) == ["email_change_requested"]
        assert await valid_session_ids([current_tokens.session.pk], new_action().at) == {
            current_tokens.session.pk
        }

    async def test_a_change_expires_after_a_day(
        self,
        owner: User,
        current_tokens: Tokens,
        request_change: RequestChange,
        confirm: Confirm,
        clock: "MovableClock",
    ) -> None:
        await request_change(current_tokens)
        assert await confirm(await token_to(NEW_EMAIL, "email")) is False
        clock.advance(timedelta(hours=24))
        with pytest.raises(Refusal, match="TOKEN_INVALID"):
            await confirm(await token_to(owner.email, "email"))
        assert await address_of(owner) == owner.email

    async def test_a_new_change_replaces_the_old_one(
        self, owner: User, current_tokens: Tokens, request_change: RequestChange, confirm: Confirm
    ) -> None:
        await request_change(current_tokens, "first@aubry.example")
        first = await token_to("first@aubry.example", "email"), await token_to(owner.email, "email")
        await request_change(current_tokens)
        for token in first:
            with pytest.raises(Refusal, match="TOKEN_INVALID"):
                await confirm(token)
        await confirm(await token_to(NEW_EMAIL, "email"))
        await confirm(await token_to(owner.email, "email"))
        assert await address_of(owner) == NEW_EMAIL

    async def test_a_change_affects_no_other_user(
        self,
        owner: User,
        agent: User,
        auth: AuthServices,
        current_tokens: Tokens,
        new_action: "NewAction",
        request_change: RequestChange,
        confirm: Confirm,
    ) -> None:
        agent_tokens = await sign_in(agent, None, False, new_action())
        await step_up(new_action(), auth, agent_tokens.session, password=PASSWORD, code=None)
        await request_change(current_tokens)
        await request_change(agent_tokens, "amadou@aubry.example")
        await confirm(await token_to(NEW_EMAIL, "email"))
        await confirm(await token_to(agent.email, "email"))
        assert (await address_of(owner), await address_of(agent)) == (owner.email, agent.email)

    async def test_only_one_of_two_users_gets_an_address(
        self,
        owner: User,
        agent: User,
        auth: AuthServices,
        current_tokens: Tokens,
        new_action: "NewAction",
        request_change: RequestChange,
        confirm: Confirm,
    ) -> None:
        agent_tokens = await sign_in(agent, None, False, new_action())
        await step_up(new_action(), auth, agent_tokens.session, password=PASSWORD, code=None)
        await request_change(current_tokens)
        await request_change(agent_tokens)
        for user in (owner, agent):
            await confirm(await token_to(user.email, "email"))
        responses = await asyncio.gather(
            *map(confirm, await tokens_to(NEW_EMAIL, "email")), return_exceptions=True
        )
        assert sorted(str(response) for response in responses) == ["TOKEN_INVALID", "True"]
        assert sorted([await address_of(owner), await address_of(agent)]).count(NEW_EMAIL) == 1

    async def test_a_password_reset_by_the_old_address_cancels_the_change(
        self,
        owner: User,
        auth: AuthServices,
        current_tokens: Tokens,
        new_action: "NewAction",
        request_change: RequestChange,
        confirm: Confirm,
    ) -> None:
        """The email to the old address recommends a reset to users who didn't request the
        change.
        """
        await request_change(current_tokens)
        await change.request_reset(new_action(), auth, email=owner.email, peer="192.0.2.7")
        token = await token_to(owner.email, "reset")
        await change.reset(
            new_action(), auth, token=token, password="mouette phare ardoise 77", code=None
        )
        for token in (await token_to(NEW_EMAIL, "email"), await token_to(owner.email, "email")):
            with pytest.raises(Refusal, match="TOKEN_INVALID"):
                await confirm(token)

    async def test_reset_tokens_sent_to_the_old_address_stop_working(
        self,
        owner: User,
        auth: AuthServices,
        current_tokens: Tokens,
        new_action: "NewAction",
        request_change: RequestChange,
        confirm: Confirm,
    ) -> None:
        await request_change(current_tokens)
        await change.request_reset(new_action(), auth, email=owner.email, peer="192.0.2.7")
        await confirm(await token_to(owner.email, "email"))
        await confirm(await token_to(NEW_EMAIL, "email"))
        with pytest.raises(Refusal, match="TOKEN_INVALID"):
            await change.user_for_token(new_action(), await token_to(owner.email, "reset"))

    @pytest.mark.parametrize(
        ("email", "code"),
        [("camille@", "EMAIL_INVALID"), ("Camille@Fournil.example", "VALUE_INVALID")],
    )
    async def test_an_invalid_new_address_is_reported(
        self, current_tokens: Tokens, request_change: RequestChange, email: str, code: str
    ) -> None:
        with pytest.raises(Refusal, match=code) as refused:
            await request_change(current_tokens, email)
        assert refused.value.field == ("input", "email")
        assert not await EmailChange.exists()

    @pytest.mark.parametrize("token", ["", "cam_ec_", "\x00", "\ud800", "x" * 100_000])
    async def test_an_unknown_token_is_refused(
        self, current_tokens: Tokens, request_change: RequestChange, confirm: Confirm, token: str
    ) -> None:
        await request_change(current_tokens)
        with pytest.raises(Refusal, match="TOKEN_INVALID"):
            await confirm(token)

    async def test_the_number_of_emails_to_other_addresses_is_limited(
        self, current_tokens: Tokens, request_change: RequestChange
    ) -> None:
        for number in range(6):
            await request_change(current_tokens, f"stranger{number}@aubry.example")
        with pytest.raises(Throttled):
            await request_change(current_tokens, "stranger9@aubry.example")

    async def test_staff_can_change_their_address(
        self,
        agent: User,
        auth: AuthServices,
        new_action: "NewAction",
        enrol: "Enrol",
        request_change: RequestChange,
        confirm: Confirm,
        clock: "MovableClock",
    ) -> None:
        secret, *_ = await enrol(agent)
        clock.advance(timedelta(days=7))
        tokens = await sign_in(agent, None, True, new_action())
        await step_up(
            new_action(),
            auth,
            tokens.session,
            password=PASSWORD,
            code=code_of(secret, new_action()),
        )
        await request_change(tokens)
        assert await confirm(await token_to(NEW_EMAIL, "email")) is True
