"""Calendar files of webinars: `/webinars/<slug>.ics`. They are public, without the link to join."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.content.article import Article
from models.text import can_be_stored
from resolvers.content.webinars import organizer_of
from resolvers.context import Services
from support.library.calendar_files import calendar_file
from web.page import HEADERS, language, not_found

_HEADERS = {
    "Cache-Control": "public, max-age=300",
    "Content-Security-Policy": HEADERS["Content-Security-Policy"],
    "Vary": "Accept-Language",
    "X-Content-Type-Options": "nosniff",
}


def routes(services: Services) -> list[Route]:
    """The files."""
    return [Route("/webinars/{slug}.ics", _Calendars(services).show)]


@dataclass(frozen=True)
class _Calendars:
    """Serves the calendar files."""

    services: Services

    async def show(self, request: Request) -> Response:
        """The file in the browser's language, 404 for an article that isn't a published webinar
        with a date.
        """
        slug = request.path_params["slug"]
        article = (
            await Article.get_or_none(slug=slug, published_at__not_isnull=True)
            if can_be_stored(slug, 100)
            else None
        )
        if article is None or not article.is_webinar or article.starts_at is None:
            return not_found(request)
        content = calendar_file(
            self.services.clock.now(),
            organizer_of(self.services.seller),
            article,
            locale := language(request),
        )
        headers = _HEADERS | {
            "Content-Disposition": f'attachment; filename="{article.slug}.ics"',
            "Content-Language": locale.value,
        }
        return Response(content, headers=headers, media_type="text/calendar; charset=utf-8")
