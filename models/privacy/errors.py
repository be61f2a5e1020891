"""Error codes of the privacy domain."""

from models.errors import ErrorCode
from models.translations import _


class PrivacyErrorCode(ErrorCode):
    """Error codes of the privacy domain."""

    TIME_FUTURE = "TIME_FUTURE", _("This time is in the future.")
    INCIDENT_INCOMPLETE = (
        "INCIDENT_INCOMPLETE",
        _("The register isn’t complete. Missing: %(missing)s."),
    )
    NOTIFICATION_NOT_REQUIRED = (
        "NOTIFICATION_NOT_REQUIRED",
        _("Decide first that this notification is required."),
    )
    NOTICE_CHANGED = (
        "NOTICE_CHANGED",
        _("Somebody has edited this notice in the meantime. Read the latest version first."),
    )
    NOTICE_INCOMPLETE = (
        "NOTICE_INCOMPLETE",
        _("This notice isn’t complete. Missing: %(missing)s."),
    )
    NOTICE_UNFINISHED = (
        "NOTICE_UNFINISHED",
        _("Complete the passages that are marked with %(mark)s first."),
    )
    PLAN_CHANGED = (
        "PLAN_CHANGED",
        _("What would be removed has changed in the meantime. Read the preview again."),
    )
    NOTHING_TO_ERASE = (
        "NOTHING_TO_ERASE",
        _("There is nothing to remove: all invoices are still kept by law."),
    )
    SECOND_PERSON_REQUIRED = (
        "SECOND_PERSON_REQUIRED",
        _("You asked for this yourself. Another operator has to confirm it."),
    )
