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
from schema.identity.email_address import EmailConfirmChangePayload, EmailRequestChangePayload, EmailVerifyPayload
from schema.identity.passwords import PasswordChangePayload, PasswordRequestResetPayload, PasswordResetPayload
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
    viewer: Viewer | None = query(session_resolvers.viewer, allow=anyone, description="Whoever is signed in, null for nobody.")


@strawberry.type
class IdentityMutation:
    email_verify: EmailVerifyPayload = mutation(
        registration_resolvers.verify_email,
        "verified",
        allow=anyone,
        audit=IdentityAuditAction.EMAIL_VERIFY,
        description="Confirm an address by the email's token.",
    )
    session_sign_in: SessionSignInPayload = mutation(
        session_resolvers.sign_in,
        "tokens",
        "user",
        allow=anyone,
        audit=IdentityAuditAction.SESSION_SIGN_IN,
        description="Begin a session.",
    )
    session_refresh: SessionRefreshPayload = mutation(
        session_resolvers.refresh,
        "session",
        allow=anyone,
        audit=IdentityAuditAction.SESSION_REFRESH_REUSED,
        description="Exchange a refresh token for the next pair.",
    )
    session_sign_out: SessionSignOutPayload = mutation(
        session_resolvers.sign_out,
        "signed_out",
        allow=anyone,
        audit=IdentityAuditAction.SESSION_SIGN_OUT,
        description="End the session in use, its sockets included; by its cookies also once the access token has expired.",
    )
    session_switch_account: SessionSwitchAccountPayload = mutation(
        member_resolvers.switch_account, "session", allow=signed_in,
        audit=IdentityAuditAction.SESSION_SWITCH_ACCOUNT,
        description="Act for another of one's companies: new tokens, and sockets opened before close.",
    )  # fmt: skip
    session_end: SessionEndPayload = mutation(
        session_resolvers.end_session,
        "ended",
        allow=signed_in,
        audit=IdentityAuditAction.SESSION_END,
        description="End one of your sessions, its sockets included.",
    )
    session_end_others: SessionEndOthersPayload = mutation(
        session_resolvers.end_other_sessions,
        "ended",
        allow=signed_in,
        audit=IdentityAuditAction.SESSION_END_OTHERS,
        description="End every session of yours but the one in use.",
    )
    session_step_up: SessionStepUpPayload = mutation(
        session_resolvers.step_up, "fresh_until", allow=signed_in,
        audit=IdentityAuditAction.SESSION_STEP_UP,
        description="Prove who you are again: for five minutes, delicate operations are not refused with STEP_UP_REQUIRED.",
    )  # fmt: skip
    session_request_unlock: SessionRequestUnlockPayload = mutation(
        password_resolvers.request_unlock, "accepted", allow=anyone,
        audit=IdentityAuditAction.SESSION_REQUEST_UNLOCK,
        description="Get an email that lets its reader sign in at once, however many others guess at the address.",
    )  # fmt: skip
    password_request_reset: PasswordRequestResetPayload = mutation(
        password_resolvers.request_reset,
        "accepted",
        allow=anyone,
        audit=IdentityAuditAction.PASSWORD_REQUEST_RESET,
        description="Get an email to set a new password with.",
    )
    password_reset: PasswordResetPayload = mutation(
        password_resolvers.reset_password, "reset", allow=anyone,
        audit=IdentityAuditAction.PASSWORD_RESET,
        description="Set a new password by the email's token; every session ends, the second factor stays as it is.",
    )  # fmt: skip
    password_change: PasswordChangePayload = mutation(
        password_resolvers.change_password, "changed", allow=signed_in,
        audit=IdentityAuditAction.PASSWORD_CHANGE,
        description="Set a new password by the current one; your other sessions end.",
    )  # fmt: skip
    email_request_change: EmailRequestChangePayload = mutation(
        email_change_resolvers.request_email_change, "accepted", allow=signed_in,
        audit=IdentityAuditAction.EMAIL_REQUEST_CHANGE,
        description="Ask for another address, which must confirm; so must the old one, unless the second factor has been on for"
        " a week. Wants `sessionStepUp`.",
    )  # fmt: skip
    email_confirm_change: EmailConfirmChangePayload = mutation(
        email_change_resolvers.confirm_email_change, "changed", allow=anyone,
        audit=IdentityAuditAction.EMAIL_CONFIRM_CHANGE,
        description="Confirm a change of address by an email's token; once it is done, your other sessions end.",
    )  # fmt: skip
    totp_set_up: TotpSetUpPayload = mutation(
        authenticator_resolvers.set_up_totp, "secret", "provisioning_uri", "qr_code_svg", allow=signed_in,
        audit=IdentityAuditAction.TOTP_SET_UP,
        description="A seed for an authenticator app; in force once confirmed. Where the second factor is on already, it wants"
        " `sessionStepUp`.",
    )  # fmt: skip
    totp_confirm: TotpConfirmPayload = mutation(
        authenticator_resolvers.confirm_totp, "authenticator", "recovery_codes", allow=signed_in,
        audit=IdentityAuditAction.TOTP_CONFIRM,
        description="Put an app in force by its first code; the first one turns the second factor on. Your other sessions end.",
    )  # fmt: skip
    passkey_begin: PasskeyBeginPayload = mutation(
        authenticator_resolvers.begin_passkey, "options", allow=signed_in,
        audit=Unaudited("Nothing has changed until `passkeyRegister`."),
        description="What a browser makes a passkey by (WebAuthn). Wants `sessionStepUp`.",
    )  # fmt: skip
    passkey_register: PasskeyRegisterPayload = mutation(
        authenticator_resolvers.register_passkey, "authenticator", "recovery_codes", allow=signed_in,
        audit=IdentityAuditAction.PASSKEY_REGISTER,
        description="Add the passkey that was made; the first authenticator turns the second factor on. Your other sessions"
        " end. Wants `sessionStepUp`.",
    )  # fmt: skip
    passkey_challenge: PasskeyChallengePayload = mutation(
        authenticator_resolvers.challenge_passkey, "options", allow=anyone,
        audit=Unaudited("It tells nothing, and what is answered is audited."),
        description="What a browser asks a passkey by: to sign in, as the second factor, to step up.",
    )  # fmt: skip
    session_sign_in_with_passkey: SessionSignInPayload = mutation(
        authenticator_resolvers.sign_in_with_passkey, "tokens", "user", allow=anyone,
        audit=IdentityAuditAction.SESSION_SIGN_IN,
        description="Begin a session by a passkey, without a password: it stands for both factors.",
    )  # fmt: skip
    authenticator_rename: AuthenticatorPayload = mutation(
        authenticator_resolvers.rename, "authenticator", allow=signed_in,
        audit=IdentityAuditAction.AUTHENTICATOR_RENAME,
        description="Give one of your authenticators another name.",
    )  # fmt: skip
    authenticator_remove: AuthenticatorRemovePayload = mutation(
        authenticator_resolvers.remove, "second_factor", allow=signed_in,
        audit=IdentityAuditAction.AUTHENTICATOR_REMOVE,
        description="Take one of your authenticators away; the last one turns the second factor off, which the vendor's people"
        " can't. Your other sessions end. Wants `sessionStepUp`.",
    )  # fmt: skip
    recovery_codes_renew: RecoveryCodesRenewPayload = mutation(
        authenticator_resolvers.renew_recovery_codes, "recovery_codes", allow=signed_in,
        audit=IdentityAuditAction.RECOVERY_CODES_RENEW,
        description="Get new recovery codes; the earlier ones work no more. Wants `sessionStepUp`.",
    )  # fmt: skip
