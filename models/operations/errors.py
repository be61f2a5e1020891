"""Error codes of the operations domain."""

from models.errors import ErrorCode
from models.translations import _


class OperationsErrorCode(ErrorCode):
    """Error codes of the operations domain."""

    EMAIL_CONTENT_DELETED = (
        "EMAIL_CONTENT_DELETED",
        _(
            "This email contained a secret code that has since been deleted. Its recipient has to "
            "request a new one."
        ),
    )
    WEBHOOK_DISABLED = (
        "WEBHOOK_DISABLED",
        _("This webhook endpoint is disabled. Enable it first."),
    )
