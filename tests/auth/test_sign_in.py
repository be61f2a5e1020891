"""Signing up, verifying the address and signing in."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from argon2 import PasswordHasher
from tortoise.exceptions import OperationalError

from accounts.registration import sign_up, verify_email
from auth.authentication import authenticate, sign_in_company
from auth.passwords import Passwords
from auth.services import AuthServices
from models.accounts.account import Account, Membership, Role
from models.action import Action
from models.database.sql import execute
from models.errors import Refusal, Throttled
from models.identity.user import User
from models.locale import Locale
from models.operations.email import Email
from tests.outbox import templates_to, token_to
from tests.quick_auth import run_task

if TYPE_CHECKING:
    from tests.conftest import MovableClock

    NewAction = Callable[[], Action]

pytestmark = pytest.mark.usefixtures("db")

FORM: dict[str, Any] = {
    "email": "Nadia@Verrier.example ",
    "password": "corneille sabot pluvier 42",
    "name": " Nadia  Verrier ",
    "legal_name": "Verrier & Filles",
    "siren": "732 829 320",
    "locale": Locale.FR,
    "client_address": "192.0.2.7",
}


class HashCounter:
    """Counts the Argon2 computations."""

    def __init__(self) -> None:
        self.count = 0

    def run_command(self, command: str, *arguments: Any) -> Any:
        self.count += command in {"hash_password", "matches"}
        return run_task(command, *arguments)

    async def work(self, operation: Awaitable[object]) -> tuple[object, ...]:
        """The outcome, and the number of computations it took."""
        before = self.count
        try:
            await operation
        except Refusal as refused:
            return refused.code, refused.field, refused.values, self.count - before
        return ("accepted", self.count - before)


@pytest.fixture
def hash_counter() -> HashCounter:
    return HashCounter()


@pytest.fixture
async def auth(auth: AuthServices, hash_counter: HashCounter) -> AsyncIterator[AuthServices]:
    passwords = Passwords(run_command=hash_counter.run_command)
    yield replace(auth, passwords=passwords)
    passwords.close()


async def authenticate_with(auth: AuthServices, new_action: "NewAction", **overrides: Any) -> User:
    arguments = {
        "email": FORM["email"],
        "password": FORM["password"],
        "code": None,
        "peer": "192.0.2.7",
    } | overrides
    return await authenticate(new_action(), auth, **arguments)


class TestSignUp:
    async def test_a_sign_up_creates_a_company_with_an_owner_and_sends_one_email(
        self, auth: AuthServices, new_action: "NewAction"
    ) -> None:
        """P1.4: a user signs a company up."""
        sign_up_result = await sign_up(new_action(), auth, **FORM)
        assert sign_up_result.user is not None
        assert sign_up_result.account is not None
        user = await User.get()
        assert (user.email, user.name, user.locale) == (
            "nadia@verrier.example",
            "Nadia Verrier",
            Locale.FR,
        )
        assert (user.email_verified_at, user.created_at) == (None, new_action().at)
        assert user.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        account = await Account.get()
        assert (account.legal_name, account.siren) == ("Verrier & Filles", "732829320")
        membership = await Membership.get()
        assert (membership.user_id, membership.account_id, membership.role) == (
            user.pk,
            account.pk,
            Role.OWNER,
        )
        assert await sign_in_company(user) == account
        assert await templates_to("nadia@verrier.example") == ["verification"]

    async def test_a_known_address_takes_the_same_work(
        self, auth: AuthServices, new_action: "NewAction", owner: User, hash_counter: HashCounter
    ) -> None:
        """P3.5: signing up doesn't reveal who is a customer, and leaves an existing password and
        company unchanged.
        """
        first = await hash_counter.work(sign_up(new_action(), auth, **FORM))
        second_form = FORM | {"email": owner.email.upper(), "password": "mouette phare ardoise 77"}
        assert (
            await hash_counter.work(sign_up(new_action(), auth, **second_form))
            == first
            == ("accepted", 1)
        )
        assert await User.all().count() == 2
        assert await Account.all().count() == 2
        assert (await User.get(pk=owner.pk)).password_hash == owner.password_hash
        assert await templates_to("nadia@verrier.example") == ["verification"]
        assert await templates_to(owner.email) == ["already_registered"]

    async def test_concurrent_sign_ups_create_one_company_and_each_send_an_email(
        self, auth: AuthServices, new_action: "NewAction"
    ) -> None:
        sign_up_result = await asyncio.gather(
            *(sign_up(new_action(), auth, **FORM) for _ in range(4))
        )
        assert sorted(one.user is None for one in sign_up_result) == [False, True, True, True]
        assert await User.all().count() == await Account.all().count() == 1
        assert await templates_to("nadia@verrier.example") == ["verification"] * 4

    async def test_nothing_is_stored_when_the_email_cannot_be_written(
        self, auth: AuthServices, new_action: "NewAction"
    ) -> None:
        await execute("ALTER TABLE email RENAME TO gone")
        with pytest.raises(OperationalError):
            await sign_up(new_action(), auth, **FORM)
        assert await User.all().count() == await Account.all().count() == 0

    @pytest.mark.parametrize(
        ("overrides", "code", "field"),
        [
            ({"email": "nadia"}, "EMAIL_INVALID", "email"),
            ({"email": "nadia@\x00verrier.example"}, "EMAIL_INVALID", "email"),
            ({"email": f"{'n' * 250}@verrier.example"}, "EMAIL_INVALID", "email"),
            ({"name": " \t\x00"}, "BLANK", "name"),
            ({"name": "n" * 101}, "TOO_LONG", "name"),
            ({"legal_name": ""}, "BLANK", "legalName"),
            ({"legal_name": "l" * 201}, "TOO_LONG", "legalName"),
            ({"siren": "732829321"}, "SIREN_INVALID", "siren"),
            ({"password": "corneille"}, "PASSWORD_WEAK", "password"),
            ({"password": "NadiaVerrier1"}, "PASSWORD_WEAK", "password"),
        ],
    )
    async def test_invalid_input_is_reported(
        self,
        auth: AuthServices,
        new_action: "NewAction",
        overrides: dict[str, str],
        code: str,
        field: str,
    ) -> None:
        with pytest.raises(Refusal) as refused:
            await sign_up(new_action(), auth, **FORM | overrides)
        assert (refused.value.code, refused.value.field) == (code, ("input", field))
        assert await User.all().count() == await Email.all().count() == 0

    async def test_a_name_cannot_forge_a_header(
        self, auth: AuthServices, new_action: "NewAction"
    ) -> None:
        sign_up_result = await sign_up(
            new_action(), auth, **FORM | {"name": "Nadia\r\nBcc: all@example.org\x00"}
        )
        assert sign_up_result.user is not None
        assert sign_up_result.user.name == "Nadia Bcc: all@example.org"

    async def test_the_number_of_emails_to_an_address_is_limited(
        self, auth: AuthServices, new_action: "NewAction"
    ) -> None:
        for n in range(6):
            await sign_up(new_action(), auth, **FORM | {"client_address": f"192.0.2.{n}"})
        with pytest.raises(Throttled):
            await sign_up(new_action(), auth, **FORM | {"client_address": "192.0.2.99"})


class TestVerification:
    async def test_the_link_verifies_the_address_and_a_second_click_changes_nothing(
        self, auth: AuthServices, new_action: "NewAction", clock: "MovableClock"
    ) -> None:
        """P1.4: email verification."""
        user = (await sign_up(new_action(), auth, **FORM)).user
        assert user is not None
        token = await token_to(user.email, "verify")
        clock.advance(timedelta(hours=23))
        verified_user = await verify_email(new_action(), auth, token)
        assert verified_user == user
        clock.advance(timedelta(minutes=5))
        assert (
            (await verify_email(new_action(), auth, token)).email_verified_at
            == verified_user.email_verified_at
            is not None
        )

    async def test_an_earlier_sign_up_by_someone_else_gains_nothing(
        self, auth: AuthServices, new_action: "NewAction"
    ) -> None:
        """The later company and password are not theirs, and the link in their own email confirms
        nothing.
        """
        other_form = FORM | {
            "password": "mouette phare ardoise 77",
            "name": "X",
            "legal_name": "X",
            "siren": "404 833 048",
        }
        before = (await sign_up(new_action(), auth, **other_form)).user
        assert before is not None
        earlier_token = await token_to(before.email, "verify")
        sign_up_result = (await sign_up(new_action(), auth, **FORM)).existing
        assert sign_up_result == before
        with pytest.raises(Refusal, match="TOKEN_INVALID"):
            await verify_email(new_action(), auth, earlier_token)
        await verify_email(new_action(), auth, await token_to(sign_up_result.email, "verify"))
        with pytest.raises(Refusal, match="CREDENTIALS_INVALID"):
            await authenticate_with(auth, new_action, password=other_form["password"])
        user = await authenticate_with(auth, new_action)
        company = await sign_in_company(user)
        assert company is not None
        assert (user.name, company.legal_name, company.siren) == (
            "Nadia Verrier",
            "Verrier & Filles",
            "732829320",
        )
        assert await User.all().count() == await Account.all().count() == 1

    async def test_a_verified_sign_up_is_final(
        self, auth: AuthServices, new_action: "NewAction"
    ) -> None:
        user = (await sign_up(new_action(), auth, **FORM)).user
        assert user is not None
        token = await token_to(user.email, "verify")
        await verify_email(new_action(), auth, token)
        second_sign_up = await sign_up(
            new_action(), auth, **FORM | {"password": "mouette phare ardoise 77", "legal_name": "X"}
        )
        assert second_sign_up.existing == user
        assert await authenticate_with(auth, new_action) == user
        assert (await Account.get()).legal_name == "Verrier & Filles"
        assert await verify_email(new_action(), auth, token) == user

    async def test_a_link_is_for_one_address_and_one_day(
        self, auth: AuthServices, new_action: "NewAction", clock: "MovableClock"
    ) -> None:
        user = (await sign_up(new_action(), auth, **FORM)).user
        assert user is not None
        token = await token_to(user.email, "verify")
        await User.filter(pk=user.pk).update(email="other@verrier.example")
        with pytest.raises(Refusal, match="TOKEN_INVALID"):
            await verify_email(new_action(), auth, token)
        await User.filter(pk=user.pk).update(email=user.email)
        clock.advance(timedelta(hours=24))
        with pytest.raises(Refusal, match="TOKEN_INVALID"):
            await verify_email(new_action(), auth, token)
        assert (await User.get()).email_verified_at is None


class TestAuthenticate:
    async def test_the_right_password_is_accepted(
        self, auth: AuthServices, new_action: "NewAction", owner: User
    ) -> None:
        """P1.4: sign-in."""
        assert await authenticate_with(auth, new_action, email=" CAMILLE@fournil.example") == owner

    async def test_an_unknown_address_and_a_wrong_password_are_indistinguishable(
        self, auth: AuthServices, new_action: "NewAction", owner: User, hash_counter: HashCounter
    ) -> None:
        """P3.5: the same error after the same work."""
        expected = await hash_counter.work(
            authenticate_with(
                auth, new_action, email=owner.email, password="mouette phare ardoise 77"
            )
        )
        for email in (
            "nobody@fournil.example",
            "",
            "nul\x00@fournil.example",
            "\ud800",
            "n" * 9999,
        ):
            assert (
                await hash_counter.work(authenticate_with(auth, new_action, email=email))
                == expected
            )
        assert expected == ("CREDENTIALS_INVALID", ("input", "password"), {}, 1)

    async def test_an_unverified_address_is_reported_only_after_the_right_password(
        self, auth: AuthServices, new_action: "NewAction"
    ) -> None:
        await sign_up(new_action(), auth, **FORM)
        with pytest.raises(Refusal, match="CREDENTIALS_INVALID"):
            await authenticate_with(auth, new_action, password="mouette phare ardoise 77")
        with pytest.raises(Refusal, match="EMAIL_UNVERIFIED"):
            await authenticate_with(auth, new_action)

    async def test_concurrent_guesses_are_throttled(
        self, auth: AuthServices, new_action: "NewAction", owner: User
    ) -> None:
        guesses = [
            authenticate_with(auth, new_action, email=owner.email, password=f"guess {n}")
            for n in range(20)
        ]
        responses = [
            type(response) for response in await asyncio.gather(*guesses, return_exceptions=True)
        ]
        assert responses.count(Refusal) == 6  # five free attempts, and the one that has to wait
        assert responses.count(Throttled) == 14
        with pytest.raises(Throttled):
            await authenticate_with(auth, new_action, email=owner.email)
        # The customer, from another network.
        assert (
            await authenticate_with(auth, new_action, email=owner.email, peer="198.51.100.1")
            == owner
        )

    async def test_a_success_resets_the_throttle(
        self, auth: AuthServices, new_action: "NewAction", owner: User, clock: "MovableClock"
    ) -> None:
        for _ in range(3):
            for n in range(5):
                with pytest.raises(Refusal):
                    await authenticate_with(
                        auth, new_action, email=owner.email, password=f"typo {n}"
                    )
            assert await authenticate_with(auth, new_action, email=owner.email) == owner

    async def test_outdated_hashes_are_replaced_at_sign_in(
        self, auth: AuthServices, new_action: "NewAction", owner: User, password: str
    ) -> None:
        weak_hasher = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(
            password
        )
        await User.filter(pk=owner.pk).update(password_hash=weak_hasher)
        await authenticate_with(auth, new_action, email=owner.email)
        new_hash = (await User.get(pk=owner.pk)).password_hash
        assert "m=19456,t=2,p=1" in new_hash
        await authenticate_with(auth, new_action, email=owner.email)
        assert (await User.get(pk=owner.pk)).password_hash == new_hash


@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        ({"name": " " * 5_000 + "Camille"}, "TOO_LONG"),
        ({"email": " " * 5_000 + "camille@fournil.example"}, "EMAIL_INVALID"),
        ({"siren": " " * 5_000 + "404833048"}, "SIREN_INVALID"),
    ],
)
async def test_an_overlong_value_is_rejected_before_it_is_normalized(
    auth: AuthServices, new_action: "NewAction", overrides: dict[str, str], code: str
) -> None:
    """Normalizing a million characters forty times in one request would block the server for
    seconds.
    """
    with pytest.raises(Refusal, match=code):
        await sign_up(new_action(), auth, **(FORM | overrides))
