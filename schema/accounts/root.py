"""The accounts domain's part of the roots."""

import strawberry

from auth.rules import agent, anyone, customer, has_scope, manager, operator, owner, signed_in
from models.accounts.audit_actions import AccountsAuditAction
from models.identity.audit_actions import IdentityAuditAction
from resolvers.accounts import accounts as account_resolvers
from resolvers.accounts import customers as customer_resolvers
from resolvers.accounts import details as detail_resolvers
from resolvers.accounts import invitations as invitation_resolvers
from resolvers.accounts import legal_names as legal_name_resolvers
from resolvers.accounts import lifecycle as lifecycle_resolvers
from resolvers.accounts import members as member_resolvers
from resolvers.accounts import registration as registration_resolvers
from resolvers.accounts import staff as staff_resolvers
from schema.accounts.accounts import (
    Account,
    AccountPayload,
    AccountRequestReactivationPayload,
    AccountSignUpPayload,
    AccountTransferOwnershipPayload,
)
from schema.accounts.invitations import InvitationAcceptPayload, InvitationPayload
from schema.accounts.legal_names import LegalNameChange, LegalNameChangePayload
from schema.accounts.members import AccountLeavePayload, MemberPayload, MemberRemovePayload
from schema.accounts.service_accounts import ServiceAccountMutation, ServiceAccountQuery
from schema.accounts.staff import StaffDismissPayload, StaffPayload
from schema.accounts.user_security import UserEndSessionsPayload, UserResetSecondFactorPayload
from schema.fields import Unaudited, mutation, query
from schema.identity.users import User
from schema.nodes import Connection
from schema.support.tickets import TicketPayload

_OWN_RECORD = Unaudited("A ticket and what is said in it tell by themselves who did it, and when.")


@strawberry.type
class AccountsQuery(ServiceAccountQuery):
    account: Account | None = query(
        account_resolvers.account,
        allow=customer | agent | has_scope(),
        description="The company with the given ID. Null when it doesn't exist or the viewer can't "
        "see it.",
    )
    staff: Connection[User] | None = query(
        staff_resolvers.members,
        allow=operator,
        description="The vendor's staff, in the order in which they were hired.",
    )
    users: Connection[User] | None = query(
        customer_resolvers.customers,
        allow=agent | operator,
        cost=200,
        description="The customers that match a search, most recently created first.",
    )
    legal_name_changes: Connection[LegalNameChange] | None = query(
        legal_name_resolvers.legal_name_changes,
        allow=agent,
        description="The changes of legal name of all companies, longest waiting first. Filter by "
        "IN_REVIEW to get the changes that need a decision.",
    )


@strawberry.type
class AccountsMutation(ServiceAccountMutation):
    account_sign_up: AccountSignUpPayload | None = mutation(
        registration_resolvers.sign_up,
        "accepted",
        allow=anyone,
        audit=AccountsAuditAction.ACCOUNT_SIGN_UP,
        description="Signs up a company and sends a verification email to its first user.",
    )
    invitation_send: InvitationPayload | None = mutation(
        invitation_resolvers.send_invitation,
        "invitation",
        allow=manager,
        audit=AccountsAuditAction.INVITATION_SEND,
        description="Invites a person to the company by email.",
    )
    invitation_resend: InvitationPayload | None = mutation(
        invitation_resolvers.resend_invitation,
        "invitation",
        allow=manager,
        audit=AccountsAuditAction.INVITATION_RESEND,
        description="Sends an invitation email again. The token of the previous email no longer "
        "works.",
    )
    invitation_revoke: InvitationPayload | None = mutation(
        invitation_resolvers.revoke_invitation,
        "invitation",
        allow=manager,
        audit=AccountsAuditAction.INVITATION_REVOKE,
        description="Revokes an invitation. Repeating the request changes nothing.",
    )
    invitation_accept: InvitationAcceptPayload | None = mutation(
        invitation_resolvers.accept_invitation,
        "company",
        allow=anyone,
        audit=AccountsAuditAction.INVITATION_ACCEPT,
        description="Joins a company with the token from an invitation email: as the signed-in "
        "user with the invited address, or as a new user with a name and a password. The address "
        "counts as verified, because the email reached it.",
    )
    member_change_role: MemberPayload | None = mutation(
        member_resolvers.change_role,
        "member",
        allow=manager,
        audit=AccountsAuditAction.MEMBER_CHANGE_ROLE,
        description="Changes a member's role. Administrators can't appoint, change or remove "
        "owners, and the last owner can't be changed. Changing who is an owner requires a "
        "recent `sessionStepUp`, and all owners are notified by email.",
    )
    member_remove: MemberRemovePayload | None = mutation(
        member_resolvers.remove,
        "removed",
        allow=manager,
        audit=AccountsAuditAction.MEMBER_REMOVE,
        description="Removes a member from the company. Their sessions for the company end, and "
        "its WebSocket connections close. Removing an owner requires a recent `sessionStepUp`.",
    )
    account_leave: AccountLeavePayload | None = mutation(
        member_resolvers.leave,
        "left",
        allow=customer,
        audit=AccountsAuditAction.ACCOUNT_LEAVE,
        description="Leaves the company. The last owner can't leave. Owners need a recent "
        "`sessionStepUp`.",
    )
    account_transfer_ownership: AccountTransferOwnershipPayload | None = mutation(
        member_resolvers.transfer_ownership,
        "account",
        allow=owner,
        audit=AccountsAuditAction.ACCOUNT_TRANSFER_OWNERSHIP,
        description="Transfers the viewer's ownership to another member. The viewer becomes an "
        "administrator, and all owners are notified by email. Requires a recent `sessionStepUp`.",
    )
    account_change_trade_name: AccountPayload | None = mutation(
        detail_resolvers.change_trade_name,
        "account",
        allow=manager,
        audit=AccountsAuditAction.ACCOUNT_CHANGE_TRADE_NAME,
        description="Sets the trade name of the company. To change the legal name, use "
        "`accountRequestLegalName`.",
    )
    account_change_address: AccountPayload | None = mutation(
        detail_resolvers.change_address,
        "account",
        allow=manager,
        audit=AccountsAuditAction.ACCOUNT_CHANGE_ADDRESS,
        description="Sets the address of the company. New purchases use it as the default billing "
        "address; issued invoices never change.",
    )
    account_change_identifiers: AccountPayload | None = mutation(
        detail_resolvers.change_identifiers,
        "account",
        allow=manager,
        audit=AccountsAuditAction.ACCOUNT_CHANGE_IDENTIFIERS,
        description="Sets the company's SIRET and VAT number. The SIREN can't change: a company "
        "with another SIREN needs its own account.",
    )
    account_request_legal_name: LegalNameChangePayload | None = mutation(
        legal_name_resolvers.request_legal_name,
        "change",
        allow=manager,
        audit=AccountsAuditAction.ACCOUNT_REQUEST_LEGAL_NAME,
        description="Requests a change of the company's legal name. It takes effect at once if the "
        "name is registered for the SIREN; otherwise an agent decides based on the evidence. "
        "Invoices issued afterwards use the new name. Requires a recent `sessionStepUp`.",
    )
    legal_name_change_add_evidence: LegalNameChangePayload | None = mutation(
        legal_name_resolvers.add_evidence,
        "change",
        allow=manager,
        audit=AccountsAuditAction.LEGAL_NAME_CHANGE_ADD_EVIDENCE,
        description="Adds evidence to a change of legal name for an agent to review.",
    )
    legal_name_change_cancel: LegalNameChangePayload | None = mutation(
        legal_name_resolvers.cancel_legal_name,
        "change",
        allow=manager,
        audit=AccountsAuditAction.LEGAL_NAME_CHANGE_CANCEL,
        description="Cancels a change of legal name. Repeating the request changes nothing.",
    )
    legal_name_change_decide: LegalNameChangePayload | None = mutation(
        legal_name_resolvers.decide_legal_name,
        "change",
        allow=agent,
        audit=AccountsAuditAction.LEGAL_NAME_CHANGE_DECIDE,
        description="Accepts or rejects a change of legal name, or asks for other evidence. The "
        "company is notified by email. Requires a recent `sessionStepUp`.",
    )
    account_request_deactivation: TicketPayload | None = mutation(
        lifecycle_resolvers.request_deactivation,
        "ticket",
        allow=owner,
        audit=_OWN_RECORD,
        description="Asks support to deactivate the company's account by opening a ticket of that "
        "kind. Requires a recent `sessionStepUp`.",
    )
    account_request_deletion: TicketPayload | None = mutation(
        lifecycle_resolvers.request_deletion,
        "ticket",
        allow=signed_in,
        audit=_OWN_RECORD,
        description="Asks support to delete the company's account by opening a ticket of that "
        "kind. Requires a recent `sessionStepUp`.",
    )
    account_request_reactivation: AccountRequestReactivationPayload | None = mutation(
        lifecycle_resolvers.request_reactivation,
        "accepted",
        allow=signed_in,
        audit=_OWN_RECORD,
        description="Asks support to reactivate a company that is deactivated or scheduled for "
        "deletion. Available to its owners, even when they are signed in without a company "
        "or for another one.",
    )
    account_deactivate: AccountPayload | None = mutation(
        lifecycle_resolvers.deactivate,
        "account",
        allow=agent,
        audit=AccountsAuditAction.ACCOUNT_DEACTIVATE,
        description="Deactivates a company's account: its members are signed out, WebSocket "
        "connections are closed, and nothing is erased. The owners are told why by email. Requires "
        "a recent `sessionStepUp`.",
    )
    account_reactivate: AccountPayload | None = mutation(
        lifecycle_resolvers.reactivate,
        "account",
        allow=agent,
        audit=AccountsAuditAction.ACCOUNT_REACTIVATE,
        description="Reactivates a company's account that is deactivated or scheduled for "
        "deletion. Requires a recent `sessionStepUp`.",
    )
    account_decline_reactivation: AccountPayload | None = mutation(
        lifecycle_resolvers.decline_reactivation,
        "account",
        allow=agent,
        audit=AccountsAuditAction.ACCOUNT_DECLINE_REACTIVATION,
        description="Declines an owner's request for reactivation. The reason is sent to all "
        "owners by email, because they can't see tickets while the account is inactive.",
    )
    account_schedule_deletion: AccountPayload | None = mutation(
        lifecycle_resolvers.schedule_deletion,
        "account",
        allow=agent,
        audit=AccountsAuditAction.ACCOUNT_SCHEDULE_DELETION,
        description="Schedules the deletion of a company's account that its owner requested in a "
        "ticket. Until the grace period ends, the account is deactivated; then it is erased. "
        "Invoices are kept as long as the law requires. Requires a recent `sessionStepUp`.",
    )
    staff_hire: StaffPayload | None = mutation(
        staff_resolvers.hire,
        "user",
        allow=operator,
        audit=AccountsAuditAction.STAFF_HIRE,
        description="Hires a staff member. An email lets them choose a password, and their role "
        "takes effect once they have a second factor. Requires a recent `sessionStepUp`.",
    )
    staff_change_role: StaffPayload | None = mutation(
        staff_resolvers.change_role,
        "user",
        allow=operator,
        audit=AccountsAuditAction.STAFF_CHANGE_ROLE,
        description="Changes the role of a staff member and ends their sessions. The open "
        "tickets of someone who no longer answers customers are unassigned within seconds. "
        "Requires a recent `sessionStepUp`.",
    )
    staff_dismiss: StaffDismissPayload | None = mutation(
        staff_resolvers.dismiss,
        "dismissed",
        allow=operator,
        audit=AccountsAuditAction.STAFF_DISMISS,
        description="Dismisses a staff member, whose access ends at once. Their open tickets are "
        "unassigned within seconds. The last operator can't be dismissed. Requires a recent "
        "`sessionStepUp`.",
    )
    user_end_sessions: UserEndSessionsPayload | None = mutation(
        customer_resolvers.end_sessions,
        "ended",
        allow=operator,
        audit=IdentityAuditAction.SESSION_END_ALL,
        description="Ends all sessions of a user, closes their WebSocket connections and notifies "
        "them by email. Requires a recent `sessionStepUp`.",
    )
    member_reset_second_factor: MemberPayload | None = mutation(
        member_resolvers.reset_second_factor,
        "member",
        allow=owner,
        audit=IdentityAuditAction.SECOND_FACTOR_RESET,
        description="Turns off the second factor of a member who lost it together with their "
        "recovery codes. Their sessions end, their password stays, and they are notified by email. "
        "For owners, and for members of several companies, only support can do this. Requires a "
        "recent `sessionStepUp`.",
    )
    user_reset_second_factor: UserResetSecondFactorPayload | None = mutation(
        customer_resolvers.reset_second_factor,
        "reset",
        allow=operator,
        audit=IdentityAuditAction.SECOND_FACTOR_RESET,
        description="Turns off the second factor of another user, for example because they lost it "
        "together with their recovery codes. Their sessions end, their password stays, and they "
        "are notified by email. Requires a recent `sessionStepUp`.",
    )
