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
        "The secrets of authenticator apps and webhooks were encrypted with another secret key.",
    )
    EMAIL_DISCARD = (
        "email.discard",
        "The waiting emails of a restored backup were discarded (`emails` is their number).",
    )
    EMAIL_RETRY = (
        "letter.retry",  # emails were called letters when it was first stored
        "An operator retried an email that had been given up after several `attempts`.",
    )
    WEBHOOK_ENDPOINT_CREATE = (
        "webhook_endpoint.create",
        "A webhook endpoint was created, for so many `kinds` of events.",
    )
    WEBHOOK_ENDPOINT_UPDATE = (
        "webhook_endpoint.update",
        "A webhook endpoint was changed. `enabled` is whether webhooks are sent to it.",
    )
    WEBHOOK_ENDPOINT_DELETE = "webhook_endpoint.delete", "A webhook endpoint was deleted."
    WEBHOOK_ENDPOINT_ROTATE_SECRET = (
        "webhook_endpoint.rotate_secret",
        "A webhook endpoint was given a new secret.",
    )
    WEBHOOK_ENDPOINT_TEST = "webhook_endpoint.test", "A test webhook was sent to an endpoint."
    WEBHOOK_ENDPOINT_DISABLE = (
        "webhook_endpoint.disable",
        "The system disabled a webhook endpoint, for the `reason` GONE or FAILING.",
    )
    WEBHOOK_DELIVERY_REPLAY = "webhook_delivery.replay", "A webhook was sent again."
