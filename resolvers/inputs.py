"""What mutations take: the only Strawberry types below schema/, because resolvers' signatures name them."""

import strawberry

from auth.cookies import TokenDelivery
from models.account import Role
from models.locale import Locale
from models.ticket import Category, Channel, TicketStatus

_COMPANY = "The company to act for, of `Viewer.companies`; the one joined first unless told."
_DELIVER = "Where the tokens go: in this answer, or in cookies, for pages in a browser."
_ANSWER = "A passkey's answer to `passkeyChallenge`: the `toJSON()` of what the browser got, as text."
_ACCEPTED = "Of the policies in force, those that somebody new has accepted; `Viewer.policies` asks for the others later."
_NAME = "By which the person knows it, at most 60 characters."
_KEY = "Chosen by the client, at most 64 characters: a repeat with the same arguments returns what the first request made."


@strawberry.input(description="A company and its first person, who becomes its owner.")
class AccountSignUpInput:
    email: str = strawberry.field(description="Where the person reads mail; a verification email goes there.")
    password: str = strawberry.field(description="12 to 128 characters that are hard to guess; no other rules.")
    name: str = strawberry.field(description="The person's name, as colleagues and agents see it.")
    legal_name: str = strawberry.field(description="The company's name as registered; printed on invoices.")
    siren: str = strawberry.field(
        description="The company's SIREN: nine digits, checked by their checksum. Two accounts of one company are not merged."
    )
    locale: Locale | None = strawberry.field(
        default=None, description="The language of emails; the request's language unless told."
    )
    accepted_policy_ids: list[strawberry.ID] | None = strawberry.field(default=None, description=_ACCEPTED)


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


@strawberry.input(description="Whom to invite into the company, and as what.")
class InvitationSendInput:
    email: str = strawberry.field(description="Where they read mail. The answer never tells whether CAMCHA knows the address.")
    role: Role = strawberry.field(description="What they may do once they join; any role but OWNER, which is transferred.")
    locale: Locale | None = strawberry.field(
        default=None, description="The language of the email; the request's language unless told."
    )
    idempotency_key: str = strawberry.field(description=_KEY)


@strawberry.input(description="An open invitation, whose email may have expired.")
class InvitationResendInput:
    invitation_id: strawberry.ID = strawberry.field(description="One of `Account.invitations`.")
    idempotency_key: str = strawberry.field(
        description="Chosen by the client, at most 64 characters: a repeat sends no other email."
    )


@strawberry.input(description="An invitation that nobody took yet.")
class InvitationRevokeInput:
    invitation_id: strawberry.ID = strawberry.field(description="One of `Account.invitations`.")


@strawberry.input(description="The token of an invitation's email, and who somebody new is.")
class InvitationAcceptInput:
    token: str = strawberry.field(description="What the latest email's link carries; good for seven days, and once.")
    name: str | None = strawberry.field(
        default=None, description="Of somebody who isn't signed in: their name, as colleagues and agents see it."
    )
    password: str | None = strawberry.field(
        default=None, description="Of somebody who isn't signed in: 12 to 128 characters that are hard to guess."
    )
    accepted_policy_ids: list[strawberry.ID] | None = strawberry.field(default=None, description=_ACCEPTED)


@strawberry.input(description="A member of the company and their new role.")
class MemberChangeRoleInput:
    user_id: strawberry.ID = strawberry.field(description="One of the company's people, of `Account.members`.")
    role: Role = strawberry.field(description="What they may do from now on; only owners make owners.")


@strawberry.input(description="A member to take out of the company.")
class MemberRemoveInput:
    user_id: strawberry.ID = strawberry.field(description="One of the company's people, of `Account.members`.")


@strawberry.input(description="Who owns the company from now on.")
class AccountTransferOwnershipInput:
    user_id: strawberry.ID = strawberry.field(description="One of the company's people, of `Account.members`.")


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


@strawberry.input(description="What to buy.")
class PurchaseDraftInput:
    price_id: strawberry.ID = strawberry.field(description="A price on sale, from `Offer.prices`.")
    idempotency_key: str = strawberry.field(description=_KEY)


@strawberry.input(description="Whom and where to bill.")
class PurchaseConfirmBillingInput:
    purchase_id: strawberry.ID = strawberry.field(description="A purchase that is not paid yet.")
    street: str = strawberry.field(description="Number and street.")
    postal_code: str = strawberry.field(description="Postal code, at most 12 characters.")
    city: str = strawberry.field(description="Town, at most 100 characters.")
    country: str = strawberry.field(default="FR", description="Country, two letters (ISO 3166-1 alpha-2).")
    order_number: str | None = strawberry.field(
        default=None, description="The buyer's own order number, repeated on the invoice."
    )


@strawberry.input(description="How to pay.")
class PurchasePayInput:
    purchase_id: strawberry.ID = strawberry.field(description="A purchase whose billing details are confirmed.")
    payment_method: str = strawberry.field(
        description="The payment provider's token of a means of payment, never a card number. In the sandbox: "
        "`pm_sandbox_success`, `pm_sandbox_declined` or `pm_sandbox_confirmation`."
    )
    idempotency_key: str = strawberry.field(description=_KEY)


@strawberry.input(description="A payment to look at again.")
class PaymentRefreshInput:
    payment_id: strawberry.ID = strawberry.field(description="A payment that waits for the bank.")


@strawberry.input(description="A request for help and its first message.")
class TicketOpenInput:
    subject: str = strawberry.field(description="In a few words, at most 200 characters.")
    body: str = strawberry.field(description="The first message, at most 8,000 characters; card numbers are masked.")
    channel: Channel = strawberry.field(
        default=Channel.WEB, description="CHAT for a live chat, WEB for a request answered later; no other by this way."
    )
    category: Category = strawberry.field(default=Category.USAGE, description="What it is about.")
    idempotency_key: str = strawberry.field(description=_KEY)


@strawberry.input(description="A ticket to take on.")
class TicketClaimInput:
    ticket_id: strawberry.ID = strawberry.field(description="A ticket nobody else has taken.")


@strawberry.input(description="A message in a ticket.")
class TicketReplyInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ticket; a reply to a closed one starts a linked follow-up.")
    body: str = strawberry.field(description="At most 8,000 characters; card numbers are masked.")
    client_message_id: str = strawberry.field(
        description="Chosen by the client, at most 64 characters, unique in the ticket: a repeat returns the first message."
    )
    file_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Files uploaded before, at most 10, each attached once."
    )


@strawberry.input(description="A ticket and the state it moves to.")
class TicketMoveInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ticket's global id.")
    status: TicketStatus = strawberry.field(description="A state that is legal from the present one.")


@strawberry.input(description="A ticket to close.")
class TicketCloseInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ticket; it stays readable, a later reply starts a follow-up.")


@strawberry.input(description="Whether the person is typing. Told to the others, never stored.")
class TicketTypingInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ticket's global id.")
    typing: bool = strawberry.field(default=True, description="True while typing; forgotten by itself after some seconds.")


@strawberry.input(description="A file that the client is about to upload.")
class FileAnnounceInput:
    name: str = strawberry.field(description="The file's name with its extension, at most 200 characters.")
    content_type: str = strawberry.field(description="Its media type, such as image/png.")
    size: int = strawberry.field(description="Its size in bytes, at most 10 MiB.")


@strawberry.input(description="How far to move the demonstration's clock.")
class ClockAdvanceInput:
    seconds: int = strawberry.field(description="Forward by this much, at most 366 days; it never goes back.")
