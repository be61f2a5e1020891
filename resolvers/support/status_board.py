"""The status board: its link, and what it shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated

import strawberry

from models.accounts.account import Account
from models.database.reading import read
from models.support.status_board import BoardEntry, StatusBoard
from models.support.ticket_status import CUSTOMER_LABELS
from models.translations import text
from models.viewer import Viewer
from resolvers.context import Context, Info
from support import status_board

PATH = "board"


@dataclass(frozen=True)
class StatusBoardLink:
    """The URLs of a company's board."""

    url: str
    feed_url: str


async def board(
    info: Info,
    token: Annotated[
        str, strawberry.argument(description="The last part of the link to the board.")
    ],
    day: Annotated[
        date | None,
        strawberry.argument(
            description="The day of an earlier snapshot, in Europe/Paris. Defaults to the latest."
        ),
    ] = None,
) -> status_board.Board | None:
    """What the board that this token belongs to shows. Raises Throttled."""
    context = info.context
    await status_board.count_visit(context.services.auth, context.client_address)
    found = await status_board.find_board(token)
    return await status_board.read_board(found, day) if found else None


async def renew_link(info: Info) -> StatusBoardLink | None:
    """Replace the link to the board of the viewer's company."""
    context = info.context
    renewed = await StatusBoard.renew_link(context.action(), context.account)
    return link_of(context.services.base_url, renewed)


async def turn_off(info: Info) -> bool:
    """Turn the board of the viewer's company off."""
    context = info.context
    await StatusBoard.turn_off(context.action(), context.account)
    return True


def link_of(base_url: str, board: StatusBoard) -> StatusBoardLink | None:
    """The URLs of a board, None while it is off."""
    if board.token is None:
        return None
    url = f"{base_url}/{PATH}/{board.token}"
    return StatusBoardLink(url, f"{url}/feed")


async def links(context: Context, parents: Sequence[Account]) -> list[StatusBoardLink | None]:
    """The URLs of each company's board, None while it is off or unless the viewer is a member."""
    boards = await read(
        StatusBoard.visible_to(context.viewer),
        where_in=("account_id", {account.id for account in parents}),
    )
    by_account = {board.account_id: link_of(context.services.base_url, board) for board in boards}
    return [by_account.get(account.id) for account in parents]


async def url_for(viewer: Viewer, base_url: str) -> str:
    """The URL of the viewer's board, or of the page that explains where to find it."""
    board = await StatusBoard.visible_to(viewer).first()
    link = link_of(base_url, board) if board else None
    return link.url if link else f"{base_url}/{PATH}"


def status_text(root: BoardEntry, info: Info) -> str:
    """The status of a request, in the reader's language."""
    return text(CUSTOMER_LABELS[root.status], info.context.viewer.locale)
