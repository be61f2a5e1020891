"""The status board, which is updated each morning."""

from datetime import date, datetime

import strawberry

import models.support.status_board
from auth.rules import anyone, owner
from models.support.audit_actions import SupportAuditAction
from models.support.classification import Category
from models.support.ticket_status import TicketStatus
from resolvers.support import status_board as board_resolvers
from schema.fields import field, mutation, query
from schema.nodes import backed_by
from schema.user_errors import UserError, errors


@strawberry.type(description="The link to a company's status board.")
class StatusBoardLink:
    url: str = field("The URL of the page. Whoever knows it can read the board without signing in.")
    feed_url: str = field("The URL of the board as an Atom feed of changes.")


@strawberry.type(description="A request on a status board.")
@backed_by(models.support.status_board.BoardEntry)
class StatusBoardRequest:
    number: str = field(
        "The number of the request, such as CAM-2026-000123.", needs=("ticket_id", "opened_at")
    )
    category: Category = field("The category of the request.")
    status: TicketStatus = field("The status when the snapshot was taken. Never ON_HOLD.")
    status_text: str = field(
        "The status in words, in the viewer's language.",
        board_resolvers.status_text,
        needs=("status",),
    )
    opened_on: date = field(
        "The day on which the request was opened, in Europe/Paris.", needs=("opened_at",)
    )
    updated_on: date = field(
        "The day on which the request was last updated, in Europe/Paris.", needs=("updated_at",)
    )


@strawberry.type(
    description="The requests of a company as they were in the morning: those that aren't "
    "finished, and those finished in the 14 days before. Contains neither names nor texts."
)
class StatusBoard:
    day: date = field("The day of the snapshot, in Europe/Paris.")
    as_of: datetime = field("When the snapshot was taken.")
    requests: list[StatusBoardRequest] = field(
        "The requests, most recently updated first, at most 500. Legal requests "
        "(`Ticket.deadlineAt` isn't null) aren't listed.",
        cost=50,
    )
    previous_day: date | None = field("The day of the previous snapshot. Null when there is none.")
    next_day: date | None = field("The day of the next snapshot. Null when there is none.")


@strawberry.type(description="The result of replacing the link to a status board.")
class StatusBoardRenewLinkPayload:
    link: StatusBoardLink | None = field("The new link.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of turning a status board off.")
class StatusBoardTurnOffPayload:
    turned_off: bool | None = field("True when the board is off.")
    user_errors: list[UserError] = errors()


@strawberry.type
class StatusBoardQuery:
    status_board: StatusBoard | None = query(
        board_resolvers.board,
        allow=anyone,
        description="A company's status board, for whoever has the link "
        "(`Account.statusBoard`). Null when no board has this token or there is no snapshot of "
        "the day. Subscriptions deliver the current state to those who sign in.",
    )


@strawberry.type
class StatusBoardMutation:
    status_board_renew_link: StatusBoardRenewLinkPayload | None = mutation(
        board_resolvers.renew_link,
        "link",
        allow=owner,
        audit=SupportAuditAction.BOARD_RENEW,
        description=(
            "Replaces the link to the company's status board: the former link stops working. "
            "Turns the board on if it is off."
        ),
    )
    status_board_turn_off: StatusBoardTurnOffPayload | None = mutation(
        board_resolvers.turn_off,
        "turned_off",
        allow=owner,
        audit=SupportAuditAction.BOARD_TURN_OFF,
        description="Turns the company's status board off: its link stops working.",
    )
