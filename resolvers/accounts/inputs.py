"""Inputs of the account mutations."""

import strawberry

from accounts.legal_names import LegalNameDecision
from models.accounts.account import Organization, Role
from models.accounts.intervention import InterventionReason
from models.identity.user import Staff
from models.locale import Locale
from resolvers.addresses import PostalAddressInput
from resolvers.arguments import IDEMPOTENCY_KEY

_ACCEPTED_POLICIES_DESCRIPTION = (
    "The IDs of the policies in force that the new user has accepted. `Viewer.policies` lists the "
    "remaining ones."
)
_MESSAGE_DESCRIPTION = (
    "The reason, for the agent (at most 8,000 characters). Card numbers are masked."
)
_MEMBER_DESCRIPTION = "The ID of one of the company's members (`Account.members`)."
_INVITATION_DESCRIPTION = "The ID of a pending invitation (`Account.invitations`)."
_CHANGE_DESCRIPTION = "The ID of a change in progress (`Account.legalNameChanges`)."


@strawberry.input(description="The company to sign up and its first user, who becomes its owner.")
class AccountSignUpInput:
    email: str = strawberry.field(
        description="The user's email address. A verification email is sent to it."
    )
    password: str = strawberry.field(
        description=(
            "A password of 12 to 128 characters that is hard to guess. There are no other "
            "requirements."
        )
    )
    name: str = strawberry.field(description="The user's name as colleagues and agents see it.")
    legal_name: str = strawberry.field(
        description="The registered name of the company, printed on invoices."
    )
    siren: str | None = strawberry.field(
        default=None,
        description="The SIREN of the company: nine digits whose check digit is verified. Required "
        "for companies in France and its overseas departments. Two accounts with the same SIREN "
        "are not merged.",
    )
    country: str = strawberry.field(
        default="FR",
        description="The country in which the company is registered: two letters (ISO 3166-1 "
        "alpha-2), such as BE for Belgium, MC for Monaco or RE for Réunion.",
    )
    organization: Organization = strawberry.field(
        default=Organization.COMPANY,
        description="What kind of legal entity signs up, which determines the numbers that "
        "identify it.",
    )
    registration_number: str | None = strawberry.field(
        default=None,
        description="The number in the register of the company's country, required for companies "
        "outside of France without a SIREN (at most 50 characters). For an association in France, "
        "its number in the register of associations (RNA), if it has one.",
    )
    vat_number: str | None = strawberry.field(
        default=None,
        description="The VAT number, with its country, such as BE0697449992. Its check digits are "
        "verified now, and the tax authorities are asked afterwards "
        "(`Account.vatNumberCheck`).",
    )
    locale: Locale | None = strawberry.field(
        default=None, description="The language of emails. Defaults to the language of the request."
    )
    accepted_policy_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description=_ACCEPTED_POLICIES_DESCRIPTION
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)


@strawberry.input(description="The person to invite and their role.")
class InvitationSendInput:
    email: str = strawberry.field(
        description="The email address of the person. The response never reveals whether the "
        "address is known."
    )
    role: Role = strawberry.field(
        description="The role of the person. Any role except OWNER, which has to be transferred."
    )
    locale: Locale | None = strawberry.field(
        default=None,
        description="The language of the email. Defaults to the language of the request.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The invitation to send again.")
class InvitationResendInput:
    invitation_id: strawberry.ID = strawberry.field(description=_INVITATION_DESCRIPTION)
    idempotency_key: str = strawberry.field(
        description="A key chosen by the client (at most 64 characters). Repeating the request "
        "with the same key doesn't send a second email."
    )


@strawberry.input(description="The invitation to revoke.")
class InvitationRevokeInput:
    invitation_id: strawberry.ID = strawberry.field(description=_INVITATION_DESCRIPTION)


@strawberry.input(description="The token from an invitation email, and the details of a new user.")
class InvitationAcceptInput:
    token: str = strawberry.field(
        description="The token from the most recent email's link. Valid for seven days and one use."
    )
    name: str | None = strawberry.field(
        default=None,
        description="The name of a new user, as colleagues and agents will see it. Required unless "
        "the viewer is signed in.",
    )
    password: str | None = strawberry.field(
        default=None,
        description="The password of a new user: 12 to 128 characters that are hard to guess. "
        "Required unless the viewer is signed in.",
    )
    accepted_policy_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description=_ACCEPTED_POLICIES_DESCRIPTION
    )


@strawberry.input(description="The member and their new role.")
class MemberChangeRoleInput:
    user_id: strawberry.ID = strawberry.field(description=_MEMBER_DESCRIPTION)
    role: Role = strawberry.field(
        description="The new role. Only owners can make another member an owner."
    )


@strawberry.input(description="The member to remove from the company.")
class MemberRemoveInput:
    user_id: strawberry.ID = strawberry.field(description=_MEMBER_DESCRIPTION)


@strawberry.input(description="The new owner of the company.")
class AccountTransferOwnershipInput:
    user_id: strawberry.ID = strawberry.field(description=_MEMBER_DESCRIPTION)


_FILES_DESCRIPTION = (
    "The IDs of uploaded files that prove the name, such as an extract from the company register "
    "(Kbis). At most 10 in total; each file can be used once."
)


@strawberry.input(description="The legal name to change to.")
class AccountRequestLegalNameInput:
    legal_name: str = strawberry.field(
        description="The legal name as it appears in the company's legal documents (at most 200 "
        "characters)."
    )
    siren: str | None = strawberry.field(
        default=None,
        description="The SIREN on those documents. A different SIREN is a different legal entity, "
        "which is refused.",
    )
    file_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description=_FILES_DESCRIPTION
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="Evidence to add to a change of legal name.")
class LegalNameChangeAddEvidenceInput:
    change_id: strawberry.ID = strawberry.field(description=_CHANGE_DESCRIPTION)
    file_ids: list[strawberry.ID] = strawberry.field(description=_FILES_DESCRIPTION)


@strawberry.input(description="The change of legal name to cancel.")
class LegalNameChangeCancelInput:
    change_id: strawberry.ID = strawberry.field(description=_CHANGE_DESCRIPTION)


@strawberry.input(description="An agent's decision on a change of legal name.")
class LegalNameChangeDecideInput:
    change_id: strawberry.ID = strawberry.field(
        description="The ID of a change in progress (`legalNameChanges`)."
    )
    decision: LegalNameDecision = strawberry.field(description="The decision.")
    reason: str | None = strawberry.field(
        default=None,
        description="The explanation for the customer (at most 1,000 characters). Required unless "
        "the change is accepted.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="A request to support that concerns the whole account.")
class AccountRequestInput:
    message: str = strawberry.field(description=_MESSAGE_DESCRIPTION)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The company to delete.")
class AccountRequestDeletionInput:
    message: str = strawberry.field(description=_MESSAGE_DESCRIPTION)
    account_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The ID of one of `Viewer.companies`, for example a deactivated one. Defaults "
        "to the current company.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The company whose reactivation is declined, and the reason.")
class AccountDeclineReactivationInput:
    account_id: strawberry.ID = strawberry.field(
        description="The ID of a company whose owner requested reactivation."
    )
    reason: str = strawberry.field(
        description="The reason, quoted in the email to the owners (at most 1,000 characters)."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The company to reactivate.")
class AccountRequestReactivationInput:
    account_id: strawberry.ID = strawberry.field(
        description="The ID of one of `Viewer.companies` whose status is not ACTIVE."
    )
    message: str = strawberry.field(description=_MESSAGE_DESCRIPTION)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The company to deactivate, and why.")
class AccountDeactivateInput:
    account_id: strawberry.ID = strawberry.field(
        description="The ID of a company whose status is ACTIVE."
    )
    reason: InterventionReason = strawberry.field(
        description="The reason, stated in the email to the owners and recorded in the audit log. "
        "REQUESTED requires an owner's open ticket of kind ACCOUNT_DEACTIVATION."
    )
    message: str = strawberry.field(
        description="The explanation, quoted in the email to the owners (at most 1,000 characters)."
    )


@strawberry.input(description="The company to reactivate.")
class AccountReactivateInput:
    account_id: strawberry.ID = strawberry.field(
        description="The ID of a company whose status is DEACTIVATED or CLOSING."
    )


@strawberry.input(description="The company to delete, and the owner's request.")
class AccountScheduleDeletionInput:
    account_id: strawberry.ID = strawberry.field(
        description="The ID of a company whose status is ACTIVE or DEACTIVATED."
    )
    ticket_id: strawberry.ID = strawberry.field(
        description="The ID of an owner's open ticket of kind ACCOUNT_DELETION."
    )


@strawberry.input(description="The new trade name of the company.")
class AccountChangeTradeNameInput:
    trade_name: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The trade name (at most 200 characters). Omit it to keep the current one; "
        "null removes it.",
    )


@strawberry.input(description="The new address of the company.")
class AccountChangeAddressInput:
    address: PostalAddressInput = strawberry.field(description="The company's new address.")


@strawberry.input(description="The identifiers of the company other than its SIREN.")
class AccountChangeIdentifiersInput:
    siret: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The SIRET of the main establishment: 14 digits that start with the SIREN. The "
        "check digit is verified. Omit it to keep the current value; null removes it.",
    )
    vat_number: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The VAT number, with its country, which is the company's. Its check digits "
        "are verified, and the tax authorities are asked (`Account.vatNumberCheck`). Omit it to "
        "keep the current value; null removes it.",
    )


@strawberry.input(description="The member whose second factor to reset.")
class MemberResetSecondFactorInput:
    user_id: strawberry.ID = strawberry.field(
        description="The ID of a member (`Account.members`) who isn't an owner and doesn't belong "
        "to another company."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The user whose second factor to reset.")
class UserResetSecondFactorInput:
    user_id: strawberry.ID = strawberry.field(
        description="The ID of a customer or of another member of the vendor's staff."
    )
    reason: InterventionReason = strawberry.field(
        description="The reason, stated in the email to the user and recorded in the audit log."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The person to hire.")
class StaffHireInput:
    email: str = strawberry.field(
        description="The email address of the person. It must not belong to an existing user."
    )
    name: str = strawberry.field(
        description="The person's name as colleagues and customers will see it (at most 100 "
        "characters)."
    )
    role: Staff = strawberry.field(
        description="The role of the person, which takes effect once they have a second factor."
    )
    locale: Locale | None = strawberry.field(
        default=None,
        description="The language of the email. Defaults to the language of the request.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The staff member and their new role.")
class StaffChangeRoleInput:
    user_id: strawberry.ID = strawberry.field(
        description="The ID of a staff member (`staff { nodes { id } }`)."
    )
    role: Staff = strawberry.field(description="The new role.")


@strawberry.input(description="The staff member to dismiss.")
class StaffDismissInput:
    user_id: strawberry.ID = strawberry.field(
        description="The ID of a staff member (`staff { nodes { id } }`)."
    )


@strawberry.input(description="The user whose sessions to end.")
class UserEndSessionsInput:
    user_id: strawberry.ID = strawberry.field(
        description="The ID of a customer or of a member of the vendor's staff."
    )
    reason: InterventionReason = strawberry.field(
        description="The reason, stated in the email to the user and recorded in the audit log."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)
