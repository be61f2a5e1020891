"""Scripts and styles of our pages for the staff: our own, and those of npm packages as npm
installed them, so there is no build step and no outdated copy.

Browsers keep them and ask each time whether they have changed.
"""

import gzip
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from web.ranges import is_unchanged

MEDIA_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
# For a page that contacts no server but this one, and runs no code but its own files.
HEADERS = {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "img-src 'self' data:",
            "font-src 'self' data:",
            "form-action 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    ),
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def route(prefix: str, assets: Mapping[str, Path]) -> Route:
    """The route of a page's assets, below a path. Other names and missing files are not found."""

    def serve(request: Request) -> Response:
        path = assets.get(request.path_params["name"])
        if path is None or not path.exists():
            raise HTTPException(404)
        return _serve(request, path)

    return Route(f"{prefix}/{{name}}", serve, methods=["GET"])


def _serve(request: Request, path: Path) -> Response:
    file = _load_asset(path, path.stat().st_mtime_ns)
    headers = {
        "ETag": file.etag,
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    if is_unchanged(request, file.etag):
        return Response(None, 304, headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(
            file.compressed, 200, headers | {"Content-Encoding": "gzip"}, file.media_type
        )
    return Response(gzip.decompress(file.compressed), 200, headers, file.media_type)


class _Asset(NamedTuple):
    etag: str
    media_type: str
    compressed: bytes


@cache
def _load_asset(path: Path, modified_ns: int) -> _Asset:
    """The compressed content of a file as of its modification time."""
    content = path.read_bytes()
    content = _VEGA_IMPORT.sub(rb"const \1 = vega", content)
    etag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'  # weak: the same for both encodings
    return _Asset(etag, MEDIA_TYPES[path.suffix], gzip.compress(content))


# Of vega-interpreter, which is published as a module only: Vega exports the same functions.
_VEGA_IMPORT = re.compile(rb"^import (\{[^}]*\}) from 'vega-util'", re.MULTILINE)
