"""Error codes of the support domain."""

from models.errors import ErrorCode
from models.translations import _


class SupportErrorCode(ErrorCode):
    """Error codes of the support domain."""

    ALREADY_CLAIMED = "ALREADY_CLAIMED", _("%(agent)s has already taken this ticket.")
    NOT_ASSIGNED = "NOT_ASSIGNED", _("You can only release a ticket that is assigned to you.")
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
            "This file can’t be uploaded. We accept images, PDFs, text files, and office documents "
            "of up to 10 MB."
        ),
    )
