"""Audited actions of the operations domain."""

from models.audit_action import AuditAction


class OperationsAuditAction(AuditAction):
    """Actions of the operations domain."""

    AUDIT_EXPIRE = (
        "audit.expire",
        "Entries older than twelve months were deleted, up to the number in `through`.",
    )
    CLOCK_ADVANCE = "clock.advance", "The clock of a demonstration was moved forward."
    INSTALLATION_HOLD = (
        "installation.hold",
        "Emails and other external jobs were put on hold because the database is a copy.",
    )
    INSTALLATION_RELEASE = "installation.release", "External jobs were released."
    SECRET_KEY_CHANGE = (
        "secret_key.change",
        "The secrets of all authenticator apps were encrypted with another secret key.",
    )
    EMAIL_DISCARD = (
        "email.discard",
        "The waiting emails of a restored backup were discarded (`emails` is their number).",
    )
    EMAIL_RETRY = (
        "letter.retry",  # emails were called letters when it was first stored
        "An operator retried an email that had been given up after several `attempts`.",
    )
