"""The identity domain's part of the roots."""

import strawberry

from auth.rules import anyone, signed_in
from models.identity.audit_actions import IdentityAuditAction
from resolvers.accounts import members as member_resolvers
from resolvers.accounts import registration as registration_resolvers
from resolvers.identity import authenticators as authenticator_resolvers
from resolvers.identity import email_change as email_change_resolvers
from resolvers.identity import passwords as password_resolvers
from resolvers.identity import sessions as session_resolvers
from schema.fields import Unaudited, mutation, query
from schema.identity.authenticators import (
    AuthenticatorPayload,
    AuthenticatorRemovePayload,
    PasskeyBeginPayload,
    PasskeyChallengePayload,
    PasskeyRegisterPayload,
    RecoveryCodesRenewPayload,
    TotpConfirmPayload,
    TotpSetUpPayload,
)
from schema.identity.email_address import (
    EmailConfirmChangePayload,
    EmailRequestChangePayload,
    EmailRequestVerificationPayload,
    EmailVerifyPayload,
)
from schema.identity.passwords import (
    PasswordChangePayload,
    PasswordRequestResetPayload,
    PasswordResetPayload,
)
from schema.identity.sessions import (
    SessionEndOthersPayload,
    SessionEndPayload,
    SessionRefreshPayload,
    SessionRequestUnlockPayload,
    SessionSignInPayload,
    SessionSignOutPayload,
    SessionStepUpPayload,
    SessionSwitchAccountPayload,
)
from schema.identity.viewer import Viewer


@strawberry.type
class IdentityQuery:
    viewer: Viewer | None = query(
        session_resolvers.viewer,
        allow=anyone,
        description="The signed-in user. Null when nobody is signed in.",
    )


@strawberry.type
class IdentityMutation:
    email_verify: EmailVerifyPayload | None = mutation(
        registration_resolvers.verify_email,
        "verified",
        allow=anyone,
        audit=IdentityAuditAction.EMAIL_VERIFY,
        description="Confirms an email address with the token from the verification email.",
    )
    email_request_verification: EmailRequestVerificationPayload | None = mutation(
        registration_resolvers.request_verification,
        "accepted",
        allow=anyone,
        audit=IdentityAuditAction.EMAIL_REQUEST_VERIFICATION,
        description="Resends the verification email of a sign-up.",
    )
    session_sign_in: SessionSignInPayload | None = mutation(
        session_resolvers.sign_in,
        "tokens",
        "user",
        allow=anyone,
        audit=IdentityAuditAction.SESSION_SIGN_IN,
        description="Signs a user in.",
    )
    session_refresh: SessionRefreshPayload | None = mutation(
        session_resolvers.refresh,
        "session",
        allow=anyone,
        audit=IdentityAuditAction.SESSION_REFRESH_REUSED,
        description="Exchanges a refresh token for new tokens.",
    )
    session_sign_out: SessionSignOutPayload | None = mutation(
        session_resolvers.sign_out,
        "signed_out",
        allow=anyone,
        audit=IdentityAuditAction.SESSION_SIGN_OUT,
        description="Ends the current session and closes its WebSocket connections. With cookies, "
        "works even when the access token has expired.",
    )
    session_switch_account: SessionSwitchAccountPayload | None = mutation(
        member_resolvers.switch_account,
        "session",
        allow=signed_in,
        audit=IdentityAuditAction.SESSION_SWITCH_ACCOUNT,
        description="Switches to another of the viewer's companies. Returns new tokens and closes "
        "WebSocket connections opened before.",
    )
    session_end: SessionEndPayload | None = mutation(
        session_resolvers.end_session,
        "ended",
        allow=signed_in,
        audit=IdentityAuditAction.SESSION_END,
        description="Ends one of the viewer's sessions and closes its WebSocket connections.",
    )
    session_end_others: SessionEndOthersPayload | None = mutation(
        session_resolvers.end_other_sessions,
        "ended",
        allow=signed_in,
        audit=IdentityAuditAction.SESSION_END_OTHERS,
        description="Ends all of the viewer's sessions except the current one.",
    )
    session_step_up: SessionStepUpPayload | None = mutation(
        session_resolvers.step_up,
        "step_up_expires_at",
        allow=signed_in,
        audit=IdentityAuditAction.SESSION_STEP_UP,
        description="Confirms the viewer's identity again. For five minutes, sensitive operations "
        "are no longer refused with STEP_UP_REQUIRED.",
    )
    session_request_unlock: SessionRequestUnlockPayload | None = mutation(
        password_resolvers.request_unlock,
        "accepted",
        allow=anyone,
        audit=IdentityAuditAction.SESSION_REQUEST_UNLOCK,
        description="Sends an email that lets its recipient sign in at once, even while other "
        "people's failed attempts delay sign-in.",
    )
    password_request_reset: PasswordRequestResetPayload | None = mutation(
        password_resolvers.request_reset,
        "accepted",
        allow=anyone,
        audit=IdentityAuditAction.PASSWORD_REQUEST_RESET,
        description="Sends an email for setting a new password.",
    )
    password_reset: PasswordResetPayload | None = mutation(
        password_resolvers.reset_password,
        "reset",
        allow=anyone,
        audit=IdentityAuditAction.PASSWORD_RESET,
        description="Sets a new password with the token from the email. Ends all sessions and "
        "leaves the second factor unchanged.",
    )
    password_change: PasswordChangePayload | None = mutation(
        password_resolvers.change_password,
        "changed",
        allow=signed_in,
        audit=IdentityAuditAction.PASSWORD_CHANGE,
        description="Changes the viewer's password. Requires the current password and ends the "
        "viewer's other sessions.",
    )
    email_request_change: EmailRequestChangePayload | None = mutation(
        email_change_resolvers.request_email_change,
        "accepted",
        allow=signed_in,
        audit=IdentityAuditAction.EMAIL_REQUEST_CHANGE,
        description="Requests a change of the viewer's email address. The new address has to "
        "confirm, and so does the current one unless the second factor has been on for a week. "
        "Requires a recent `sessionStepUp`.",
    )
    email_confirm_change: EmailConfirmChangePayload | None = mutation(
        email_change_resolvers.confirm_email_change,
        "changed",
        allow=anyone,
        audit=IdentityAuditAction.EMAIL_CONFIRM_CHANGE,
        description="Confirms a change of email address with the token from the email. Once the "
        "change is complete, the user's other sessions end.",
    )
    totp_set_up: TotpSetUpPayload | None = mutation(
        authenticator_resolvers.set_up_totp,
        "secret",
        "provisioning_uri",
        "qr_code_svg",
        allow=signed_in,
        audit=IdentityAuditAction.TOTP_SET_UP,
        description="Creates the secret for an authenticator app, which takes effect once "
        "confirmed. Requires a recent `sessionStepUp` if the second factor is already on.",
    )
    totp_confirm: TotpConfirmPayload | None = mutation(
        authenticator_resolvers.confirm_totp,
        "authenticator",
        "recovery_codes",
        allow=signed_in,
        audit=IdentityAuditAction.TOTP_CONFIRM,
        description="Confirms an authenticator app with its first code. The first authenticator "
        "turns the second factor on. Ends the viewer's other sessions.",
    )
    passkey_begin: PasskeyBeginPayload | None = mutation(
        authenticator_resolvers.begin_passkey,
        "options",
        allow=signed_in,
        audit=Unaudited("Nothing has changed until `passkeyRegister`."),
        description="Returns the options for creating a passkey (WebAuthn). Requires a recent "
        "`sessionStepUp`.",
    )
    passkey_register: PasskeyRegisterPayload | None = mutation(
        authenticator_resolvers.register_passkey,
        "authenticator",
        "recovery_codes",
        allow=signed_in,
        audit=IdentityAuditAction.PASSKEY_REGISTER,
        description="Registers a created passkey. The first authenticator turns the second factor "
        "on. Ends the viewer's other sessions. Requires a recent `sessionStepUp`.",
    )
    passkey_challenge: PasskeyChallengePayload | None = mutation(
        authenticator_resolvers.challenge_passkey,
        "options",
        allow=anyone,
        audit=Unaudited("It tells nothing, and what is answered is audited."),
        description="Returns the options for using a passkey to sign in, as a second factor or to "
        "step up.",
    )
    session_sign_in_with_passkey: SessionSignInPayload | None = mutation(
        authenticator_resolvers.sign_in_with_passkey,
        "tokens",
        "user",
        allow=anyone,
        audit=IdentityAuditAction.SESSION_SIGN_IN,
        description="Signs a user in with a passkey, which replaces both the password and the "
        "second factor.",
    )
    authenticator_rename: AuthenticatorPayload | None = mutation(
        authenticator_resolvers.rename,
        "authenticator",
        allow=signed_in,
        audit=IdentityAuditAction.AUTHENTICATOR_RENAME,
        description="Renames one of the viewer's authenticators.",
    )
    authenticator_remove: AuthenticatorRemovePayload | None = mutation(
        authenticator_resolvers.remove,
        "second_factor",
        allow=signed_in,
        audit=IdentityAuditAction.AUTHENTICATOR_REMOVE,
        description="Removes one of the viewer's authenticators. Removing the last one turns the "
        "second factor off, which staff members can't do. Ends the viewer's other sessions. "
        "Requires a recent `sessionStepUp`.",
    )
    recovery_codes_renew: RecoveryCodesRenewPayload | None = mutation(
        authenticator_resolvers.renew_recovery_codes,
        "recovery_codes",
        allow=signed_in,
        audit=IdentityAuditAction.RECOVERY_CODES_RENEW,
        description="Creates new recovery codes. The previous ones no longer work. Requires a "
        "recent `sessionStepUp`.",
    )
