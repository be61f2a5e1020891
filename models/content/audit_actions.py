"""Audited actions of the content domain."""

from models.audit_action import AuditAction


class ContentAuditAction(AuditAction):
    """Actions of the content domain."""

    POLICY_ACCEPT = "policy.accept", "A user accepted a version of a policy."
