"""The videos of the library: `/library/<slug>/video`. They are public, and sent in ranges, so that
a player can begin at any place.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.content.article import Article
from models.support.file import File, FileStatus
from models.text import can_be_stored
from resolvers.context import Services
from storage.file_service import FileService
from web.files import serve
from web.page import not_found

_HEADERS = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "public, no-cache",
    "Content-Disposition": "inline",
    "Content-Security-Policy": "sandbox; default-src 'none'; media-src 'self'",
    "Cross-Origin-Resource-Policy": "cross-origin",  # of pages of the customer space
    "X-Content-Type-Options": "nosniff",
}


def routes(services: Services, file_service: FileService) -> list[Route]:
    """The videos."""
    return [Route("/library/{slug}/video", _Videos(file_service).show)]


@dataclass(frozen=True)
class _Videos:
    """Serves the uploaded videos of published articles."""

    file_service: FileService

    async def show(self, request: Request) -> Response:
        """The video, or a range of it; 304 when the client has it already, 404 for an article that
        isn't published or has none.
        """
        file = await _find(request.path_params["slug"])
        if file is None or file.sha256 is None:
            return not_found(request)
        headers = _HEADERS | {"Content-Type": file.content_type, "ETag": f'"{file.sha256}"'}
        return await serve(request, self.file_service, file, headers)


async def _find(slug: str) -> File | None:
    if not can_be_stored(slug, 100):
        return None
    article = await Article.get_or_none(slug=slug, published_at__not_isnull=True)
    if article is None:
        return None
    file = await File.filter(article_id=article.pk, abandoned_at=None).first()
    return file if file and file.status is FileStatus.AVAILABLE else None
