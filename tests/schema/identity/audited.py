"""An example of each audited mutation of identity, in a function with the mutation's name."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pyotp

from accounts import registration
from auth import sessions
from models.identity.access_links import EmailChange, PasswordReset
from models.identity.authenticator import Authenticator
from models.viewer import Viewer
from resolvers.ids import encode
from tests.auth.factors.passkey_device import Device
from tests.people import PASSWORD, add_member
from tests.schema.audited_fixtures import (
    Scenario,
    member_viewer,
    member_with_password,
    member_with_totp,
)

if TYPE_CHECKING:
    pass


async def email_verify(scenario: Scenario) -> None:
    token = registration.verification_token(
        scenario.services.auth,
        await member_with_password(scenario, email_verified_at=None),
        scenario.action.at,
    )
    await scenario.mutate(Viewer(), "emailVerify", token=token)


async def session_sign_in(scenario: Scenario) -> None:
    await scenario.mutate(
        Viewer(),
        "sessionSignIn",
        email=(await member_with_password(scenario)).email,
        password=PASSWORD,
    )


async def session_refresh(scenario: Scenario) -> None:
    tokens = await sessions.sign_in(
        await member_with_password(scenario), scenario.dataset.paul.account, False, scenario.action
    )
    new_tokens = await scenario.mutate(
        Viewer(), "sessionRefresh", "session { refreshToken }", refreshToken=tokens.refresh
    )
    await scenario.mutate(
        Viewer(), "sessionRefresh", refreshToken=new_tokens["session"]["refreshToken"]
    )
    for _ in range(2):  # the first token's second use ends the session, the third changes nothing
        await scenario.mutate(Viewer(), "sessionRefresh", refreshToken=tokens.refresh)


async def session_sign_out(scenario: Scenario) -> None:
    for _ in range(2):
        await scenario.mutate(scenario.owner, "sessionSignOut")


async def session_switch_account(scenario: Scenario) -> None:
    user, account = scenario.owner.user, scenario.dataset.marie.account
    assert user is not None
    await add_member(scenario.action, account, user)
    await scenario.mutate(
        scenario.owner, "sessionSwitchAccount", accountId=encode("Account", account.pk)
    )


async def totp_set_up(scenario: Scenario) -> None:
    await scenario.mutate(await member_viewer(scenario), "totpSetUp", password=PASSWORD)


async def totp_confirm(scenario: Scenario) -> None:
    secret = pyotp.random_base32()
    viewer = await member_viewer(scenario)
    await Authenticator.create(
        user=viewer.user,
        kind="TOTP",
        name="MARKED",
        created_at=scenario.action.at,
        secret=scenario.services.auth.secret_box.encrypt(secret),
    )
    await scenario.mutate(viewer, "totpConfirm", code=pyotp.TOTP(secret).at(scenario.action.at))


async def session_end(scenario: Scenario) -> None:
    tokens = await sessions.sign_in(
        await member_with_password(scenario), scenario.dataset.paul.account, False, scenario.action
    )
    for _ in range(2):
        await scenario.mutate(
            await member_viewer(scenario),
            "sessionEnd",
            sessionId=encode("Session", tokens.session.pk),
        )


async def session_end_others(scenario: Scenario) -> None:
    await scenario.mutate(scenario.owner, "sessionEndOthers")


async def session_step_up(scenario: Scenario) -> Viewer:
    viewer = await member_viewer(scenario)
    await scenario.mutate(viewer, "sessionStepUp", password=PASSWORD)
    return viewer


async def email_request_verification(scenario: Scenario) -> None:
    user = await member_with_password(scenario, email_verified_at=None)
    await scenario.mutate(Viewer(), "emailRequestVerification", email=user.email)


async def password_request_reset(scenario: Scenario) -> None:
    await scenario.mutate(
        Viewer(), "passwordRequestReset", email=(await member_with_password(scenario)).email
    )


async def session_request_unlock(scenario: Scenario) -> None:
    await scenario.mutate(
        Viewer(), "sessionRequestUnlock", email=(await member_with_password(scenario)).email
    )


async def password_reset(scenario: Scenario) -> None:
    token, at = "cam_pr_marked", scenario.action.at + timedelta(minutes=1)
    await PasswordReset.create(
        user=await member_with_password(scenario),
        token_hash=sessions.token_hash(token),
        expires_at=at,
    )
    for _ in range(2):
        await scenario.mutate(Viewer(), "passwordReset", token=token, password="MARKED ardoise 77")


async def password_change(scenario: Scenario) -> None:
    input_value = {"currentPassword": PASSWORD, "newPassword": "MARKED ardoise 77"}
    await scenario.mutate(await member_viewer(scenario), "passwordChange", **input_value)


async def email_request_change(scenario: Scenario) -> None:
    await scenario.mutate(
        await session_step_up(scenario),
        "emailRequestChange",
        email="moved@mark.example",
        idempotencyKey="1",
    )


async def email_confirm_change(scenario: Scenario) -> None:
    await email_request_change(scenario)
    await EmailChange.all().update(new_token_hash=sessions.token_hash("cam_ec_marked"))
    for _ in range(2):
        await scenario.mutate(Viewer(), "emailConfirmChange", token="cam_ec_marked")


async def authenticator_rename(scenario: Scenario) -> None:
    viewer, own_authenticator = await member_viewer(scenario), await member_with_totp(scenario)
    await scenario.mutate(
        viewer,
        "authenticatorRename",
        authenticatorId=encode("Authenticator", own_authenticator.pk),
        name="MARKED phone",
    )


async def authenticator_remove(scenario: Scenario) -> None:
    viewer, own_authenticator = await session_step_up(scenario), await member_with_totp(scenario)
    for _ in range(2):
        await scenario.mutate(
            viewer,
            "authenticatorRemove",
            authenticatorId=encode("Authenticator", own_authenticator.pk),
        )


async def passkey_register(scenario: Scenario) -> Device:
    viewer, device = await session_step_up(scenario), Device()
    options = (await scenario.mutate(viewer, "passkeyBegin", "options"))["options"]
    await scenario.mutate(
        viewer, "passkeyRegister", passkey=device.create_credential(options), name="MARKED key"
    )
    return device


async def session_sign_in_with_passkey(scenario: Scenario) -> None:
    device = await passkey_register(scenario)
    options = (await scenario.mutate(Viewer(), "passkeyChallenge", "options"))["options"]
    await scenario.mutate(
        Viewer(), "sessionSignInWithPasskey", passkey=device.sign_challenge(options)
    )


async def recovery_codes_renew(scenario: Scenario) -> None:
    viewer = await session_step_up(scenario)
    await member_with_totp(scenario)
    await scenario.mutate(viewer, "recoveryCodesRenew")
