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
from tests.schema.audited_fixtures import Stage, enrolled, known, known_viewer

if TYPE_CHECKING:
    pass


async def email_verify(stage: Stage) -> None:
    token = registration.verification_token(
        stage.services.auth, await known(stage, email_verified_at=None), stage.action.at
    )
    await stage.do(Viewer(), "emailVerify", token=token)


async def session_sign_in(stage: Stage) -> None:
    await stage.do(Viewer(), "sessionSignIn", email=(await known(stage)).email, password=PASSWORD)


async def session_refresh(stage: Stage) -> None:
    tokens = await sessions.sign_in(
        await known(stage), stage.dataset.paul.account, False, stage.action
    )
    for _ in range(3):  # the second use ends the session, the third changes nothing
        await stage.do(Viewer(), "sessionRefresh", refreshToken=tokens.refresh)


async def session_sign_out(stage: Stage) -> None:
    for _ in range(2):
        await stage.do(stage.owner, "sessionSignOut")


async def session_switch_account(stage: Stage) -> None:
    user, account = stage.owner.user, stage.dataset.marie.account
    assert user is not None
    await add_member(stage.action, account, user)
    await stage.do(stage.owner, "sessionSwitchAccount", accountId=encode("Account", account.pk))


async def totp_set_up(stage: Stage) -> None:
    await stage.do(await known_viewer(stage), "totpSetUp", password=PASSWORD)


async def totp_confirm(stage: Stage) -> None:
    secret = pyotp.random_base32()
    viewer = await known_viewer(stage)
    await Authenticator.create(
        user=viewer.user,
        kind="TOTP",
        name="MARKED",
        created_at=stage.action.at,
        secret=stage.services.auth.secret_box.encrypt(secret),
    )
    await stage.do(viewer, "totpConfirm", code=pyotp.TOTP(secret).at(stage.action.at))


async def session_end(stage: Stage) -> None:
    tokens = await sessions.sign_in(
        await known(stage), stage.dataset.paul.account, False, stage.action
    )
    for _ in range(2):
        await stage.do(
            await known_viewer(stage), "sessionEnd", sessionId=encode("Session", tokens.session.pk)
        )


async def session_end_others(stage: Stage) -> None:
    await stage.do(stage.owner, "sessionEndOthers")


async def session_step_up(stage: Stage) -> Viewer:
    viewer = await known_viewer(stage)
    await stage.do(viewer, "sessionStepUp", password=PASSWORD)
    return viewer


async def password_request_reset(stage: Stage) -> None:
    await stage.do(Viewer(), "passwordRequestReset", email=(await known(stage)).email)


async def session_request_unlock(stage: Stage) -> None:
    await stage.do(Viewer(), "sessionRequestUnlock", email=(await known(stage)).email)


async def password_reset(stage: Stage) -> None:
    token, at = "cam_pr_marked", stage.action.at + timedelta(minutes=1)
    await PasswordReset.create(
        user=await known(stage), token_hash=sessions.token_hash(token), expires_at=at
    )
    for _ in range(2):
        await stage.do(Viewer(), "passwordReset", token=token, password="MARKED ardoise 77")


async def password_change(stage: Stage) -> None:
    given = {"currentPassword": PASSWORD, "newPassword": "MARKED ardoise 77"}
    await stage.do(await known_viewer(stage), "passwordChange", **given)


async def email_request_change(stage: Stage) -> None:
    await stage.do(
        await session_step_up(stage),
        "emailRequestChange",
        email="moved@mark.example",
        idempotencyKey="1",
    )


async def email_confirm_change(stage: Stage) -> None:
    await email_request_change(stage)
    await EmailChange.all().update(new_token_hash=sessions.token_hash("cam_ec_marked"))
    for _ in range(2):
        await stage.do(Viewer(), "emailConfirmChange", token="cam_ec_marked")


async def authenticator_rename(stage: Stage) -> None:
    viewer, own = await known_viewer(stage), await enrolled(stage)
    await stage.do(
        viewer,
        "authenticatorRename",
        authenticatorId=encode("Authenticator", own.pk),
        name="MARKED phone",
    )


async def authenticator_remove(stage: Stage) -> None:
    viewer, own = await session_step_up(stage), await enrolled(stage)
    for _ in range(2):
        await stage.do(
            viewer, "authenticatorRemove", authenticatorId=encode("Authenticator", own.pk)
        )


async def passkey_register(stage: Stage) -> Device:
    viewer, device = await session_step_up(stage), Device()
    options = (await stage.do(viewer, "passkeyBegin", "options"))["options"]
    await stage.do(viewer, "passkeyRegister", passkey=device.made(options), name="MARKED key")
    return device


async def session_sign_in_with_passkey(stage: Stage) -> None:
    device = await passkey_register(stage)
    options = (await stage.do(Viewer(), "passkeyChallenge", "options"))["options"]
    await stage.do(Viewer(), "sessionSignInWithPasskey", passkey=device.got(options))


async def recovery_codes_renew(stage: Stage) -> None:
    viewer = await session_step_up(stage)
    await enrolled(stage)
    await stage.do(viewer, "recoveryCodesRenew")
