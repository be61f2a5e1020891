"""Inputs of the account mutations."""

import strawberry

from accounts.legal_names import Decision
from models.accounts.account import Role
from models.identity.user import Staff
from models.locale import Locale

_ACCEPTED = "Of the policies in force, those that somebody new has accepted; `Viewer.policies` asks for the others later."


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


_KEY = "Chosen by the client, at most 64 characters: a repeat with the same arguments returns what the first request made."


_FILES = "Files uploaded before by whoever asks, such as an extract of the register (Kbis), at most 10 in all, each used once."


@strawberry.input(description="The legal name a company wants.")
class AccountRequestLegalNameInput:
    legal_name: str = strawberry.field(description="As the legal documents have it, at most 200 characters.")
    siren: str | None = strawberry.field(
        default=None,
        description="The SIREN on those documents; another one than the account's is another legal entity, refused.",
    )
    file_ids: list[strawberry.ID] = strawberry.field(default_factory=list, description=_FILES)
    idempotency_key: str = strawberry.field(description=_KEY)


@strawberry.input(description="Evidence for a change of legal name.")
class LegalNameChangeAddEvidenceInput:
    change_id: strawberry.ID = strawberry.field(description="One of `Account.legalNameChanges` that is running.")
    file_ids: list[strawberry.ID] = strawberry.field(description=_FILES)


@strawberry.input(description="A change of legal name that is not wanted any more.")
class LegalNameChangeCancelInput:
    change_id: strawberry.ID = strawberry.field(description="One of `Account.legalNameChanges` that is running.")


@strawberry.input(description="What an agent found of a change of legal name.")
class LegalNameChangeDecideInput:
    change_id: strawberry.ID = strawberry.field(description="One of `legalNameChanges` that is running.")
    decision: Decision = strawberry.field(description="What becomes of it.")
    reason: str | None = strawberry.field(
        default=None, description="What the customer is told, at most 1,000 characters; required unless it is accepted."
    )


@strawberry.input(description="What the company wants of support for its whole account.")
class AccountRequestInput:
    message: str = strawberry.field(description="Why, for the agent: at most 8,000 characters; card numbers are masked.")
    idempotency_key: str = strawberry.field(description=_KEY)


@strawberry.input(description="What the company wants: its end.")
class AccountRequestDeletionInput:
    message: str = strawberry.field(description="Why, for the agent: at most 8,000 characters; card numbers are masked.")
    account_id: strawberry.ID | None = strawberry.field(
        default=None, description="One of `Viewer.companies`, such as one that rests; the one acted for unless told."
    )
    idempotency_key: str = strawberry.field(description=_KEY)


@strawberry.input(description="A company that stays as it is, and why.")
class AccountDeclineReactivationInput:
    account_id: strawberry.ID = strawberry.field(description="A company whose owner asked to have it back.")
    reason: str = strawberry.field(description="What the email to its owner says, at most 1,000 characters.")


@strawberry.input(description="A company to be had back.")
class AccountRequestReactivationInput:
    account_id: strawberry.ID = strawberry.field(description="One of `Viewer.companies` that is not ACTIVE.")
    message: str = strawberry.field(description="Why, for the agent: at most 8,000 characters; card numbers are masked.")
    idempotency_key: str = strawberry.field(description=_KEY)


@strawberry.input(description="A company that an agent deals with.")
class AccountDeactivateInput:
    account_id: strawberry.ID = strawberry.field(description="A company that is ACTIVE.")


@strawberry.input(description="A company that an agent brings back.")
class AccountReactivateInput:
    account_id: strawberry.ID = strawberry.field(description="A company that is DEACTIVATED or CLOSING.")


@strawberry.input(description="A company to delete, and its owner's request.")
class AccountScheduleDeletionInput:
    account_id: strawberry.ID = strawberry.field(description="A company that is ACTIVE or DEACTIVATED.")
    ticket_id: strawberry.ID = strawberry.field(description="An owner's ticket of the kind ACCOUNT_DELETION, not closed.")


@strawberry.input(description="How the company calls itself.")
class AccountChangeTradeNameInput:
    trade_name: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Any name, at most 200 characters; null for none but the legal one, as it was unless told.",
    )


@strawberry.input(description="Where the company is.")
class AccountChangeAddressInput:
    street: str = strawberry.field(description="Number and street, at most 200 characters.")
    postal_code: str = strawberry.field(description="Postal code, at most 12 characters.")
    city: str = strawberry.field(description="Town, at most 100 characters.")
    country: str = strawberry.field(default="FR", description="Country, two letters (ISO 3166-1 alpha-2).")


@strawberry.input(description="The numbers that go with the company's SIREN.")
class AccountChangeIdentifiersInput:
    siret: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The SIRET of the main establishment: 14 digits that begin with the SIREN, checked by their checksum; null "
        "for unknown, as it was unless told.",
    )
    vat_number: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The French VAT number, checked by its key; null for the one made from the SIREN, as it was unless told.",
    )


_KEY = "Chosen by the client, at most 64 characters: a repeat with the same arguments returns what the first request made."


@strawberry.input(description="A colleague who lost their second factor.")
class MemberResetSecondFactorInput:
    user_id: strawberry.ID = strawberry.field(
        description="One of the company's people, of `Account.members`, but no owner, nor anybody of another company as well."
    )


@strawberry.input(description="Somebody who lost their second factor.")
class UserResetSecondFactorInput:
    user_id: strawberry.ID = strawberry.field(description="A customer or one of the vendor's people, but not oneself.")


@strawberry.input(description="Somebody who is to work for the vendor.")
class StaffHireInput:
    email: str = strawberry.field(description="Where they read mail; nobody else may sign in with it.")
    name: str = strawberry.field(description="How colleagues and customers will know them, at most 100 characters.")
    role: Staff = strawberry.field(description="What they may do, once they have a second factor.")
    locale: Locale | None = strawberry.field(
        default=None, description="The language of the email; the request's language unless told."
    )
    idempotency_key: str = strawberry.field(description=_KEY)


@strawberry.input(description="One of the vendor's people and their new role.")
class StaffChangeRoleInput:
    user_id: strawberry.ID = strawberry.field(description="One of `staff { nodes { userId } }`.")
    role: Staff = strawberry.field(description="What they may do from now on.")


@strawberry.input(description="One of the vendor's people who leaves.")
class StaffDismissInput:
    user_id: strawberry.ID = strawberry.field(description="One of `staff { nodes { userId } }`.")


@strawberry.input(description="Somebody whose sessions are to end.")
class UserEndSessionsInput:
    user_id: strawberry.ID = strawberry.field(description="A customer or one of the vendor's people.")
