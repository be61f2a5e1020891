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
