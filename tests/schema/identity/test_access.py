"""Account security in the GraphQL API: who may use each operation, and what it returns."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
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

Ask = Callable[..., Awaitable[dict[str, Any]]]
NEW_PASSWORD = "mouette phare ardoise 77"
REFUSED = "userErrors { code message field }"
DELICATE = [
    ('emailRequestChange(input: {email: "paul@new.example", idempotencyKey: "1"})', "accepted"),
    ("recoveryCodesRenew", "recoveryCodes"),
]


async def did(ask: Ask, who: Viewer, call: str, selection: str) -> dict[str, Any]:
    """The payload of one mutation."""
    response = await ask(who, f"mutation {{ {call} {{ {selection} {REFUSED} }} }}")
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


async def stepped_up(ask: Ask, who: Viewer, code: str = "") -> dict[str, Any]:
    given = f', code: "{code}"' if code else ""
    return await did(
        ask, who, f'sessionStepUp(input: {{password: "{PASSWORD}"{given}}})', "freshUntil"
    )


async def emails_to(email: str) -> list[str]:
    return [
        each.template
        for each in await Email.filter(recipient=email, invoice_id=None).order_by("id")
    ]


async def test_p4_3_users_list_and_end_their_sessions(
    ask: Ask, dataset: "Dataset", action: "Action", paul: Viewer
) -> None:
    """With sessions on two devices, one is ended by its id, then all others."""

    assert paul.user
    await Session.filter(user_id=paul.user.pk).update(device="Firefox, Linux")
    other = await create_viewer(action, paul.user, paul.account)
    listed = "{ viewer { sessions { id createdAt lastUsedAt device current } } }"
    sessions_listed = (await ask(paul, listed))["data"]["viewer"]["sessions"]
    assert [(each["device"], each["current"]) for each in sessions_listed] == [
        (None, False),
        ("Firefox, Linux", True),
    ]
    assert all(
        each["createdAt"] == each["lastUsedAt"] == "2026-11-23T09:00:00+00:00"
        for each in sessions_listed
    )
    for _ in range(2):  # a repeat changes nothing
        ended = await did(
            ask, paul, f'sessionEnd(input: {{sessionId: "{sessions_listed[0]["id"]}"}})', "ended"
        )
        assert ended == {"ended": True, "userErrors": []}
    assert other.session
    assert (await Session.get(pk=other.session.pk)).ended_at
    assert len((await ask(paul, listed))["data"]["viewer"]["sessions"]) == 1
    await create_viewer(action, paul.user, paul.account)
    assert (await did(ask, paul, "sessionEndOthers", "ended"))["ended"] == 1


async def test_p4_3_other_users_sessions_are_inaccessible(
    ask: Ask, dataset: "Dataset", paul: Viewer
) -> None:
    assert dataset.marie.owner.session
    foreign_value = encode("Session", dataset.marie.owner.session.pk)
    for viewer in (paul, dataset.paul.member, dataset.alice):
        for key in (foreign_value, encode("Session", 999_999), encode("User", 1), "", "é"):
            payload = await did(ask, viewer, f'sessionEnd(input: {{sessionId: "{key}"}})', "ended")
            assert [(error["code"], error["field"]) for error in payload["userErrors"]] == [
                ("NOT_FOUND", ["input", "sessionId"])
            ]
        listed = await ask(
            viewer, f'{{ viewer {{ sessions {{ id }} }} node(id: "{foreign_value}") {{ id }} }}'
        )
        assert foreign_value not in str(listed)
        assert listed["data"]["node"] is None
    assert (await Session.get(pk=dataset.marie.owner.session.pk)).ended_at is None


@pytest.mark.parametrize(
    "call",
    [f"{call} {{ {field} }}" for call, field in DELICATE]
    + [
        'sessionEnd(input: {sessionId: "x"}) { ended }',
        "sessionEndOthers { ended }",
        'sessionStepUp(input: {password: "x"}) { freshUntil }',
        'passwordChange(input: {currentPassword: "x", newPassword: "y"}) { changed }',
    ],
)
async def test_anonymous_viewers_cannot_change_anything(ask: Ask, db: str, call: str) -> None:
    response = await ask(Viewer(), f"mutation {{ {call} }}")
    assert [error["extensions"]["code"] for error in response["errors"]] == ["UNAUTHENTICATED"]


@pytest.mark.parametrize(("call", "field"), DELICATE)
@pytest.mark.parametrize(
    ("locale", "words"), [(Locale.FR, "Confirmez d’abord"), (Locale.EN, "Confirm your identity")]
)
async def test_p4_3_sensitive_operations_require_a_step_up(
    ask: Ask, paul: Viewer, call: str, field: str, locale: Locale, words: str
) -> None:
    payload = await did(ask, replace(paul, locale=locale), call, field)
    (error,) = payload["userErrors"]
    assert (payload[field], error["code"], error["field"]) == (None, "STEP_UP_REQUIRED", None)
    assert error["message"].startswith(words)


async def test_p1_3_an_email_change_is_confirmed_by_both_addresses(
    ask: Ask, dataset: "Dataset", paul: Viewer, services: "Services"
) -> None:
    """The change takes a step-up and one token from each address, and nothing changes before both
    are confirmed.
    """
    assert paul.user
    assert (await stepped_up(ask, paul))["freshUntil"] == "2026-11-23T09:05:00+00:00"
    payload = await did(
        ask,
        paul,
        'emailRequestChange(input: {email: "paul@new.example", idempotencyKey: "1"})',
        "accepted",
    )
    assert payload == {"accepted": True, "userErrors": []}
    assert await emails_to("paul@new.example") == ["email_change.fr"]
    assert await emails_to(paul.user.email) == ["email_change_requested.fr"]
    tokens = [
        next(line for line in email.text.splitlines() if line.startswith("cam_ec_"))
        for email in await Email.filter(template__startswith="email_change").order_by("id")
    ]
    responses = [
        await did(ask, Viewer(), f'emailConfirmChange(input: {{token: "{each}"}})', "changed")
        for each in tokens
    ]
    assert [response["changed"] for response in responses] == [False, True]
    assert (await User.get(pk=paul.user.pk)).email == "paul@new.example"
    assert await emails_to(paul.user.email) == ["email_change_requested.fr", "email_changed.fr"]


async def test_p1_3_another_users_address_gets_the_same_answer(
    ask: Ask, dataset: "Dataset", paul: Viewer
) -> None:
    assert paul.user
    assert dataset.marie.owner.user
    await stepped_up(ask, paul)
    foreign_value = dataset.marie.owner.user.email
    responses = [
        await did(
            ask,
            paul,
            f'emailRequestChange(input: {{email: "{email}", idempotencyKey: "{email}"}})',
            "accepted",
        )
        for email in (foreign_value, "nobody@new.example")
    ]
    assert responses[0] == responses[1]
    assert await emails_to(foreign_value) == ["email_change_taken.fr"]
    assert paul.user.email not in (await Email.get(template="email_change_taken.fr")).text
    assert await emails_to(paul.user.email) == ["email_change_requested.fr"] * 2


async def test_p4_3_a_reset_for_an_unknown_address_gets_the_same_answer(
    ask: Ask, dataset: "Dataset", paul: Viewer
) -> None:
    """The email is written in the user's language."""
    assert paul.user
    await User.filter(pk=paul.user.pk).update(locale=Locale.EN)
    responses = [
        await did(ask, Viewer(), f'passwordRequestReset(input: {{email: "{email}"}})', "accepted")
        for email in (paul.user.email, "nobody@new.example")
    ]
    assert responses == [{"accepted": True, "userErrors": []}] * 2
    (email,) = await Email.filter(template="password_reset.en")
    token = next(line for line in email.text.splitlines() if line.startswith("cam_pr_"))
    assert f"camcha:/reset?token={token}" in email.text
    reset = f'passwordReset(input: {{token: "{token}", password: "%s"}})'
    weak = await did(ask, Viewer(), reset % "short", "reset")
    assert [(error["code"], error["field"]) for error in weak["userErrors"]] == [
        ("PASSWORD_WEAK", ["input", "password"])
    ]
    assert (await did(ask, Viewer(), reset % NEW_PASSWORD, "reset")) == {
        "reset": True,
        "userErrors": [],
    }
    assert (await did(ask, Viewer(), reset % NEW_PASSWORD, "reset"))["userErrors"][0][
        "code"
    ] == "TOKEN_INVALID"
    signed_in = await did(
        ask,
        Viewer(),
        f'sessionSignIn(input: {{email: "{paul.user.email}", password: "{NEW_PASSWORD}"}})',
        "user { name }",
    )
    assert signed_in["user"] == {"name": paul.user.name}
    assert await emails_to(paul.user.email) == ["password_reset.en", "password_changed.en"]


async def test_p3_5_changing_a_password_requires_the_current_one(ask: Ask, paul: Viewer) -> None:
    assert paul.user
    change = f'passwordChange(input: {{currentPassword: "%s", newPassword: "{NEW_PASSWORD}"}})'
    wrong = await did(ask, paul, change % "-", "changed")
    assert [(error["code"], error["field"]) for error in wrong["userErrors"]] == [
        ("CREDENTIALS_INVALID", ["input", "currentPassword"])
    ]
    assert (await did(ask, paul, change % PASSWORD, "changed"))["changed"] is True
    assert await emails_to(paul.user.email) == ["password_changed.fr"]


async def test_p4_3_the_second_factor_from_set_up_to_removal(
    ask: Ask, paul: Viewer, action: "Action", clock: "MovableClock"
) -> None:
    assert paul.user
    set_up = await did(ask, paul, f'totpSetUp(input: {{password: "{PASSWORD}"}})', "secret")
    code = code_of(set_up["secret"], action)
    codes = (await did(ask, paul, f'totpConfirm(input: {{code: "{code}"}})', "recoveryCodes"))[
        "recoveryCodes"
    ]
    assert (await stepped_up(ask, paul))["userErrors"][0]["code"] == "SECOND_FACTOR_REQUIRED"
    assert (await stepped_up(ask, paul, codes[0]))["freshUntil"]
    renewed = (await did(ask, paul, "recoveryCodesRenew", "recoveryCodes"))["recoveryCodes"]
    assert len(set(renewed) - set(codes)) == 10
    listed = (await ask(paul, "{ viewer { authenticators { id kind name lastUsedAt } } }"))["data"][
        "viewer"
    ]["authenticators"]
    authenticator_id = listed[0].pop("id")
    assert listed == [{"kind": "TOTP", "name": "Application", "lastUsedAt": None}]
    remove = f'authenticatorRemove(input: {{authenticatorId: "{authenticator_id}"}})'
    assert (await did(ask, paul, remove, "secondFactor"))["secondFactor"] is False
    assert await emails_to(paul.user.email) == ["second_factor_changed.fr"] * 3
    assert (await did(ask, paul, remove, "secondFactor"))["userErrors"][0]["code"] == "NOT_FOUND"


async def test_p4_3_another_users_authenticator_is_not_found(
    ask: Ask, dataset: "Dataset", paul: Viewer, action: "Action"
) -> None:
    assert dataset.marie.owner.user
    marie_factor = await totp.store_app(dataset.marie.owner.user, "sealed", action.at)
    key = encode("Authenticator", marie_factor.pk)
    for mutation, more in (("authenticatorRemove", ""), ("authenticatorRename", ', name: "x"')):
        refused = await did(
            ask, paul, f'{mutation}(input: {{authenticatorId: "{key}"{more}}})', "__typename"
        )
        assert [(each["code"], each["field"]) for each in refused["userErrors"]] == [
            ("NOT_FOUND", ["input", "authenticatorId"])
        ]
    assert (await ask(paul, "{ viewer { authenticators { id } } }"))["data"]["viewer"][
        "authenticators"
    ] == []
