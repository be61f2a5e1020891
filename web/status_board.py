"""The status board as a page and as an Atom feed (RFC 4287), for whoever has a company's link.

Both may be kept by the reader's browser or feed reader, which asks each time whether there is a new
snapshot. Neither is indexed by search engines.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.clock import local_date
from models.errors import Throttled
from models.locale import Locale
from models.support.classification import CATEGORY_LABELS
from models.support.status_board import BoardEntry, StatusBoard
from models.support.ticket_status import CUSTOMER_LABELS, FINISHED_STATUSES
from models.translations import _, day, text, time_of_day
from resolvers.context import Services
from resolvers.support.status_board import PATH, link_of
from support import status_board
from web.atom import build_feed
from web.page import HEADERS, Page, client_host, language, page_response, render
from web.ranges import is_unchanged

_HEADERS = HEADERS | {
    "Cache-Control": "private, no-cache",
    "X-Robots-Tag": "noindex, nofollow",
}


def routes(services: Services) -> list[Route]:
    """The page that says where the boards are, and each board as a page and as a feed."""
    boards = _Boards(services)
    return [
        Route(f"/{PATH}", _show_directions),
        Route(f"/{PATH}/{{token}}", boards.show_page),
        Route(f"/{PATH}/{{token}}/feed", boards.show_feed),
    ]


async def _show_directions(request: Request) -> Response:
    return page_response(request, _DIRECTIONS_PAGE)


@dataclass(frozen=True)
class _Boards:
    services: Services

    async def show_page(self, request: Request) -> Response:
        """The latest snapshot, or that of `?day=`."""
        return await self._answer(request, self._page)

    async def show_feed(self, request: Request) -> Response:
        """The changes of the last 30 days."""
        return await self._answer(request, self._feed)

    async def _answer(
        self, request: Request, build: Callable[[Request, StatusBoard], Awaitable[Response | None]]
    ) -> Response:
        try:
            await status_board.count_visit(self.services.auth, client_host(request))
        except Throttled as error:
            return _throttled(request, error)
        board = await status_board.find_board(request.path_params["token"])
        response = await build(request, board) if board else None
        return response or page_response(request, _NOT_FOUND_PAGE, 404)

    async def _page(self, request: Request, board: StatusBoard) -> Response | None:
        try:
            value = request.query_params.get("day")
            requested_day = date.fromisoformat(value) if value else None
        except ValueError:
            return None
        shown = await status_board.read_board(board, requested_day)
        if shown is None:
            return None if requested_day else page_response(request, _EARLY_PAGE)
        locale = language(request)
        html = render(
            request,
            "status_board.html",
            locale,
            title=text(_TITLE, locale),
            as_of=text(
                _AS_OF,
                locale,
                day=local_date(shown.as_of),
                time=time_of_day(shown.as_of, locale),
            ),
            groups=_groups(shown.requests, locale),
            path=f"{request.scope.get('root_path', '')}/{PATH}/{board.token}",
            previous_day=_link(shown.previous_day, locale),
            next_day=_link(shown.next_day, locale),
            home=f"{request.scope.get('root_path', '')}/",
        )
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Language": locale.value}
        return _cached(request, html.encode(), shown.changed_at, headers)

    async def _feed(self, request: Request, board: StatusBoard) -> Response | None:
        locale, link = language(request), link_of(self.services.base_url, board)
        shown = await status_board.read_board(board)
        if link is None:
            return None
        changes = await status_board.recent_changes(board)
        as_of = shown.as_of if shown else board.updated_at
        content = build_feed(
            url=link.url,
            feed_url=link.feed_url,
            title=text(_TITLE, locale),
            updated=as_of,
            locale=locale,
            changes=changes,
        )
        headers = {
            "Content-Type": "application/atom+xml; charset=utf-8",
            "Content-Language": locale.value,
        }
        return _cached(request, content, as_of, headers)


def _groups(requests: Any, locale: Locale) -> list[tuple[str, list[dict[str, str]]]]:
    """The requests that aren't finished and those that are, each with its heading."""
    groups: list[tuple[str, list[dict[str, str]]]] = []
    for title, is_finished in ((_OPEN_TITLE, False), (_FINISHED_TITLE, True)):
        rows = [
            _row(entry, locale)
            for entry in requests
            if (entry.status in FINISHED_STATUSES) is is_finished
        ]
        groups.append((text(title, locale), rows))
    return groups


def _row(entry: BoardEntry, locale: Locale) -> dict[str, str]:
    return {
        "number": entry.number,
        "category": text(CATEGORY_LABELS[entry.category], locale),
        "status": text(CUSTOMER_LABELS[entry.status], locale),
        "kind": entry.status.value.lower(),
        "opened_on": day(entry.opened_on, locale),
        "updated_on": day(entry.updated_on, locale),
    }


def _link(day_: date | None, locale: Locale) -> dict[str, str] | None:
    return {"value": day_.isoformat(), "label": day(day_, locale)} if day_ else None


def _cached(
    request: Request, content: bytes, changed_at: datetime, headers: dict[str, str]
) -> Response:
    """The content, or 304 when the client has it already."""
    etag = f'"{sha256(content).hexdigest()}"'
    headers = (
        _HEADERS
        | headers
        | {
            "ETag": etag,
            "Last-Modified": format_datetime(
                changed_at.astimezone(UTC).replace(microsecond=0), usegmt=True
            ),
        }
    )
    if _is_known(request, etag, changed_at):
        return Response(None, HTTPStatus.NOT_MODIFIED, headers)
    return Response(content, headers=headers)


def _is_known(request: Request, etag: str, changed_at: datetime) -> bool:
    """Whether the client has it already: by its tag, or else by the time of the last change (RFC
    9110, section 13.2.2).
    """
    if "if-none-match" in request.headers:
        return is_unchanged(request, etag)
    try:
        known_at = parsedate_to_datetime(request.headers.get("if-modified-since", ""))
    except (ValueError, OverflowError):  # no date, or one with absurd numbers
        return False
    return known_at.tzinfo is not None and changed_at.replace(microsecond=0) <= known_at


def _throttled(request: Request, error: Throttled) -> Response:
    page = Page(_TITLE, error.message, values=error.values)
    response = page_response(request, page, HTTPStatus.TOO_MANY_REQUESTS)
    response.headers["Retry-After"] = str(error.retry_after)
    return response


_TITLE = _("The state of your requests")
_AS_OF = _("As of %(day)s at %(time)s. Updated each morning.")
_OPEN_TITLE = _("Open requests")
_FINISHED_TITLE = _("Finished in the last 14 days")
_DIRECTIONS_PAGE = Page(
    _TITLE,
    _(
        "Each company has a board of its own, which is updated each morning. You will find its "
        "link in your customer space."
    ),
    continues=True,
)
_EARLY_PAGE = Page(_TITLE, _("The board begins tomorrow morning."), continues=True)
_NOT_FOUND_PAGE = Page(
    _("There is nothing at this address"),
    _("The link may have been replaced. You will find the current one in your customer space."),
    continues=True,
)
