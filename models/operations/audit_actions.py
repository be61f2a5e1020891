"""Audited actions of the operations domain."""

from models.audit_action import AuditAction


class OperationsAuditAction(AuditAction):
    """Actions of the operations domain."""

    AUDIT_EXPIRE = (
        "audit.expire",
        "Entries older than twelve months were removed, up to the number in `through`.",
    )
    CLOCK_ADVANCE = "clock.advance", "The clock of a demonstration was moved forward."
    EMAIL_RETRY = (
        "letter.retry",  # emails were called letters when it was first stored
        "An operator retried an email that had been given up after the given number of `attempts`.",
    )
