"""Error codes of the content domain."""

from models.errors import ErrorCode
from models.translations import _


class ContentErrorCode(ErrorCode):
    """Error codes of the content domain."""

    POLICY_NOT_IN_FORCE = (
        "POLICY_NOT_IN_FORCE",
        _("This isn’t the version in force. Read the current version, then accept it."),
    )
    NOT_A_WEBINAR = "NOT_A_WEBINAR", _("This article isn’t a webinar.")
    WEBINAR_OVER = (
        "WEBINAR_OVER",
        _("This webinar has begun, was canceled or has no date yet."),
    )
    ARTICLE_CHANGED = (
        "ARTICLE_CHANGED",
        _(
            "Someone has written another version of this article. Read it, then make your change "
            "again."
        ),
    )
