"""One-time codes as the second factor: setting it up, requiring it, and accepting each code
once.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pyotp
import pytest
from cryptography.fernet import InvalidToken

from auth.authentication import authenticate
from auth.factors import totp
from auth.factors.enrolment import (
    authenticator_name,
    begin_totp,
    confirm_totp,
    remove,
    rename,
    renew_recovery_codes,
)
from auth.reauthentication import step_up
from auth.secret_box import SecretBox
from auth.services import AuthServices
from auth.sessions import Tokens, sign_in, sign_out
from models.action import Action
from models.errors import Refusal, Throttled, Unauthenticated
from models.identity.authenticator import Authenticator
from models.identity.user import RecoveryCode, User
from tests.auth.conftest import code_of
from tests.outbox import emails_to
from tests.people import viewer_of

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus

    NewAction = Callable[[], Action]
    Enrol = Callable[[User], Awaitable[tuple[str, list[str], Tokens]]]

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def sign_in_with_code(
    auth: AuthServices, new_action: "NewAction", password: str
) -> Callable[[User, str | None], Awaitable[User]]:
    async def sign_in_with_code(user: User, code: str | None) -> User:
        return await authenticate(
            new_action(), auth, email=user.email, password=password, code=code, peer="192.0.2.7"
        )

    return sign_in_with_code


SignInWithCode = Callable[[User, str | None], Awaitable[User]]


class TestSetUp:
    async def test_no_code_is_required_until_the_set_up_is_confirmed(
        self,
        auth: AuthServices,
        new_action: "NewAction",
        owner: User,
        password: str,
        sign_in_with_code: SignInWithCode,
    ) -> None:
        """P4.3: an abandoned set-up doesn't lock the user out."""
        tokens = await sign_in(owner, None, False, new_action())
        secret = await begin_totp(new_action(), auth, tokens.session, password)
        assert await sign_in_with_code(owner, None) == owner
        wrong_code = code_of(secret, new_action(), 5)
        with pytest.raises(Refusal, match="SECOND_FACTOR_INVALID"):
            await confirm_totp(new_action(), auth, tokens.session, wrong_code)
        assert await sign_in_with_code(owner, None) == owner
        await confirm_totp(new_action(), auth, tokens.session, code_of(secret, new_action()))
        with pytest.raises(Refusal, match="SECOND_FACTOR_REQUIRED"):
            await sign_in_with_code(owner, None)

    async def test_a_code_without_a_seed_confirms_nothing(
        self, auth: AuthServices, new_action: "NewAction", owner: User
    ) -> None:
        tokens = await sign_in(owner, None, False, new_action())
        with pytest.raises(Refusal, match="SECOND_FACTOR_INVALID"):
            await confirm_totp(new_action(), auth, tokens.session, "000000")

    async def test_a_set_up_requires_the_password(
        self, auth: AuthServices, new_action: "NewAction", owner: User
    ) -> None:
        session = (await sign_in(owner, None, False, new_action())).session
        for _ in range(6):
            with pytest.raises(Refusal, match="CREDENTIALS_INVALID"):
                await begin_totp(new_action(), auth, session, "mouette phare ardoise 77")
        with pytest.raises(Throttled):
            await begin_totp(new_action(), auth, session, "mouette phare ardoise 77")
        assert not await Authenticator.exists()

    async def test_a_staff_session_gains_its_role_and_other_sessions_end(
        self, new_action: "NewAction", agent: User, enrol: "Enrol", bus: "RecordingBus"
    ) -> None:
        """P4.3: staff have no role until they have set up their second factor."""
        other = await sign_in(agent, None, False, new_action())
        _, _, tokens = await enrol(agent)
        assert (await viewer_of(tokens.access, new_action().at)).is_agent
        assert bus.announced == [f"session:{other.session.pk}", f"user:{agent.pk}"]
        with pytest.raises(Unauthenticated):
            await viewer_of(other.access, new_action().at)

    async def test_a_further_set_up_requires_a_step_up(
        self,
        auth: AuthServices,
        new_action: "NewAction",
        owner: User,
        password: str,
        enrol: "Enrol",
    ) -> None:
        secret, _, tokens = await enrol(owner)
        with pytest.raises(Refusal, match="STEP_UP_REQUIRED"):
            await begin_totp(new_action(), auth, tokens.session, password)
        with pytest.raises(Refusal, match="STEP_UP_REQUIRED"):
            await confirm_totp(new_action(), auth, tokens.session, code_of(secret, new_action(), 1))
        assert await Authenticator.filter(user_id=owner.pk).count() == 1
        assert await RecoveryCode.filter(user_id=owner.pk).count() == 10

    async def test_only_one_of_two_concurrent_confirmations_returns_codes(
        self, auth: AuthServices, new_action: "NewAction", owner: User, password: str
    ) -> None:
        tokens = await sign_in(owner, None, False, new_action())
        code = code_of(await begin_totp(new_action(), auth, tokens.session, password), new_action())
        concurrent_calls = [
            confirm_totp(new_action(), auth, tokens.session, code) for _ in range(2)
        ]
        results = await asyncio.gather(*concurrent_calls, return_exceptions=True)
        assert sorted(str(response) for response in results if isinstance(response, Refusal)) == [
            "STEP_UP_REQUIRED"
        ]
        assert await RecoveryCode.filter(user_id=owner.pk).count() == 10

    async def test_the_seed_is_shown_as_a_qr_code_and_stored_encrypted(
        self, auth: AuthServices, owner: User, enrol: "Enrol"
    ) -> None:
        """P4.3: TOTP with a QR code. P3.5: seeds are encrypted at rest."""
        secret, codes, _ = await enrol(owner)
        uri = totp.provisioning_uri(owner, secret)
        parsed_uri = pyotp.parse_uri(uri)
        assert (parsed_uri.secret, parsed_uri.name, parsed_uri.issuer) == (
            secret,
            owner.email,
            "CAMCHA",
        )
        assert totp.qr_svg(uri).startswith('<svg xmlns="http://www.w3.org/2000/svg"')
        assert 'fill="#fff"' in totp.qr_svg(uri)  # on a dark page too
        rows = [
            await User.all().values(),
            await RecoveryCode.all().values(),
            await Authenticator.all().values(),
        ]
        stored_rows_text = json.dumps(rows, default=str)
        assert all(
            word not in stored_rows_text
            for word in (secret, *codes, *(code.replace("-", "") for code in codes))
        )
        assert (
            auth.secret_box.decrypt((await Authenticator.get(user_id=owner.pk)).secret or "")
            == secret
        )
        # Bits, OWASP ASVS 5, 6.5.2.
        assert all(len(code.replace("-", "")) * 5 >= 112 for code in codes)


class TestCodes:
    async def test_a_code_is_accepted_once(
        self,
        new_action: "NewAction",
        owner: User,
        enrol: "Enrol",
        sign_in_with_code: SignInWithCode,
        clock: "MovableClock",
    ) -> None:
        """P4.3: a code that someone else saw can't be reused, and neither can the code that
        confirmed the set-up.
        """
        secret, _, _ = await enrol(owner)
        with pytest.raises(Refusal, match="SECOND_FACTOR_INVALID"):
            await sign_in_with_code(owner, code_of(secret, new_action()))
        clock.advance(timedelta(seconds=30))
        assert await sign_in_with_code(owner, code_of(secret, new_action())) == owner
        with pytest.raises(Refusal, match="SECOND_FACTOR_INVALID"):
            await sign_in_with_code(owner, code_of(secret, new_action()))

    async def test_only_one_of_several_concurrent_sign_ins_with_one_code_succeeds(
        self,
        new_action: "NewAction",
        owner: User,
        enrol: "Enrol",
        sign_in_with_code: SignInWithCode,
        clock: "MovableClock",
    ) -> None:
        secret, _, _ = await enrol(owner)
        clock.advance(timedelta(minutes=1))
        results = await asyncio.gather(
            *(sign_in_with_code(owner, code_of(secret, new_action())) for _ in range(4)),
            return_exceptions=True,
        )
        assert (
            sorted(str(a) for a in results if isinstance(a, Refusal))
            == ["SECOND_FACTOR_INVALID"] * 3
        )
        assert [a for a in results if isinstance(a, User)] == [owner]

    @pytest.mark.parametrize(
        ("steps", "accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
    )
    async def test_a_clock_can_be_one_step_off(
        self,
        new_action: "NewAction",
        owner: User,
        enrol: "Enrol",
        sign_in_with_code: SignInWithCode,
        clock: "MovableClock",
        steps: int,
        accepted: bool,
    ) -> None:
        secret, _, _ = await enrol(owner)
        clock.advance(timedelta(hours=1))
        code = code_of(secret, new_action(), steps)
        if accepted:
            assert await sign_in_with_code(owner, f" {code[:3]} {code[3:]}") == owner
            return
        with pytest.raises(Refusal, match="SECOND_FACTOR_INVALID"):
            await sign_in_with_code(owner, code)

    async def test_an_older_code_than_the_last_is_not_accepted(
        self,
        new_action: "NewAction",
        owner: User,
        enrol: "Enrol",
        sign_in_with_code: SignInWithCode,
        clock: "MovableClock",
    ) -> None:
        secret, _, _ = await enrol(owner)
        clock.advance(timedelta(hours=1))
        assert await sign_in_with_code(owner, code_of(secret, new_action(), 1)) == owner
        with pytest.raises(Refusal, match="SECOND_FACTOR_INVALID"):
            await sign_in_with_code(owner, code_of(secret, new_action()))

    @pytest.mark.parametrize("code", [" ", "0", "x" * 10_000, "\x00", "١٢٣٤٥٦", "\ud800", "-1"])
    async def test_malformed_codes_are_refused(
        self, owner: User, enrol: "Enrol", sign_in_with_code: SignInWithCode, code: str
    ) -> None:
        await enrol(owner)
        with pytest.raises(Refusal, match="SECOND_FACTOR_INVALID"):
            await sign_in_with_code(owner, code)

    async def test_the_password_is_checked_before_the_code(
        self, auth: AuthServices, new_action: "NewAction", owner: User, enrol: "Enrol"
    ) -> None:
        secret, _, _ = await enrol(owner)
        with pytest.raises(Refusal, match="CREDENTIALS_INVALID"):
            await authenticate(
                new_action(),
                auth,
                email=owner.email,
                password="-",
                code=code_of(secret, new_action(), 1),
                peer="::1",
            )

    async def test_guesses_are_throttled_across_networks(
        self,
        auth: AuthServices,
        new_action: "NewAction",
        owner: User,
        password: str,
        enrol: "Enrol",
    ) -> None:
        await enrol(owner)
        results = []
        for n in range(10):
            try:
                await authenticate(
                    new_action(),
                    auth,
                    email=owner.email,
                    password=password,
                    code="abc",
                    peer=f"198.51.100.{n}",
                )
            except (Refusal, Throttled) as error:
                results.append(error.code)
        assert results == ["SECOND_FACTOR_INVALID"] * 6 + ["RATE_LIMITED"] * 4


class TestRecovery:
    async def test_a_recovery_code_works_once(
        self, owner: User, enrol: "Enrol", sign_in_with_code: SignInWithCode
    ) -> None:
        """P4.3: recovery codes are single-use."""
        _, codes, _ = await enrol(owner)
        assert len(set(codes)) == 10
        assert await sign_in_with_code(owner, codes[0]) == owner
        with pytest.raises(Refusal, match="SECOND_FACTOR_INVALID"):
            await sign_in_with_code(owner, codes[0])
        assert await sign_in_with_code(owner, f" {codes[1].upper().replace('-', ' ')} ") == owner
        assert await RecoveryCode.filter(user_id=owner.pk, used_at=None).count() == 8

    async def test_only_one_of_two_concurrent_uses_succeeds(
        self, owner: User, enrol: "Enrol", sign_in_with_code: SignInWithCode
    ) -> None:
        _, codes, _ = await enrol(owner)
        results = await asyncio.gather(
            *(sign_in_with_code(owner, codes[0]) for _ in range(4)), return_exceptions=True
        )
        assert [a for a in results if isinstance(a, User)] == [owner]

    async def test_another_users_code_is_refused(
        self, owner: User, agent: User, enrol: "Enrol", sign_in_with_code: SignInWithCode
    ) -> None:
        _, codes, _ = await enrol(owner)
        await enrol(agent)
        with pytest.raises(Refusal, match="SECOND_FACTOR_INVALID"):
            await sign_in_with_code(agent, codes[0])


class TestEncryption:
    def test_a_seed_is_decrypted_only_with_its_secret_key(self) -> None:
        ciphertext = SecretBox("first key of the test").encrypt("JBSWY3DPEHPK3PXP" * 2)
        assert SecretBox("first key of the test").decrypt(ciphertext) == "JBSWY3DPEHPK3PXP" * 2
        assert (
            SecretBox("second key", "first key of the test").decrypt(ciphertext)
            == "JBSWY3DPEHPK3PXP" * 2
        )
        assert len(ciphertext) <= 200  # the column
        with pytest.raises(InvalidToken):
            SecretBox("second key").decrypt(ciphertext)


@pytest.fixture
def step_up_with_code(
    auth: AuthServices, new_action: "NewAction", password: str
) -> Callable[[Tokens, str], Awaitable[object]]:
    """Completes a step-up with the password."""

    async def step_up_with_code(tokens: Tokens, code: str) -> object:
        return await step_up(new_action(), auth, tokens.session, password=password, code=code)

    return step_up_with_code


StepUpWithCode = Callable[[Tokens, str], Awaitable[object]]


async def latest_email_text(user: User) -> str:
    """The text of the latest email about the second factor."""
    emails = await emails_to(user.email)
    return [email.text for email in emails if email.template == "second_factor_changed.fr"][-1]


class TestSeveralAuthenticators:
    async def test_p4_3_two_apps_work_side_by_side(
        self,
        auth: AuthServices,
        new_action: "NewAction",
        owner: User,
        password: str,
        enrol: "Enrol",
        step_up_with_code: StepUpWithCode,
        sign_in_with_code: SignInWithCode,
        clock: "MovableClock",
    ) -> None:
        """A user moves to a new phone: both apps work, each code once, until the user removes the
        old one.
        """
        old_setup, codes, tokens = await enrol(owner)
        other = await sign_in(owner, None, True, new_action())
        await step_up_with_code(tokens, codes[0])
        new_setup = await begin_totp(new_action(), auth, tokens.session, password, " New  phone ")
        clock.advance(timedelta(minutes=1))
        with pytest.raises(Refusal, match="SECOND_FACTOR_INVALID"):
            await sign_in_with_code(owner, code_of(new_setup, new_action()))
        enrolment = await confirm_totp(
            new_action(), auth, tokens.session, code_of(new_setup, new_action())
        )
        assert (enrolment.recovery_codes, enrolment.authenticator.name) == (None, "New phone")
        assert "ajouté" in await latest_email_text(owner)
        with pytest.raises(Unauthenticated):
            await viewer_of(other.access, new_action().at)
        clock.advance(timedelta(minutes=1))
        for secret in (old_setup, new_setup):
            assert await sign_in_with_code(owner, code_of(secret, new_action())) == owner
            with pytest.raises(Refusal, match="SECOND_FACTOR_INVALID"):
                await sign_in_with_code(owner, code_of(secret, new_action()))
        assert await sign_in_with_code(owner, codes[1]) == owner  # recovery codes stay as they are
        first = await Authenticator.filter(user_id=owner.pk).order_by("id").first()
        assert first
        assert await remove(new_action(), tokens.session, first) is True
        assert "supprimé" in await latest_email_text(owner)
        clock.advance(timedelta(minutes=1))
        with pytest.raises(Refusal, match="SECOND_FACTOR_INVALID"):
            await sign_in_with_code(owner, code_of(old_setup, new_action()))
        assert await sign_in_with_code(owner, code_of(new_setup, new_action())) == owner

    async def test_a_new_set_up_replaces_an_unconfirmed_one(
        self, auth: AuthServices, new_action: "NewAction", owner: User, password: str
    ) -> None:
        tokens = await sign_in(owner, None, False, new_action())
        first_setup = await begin_totp(new_action(), auth, tokens.session, password)
        await begin_totp(new_action(), auth, tokens.session, password)
        with pytest.raises(Refusal, match="SECOND_FACTOR_INVALID"):
            await confirm_totp(
                new_action(), auth, tokens.session, code_of(first_setup, new_action())
            )
        assert await Authenticator.all().count() == 1

    async def test_the_number_of_authenticators_is_limited(
        self,
        auth: AuthServices,
        new_action: "NewAction",
        owner: User,
        password: str,
        enrol: "Enrol",
        step_up_with_code: StepUpWithCode,
    ) -> None:
        _, codes, tokens = await enrol(owner)
        await step_up_with_code(tokens, codes[0])
        for number in range(9):
            await Authenticator.create(
                user=owner,
                kind="PASSKEY",
                name="x",
                credential_id=f"{number}",
                created_at=new_action().at,
                confirmed_at=new_action().at,
            )
        with pytest.raises(Refusal, match="TOO_MANY"):
            await begin_totp(new_action(), auth, tokens.session, password)

    async def test_an_authenticator_removed_during_sign_in_is_refused(
        self,
        new_action: "NewAction",
        owner: User,
        enrol: "Enrol",
        step_up_with_code: StepUpWithCode,
        sign_in_with_code: SignInWithCode,
        clock: "MovableClock",
    ) -> None:
        """It is removed after the code was accepted and before the session starts, so the removal
        can't end that session.
        """
        _, codes, tokens = await enrol(owner)
        await step_up_with_code(tokens, codes[0])
        second = await Authenticator.create(
            user=owner,
            kind="PASSKEY",
            name="x",
            credential_id="x",
            created_at=new_action().at,
            confirmed_at=new_action().at,
        )
        authenticated_user = await sign_in_with_code(owner, codes[1])
        clock.advance(timedelta(milliseconds=1))
        await remove(new_action(), tokens.session, second)
        with pytest.raises(Refusal, match="CREDENTIALS_INVALID"):
            await sign_in(authenticated_user, None, True, new_action())

    async def test_an_authenticator_can_be_named_and_renamed(
        self, new_action: "NewAction", owner: User, enrol: "Enrol"
    ) -> None:
        await enrol(owner)
        authenticator = await Authenticator.get()
        assert authenticator.name == "Application"
        assert (
            await rename(
                new_action(), authenticator, authenticator_name("  Téléphone\n", "Application")
            )
        ).name == "Téléphone"
        for name, code in ((" ", "BLANK"), ("x" * 61, "TOO_LONG")):
            with pytest.raises(Refusal, match=code):
                authenticator_name(name, "Application")

    async def test_confirming_an_old_set_up_requires_a_step_up(
        self,
        auth: AuthServices,
        new_action: "NewAction",
        owner: User,
        password: str,
        enrol: "Enrol",
        step_up_with_code: StepUpWithCode,
        clock: "MovableClock",
    ) -> None:
        _, codes, tokens = await enrol(owner)
        await step_up_with_code(tokens, codes[0])
        first_setup = await begin_totp(new_action(), auth, tokens.session, password)
        clock.advance(timedelta(minutes=6))
        with pytest.raises(Refusal, match="STEP_UP_REQUIRED"):
            await confirm_totp(
                new_action(), auth, tokens.session, code_of(first_setup, new_action())
            )

    async def test_an_ended_session_cannot_confirm_a_set_up(
        self, auth: AuthServices, new_action: "NewAction", owner: User, password: str
    ) -> None:
        tokens = await sign_in(owner, None, False, new_action())
        secret = await begin_totp(new_action(), auth, tokens.session, password)
        await sign_out(tokens.session, new_action())
        with pytest.raises(Unauthenticated):
            await confirm_totp(new_action(), auth, tokens.session, code_of(secret, new_action()))
        assert not (await User.get(pk=owner.pk)).second_factor


class TestRemoval:
    async def test_p4_3_a_customer_turns_the_second_factor_off_after_a_step_up(
        self,
        new_action: "NewAction",
        owner: User,
        enrol: "Enrol",
        step_up_with_code: StepUpWithCode,
        sign_in_with_code: SignInWithCode,
        bus: "RecordingBus",
    ) -> None:
        """Their other devices are signed out, an email notifies them, and the recovery codes are
        deleted.
        """
        _, codes, tokens = await enrol(owner)
        other, authenticator = (
            await sign_in(owner, None, True, new_action()),
            await Authenticator.get(),
        )
        with pytest.raises(Refusal, match="STEP_UP_REQUIRED"):
            await remove(new_action(), tokens.session, authenticator)
        await step_up_with_code(tokens, codes[0])
        bus.announced.clear()
        assert await remove(new_action(), tokens.session, authenticator) is False
        assert bus.announced == [f"session:{other.session.pk}", f"user:{owner.pk}"]
        assert await sign_in_with_code(owner, None) == owner
        assert (await User.get(pk=owner.pk)).second_factor is False
        assert (await RecoveryCode.exists(), await Authenticator.exists()) == (False, False)
        assert "désactivée" in await latest_email_text(owner)
        with pytest.raises(Refusal, match="NOT_FOUND"):
            await remove(new_action(), tokens.session, authenticator)

    async def test_p4_3_staff_cannot_turn_the_second_factor_off(
        self,
        new_action: "NewAction",
        agent: User,
        enrol: "Enrol",
        step_up_with_code: StepUpWithCode,
    ) -> None:
        _, codes, tokens = await enrol(agent)
        await step_up_with_code(tokens, codes[0])
        with pytest.raises(Refusal, match="LAST_AUTHENTICATOR"):
            await remove(new_action(), tokens.session, await Authenticator.get())
        assert (await viewer_of(tokens.access, new_action().at)).is_agent


class TestRenewal:
    async def test_p4_3_new_recovery_codes_replace_the_old_ones(
        self,
        new_action: "NewAction",
        owner: User,
        enrol: "Enrol",
        step_up_with_code: StepUpWithCode,
        sign_in_with_code: SignInWithCode,
    ) -> None:
        _, old_codes, tokens = await enrol(owner)
        with pytest.raises(Refusal, match="STEP_UP_REQUIRED"):
            await renew_recovery_codes(new_action(), tokens.session)
        await step_up_with_code(tokens, old_codes[0])
        new_codes = await renew_recovery_codes(new_action(), tokens.session)
        assert len(set(new_codes) - set(old_codes)) == 10
        with pytest.raises(Refusal, match="SECOND_FACTOR_INVALID"):
            await sign_in_with_code(owner, old_codes[1])
        assert await sign_in_with_code(owner, new_codes[0]) == owner
        assert "codes de secours" in await latest_email_text(owner)

    async def test_the_last_of_two_concurrent_renewals_counts(
        self,
        new_action: "NewAction",
        owner: User,
        enrol: "Enrol",
        step_up_with_code: StepUpWithCode,
        sign_in_with_code: SignInWithCode,
    ) -> None:
        _, old_codes, tokens = await enrol(owner)
        await step_up_with_code(tokens, old_codes[0])
        code_lists = await asyncio.gather(
            *(renew_recovery_codes(new_action(), tokens.session) for _ in range(2))
        )
        results = [
            await asyncio.gather(sign_in_with_code(owner, codes[0]), return_exceptions=True)
            for codes in code_lists
        ]
        assert sorted(
            str(response) for (response,) in results if isinstance(response, Refusal)
        ) == ["SECOND_FACTOR_INVALID"]
        assert await RecoveryCode.filter(user_id=owner.pk).count() == 10

    async def test_there_are_no_recovery_codes_without_a_second_factor(
        self, auth: AuthServices, new_action: "NewAction", owner: User, password: str
    ) -> None:
        tokens = await sign_in(owner, None, False, new_action())
        await step_up(new_action(), auth, tokens.session, password=password, code=None)
        with pytest.raises(Refusal, match="NOT_ACTIVE"):
            await renew_recovery_codes(new_action(), tokens.session)


async def test_a_second_factor_turned_on_during_sign_in_is_required(
    new_action: "NewAction", owner: User, enrol: "Enrol", sign_in_with_code: SignInWithCode
) -> None:
    """A sign-in in progress when the second factor is turned on would otherwise have bypassed
    it.
    """
    authenticated_user = await sign_in_with_code(owner, None)
    await enrol(await User.get(pk=owner.pk))
    with pytest.raises(Refusal, match="CREDENTIALS_INVALID"):
        await sign_in(authenticated_user, None, False, new_action())
