"""Audited actions of the accounts domain."""

from models.audit_action import AuditAction


class AccountsAuditAction(AuditAction):
    """Actions of the accounts domain."""

    ACCOUNT_CHANGE_ADDRESS = (
        "account.change_address",
        "A company's address was changed (`changed` lists the fields).",
    )
    ACCOUNT_CHANGE_IDENTIFIERS = (
        "account.change_identifiers",
        "A company's SIRET or VAT number was changed (`changed` lists the fields).",
    )
    ACCOUNT_CHANGE_LEGAL_NAME = (
        "account.change_legal_name",
        "A company's legal name was changed, based on the company register or an agent's decision "
        "(`decidedBy`).",
    )
    ACCOUNT_CHECK_VAT_NUMBER = (
        "account.check_vat_number",
        "The tax authorities answered whether a company's VAT number is valid (`status`).",
    )
    ACCOUNT_CHANGE_TRADE_NAME = "account.change_trade_name", "A company's trade name was changed."
    ACCOUNT_DEACTIVATE = (
        "account.deactivate",
        "An agent deactivated a company's account, which ended its sessions (`reason`).",
    )
    ACCOUNT_DECLINE_REACTIVATION = (
        "account.decline_reactivation",
        "An agent declined to reactivate a company's account and answered by email (`ticketId`).",
    )
    ACCOUNT_LEAVE = "account.leave", "A member left a company."
    ACCOUNT_REACTIVATE = (
        "account.reactivate",
        "An agent reactivated a company's account that was deactivated or scheduled for deletion "
        "(`before`).",
    )
    ACCOUNT_REQUEST_LEGAL_NAME = (
        "account.request_legal_name",
        "A change of a company's legal name was requested.",
    )
    ACCOUNT_SCHEDULE_DELETION = (
        "account.schedule_deletion",
        "An agent scheduled the deletion that an owner had requested (`ticketId`).",
    )
    ACCOUNT_SIGN_UP = (
        "account.sign_up",
        "A company signed up, or someone tried to sign up with a known email address (`known`).",
    )
    ACCOUNT_TRANSFER_OWNERSHIP = (
        "account.transfer_ownership",
        "An owner transferred the ownership to another member and became an administrator.",
    )
    API_KEY_CREATE = (
        "api_key.create",
        "An API key was created, with these `scopes` and valid for so many `days`.",
    )
    API_KEY_REVOKE = "api_key.revoke", "An API key was revoked."
    INVITATION_ACCEPT = (
        "invitation.accept",
        "A user joined a company by accepting an invitation, with the role it offered.",
    )
    INVITATION_RESEND = "invitation.resend", "An invitation email was sent again, with a new link."
    INVITATION_REVOKE = "invitation.revoke", "An invitation was revoked."
    INVITATION_SEND = "invitation.send", "A person was invited to a company."
    LEGAL_NAME_CHANGE_ADD_EVIDENCE = (
        "legal_name_change.add_evidence",
        "Evidence was added to a change of legal name.",
    )
    LEGAL_NAME_CHANGE_CANCEL = "legal_name_change.cancel", "A change of legal name was canceled."
    LEGAL_NAME_CHANGE_DECIDE = (
        "legal_name_change.decide",
        "An agent decided on a change of legal name, or asked for other evidence (`decision`).",
    )
    MEMBER_CHANGE_ROLE = "member.change_role", "A member's role was changed."
    MEMBER_REMOVE = "member.remove", "A member was removed from a company."
    SERVICE_ACCOUNT_CREATE = "service_account.create", "A service account was created."
    SERVICE_ACCOUNT_DELETE = (
        "service_account.delete",
        "A service account was deleted with its keys (`keysRevoked` is how many were valid).",
    )
    SERVICE_ACCOUNT_UPDATE = (
        "service_account.update",
        "The name or the description of a service account was changed (`changed`).",
    )
    STAFF_CHANGE_ROLE = "staff.change_role", "An operator changed the role of a staff member."
    STAFF_DISMISS = "staff.dismiss", "An operator dismissed a staff member."
    STAFF_HIRE = "staff.hire", "An operator hired a staff member."
