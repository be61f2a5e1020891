"""Error codes of the analytics domain."""

from models.errors import ErrorCode
from models.translations import _


class AnalyticsErrorCode(ErrorCode):
    """Error codes of the analytics domain."""

    QUERY_OUTDATED = (
        "QUERY_OUTDATED",
        _(
            "This saved query no longer matches the tables that can be queried. Change it, or "
            "delete it."
        ),
    )
    QUERY_TOO_LARGE = (
        "QUERY_TOO_LARGE",
        _(
            "This query costs %(cost)s. At most %(maximum)s can be saved: choose a shorter range, "
            "or fewer dimensions."
        ),
    )
    QUERY_NOT_SHARED = (
        "QUERY_NOT_SHARED",
        _("Share the query first: its recipient has to be able to see it."),
    )
    NOT_ANALYST = "NOT_ANALYST", _("There is no analyst with this address.")
