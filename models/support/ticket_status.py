"""The statuses of a ticket, and which may follow which."""

from enum import StrEnum
from typing import TYPE_CHECKING

from models.errors import CommonErrorCode, Refusal
from models.translations import _, _p

if TYPE_CHECKING:
    from models.viewer import Viewer


class TicketStatus(StrEnum):
    """The status of a ticket."""

    NEW = "NEW"
    OPEN = "OPEN"
    PENDING = "PENDING"
    ON_HOLD = "ON_HOLD"
    SOLVED = "SOLVED"
    CLOSED = "CLOSED"


_STATUSES_AFTER_OPEN = {
    TicketStatus.PENDING,
    TicketStatus.ON_HOLD,
    TicketStatus.SOLVED,
    TicketStatus.CLOSED,
}
FINISHED_STATUSES = (TicketStatus.SOLVED, TicketStatus.CLOSED)
# Named one by one in conditions: an index finds few tickets with one of these statuses, but not
# those without one of the others.
UNFINISHED_STATUSES = tuple(each for each in TicketStatus if each not in FINISHED_STATUSES)
STATUSES_REOPENED_BY_CUSTOMERS = (TicketStatus.PENDING, TicketStatus.SOLVED)  # by a reply
TRANSITIONS: dict[TicketStatus, set[TicketStatus]] = {
    TicketStatus.NEW: {TicketStatus.OPEN} | _STATUSES_AFTER_OPEN,
    TicketStatus.OPEN: _STATUSES_AFTER_OPEN,
    TicketStatus.PENDING: {TicketStatus.OPEN} | _STATUSES_AFTER_OPEN - {TicketStatus.PENDING},
    TicketStatus.ON_HOLD: {TicketStatus.OPEN} | _STATUSES_AFTER_OPEN - {TicketStatus.ON_HOLD},
    TicketStatus.SOLVED: {TicketStatus.OPEN, TicketStatus.CLOSED},
    TicketStatus.CLOSED: set(),
}


_LABELS = {
    TicketStatus.NEW: _p("ticket status", "new"),
    TicketStatus.OPEN: _p("ticket status", "open"),
    TicketStatus.PENDING: _p("ticket status", "pending a reply from the customer"),
    TicketStatus.ON_HOLD: _p("ticket status", "on hold for a third party"),
    TicketStatus.SOLVED: _p("ticket status", "solved"),
    TicketStatus.CLOSED: _p("ticket status", "closed"),
}


# In the words of the customer, who is one of those that a status is about.
CUSTOMER_LABELS = {
    TicketStatus.NEW: _p("status of a customer’s request", "Received"),
    TicketStatus.OPEN: _p("status of a customer’s request", "In progress"),
    TicketStatus.PENDING: _p("status of a customer’s request", "Waiting for your reply"),
    TicketStatus.ON_HOLD: _p("status of a customer’s request", "In progress"),
    TicketStatus.SOLVED: _p("status of a customer’s request", "Solved"),
    TicketStatus.CLOSED: _p("status of a customer’s request", "Closed"),
}


def require_transition(before: TicketStatus, status: TicketStatus) -> None:
    """Raise TRANSITION_ILLEGAL, with the statuses that are possible, unless a ticket may change to
    this status. Only staff can cause the error: a customer can close any open ticket.
    """
    if status is not before and status not in TRANSITIONS[before]:
        raise _transition_refusal(before)


def _transition_refusal(status: TicketStatus) -> Refusal:
    allowed_labels = [_LABELS[other] for other in TicketStatus if other in TRANSITIONS[status]]
    message = _("This ticket is %(status)s. It can only become %(legal)s.")
    if not allowed_labels:
        message = _("This ticket is closed and can’t be changed. A reply opens a follow-up ticket.")
    return Refusal(
        CommonErrorCode.TRANSITION_ILLEGAL,
        "input",
        "ticketId",
        message=message,
        status=_LABELS[status],
        legal=allowed_labels,
    )


def visible_status(status: TicketStatus, viewer: "Viewer") -> TicketStatus:
    """The status that a viewer sees. Only agents see that a ticket is on hold for a third party:
    customers see OPEN.
    """
    return TicketStatus.OPEN if status is TicketStatus.ON_HOLD and not viewer.is_agent else status
