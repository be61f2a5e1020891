"""Audited actions of the support domain."""

from models.audit_action import AuditAction


class SupportAuditAction(AuditAction):
    """Actions of the support domain."""

    CALENDAR_CREATE = "calendar.create", "A calendar was created."
    CALENDAR_SET_DEFAULT = "calendar.set_default", "A calendar became the default."
    CALENDAR_UPDATE = "calendar.update", "The name, hours or holidays of a calendar were changed."
    CLOSURE_ADD = "closure.add", "A closure was added to a calendar."
    CLOSURE_REMOVE = "closure.remove", "A closure of a calendar was removed."
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
