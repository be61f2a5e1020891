"""Error codes of the support domain."""

from models.errors import ErrorCode
from models.translations import _


class SupportErrorCode(ErrorCode):
    """Error codes of the support domain."""

    ALREADY_CLAIMED = "ALREADY_CLAIMED", _("%(agent)s has already taken this ticket.")
    NOT_ASSIGNED = "NOT_ASSIGNED", _("You can only release a ticket that is assigned to you.")
    DRAFT_CHANGED = "DRAFT_CHANGED", _("You have changed this draft on another device.")
    ANSWERED_MEANWHILE = "ANSWERED_MEANWHILE", _("%(agent)s has answered in the meantime.")
    REPLY_SETTLED = "REPLY_SETTLED", _("This reply has already been sent or canceled.")
    NOT_AUTHOR = "NOT_AUTHOR", _("You can only change your own messages.")
    MESSAGE_FINAL = (
        "MESSAGE_FINAL",
        _(
            "This message can’t be changed: it was deleted or received by email, it is part of a "
            "request or a decision, or its ticket is closed."
        ),
    )
    CHANGE_PERIOD_OVER = (
        "CHANGE_PERIOD_OVER",
        _("You can change or delete a message for %(minutes)s minutes after you posted it."),
    )
    SHORTCUT_INVALID = (
        "SHORTCUT_INVALID",
        _(
            "A shortcut can contain unaccented letters and digits, separated by single hyphens or "
            "underscores."
        ),
    )
    VARIABLE_UNKNOWN = (
        "VARIABLE_UNKNOWN",
        _("These variables don’t exist: %(names)s. The available ones are %(variables)s."),
    )
    RECIPIENT_LEFT = (
        "RECIPIENT_LEFT",
        _("The person who made this request no longer belongs to the company."),
    )
    EXPORT_TOO_LARGE = (
        "EXPORT_TOO_LARGE",
        _(
            "A PDF can have at most %(limit)s messages. Choose JSON, or export the tickets one by "
            "one."
        ),
    )
    NAME_TAKEN = "NAME_TAKEN", _("This name is already in use.")
    CATEGORY_TAKEN = (
        "CATEGORY_TAKEN",
        _("Tickets in one of these categories already go to the team %(team)s."),
    )
    CATEGORY_FIXED = (
        "CATEGORY_FIXED",
        _(
            "The law sets a deadline for this request, or for requests in the other category, so "
            "its category can’t be changed."
        ),
    )
    ALREADY_ESCALATED = (
        "ALREADY_ESCALATED",
        _("This ticket has already been escalated. A supervisor is handling it."),
    )
    CALL_LINKED = "CALL_LINKED", _("This call already belongs to a ticket.")
    NOT_ESCALATED = "NOT_ESCALATED", _("This ticket has no open escalation.")
    ALREADY_MERGED = "ALREADY_MERGED", _("This ticket has already been merged into another one.")
    MERGE_FINAL = "MERGE_FINAL", _("A merge can only be undone for a day.")
    MERGE_REFUSED = "MERGE_REFUSED", _("Choose another ticket of the same company.")
    PUSH_UNAVAILABLE = (
        "PUSH_UNAVAILABLE",
        _("Notifications on devices aren’t available."),
    )
    PUSH_SERVICE_UNKNOWN = (
        "PUSH_SERVICE_UNKNOWN",
        _("Notifications can’t be sent through this browser’s push service."),
    )
    NOT_RATABLE = (
        "NOT_RATABLE",
        _("You can rate a request once our support team has answered and solved it."),
    )
    RATING_ENDED = (
        "RATING_ENDED",
        _("This request could be rated until %(until)s. Write to us if you have a problem."),
    )
    CLOSING_RESERVED = (
        "CLOSING_RESERVED",
        _("Only the person who made this request, or an owner of the company, can close it."),
    )
    FILE_REFUSED = (
        "FILE_REFUSED",
        _(
            "These files can’t be attached. You can attach up to %(limit)s files that you uploaded "
            "and that aren’t in use yet."
        ),
    )
    FILE_UNSUPPORTED = (
        "FILE_UNSUPPORTED",
        _(
            "This type of file can’t be uploaded. We accept photos and other images, PDFs, text "
            "and CSV files, office documents, voice notes, and short MP4 and MOV videos."
        ),
    )
    FILE_TOO_LARGE = (
        "FILE_TOO_LARGE",
        _("This file is too large. Files of this type can be at most %(limit)s MB."),
    )
    FILE_EMPTY = "FILE_EMPTY", _("This file is empty.")
