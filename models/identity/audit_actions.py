"""Audited actions of the identity domain."""

from models.audit_action import AuditAction


class IdentityAuditAction(AuditAction):
    """Actions of the identity domain."""

    AUTHENTICATOR_REMOVE = (
        "authenticator.remove",
        "A user removed one of their authenticators, which ended their other sessions.",
    )
    AUTHENTICATOR_RENAME = "authenticator.rename", "A user renamed one of their authenticators."
    EMAIL_CONFIRM_CHANGE = (
        "email.confirm_change",
        "A change of email address was confirmed from the new or the current address.",
    )
    EMAIL_REQUEST_CHANGE = "email.request_change", "A user requested a change of email address."
    EMAIL_REQUEST_VERIFICATION = (
        "email.request_verification",
        "A new verification email was requested.",
    )
    EMAIL_VERIFY = "email.verify", "A user confirmed their email address."
    PASSKEY_REGISTER = (
        "passkey.register",
        "A user added a passkey, which ended their other sessions.",
    )
    PASSWORD_CHANGE = (
        "password.change",
        "A user changed their password by entering the current one.",
    )
    PASSWORD_REQUEST_RESET = (
        "password.request_reset",
        "A password reset email was requested.",
    )
    PASSWORD_RESET = (
        "password.reset",
        "A user set a new password using a password reset email.",
    )
    RECOVERY_CODES_RENEW = "recovery_codes.renew", "A user replaced their recovery codes."
    SECOND_FACTOR_RESET = (
        "second_factor.reset",
        "An owner or operator turned off another user's second factor, which ended that user's "
        "sessions. Operators give a `reason`.",
    )
    SESSION_END = "session.end", "A user ended one of their sessions."
    SESSION_END_ALL = "session.end_all", "An operator ended all sessions of a user (`reason`)."
    SESSION_END_OTHERS = (
        "session.end_others",
        "A user ended all of their sessions except the current one.",
    )
    SESSION_REFRESH_REUSED = (
        "session.refresh_reused",
        "A refresh token was used a second time, which ended its session.",
    )
    SESSION_REQUEST_UNLOCK = (
        "session.request_unlock",
        "An email that unlocks sign-in after failed attempts was requested.",
    )
    SESSION_SIGN_IN = "session.sign_in", "A user signed in."
    SESSION_SIGN_IN_FAILED = (
        "session.sign_in_failed",
        "A sign-in failed for the given `reason`. The object is the user, when known.",
    )
    SESSION_SIGN_OUT = "session.sign_out", "A user signed out."
    SESSION_STEP_UP = "session.step_up", "A signed-in user confirmed their identity again."
    SESSION_STEP_UP_FAILED = (
        "session.step_up_failed",
        "A signed-in user entered a wrong password or code when asked to confirm their identity.",
    )
    SESSION_SWITCH_ACCOUNT = (
        "session.switch_account",
        "A user switched to another of their companies, in a new session.",
    )
    TOTP_CONFIRM = (
        "totp.confirm",
        "A user confirmed an authenticator app, which ended their other sessions.",
    )
    TOTP_SET_UP = "totp.set_up", "A user requested the secret for an authenticator app."
