"""Audited actions of the support domain."""

from models.audit_action import AuditAction


class SupportAuditAction(AuditAction):
    """Actions of the support domain."""

    FILE_ANNOUNCE = "file.announce", "An upload link for a file was requested."
    FILE_INFECTED = (
        "file.infected",
        "The virus scanner found malware in an uploaded file, whose content was deleted "
        "(`uploaderId`).",
    )
    TICKET_CLAIM = "ticket.claim", "An agent claimed a ticket."
    TICKET_RELEASE = "ticket.release", "An agent returned a ticket to the inbox."
    TICKET_MOVE = (
        "ticket.move",
        "The status of a ticket was changed. `messageId` is the message with the reason, if one "
        "was given.",
    )
