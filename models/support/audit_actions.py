"""Audited actions of the support domain."""

from models.audit_action import AuditAction


class SupportAuditAction(AuditAction):
    """Actions of the support domain."""

    AUTOMATION_ARCHIVE = "automation.archive", "An automation was archived."
    AUTOMATION_CREATE = "automation.create", "An automation was created."
    AUTOMATION_MOVE = "automation.move", "An automation was moved to another `position`."
    AUTOMATION_RUN = (
        "automation.run",
        "An automation acted on a ticket (`automation`, `version`, and the kinds of its "
        "`actions`). The entries of the changes follow.",
    )
    AUTOMATION_SET_ENABLED = "automation.set_enabled", "An automation was enabled or disabled."
    AUTOMATION_UPDATE = (
        "automation.update",
        "The name or the definition of an automation was changed (`version` is the version in "
        "force).",
    )
    BOARD_RENEW = "status_board.renew", "An owner replaced the link to the company's status board."
    BOARD_TURN_OFF = "status_board.turn_off", "An owner turned the company's status board off."
    ACCOUNT_EXPORT_MESSAGES = (
        "account.export_messages",
        "A link to an export of a company's exchanges with support was created (`format`).",
    )
    CALENDAR_CREATE = "calendar.create", "A calendar was created."
    CALENDAR_SET_DEFAULT = "calendar.set_default", "A calendar became the default."
    CALENDAR_UPDATE = "calendar.update", "The name, hours or holidays of a calendar were changed."
    CALL_DISMISS = "call.dismiss", "An agent dismissed a call that belongs to no ticket."
    CALL_LINK = "call.link", "An agent linked a reported call to a ticket (`ticketId`)."
    CANNED_REPLY_CREATE = (
        "canned_reply.create",
        "A canned reply was created (`scope` is who uses it).",
    )
    CANNED_REPLY_DELETE = "canned_reply.delete", "A canned reply was deleted."
    CANNED_REPLY_UPDATE = "canned_reply.update", "The texts of a canned reply were changed."
    CLOSURE_ADD = "closure.add", "A closure was added to a calendar."
    CLOSURE_REMOVE = "closure.remove", "A closure of a calendar was removed."
    FILE_ANNOUNCE = "file.announce", "An upload link for a file was requested."
    FILE_INFECTED = (
        "file.infected",
        "The virus scanner found malware in an uploaded file, whose content was deleted "
        "(`uploaderId`).",
    )
    INCOMING_EMAIL_DISMISS = (
        "incoming_email.dismiss",
        "An agent dismissed a received email that belongs to no ticket.",
    )
    INCOMING_EMAIL_LINK = (
        "incoming_email.link",
        "An agent linked a received email to a company (`requesterId`, and `ticketId` for an "
        "existing ticket).",
    )
    INCOMING_EMAIL_RETRY = (
        "incoming_email.retry",
        "An operator retried reading a received email that couldn't be read.",
    )
    MACRO_APPLY = (
        "macro.apply",
        "An agent applied a macro to a ticket (`macro`, and the kinds of its `actions`). The "
        "entries of the changes follow.",
    )
    MACRO_ARCHIVE = "macro.archive", "A macro was archived."
    MACRO_CREATE = (
        "macro.create",
        "A macro was created (`personal` says whether it is its author's own).",
    )
    MACRO_UPDATE = "macro.update", "The name or the actions of a macro were changed."
    MESSAGE_DELETE = (
        "message.delete",
        "A message was deleted by its author (`ticketId`, and `versionId` of its text).",
    )
    MESSAGE_EDIT = (
        "message.edit",
        "A message was edited by its author (`ticketId`, and `versionId` of its former text).",
    )
    PHONE_NUMBER_ADD = (
        "phone_number.add",
        "A phone number of a person (`userId`) or of a company was added.",
    )
    PHONE_NUMBER_REMOVE = (
        "phone_number.remove",
        "A phone number of a person (`userId`) or of a company was removed.",
    )
    SCHEDULED_REPLY_CANCEL = (
        "scheduled_reply.cancel",
        "A reply that was to be sent later was canceled (`author` is who wrote it).",
    )
    SCHEDULED_REPLY_SEND = (
        "scheduled_reply.send",
        "A reply that was to be sent later was sent at once, in its author's name.",
    )
    SLA_POLICY_REMOVE = "sla_policy.remove", "The SLA policy of a channel and priority was removed."
    SLA_POLICY_SET = (
        "sla_policy.set",
        "The targets or the promise of the SLA policy of a channel and priority were set.",
    )
    TICKET_CLAIM = "ticket.claim", "An agent claimed a ticket."
    TICKET_RELEASE = "ticket.release", "An agent returned a ticket to the inbox."
    TICKET_TAKE_OVER = (
        "ticket.take_over",
        "A supervisor took a ticket over (`before` is the former assignee).",
    )
    TICKET_TRANSFER = (
        "ticket.transfer",
        "A ticket was assigned to another person or team (`before`, `agent`, `team`).",
    )
    TICKET_EXPORT = (
        "ticket.export",
        "A link to an export of a ticket was created (`format`, `notes`).",
    )
    TICKET_SEND_TRANSCRIPT = (
        "ticket.send_transcript",
        "The transcript of a ticket was sent by email (`recipientId`).",
    )
    TICKET_CHANGE_CATEGORY = (
        "ticket.change_category",
        "An agent corrected the category of a ticket (`before`, `category`).",
    )
    TICKET_CLASSIFY = "ticket.classify", "The priority or the tags of a ticket were changed."
    TEAM_CREATE = "team.create", "A team of agents was created."
    TEAM_UPDATE = "team.update", "The name, the categories or the members of a team were changed."
    TEAM_SET_CALENDAR = (
        "team.set_calendar",
        "A team was assigned another calendar, or the default one (`before`, `calendar`).",
    )
    TEAM_ARCHIVE = "team.archive", "A team was archived."
    AGENT_UPDATE = "agent.update", "The skills or the chat capacity of an agent were changed."
    TICKET_MOVE = (
        "ticket.move",
        "The status of a ticket was changed. `messageId` is the message with the reason, if one "
        "was given.",
    )
    TICKET_MERGE = "ticket.merge", "A ticket was merged into another one (`target`)."
    TICKET_SPLIT = (
        "ticket.split",
        "A ticket was opened with copies of messages from another one (`original`).",
    )
    TICKET_UNMERGE = "ticket.unmerge", "The merge of a ticket was undone (`target`)."
    TICKET_ESCALATE = "ticket.escalate", "A ticket was escalated to a supervisor."
    ESCALATION_RESOLVE = "escalation.resolve", "A supervisor resolved an escalation."
