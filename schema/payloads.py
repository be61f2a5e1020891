"""What mutations return: what they made or changed, and what the user can mend."""

from datetime import datetime
from typing import Any

import strawberry

from models.errors import ErrorCode
from resolvers.tickets import tickets_of
from schema.company import LegalNameChange
from schema.fields import edge, said
from schema.policies import PolicyAcceptance
from schema.staff import StaffMember
from schema.types import (
    Account,
    Authenticator,
    File,
    Invitation,
    Membership,
    Message,
    Payment,
    Purchase,
    Ticket,
    User,
    ViewerCompany,
)


@strawberry.type(description="Something the user can mend.")
class UserError:
    code: ErrorCode = said("What to switch on; never changes.")
    message: str = said("What went wrong, in the viewer's language.")
    field: list[str] | None = said("The path to the input at fault, null when it is none in particular.")


def errors() -> Any:
    """The field every payload ends with."""
    return said("The first thing the user can mend; empty when it worked.")


@strawberry.type(description="What a new session is used with.")
class SessionTokens:
    access_token: str | None = said(
        "Goes into the header `Authorization: Bearer ...`; good for minutes. Null where it is in a cookie.",
        lambda root: root.access,
    )
    refresh_token: str | None = said(
        "Gets the next pair by `sessionRefresh`; works once. Null where it is in a cookie.", lambda root: root.refresh
    )
    access_expires_at: datetime = said("When the access token ends.")


@strawberry.type(description="The answer is the same whether or not the address was known.")
class AccountSignUpPayload:
    accepted: bool | None = said("True when an email is on its way.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether the address is confirmed.")
class EmailVerifyPayload:
    verified: bool | None = said("True when it is.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="A new session.")
class SessionSignInPayload:
    session: SessionTokens | None = said("The tokens.", lambda root: root.tokens)
    user: User | None = said("Who signed in.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The session's next tokens.")
class SessionRefreshPayload:
    session: SessionTokens | None = said("The tokens; the earlier ones no longer work.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="A session for another company.")
class SessionSwitchAccountPayload:
    session: SessionTokens | None = said("The tokens; the earlier ones no longer work, and their sockets close.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="An invitation after the change.")
class InvitationPayload:
    invitation: Invitation | None = said("The invitation as it stands.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The company that was joined.")
class InvitationAcceptPayload:
    company: ViewerCompany | None = said("Where one belongs now; act for it by `sessionSwitchAccount`, or by signing in.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="A member after the change.")
class MemberPayload:
    member: Membership | None = said("The person's place as it stands.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether the member is gone.")
class MemberRemovePayload:
    removed: bool | None = said("True when they are.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether one has left.")
class AccountLeavePayload:
    left: bool | None = said("True when one has; the session in use ended with it.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="A company with its new owner.")
class AccountTransferOwnershipPayload:
    account: Account | None = said("The company as it stands.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether the session ended.")
class SessionSignOutPayload:
    signed_out: bool | None = said("True when it did.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether the session is fresh.")
class SessionStepUpPayload:
    fresh_until: datetime | None = said("Until when delicate operations are let through.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether the session ended.")
class SessionEndPayload:
    ended: bool | None = said("True when it did, or had before.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The sessions that ended.")
class SessionEndOthersPayload:
    ended: int | None = said("How many did.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The answer is the same whether or not the address was known.")
class SessionRequestUnlockPayload:
    accepted: bool | None = said("True when an email is on its way, if the address is known.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The answer is the same whether or not the address was known.")
class PasswordRequestResetPayload:
    accepted: bool | None = said("True when an email is on its way, if the address is known.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether the new password is in force.")
class PasswordResetPayload:
    reset: bool | None = said("True when it is: sign in with it. Every session has ended.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether the new password is in force.")
class PasswordChangePayload:
    changed: bool | None = said("True when it is. Every other session has ended.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The answer is the same whether or not somebody has the address already.")
class EmailRequestChangePayload:
    accepted: bool | None = said("True when emails are on their way; nothing has changed yet.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="A confirmed change of address.")
class EmailConfirmChangePayload:
    changed: bool | None = said("True when the new address is in force, false while the other one has yet to confirm.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="New recovery codes; the earlier ones work no more.")
class RecoveryCodesRenewPayload:
    recovery_codes: list[str] | None = said("Shown this once: each works one time in place of a code.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="A company after the change.")
class AccountPayload:
    account: Account | None = said("The company as it stands.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether support was asked.")
class AccountRequestReactivationPayload:
    accepted: bool | None = said("True when it was: the answer comes by email.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="A change of legal name after what was done.")
class LegalNameChangePayload:
    change: LegalNameChange | None = said("The change as it stands.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="One of the vendor's people after the change.")
class StaffPayload:
    member: StaffMember | None = said("The person as they stand.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether somebody's work for the vendor has ended.")
class StaffDismissPayload:
    dismissed: bool | None = said("True when it has: nothing they signed in with works any more.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The sessions that ended.")
class UserEndSessionsPayload:
    ended: int | None = said("How many did.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether the authenticator is gone.")
class AuthenticatorRemovePayload:
    second_factor: bool | None = said("Whether sign-in still asks for a second factor: false once the last one is gone.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="An authenticator after the change.")
class AuthenticatorPayload:
    authenticator: Authenticator | None = said("The authenticator as it stands.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="What a browser makes a passkey by.")
class PasskeyBeginPayload:
    options: str | None = said("JSON for `PublicKeyCredential.parseCreationOptionsFromJSON`; good for five minutes, and once.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="A passkey that counts from now on.")
class PasskeyRegisterPayload:
    authenticator: Authenticator | None = said("The passkey.")
    recovery_codes: list[str] | None = said("Of the first authenticator, shown this once; null when there was one before.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="What a browser asks a passkey by. It tells nothing of anybody.")
class PasskeyChallengePayload:
    options: str | None = said("JSON for `PublicKeyCredential.parseRequestOptionsFromJSON`; good for five minutes, and once.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="A seed for an authenticator app (RFC 6238), in force once confirmed.")
class TotpSetUpPayload:
    secret: str | None = said("The seed in base 32, for typing.")
    provisioning_uri: str | None = said("The seed as an otpauth URI.")
    qr_code_svg: str | None = said("The URI as a QR code, an SVG image.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="An app that counts from now on.")
class TotpConfirmPayload:
    authenticator: Authenticator | None = said("The app.")
    recovery_codes: list[str] | None = said(
        "Of the first authenticator, shown this once: each works one time in place of a code. Null when there was one before."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="A purchase and how far it is.")
class PurchasePayload:
    purchase: Purchase | None = said("The purchase.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="A purchase and the attempt to pay it.")
class PaymentPayload:
    purchase: Purchase | None = said("The purchase as it stands.")
    payment: Payment | None = said("The attempt, a declined one included.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="A ticket after the change.")
class TicketPayload:
    ticket: Ticket | None = said("The ticket as it stands.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="A stored message.")
class TicketReplyPayload:
    message: Message | None = said("The message, with its sequence.")
    ticket: Ticket | None = edge(
        tickets_of, description="The ticket it is in: a follow-up, when the one replied to was closed."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether the others were told.")
class TicketTypingPayload:
    told: bool | None = said("True when they were.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="What the viewer accepted.")
class PolicyAcceptPayload:
    acceptance: PolicyAcceptance | None = said("That they did, as it is kept.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Where to send a file's bytes.")
class FileAnnouncePayload:
    file: File | None = said("The file, to be attached once it is uploaded.")
    upload_url: str | None = said("PUT the bytes here within five minutes.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The demonstration's time.")
class ClockAdvancePayload:
    now: datetime | None = said("What the clock says after the move.")
    user_errors: list[UserError] = errors()
