"""Passkeys: creating them, and using them alone or as the second factor. Each challenge works once,
for its own user.
"""

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from webauthn.helpers import bytes_to_base64url

from auth.authentication import authenticate, authenticate_by_passkey
from auth.factors import passkeys
from auth.factors.enrolment import Enrolment, begin_passkey, confirm_passkey, remove
from auth.factors.passkeys import RelyingParty
from auth.reauthentication import has_step_up, step_up
from auth.services import AuthServices
from auth.sessions import Tokens, sign_in
from auth.throttle import PASSKEY
from models.action import Action
from models.errors import Refusal, Throttled
from models.identity.authenticator import Authenticator, WebauthnChallenge
from models.identity.session import Session
from models.identity.user import User
from operations.retention import delete_due
from tests.auth.factors.passkey_device import Device
from tests.people import PASSWORD

if TYPE_CHECKING:
    from tests.conftest import MovableClock

    NewAction = Callable[[], Action]

pytestmark = pytest.mark.usefixtures("db")


class PasskeyUser:
    """Registers and uses passkeys in a session with a recent step-up."""

    def __init__(self, auth: AuthServices, new_action: "NewAction") -> None:
        self.auth, self.new_action = auth, new_action

    async def start_session(self, user: User, second_factor: bool = False) -> Tokens:
        tokens = await sign_in(await User.get(pk=user.pk), None, second_factor, self.new_action())
        await Session.filter(pk=tokens.session.pk).update(
            step_up_expires_at=self.new_action().at + timedelta(minutes=5)
        )
        return tokens

    async def register(self, tokens: Tokens, device: Device, name: str | None = None) -> Enrolment:
        options = await begin_passkey(self.new_action(), self.auth, tokens.session)
        credential = device.create_credential(options)
        return await confirm_passkey(
            self.new_action(), self.auth, tokens.session, credential=credential, name=name
        )

    async def answer(self, device: Device) -> str:
        return device.sign_challenge(
            await passkeys.authentication_options(self.new_action(), self.auth.relying_party)
        )

    async def sign_in(self, answer: str) -> User:
        return await authenticate_by_passkey(
            self.new_action(), self.auth, passkey=answer, peer="192.0.2.7"
        )


@pytest.fixture
def passkey_user(auth: AuthServices, new_action: "NewAction") -> PasskeyUser:
    return PasskeyUser(auth, new_action)


async def test_p4_3_a_new_passkey_signs_in_without_a_password(
    passkey_user: PasskeyUser, new_action: "NewAction", owner: User
) -> None:
    """The first passkey turns the second factor on and returns recovery codes; the next one returns
    none.
    """
    device, tokens = Device(counter=1), await passkey_user.start_session(owner)
    other = await sign_in(owner, None, False, new_action())
    credential = await passkey_user.register(tokens, device, " My   key ")
    assert len(credential.recovery_codes or []) == 10
    assert credential.authenticator.name == "My key"
    assert (await User.get(pk=owner.pk)).second_factor
    assert (await Session.get(pk=other.session.pk)).ended_at
    for _ in range(2):
        assert await passkey_user.sign_in(await passkey_user.answer(device)) == owner
    assert (await Authenticator.get()).last_used_at == new_action().at
    assert (await passkey_user.register(tokens, Device())).recovery_codes is None


async def test_p4_3_a_passkey_is_a_second_factor(
    auth: AuthServices, passkey_user: PasskeyUser, new_action: "NewAction", owner: User
) -> None:
    async def sign_in_with_password(password: str, passkey: str | None) -> User:
        return await authenticate(
            new_action(),
            auth,
            email=owner.email,
            password=password,
            code=None,
            peer="192.0.2.7",
            passkey=passkey,
        )

    device = Device()
    await passkey_user.register(await passkey_user.start_session(owner), device)
    with pytest.raises(Refusal, match="SECOND_FACTOR_REQUIRED"):
        await sign_in_with_password(PASSWORD, None)
    with pytest.raises(Refusal, match="CREDENTIALS_INVALID"):
        await sign_in_with_password("mouette phare ardoise 77", await passkey_user.answer(device))
    assert await sign_in_with_password(PASSWORD, await passkey_user.answer(device)) == owner


async def test_p4_3_a_passkey_alone_steps_up(
    auth: AuthServices, passkey_user: PasskeyUser, new_action: "NewAction", owner: User
) -> None:
    device = Device()
    await passkey_user.register(await passkey_user.start_session(owner), device)
    session = (await sign_in(await User.get(pk=owner.pk), None, True, new_action())).session
    with pytest.raises(Refusal, match="PASSKEY_INVALID"):
        await step_up(new_action(), auth, session, passkey=await passkey_user.answer(Device()))
    assert not await has_step_up(new_action(), session)
    with pytest.raises(Refusal, match="CREDENTIALS_INVALID"):
        await step_up(new_action(), auth, session)
    await step_up(new_action(), auth, session, passkey=await passkey_user.answer(device))
    assert await has_step_up(new_action(), session)


async def test_another_users_passkey_is_refused(
    auth: AuthServices, passkey_user: PasskeyUser, new_action: "NewAction", owner: User, agent: User
) -> None:
    """A valid passkey of another user works neither for a step-up nor as a second factor."""
    agent_tokens, owner_device = Device(), Device()
    await passkey_user.register(await passkey_user.start_session(agent), agent_tokens)
    await passkey_user.register(await passkey_user.start_session(owner), owner_device)
    session = (await sign_in(await User.get(pk=owner.pk), None, True, new_action())).session
    with pytest.raises(Refusal, match="PASSKEY_INVALID"):
        await step_up(new_action(), auth, session, passkey=await passkey_user.answer(agent_tokens))
    with pytest.raises(Refusal, match="PASSKEY_INVALID"):
        await authenticate(
            new_action(),
            auth,
            email=owner.email,
            password=PASSWORD,
            code=None,
            peer="::1",
            passkey=await passkey_user.answer(agent_tokens),
        )


async def test_an_answer_works_once_even_in_concurrent_requests(
    passkey_user: PasskeyUser, owner: User
) -> None:
    device = Device()
    await passkey_user.register(await passkey_user.start_session(owner), device)
    response = await passkey_user.answer(device)
    sign_in_results = await asyncio.gather(
        *(passkey_user.sign_in(response) for _ in range(4)), return_exceptions=True
    )
    assert [each for each in sign_in_results if isinstance(each, User)] == [owner]
    with pytest.raises(Refusal, match="PASSKEY_INVALID"):
        await passkey_user.sign_in(response)


async def test_a_challenge_expires_after_five_minutes(
    auth: AuthServices,
    passkey_user: PasskeyUser,
    new_action: "NewAction",
    owner: User,
    clock: "MovableClock",
) -> None:
    device = Device()
    await passkey_user.register(await passkey_user.start_session(owner), device)
    response = await passkey_user.answer(device)
    clock.advance(passkeys.LIFETIME)
    with pytest.raises(Refusal, match="PASSKEY_INVALID"):
        await passkey_user.sign_in(response)
    assert (await delete_due(clock.now()))["webauthn_challenge"] == 1
    assert not await WebauthnChallenge.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "https://camcha.evil.example"},
        {"verifies_user": False},
        {"key": "another"},
        {"handle": b"x"},
    ],
    ids=["another page", "nobody verified", "another key", "another person"],
)
async def test_a_wrong_answer_is_refused(
    passkey_user: PasskeyUser, owner: User, changes: dict[str, object]
) -> None:
    device = Device()
    await passkey_user.register(await passkey_user.start_session(owner), device)
    if "key" in changes:
        changes = {"key": Device().key}
    vars(device).update(changes)
    with pytest.raises(Refusal, match="PASSKEY_INVALID"):
        await passkey_user.sign_in(await passkey_user.answer(device))


async def test_a_counter_that_decreases_reveals_a_copy(
    passkey_user: PasskeyUser, owner: User
) -> None:
    device = Device(counter=5)
    await passkey_user.register(await passkey_user.start_session(owner), device)
    await passkey_user.sign_in(await passkey_user.answer(device))
    device.counter = 3
    with pytest.raises(Refusal, match="PASSKEY_INVALID"):
        await passkey_user.sign_in(await passkey_user.answer(device))


async def test_a_challenge_works_for_one_purpose_only(
    auth: AuthServices, passkey_user: PasskeyUser, new_action: "NewAction", owner: User, agent: User
) -> None:
    device = Device()
    tokens = await passkey_user.start_session(owner)
    agent_tokens = await passkey_user.start_session(agent)

    async def confirm(credential: str) -> Enrolment:
        return await confirm_passkey(
            new_action(), auth, tokens.session, credential=credential, name=None
        )

    options = json.loads(await begin_passkey(new_action(), auth, tokens.session))
    request_options = json.loads(
        await passkeys.authentication_options(new_action(), auth.relying_party)
    )
    with pytest.raises(Refusal, match="PASSKEY_INVALID"):
        await confirm(
            device.create_credential(
                json.dumps({**options, "challenge": request_options["challenge"]})
            )
        )
    other_options = await begin_passkey(new_action(), auth, agent_tokens.session)
    with pytest.raises(Refusal, match="PASSKEY_INVALID"):
        await confirm(device.create_credential(other_options))
    await passkey_user.register(tokens, device)
    creation_options = json.loads(await begin_passkey(new_action(), auth, tokens.session))
    with pytest.raises(Refusal, match="PASSKEY_INVALID"):
        await passkey_user.sign_in(
            device.sign_challenge(
                json.dumps({**request_options, "challenge": creation_options["challenge"]})
            )
        )


async def test_registering_a_passkey_requires_a_step_up_and_user_verification(
    auth: AuthServices, passkey_user: PasskeyUser, new_action: "NewAction", owner: User
) -> None:
    tokens = await sign_in(owner, None, False, new_action())
    with pytest.raises(Refusal, match="STEP_UP_REQUIRED"):
        await begin_passkey(new_action(), auth, tokens.session)
    with pytest.raises(Refusal, match="STEP_UP_REQUIRED"):
        await confirm_passkey(new_action(), auth, tokens.session, credential="{}", name=None)
    with pytest.raises(Refusal, match="PASSKEY_INVALID"):
        await passkey_user.register(
            await passkey_user.start_session(owner), Device(verifies_user=False)
        )
    assert not await Authenticator.exists()


async def test_a_passkey_belongs_to_one_user(
    passkey_user: PasskeyUser, owner: User, agent: User
) -> None:
    device = Device()
    await passkey_user.register(await passkey_user.start_session(owner), device)
    with pytest.raises(Refusal, match="PASSKEY_INVALID"):
        await passkey_user.register(await passkey_user.start_session(agent), device)
    assert await Authenticator.filter(user_id=agent.pk).count() == 0
    assert not (await User.get(pk=agent.pk)).second_factor


async def test_a_removed_passkey_is_refused(
    passkey_user: PasskeyUser, new_action: "NewAction", owner: User
) -> None:
    device = Device()
    credential = await passkey_user.register(await passkey_user.start_session(owner), device)
    response = await passkey_user.answer(device)
    await remove(
        new_action(),
        (await passkey_user.start_session(owner, True)).session,
        credential.authenticator,
    )
    with pytest.raises(Refusal, match="PASSKEY_INVALID"):
        await passkey_user.sign_in(response)


async def test_an_unverified_address_must_be_verified_first(
    passkey_user: PasskeyUser, owner: User
) -> None:
    device = Device()
    await passkey_user.register(await passkey_user.start_session(owner), device)
    await User.filter(pk=owner.pk).update(email_verified_at=None)
    with pytest.raises(Refusal, match="EMAIL_UNVERIFIED"):
        await passkey_user.sign_in(await passkey_user.answer(device))


async def test_guesses_are_throttled_by_network(passkey_user: PasskeyUser) -> None:
    for _ in range(PASSKEY.free_attempts + 1):
        with pytest.raises(Refusal, match="PASSKEY_INVALID"):
            await passkey_user.sign_in("{}")
    with pytest.raises(Throttled):
        await passkey_user.sign_in("{}")


async def test_options_exclude_passkeys_already_on_the_device(
    auth: AuthServices, passkey_user: PasskeyUser, new_action: "NewAction", owner: User
) -> None:
    device, tokens = Device(), await passkey_user.start_session(owner)
    await passkey_user.register(tokens, device)
    request_options, next_options = [
        json.loads(await passkeys.authentication_options(new_action(), auth.relying_party))
        for _ in range(2)
    ]
    assert request_options.pop("challenge") != next_options.pop("challenge")
    assert (
        request_options
        == next_options
        == {
            "timeout": 300000,
            "rpId": "localhost",
            "allowCredentials": [],
            "userVerification": "required",
        }
    )
    options = json.loads(await begin_passkey(new_action(), auth, tokens.session))
    assert [each["id"] for each in options["excludeCredentials"]] == [bytes_to_base64url(device.id)]
    assert options["authenticatorSelection"]["residentKey"] == "required"


async def test_passkeys_are_refused_in_cross_origin_frames(
    passkey_user: PasskeyUser, owner: User
) -> None:
    device, tokens = Device(), await passkey_user.start_session(owner)
    device.is_framed = True
    with pytest.raises(Refusal, match="PASSKEY_INVALID"):
        await passkey_user.register(tokens, device)
    device.is_framed = False
    await passkey_user.register(tokens, device)
    device.is_framed = True
    with pytest.raises(Refusal, match="PASSKEY_INVALID"):
        await passkey_user.sign_in(await passkey_user.answer(device))


async def test_an_overlong_identifier_is_refused(passkey_user: PasskeyUser, owner: User) -> None:
    device, tokens = Device(), await passkey_user.start_session(owner)
    device.id = os.urandom(1024)
    with pytest.raises(Refusal, match="PASSKEY_INVALID"):
        await passkey_user.register(tokens, device)
    device.id = os.urandom(1023)
    await passkey_user.register(tokens, device)
    assert await passkey_user.sign_in(await passkey_user.answer(device)) == owner


_JSON_KEYS = [
    "id",
    "rawId",
    "type",
    "response",
    "clientDataJSON",
    "authenticatorData",
    "signature",
    "userHandle",
    "attestationObject",
]
_JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.text(max_size=20) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_JSON_KEYS), inner, max_size=9)
    ),
    max_leaves=20,
)
_CREDENTIAL_TEXTS = (
    st.text(max_size=50)
    | st.just("[" * 16_000)
    | st.just("x" * 20_000)
    | _JSON_VALUES.map(json.dumps)
)
_RESPONSE_FIELDS = st.binary(max_size=200).map(bytes_to_base64url) | st.none() | st.text(max_size=9)
_CHANGED_FIELDS = st.dictionaries(
    st.sampled_from(["clientDataJSON", "authenticatorData", "signature", "userHandle"]),
    _RESPONSE_FIELDS,
    min_size=1,
)


@given(text=_CREDENTIAL_TEXTS, changed_fields=_CHANGED_FIELDS)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_malformed_answers_are_refused(
    passkey_user: PasskeyUser, owner: User, text: str, changed_fields: dict[str, object]
) -> None:
    """Malformed answers, and valid answers with one part changed."""
    passkey_user.auth.throttle._counts.clear()  # of a different example
    if not await Authenticator.exists():
        await passkey_user.register(await passkey_user.start_session(owner), DEVICE)
    response = json.loads(await passkey_user.answer(DEVICE))
    for credential in (
        text,
        json.dumps(response | {"response": response["response"] | changed_fields}),
    ):
        with pytest.raises(Refusal, match="PASSKEY_INVALID"):
            await passkey_user.sign_in(credential)


ANDROID_APP = "android:apk-key-hash:" + "aB3_-" * 8 + "xyz"


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_passkey_of_an_android_app_needs_the_setting(
    auth: AuthServices, new_action: "NewAction", owner: User, allowed: bool
) -> None:
    """Its origin is the certificate that signs the app, not a website (CAMCHA_PASSKEY_ORIGINS)."""
    origins = [ANDROID_APP] if allowed else []
    party = RelyingParty.from_base_url("http://localhost", origins)
    app_user = PasskeyUser(replace(auth, relying_party=party), new_action)
    device = Device(origin=ANDROID_APP)
    tokens = await app_user.start_session(owner)
    if not allowed:
        with pytest.raises(Refusal, match="PASSKEY_INVALID"):
            await app_user.register(tokens, device)
        return
    await app_user.register(tokens, device)
    assert await app_user.sign_in(await app_user.answer(device)) == owner


DEVICE = Device()


@pytest.mark.parametrize(
    ("base_url", "host", "origin"),
    [
        ("https://api.camcha.example", "api.camcha.example", "https://api.camcha.example"),
        ("http://127.0.0.1:8000", "localhost", "http://localhost:8000"),
        ("http://[::1]", "localhost", "http://localhost"),
        ("http://localhost:8000", "localhost", "http://localhost:8000"),
    ],
)
def test_the_relying_party_follows_the_settings(base_url: str, host: str, origin: str) -> None:
    relying_party = RelyingParty.from_base_url(base_url, {"https://app.camcha.example"})
    assert (relying_party.id, set(relying_party.origins)) == (
        host,
        {origin, "https://app.camcha.example"},
    )
