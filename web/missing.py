"""The answer to a request for what doesn't exist: a page for people, a line for programs."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from models.translations import _
from web.page import Page, page_response


def missing(request: Request, error: Exception | None = None) -> Response:
    """The response 404. Browsers say that they accept HTML."""
    if "text/html" in request.headers.get("accept", ""):
        return page_response(request, _MISSING_PAGE, 404)
    return PlainTextResponse("Not Found", 404)


_MISSING_PAGE = Page(
    _("This page doesn’t exist"),
    _("Check its address, or continue in your customer space."),
    continues=True,
)
