"""Inputs of the identity mutations."""

import strawberry

from auth.cookies import TokenDelivery

_COMPANY = "The company to act for, of `Viewer.companies`; the one joined first unless told."


_DELIVER = "Where the tokens go: in this answer, or in cookies, for pages in a browser."


_ANSWER = "A passkey's answer to `passkeyChallenge`: the `toJSON()` of what the browser got, as text."


_NAME = "By which the person knows it, at most 60 characters."


@strawberry.input(description="The token of a verification email.")
class EmailVerifyInput:
    token: str = strawberry.field(description="What the email's link carries; good for 24 hours.")


@strawberry.input(description="How a person proves who they are.")
class SessionSignInInput:
    email: str = strawberry.field(description="The verified address.")
    password: str = strawberry.field(description="The person's password.")
    code: str | None = strawberry.field(
        default=None, description="The authenticator's six digits, or a recovery code, once the second factor is on."
    )
    passkey: str | None = strawberry.field(
        default=None, description="In place of the code: a passkey's answer to `passkeyChallenge`, its `toJSON()` as text."
    )
    unlock_token: str | None = strawberry.field(
        default=None, description="Of the email that `sessionRequestUnlock` sends: guesses of others then make nobody wait."
    )
    account_id: strawberry.ID | None = strawberry.field(default=None, description=_COMPANY)
    deliver: TokenDelivery = strawberry.field(default=TokenDelivery.BODY, description=_DELIVER)


@strawberry.input(description="A passkey's answer: it stands for password and second factor.")
class SessionSignInWithPasskeyInput:
    passkey: str = strawberry.field(description=_ANSWER)
    account_id: strawberry.ID | None = strawberry.field(default=None, description=_COMPANY)
    deliver: TokenDelivery = strawberry.field(default=TokenDelivery.BODY, description=_DELIVER)


@strawberry.input(description="A company to act for from now on.")
class SessionSwitchAccountInput:
    account_id: strawberry.ID = strawberry.field(description="One of `Viewer.companies`.")


@strawberry.input(description="The refresh token of a session.")
class SessionRefreshInput:
    refresh_token: str | None = strawberry.field(
        default=None,
        description="The latest one; each works once, a second use ends the session. Where the tokens are in cookies, none: "
        "the next ones go there as well, and of several tabs of a browser that ask at once all may go on.",
    )


@strawberry.input(description="Fresh proof of who is signed in.")
class SessionStepUpInput:
    password: str | None = strawberry.field(default=None, description="The person's password; a passkey stands for it.")
    code: str | None = strawberry.field(
        default=None, description="The authenticator's six digits, or a recovery code, once the second factor is on."
    )
    passkey: str | None = strawberry.field(default=None, description=_ANSWER)


@strawberry.input(description="A passkey that the person's device has made.")
class PasskeyRegisterInput:
    passkey: str = strawberry.field(
        description="Its answer to the options of `passkeyBegin`: the `toJSON()` of what the browser made, as text."
    )
    name: str | None = strawberry.field(default=None, description=_NAME)


@strawberry.input(description="An authenticator and its new name.")
class AuthenticatorRenameInput:
    authenticator_id: strawberry.ID = strawberry.field(description="One of `viewer { authenticators { id } }`.")
    name: str = strawberry.field(description="By which the person knows it, at most 60 characters.")


@strawberry.input(description="An authenticator to take away.")
class AuthenticatorRemoveInput:
    authenticator_id: strawberry.ID = strawberry.field(description="One of `viewer { authenticators { id } }`.")


@strawberry.input(description="A sign-in to end.")
class SessionEndInput:
    session_id: strawberry.ID = strawberry.field(description="One of `viewer { sessions { id } }`.")


@strawberry.input(description="Who has to wait for what others tried.")
class SessionRequestUnlockInput:
    email: str = strawberry.field(description="The person's address; an email goes there if it is known.")


@strawberry.input(description="Whose password was forgotten.")
class PasswordRequestResetInput:
    email: str = strawberry.field(description="The person's address; an email goes there if it is known.")


@strawberry.input(description="A new password in place of a forgotten one.")
class PasswordResetInput:
    token: str = strawberry.field(description="What the email's link carries; good for 30 minutes and one use.")
    password: str = strawberry.field(description="12 to 128 characters that are hard to guess; no other rules.")
    code: str | None = strawberry.field(
        default=None, description="The authenticator's six digits, or a recovery code, if the second factor is on."
    )


@strawberry.input(description="A new password in place of the current one.")
class PasswordChangeInput:
    current_password: str = strawberry.field(description="The one in force.")
    new_password: str = strawberry.field(description="12 to 128 characters that are hard to guess; no other rules.")


@strawberry.input(description="The address to move to.")
class EmailRequestChangeInput:
    email: str = strawberry.field(description="Where the person reads mail from now on; an email goes there.")


@strawberry.input(description="The token of an email about a change of address.")
class EmailConfirmChangeInput:
    token: str = strawberry.field(description="What the email's link carries; good for 24 hours and one use.")


@strawberry.input(description="A new authenticator; the password is asked for again.")
class TotpSetUpInput:
    password: str = strawberry.field(description="The person's password.")
    name: str | None = strawberry.field(default=None, description=_NAME)


@strawberry.input(description="Proof that the authenticator works.")
class TotpConfirmInput:
    code: str = strawberry.field(description="The six digits that the authenticator shows now.")
