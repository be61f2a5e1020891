"""The accounts domain's part of the roots."""

import strawberry

from auth.rules import agent, anyone, customer, manager, operator, owner, signed_in
from models.accounts.audit_actions import AccountsAuditAction
from models.identity.audit_actions import IdentityAuditAction
from resolvers.accounts import customers as customer_resolvers
from resolvers.accounts import details as detail_resolvers
from resolvers.accounts import invitations as invitation_resolvers
from resolvers.accounts import legal_names as legal_name_resolvers
from resolvers.accounts import lifecycle as lifecycle_resolvers
from resolvers.accounts import members as member_resolvers
from resolvers.accounts import registration as registration_resolvers
from resolvers.accounts import staff as staff_resolvers
from schema.accounts.accounts import (
    AccountPayload,
    AccountRequestReactivationPayload,
    AccountSignUpPayload,
    AccountTransferOwnershipPayload,
)
from schema.accounts.customers import Customer, UserEndSessionsPayload, UserResetSecondFactorPayload
from schema.accounts.invitations import InvitationAcceptPayload, InvitationPayload
from schema.accounts.legal_names import LegalNameChange, LegalNameChangePayload
from schema.accounts.members import AccountLeavePayload, MemberPayload, MemberRemovePayload
from schema.accounts.staff import StaffDismissPayload, StaffMember, StaffPayload
from schema.fields import Unaudited, mutation, query
from schema.nodes import Connection
from schema.support.tickets import TicketPayload

_OWN_RECORD = Unaudited("A ticket and what is said in it tell by themselves who did it, and when.")


@strawberry.type
class AccountsQuery:
    staff: Connection[StaffMember] = query(
        staff_resolvers.members, allow=operator, description="The vendor's people, the one hired first at first."
    )
    users: Connection[Customer] = query(
        customer_resolvers.customers, allow=agent | operator, cost=200,
        description="Customers found by parts of what is known of them, who came last at first.",
    )  # fmt: skip
    legal_name_changes: Connection[LegalNameChange] = query(
        legal_name_resolvers.legal_name_changes, allow=agent,
        description="Changes of legal name of every company, the one that waits longest first: IN_REVIEW is the agents' list.",
    )  # fmt: skip


@strawberry.type
class AccountsMutation:
    account_sign_up: AccountSignUpPayload = mutation(
        registration_resolvers.sign_up,
        "accepted",
        allow=anyone,
        audit=AccountsAuditAction.ACCOUNT_SIGN_UP,
        description="Sign a company up; a verification email follows.",
    )
    invitation_send: InvitationPayload = mutation(
        invitation_resolvers.send_invitation,
        "invitation",
        allow=manager,
        audit=AccountsAuditAction.INVITATION_SEND,
        description="Invite an address into the company, by email.",
    )
    invitation_resend: InvitationPayload = mutation(
        invitation_resolvers.resend_invitation, "invitation", allow=manager,
        audit=AccountsAuditAction.INVITATION_RESEND,
        description="Send an invitation's email again; the earlier one's token stops working.",
    )  # fmt: skip
    invitation_revoke: InvitationPayload = mutation(
        invitation_resolvers.revoke_invitation,
        "invitation",
        allow=manager,
        audit=AccountsAuditAction.INVITATION_REVOKE,
        description="Take an invitation back. A repeat changes nothing.",
    )
    invitation_accept: InvitationAcceptPayload = mutation(
        invitation_resolvers.accept_invitation, "company", allow=anyone,
        audit=AccountsAuditAction.INVITATION_ACCEPT,
        description="Join a company by the email's token: signed in as the invited address, or as somebody new, with a name "
        "and a password. The address counts as verified, for the email reached it.",
    )  # fmt: skip
    member_change_role: MemberPayload = mutation(
        member_resolvers.change_role, "member", allow=manager,
        audit=AccountsAuditAction.MEMBER_CHANGE_ROLE,
        description="Give a member another role; administrators neither make nor change owners, one owner always stays."
        " Making or unmaking an owner wants `sessionStepUp`, and every owner is told by email.",
    )  # fmt: skip
    member_remove: MemberRemovePayload = mutation(
        member_resolvers.remove, "removed", allow=manager,
        audit=AccountsAuditAction.MEMBER_REMOVE,
        description="Take a member out of the company; their sessions for it end, sockets included. An owner's going wants"
        " `sessionStepUp`.",
    )  # fmt: skip
    account_leave: AccountLeavePayload = mutation(
        member_resolvers.leave,
        "left",
        allow=customer,
        audit=AccountsAuditAction.ACCOUNT_LEAVE,
        description="Leave the company, unless one is its last owner. Owners want `sessionStepUp`.",
    )
    account_transfer_ownership: AccountTransferOwnershipPayload = mutation(
        member_resolvers.transfer_ownership, "account", allow=owner,
        audit=AccountsAuditAction.ACCOUNT_TRANSFER_OWNERSHIP,
        description="Make a member the owner in one's own place, and be an administrator from then on; every owner is told by"
        " email. Wants `sessionStepUp`.",
    )  # fmt: skip
    account_change_trade_name: AccountPayload = mutation(
        detail_resolvers.change_trade_name, "account", allow=manager,
        audit=AccountsAuditAction.ACCOUNT_CHANGE_TRADE_NAME,
        description="Set how the company calls itself. Its legal name has a way of its own, `accountRequestLegalName`.",
    )  # fmt: skip
    account_change_address: AccountPayload = mutation(
        detail_resolvers.change_address, "account", allow=manager,
        audit=AccountsAuditAction.ACCOUNT_CHANGE_ADDRESS,
        description="Set where the company is; new purchases propose it for their bills, issued ones stay as they are.",
    )  # fmt: skip
    account_change_identifiers: AccountPayload = mutation(
        detail_resolvers.change_identifiers, "account", allow=manager,
        audit=AccountsAuditAction.ACCOUNT_CHANGE_IDENTIFIERS,
        description="Set the company's SIRET and VAT number. Its SIREN never changes: another one is another account.",
    )  # fmt: skip
    account_request_legal_name: LegalNameChangePayload = mutation(
        legal_name_resolvers.request_legal_name, "change", allow=manager,
        audit=AccountsAuditAction.ACCOUNT_REQUEST_LEGAL_NAME,
        description="Ask for another legal name: in force at once if it is the registered one, else an agent decides by the"
        " evidence shown. It is on invoices issued from then on. Wants `sessionStepUp`.",
    )  # fmt: skip
    legal_name_change_add_evidence: LegalNameChangePayload = mutation(
        legal_name_resolvers.add_evidence, "change", allow=manager,
        audit=AccountsAuditAction.LEGAL_NAME_CHANGE_ADD_EVIDENCE,
        description="Show files for a change of legal name, which an agent then looks at.",
    )  # fmt: skip
    legal_name_change_cancel: LegalNameChangePayload = mutation(
        legal_name_resolvers.cancel_legal_name, "change", allow=manager,
        audit=AccountsAuditAction.LEGAL_NAME_CHANGE_CANCEL,
        description="Take a change of legal name back. A repeat changes nothing.",
    )  # fmt: skip
    legal_name_change_decide: LegalNameChangePayload = mutation(
        legal_name_resolvers.decide_legal_name, "change", allow=agent,
        audit=AccountsAuditAction.LEGAL_NAME_CHANGE_DECIDE,
        description="Accept a change of legal name by its evidence, reject it, or ask for better; an email tells the company.",
    )  # fmt: skip
    account_request_deactivation: TicketPayload = mutation(
        lifecycle_resolvers.request_deactivation, "ticket", allow=owner,
        audit=_OWN_RECORD,
        description="Ask support to let the company's account rest: a ticket of that kind. Wants `sessionStepUp`.",
    )  # fmt: skip
    account_request_deletion: TicketPayload = mutation(
        lifecycle_resolvers.request_deletion, "ticket", allow=signed_in,
        audit=_OWN_RECORD,
        description="Ask support to delete the company's account: a ticket of that kind. Wants `sessionStepUp`.",
    )  # fmt: skip
    account_request_reactivation: AccountRequestReactivationPayload = mutation(
        lifecycle_resolvers.request_reactivation, "accepted", allow=signed_in,
        audit=_OWN_RECORD,
        description="Ask support to have a company back that rests or is to be deleted, as its owner, signed in for none or"
        " another one.",
    )  # fmt: skip
    account_deactivate: AccountPayload = mutation(
        lifecycle_resolvers.deactivate, "account", allow=agent,
        audit=AccountsAuditAction.ACCOUNT_DEACTIVATE,
        description="Let a company's account rest: its people are signed out, sockets included, and nothing is erased.",
    )  # fmt: skip
    account_reactivate: AccountPayload = mutation(
        lifecycle_resolvers.reactivate, "account", allow=agent,
        audit=AccountsAuditAction.ACCOUNT_REACTIVATE,
        description="Bring a company's account back, from its rest or before it is deleted.",
    )  # fmt: skip
    account_decline_reactivation: AccountPayload = mutation(
        lifecycle_resolvers.decline_reactivation, "account", allow=agent,
        audit=AccountsAuditAction.ACCOUNT_DECLINE_REACTIVATION,
        description="Answer by email who asked to have a company back, and sees no tickets: why not, or what to tell first.",
    )  # fmt: skip
    account_schedule_deletion: AccountPayload = mutation(
        lifecycle_resolvers.schedule_deletion, "account", allow=agent,
        audit=AccountsAuditAction.ACCOUNT_SCHEDULE_DELETION,
        description="Delete a company's account once the grace is over, as its owner asked in a ticket; until then it rests."
        " Its invoices are kept as long as the law wants. Wants `sessionStepUp`.",
    )  # fmt: skip
    staff_hire: StaffPayload = mutation(
        staff_resolvers.hire, "member", allow=operator,
        audit=AccountsAuditAction.STAFF_HIRE,
        description="Have somebody work for the vendor: an email leads them to the page where they choose a password; their"
        " role begins with their second factor. Wants `sessionStepUp`.",
    )  # fmt: skip
    staff_change_role: StaffPayload = mutation(
        staff_resolvers.change_role, "member", allow=operator,
        audit=AccountsAuditAction.STAFF_CHANGE_ROLE,
        description="Give one of the vendor's people another role; their sessions end. Wants `sessionStepUp`.",
    )  # fmt: skip
    staff_dismiss: StaffDismissPayload = mutation(
        staff_resolvers.dismiss, "dismissed", allow=operator,
        audit=AccountsAuditAction.STAFF_DISMISS,
        description="End somebody's work for the vendor; one operator always stays. Wants `sessionStepUp`.",
    )  # fmt: skip
    user_end_sessions: UserEndSessionsPayload = mutation(
        customer_resolvers.end_sessions, "ended", allow=operator,
        audit=IdentityAuditAction.SESSION_END_ALL,
        description="End every session of somebody, sockets included; an email tells them. Wants `sessionStepUp`.",
    )  # fmt: skip
    member_reset_second_factor: MemberPayload = mutation(
        member_resolvers.reset_second_factor, "member", allow=owner,
        audit=IdentityAuditAction.SECOND_FACTOR_RESET,
        description="Turn the second factor of a colleague off who lost it with their recovery codes; their sessions end, their"
        " password stays, an email tells them. Of an owner or of somebody of several companies only our support does."
        " Wants `sessionStepUp`.",
    )  # fmt: skip
    user_reset_second_factor: UserResetSecondFactorPayload = mutation(
        customer_resolvers.reset_second_factor, "reset", allow=operator,
        audit=IdentityAuditAction.SECOND_FACTOR_RESET,
        description="Turn the second factor of somebody else off who lost it with their recovery codes; their sessions end,"
        " their password stays, an email tells them. Wants `sessionStepUp`.",
    )  # fmt: skip
