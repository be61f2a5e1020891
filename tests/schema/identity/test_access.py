"""Account security in the GraphQL API: who may use each operation, and what it returns."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from auth.factors import totp
from models.identity.session import Session
from models.identity.user import User
from models.locale import Locale
from models.operations.email import Email
from models.viewer import Viewer
from resolvers.ids import encode
from tests.auth.conftest import code_of
from tests.people import PASSWORD, create_viewer

if TYPE_CHECKING:
    from models.action import Action
    from resolvers.context import Services
    from tests.conftest import MovableClock
    from tests.schema.conftest import Dataset

Execute = Callable[..., Awaitable[dict[str, Any]]]
NEW_PASSWORD = "mouette phare ardoise 77"
USER_ERRORS = "userErrors { code message field }"
STEP_UP_MUTATIONS = [
    ('emailRequestChange(input: {email: "paul@new.example", idempotencyKey: "1"})', "accepted"),
    ("recoveryCodesRenew", "recoveryCodes"),
]


async def mutate(execute: Execute, viewer: Viewer, call: str, selection: str) -> dict[str, Any]:
    """The payload of one mutation."""
    response = await execute(viewer, f"mutation {{ {call} {{ {selection} {USER_ERRORS} }} }}")
    assert "errors" not in response, response
    (payload,) = response["data"].values()
    return dict(payload)


@pytest.fixture
async def paul(dataset: "Dataset", services: "Services") -> Viewer:
    """Paul, who owns a company and has a password."""
    viewer = dataset.paul.owner
    assert viewer.user
    await User.filter(pk=viewer.user.pk).update(
        password_hash=await services.auth.passwords.hash(PASSWORD)
    )
    await viewer.user.refresh_from_db()
    return viewer


async def step_up(execute: Execute, viewer: Viewer, code: str = "") -> dict[str, Any]:
    code_argument = f', code: "{code}"' if code else ""
    return await mutate(
        execute,
        viewer,
        f'sessionStepUp(input: {{password: "{PASSWORD}"{code_argument}}})',
        "stepUpExpiresAt",
    )


async def emails_to(email: str) -> list[str]:
    return [
        each.template
        for each in await Email.filter(recipient=email, invoice_id=None).order_by("id")
    ]


async def test_p4_3_users_list_and_end_their_sessions(
    execute: Execute, dataset: "Dataset", action: "Action", paul: Viewer
) -> None:
    """With sessions on two devices, one is ended by its id, then all others."""

    assert paul.user
    await Session.filter(user_id=paul.user.pk).update(device="Firefox, Linux")
    other = await create_viewer(action, paul.user, paul.account)
    sessions_query = "{ viewer { sessions { id createdAt lastUsedAt device current } } }"
    sessions = (await execute(paul, sessions_query))["data"]["viewer"]["sessions"]
    assert [(each["device"], each["current"]) for each in sessions] == [
        (None, False),
        ("Firefox, Linux", True),
    ]
    assert all(
        each["createdAt"] == each["lastUsedAt"] == action.at.isoformat() for each in sessions
    )
    for _ in range(2):  # a repeat changes nothing
        end_payload = await mutate(
            execute, paul, f'sessionEnd(input: {{sessionId: "{sessions[0]["id"]}"}})', "ended"
        )
        assert end_payload == {"ended": True, "userErrors": []}
    assert other.session
    assert (await Session.get(pk=other.session.pk)).ended_at
    assert len((await execute(paul, sessions_query))["data"]["viewer"]["sessions"]) == 1
    await create_viewer(action, paul.user, paul.account)
    assert (await mutate(execute, paul, "sessionEndOthers", "ended"))["ended"] == 1


async def test_p4_3_other_users_sessions_are_inaccessible(
    execute: Execute, dataset: "Dataset", paul: Viewer
) -> None:
    assert dataset.marie.owner.session
    other_session_id = encode("Session", dataset.marie.owner.session.pk)
    for viewer in (paul, dataset.paul.member, dataset.alice):
        for key in (other_session_id, encode("Session", 999_999), encode("User", 1), "", "é"):
            payload = await mutate(
                execute, viewer, f'sessionEnd(input: {{sessionId: "{key}"}})', "ended"
            )
            assert [(error["code"], error["field"]) for error in payload["userErrors"]] == [
                ("NOT_FOUND", ["input", "sessionId"])
            ]
        sessions_query = await execute(
            viewer, f'{{ viewer {{ sessions {{ id }} }} node(id: "{other_session_id}") {{ id }} }}'
        )
        assert other_session_id not in str(sessions_query)
        assert sessions_query["data"]["node"] is None
    assert (await Session.get(pk=dataset.marie.owner.session.pk)).ended_at is None


@pytest.mark.parametrize(
    "call",
    [f"{call} {{ {field} }}" for call, field in STEP_UP_MUTATIONS]
    + [
        'sessionEnd(input: {sessionId: "x"}) { ended }',
        "sessionEndOthers { ended }",
        'sessionStepUp(input: {password: "x"}) { stepUpExpiresAt }',
        'passwordChange(input: {currentPassword: "x", newPassword: "y"}) { changed }',
    ],
)
async def test_anonymous_viewers_cannot_change_anything(
    execute: Execute, db: str, call: str
) -> None:
    response = await execute(Viewer(), f"mutation {{ {call} }}")
    assert [error["extensions"]["code"] for error in response["errors"]] == ["UNAUTHENTICATED"]


@pytest.mark.parametrize(("call", "field"), STEP_UP_MUTATIONS)
@pytest.mark.parametrize(
    ("locale", "message_start"),
    [(Locale.FR, "Confirmez d’abord"), (Locale.EN, "Confirm your identity")],
)
async def test_p4_3_sensitive_operations_require_a_step_up(
    execute: Execute, paul: Viewer, call: str, field: str, locale: Locale, message_start: str
) -> None:
    payload = await mutate(execute, replace(paul, locale=locale), call, field)
    (error,) = payload["userErrors"]
    assert (payload[field], error["code"], error["field"]) == (None, "STEP_UP_REQUIRED", None)
    assert error["message"].startswith(message_start)


def token_in(text: str, prefix: str) -> str:
    """The token in the link of an email."""
    match = re.search(rf"{prefix}[\w-]+", text)
    assert match, text
    return match[0]


async def test_p1_3_an_email_change_is_confirmed_by_both_addresses(
    execute: Execute, dataset: "Dataset", paul: Viewer, services: "Services"
) -> None:
    """The change takes a step-up and one token from each address, and nothing changes before both
    are confirmed.
    """
    assert paul.user
    expires_at = services.clock.now() + timedelta(minutes=5)
    assert (await step_up(execute, paul))["stepUpExpiresAt"] == expires_at.isoformat()
    payload = await mutate(
        execute,
        paul,
        'emailRequestChange(input: {email: "paul@new.example", idempotencyKey: "1"})',
        "accepted",
    )
    assert payload == {"accepted": True, "userErrors": []}
    assert await emails_to("paul@new.example") == ["email_change.fr"]
    assert await emails_to(paul.user.email) == ["email_change_requested.fr"]
    tokens = [
        token_in(email.text, "cam_ec_")
        for email in await Email.filter(template__startswith="email_change").order_by("id")
    ]
    responses = [
        await mutate(
            execute, Viewer(), f'emailConfirmChange(input: {{token: "{each}"}})', "changed"
        )
        for each in tokens
    ]
    assert [response["changed"] for response in responses] == [False, True]
    assert (await User.get(pk=paul.user.pk)).email == "paul@new.example"
    assert await emails_to(paul.user.email) == ["email_change_requested.fr", "email_changed.fr"]


async def test_p1_3_another_users_address_gets_the_same_answer(
    execute: Execute, dataset: "Dataset", paul: Viewer
) -> None:
    assert paul.user
    assert dataset.marie.owner.user
    await step_up(execute, paul)
    other_session_id = dataset.marie.owner.user.email
    responses = [
        await mutate(
            execute,
            paul,
            f'emailRequestChange(input: {{email: "{email}", idempotencyKey: "{email}"}})',
            "accepted",
        )
        for email in (other_session_id, "nobody@new.example")
    ]
    assert responses[0] == responses[1]
    assert await emails_to(other_session_id) == ["email_change_taken.fr"]
    assert paul.user.email not in (await Email.get(template="email_change_taken.fr")).text
    assert await emails_to(paul.user.email) == ["email_change_requested.fr"] * 2


async def test_p4_3_a_reset_for_an_unknown_address_gets_the_same_answer(
    execute: Execute, dataset: "Dataset", paul: Viewer
) -> None:
    """The email is written in the user's language."""
    assert paul.user
    await User.filter(pk=paul.user.pk).update(locale=Locale.EN)
    responses = [
        await mutate(
            execute, Viewer(), f'passwordRequestReset(input: {{email: "{email}"}})', "accepted"
        )
        for email in (paul.user.email, "nobody@new.example")
    ]
    assert responses == [{"accepted": True, "userErrors": []}] * 2
    (email,) = await Email.filter(template="password_reset.en")
    token = token_in(email.text, "cam_pr_")
    assert f"camcha:/reset?token={token}" in email.text
    reset_call = f'passwordReset(input: {{token: "{token}", password: "%s"}})'
    weak_payload = await mutate(execute, Viewer(), reset_call % "short", "reset")
    assert [(error["code"], error["field"]) for error in weak_payload["userErrors"]] == [
        ("PASSWORD_WEAK", ["input", "password"])
    ]
    assert (await mutate(execute, Viewer(), reset_call % NEW_PASSWORD, "reset")) == {
        "reset": True,
        "userErrors": [],
    }
    assert (await mutate(execute, Viewer(), reset_call % NEW_PASSWORD, "reset"))["userErrors"][0][
        "code"
    ] == "TOKEN_INVALID"
    sign_in_payload = await mutate(
        execute,
        Viewer(),
        f'sessionSignIn(input: {{email: "{paul.user.email}", password: "{NEW_PASSWORD}"}})',
        "user { name }",
    )
    assert sign_in_payload["user"] == {"name": paul.user.name}
    assert await emails_to(paul.user.email) == ["password_reset.en", "password_changed.en"]


async def test_p3_5_changing_a_password_requires_the_current_one(
    execute: Execute, paul: Viewer
) -> None:
    assert paul.user
    change = f'passwordChange(input: {{currentPassword: "%s", newPassword: "{NEW_PASSWORD}"}})'
    wrong_payload = await mutate(execute, paul, change % "-", "changed")
    assert [(error["code"], error["field"]) for error in wrong_payload["userErrors"]] == [
        ("CREDENTIALS_INVALID", ["input", "currentPassword"])
    ]
    assert (await mutate(execute, paul, change % PASSWORD, "changed"))["changed"] is True
    assert await emails_to(paul.user.email) == ["password_changed.fr"]


async def test_p4_3_the_second_factor_from_set_up_to_removal(
    execute: Execute, paul: Viewer, action: "Action", clock: "MovableClock"
) -> None:
    assert paul.user
    set_up_payload = await mutate(
        execute, paul, f'totpSetUp(input: {{password: "{PASSWORD}"}})', "secret"
    )
    code = code_of(set_up_payload["secret"], action)
    codes = (
        await mutate(execute, paul, f'totpConfirm(input: {{code: "{code}"}})', "recoveryCodes")
    )["recoveryCodes"]
    assert (await step_up(execute, paul))["userErrors"][0]["code"] == "SECOND_FACTOR_REQUIRED"
    assert (await step_up(execute, paul, codes[0]))["stepUpExpiresAt"]
    renewed_codes = (await mutate(execute, paul, "recoveryCodesRenew", "recoveryCodes"))[
        "recoveryCodes"
    ]
    assert len(set(renewed_codes) - set(codes)) == 10
    sessions_query = (
        await execute(paul, "{ viewer { authenticators { id kind name lastUsedAt } } }")
    )["data"]["viewer"]["authenticators"]
    authenticator_id = sessions_query[0].pop("id")
    assert sessions_query == [{"kind": "TOTP", "name": "Application", "lastUsedAt": None}]
    remove_call = f'authenticatorRemove(input: {{authenticatorId: "{authenticator_id}"}})'
    assert (await mutate(execute, paul, remove_call, "secondFactor"))["secondFactor"] is False
    assert await emails_to(paul.user.email) == ["second_factor_changed.fr"] * 3
    assert (await mutate(execute, paul, remove_call, "secondFactor"))["userErrors"][0][
        "code"
    ] == "NOT_FOUND"


async def test_p4_3_another_users_authenticator_is_not_found(
    execute: Execute, dataset: "Dataset", paul: Viewer, action: "Action"
) -> None:
    assert dataset.marie.owner.user
    marie_factor = await totp.store_app(dataset.marie.owner.user, "sealed", action.at)
    key = encode("Authenticator", marie_factor.pk)
    for mutation, other_session_count in (
        ("authenticatorRemove", ""),
        ("authenticatorRename", ', name: "x"'),
    ):
        refused = await mutate(
            execute,
            paul,
            f'{mutation}(input: {{authenticatorId: "{key}"{other_session_count}}})',
            "__typename",
        )
        assert [(each["code"], each["field"]) for each in refused["userErrors"]] == [
            ("NOT_FOUND", ["input", "authenticatorId"])
        ]
    assert (await execute(paul, "{ viewer { authenticators { id } } }"))["data"]["viewer"][
        "authenticators"
    ] == []
