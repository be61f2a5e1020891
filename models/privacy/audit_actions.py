"""Audited actions of the privacy domain."""

from models.audit_action import AuditAction


class PrivacyAuditAction(AuditAction):
    """Actions of the privacy domain."""

    ACCOUNT_ERASE = (
        "account.erase",
        "A company's account was erased, except for its invoices (`invoicesKept`).",
    )
