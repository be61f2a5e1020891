"""GraphiQL served entirely from this server, with a policy that forbids requests to any other.

The libraries are served as npm installed them, so there is no build step and no outdated copy.
"""

import gzip
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from web.page import TEMPLATES, language
from web.ranges import is_unchanged

HERE = Path(__file__).parent
MODULES = HERE.parent / "node_modules"
ASSETS = {
    "react.js": MODULES / "react/umd/react.production.min.js",
    "react-dom.js": MODULES / "react-dom/umd/react-dom.production.min.js",
    "graphql-ws.js": MODULES / "graphql-ws/umd/graphql-ws.min.js",
    "graphiql.js": MODULES / "graphiql/graphiql.min.js",
    "graphiql.css": MODULES / "graphiql/graphiql.min.css",
    "explorer.js": MODULES / "@graphiql/plugin-explorer/dist/index.umd.js",
    "explorer.css": MODULES / "@graphiql/plugin-explorer/dist/style.css",
    "page.js": HERE / "graphiql.js",
    "page.css": HERE / "graphiql.css",
}
MEDIA_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
CONTENT_SECURITY_POLICY = "; ".join(
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
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@cache
def operations() -> dict[str, str]:
    """The documents that the page itself sends, by the name of their operation."""
    text = (HERE / "graphiql.graphql").read_text(encoding="utf-8")
    documents = [part.strip() for part in text.split("\n\n")[1:]]
    return {document.split("(")[0].split()[1]: document for document in documents}


def page(request: Request) -> Response:
    """The page of GraphiQL; 503 with instructions when the npm packages aren't installed."""
    installed = all(path.exists() for path in ASSETS.values())
    template = TEMPLATES.get_template("graphiql.html" if installed else "graphiql_missing.html")
    locale = language(request).value
    headers = HEADERS | {"Content-Language": locale, "Vary": "Accept, Accept-Language"}
    return Response(
        template.render(locale=locale, operations=json.dumps(operations())),
        200 if installed else 503,
        headers,
        "text/html; charset=utf-8",
    )


def routes() -> list[Route]:
    """The assets of the page, below /graphql/assets/."""
    return [Route("/graphql/assets/{name}", _serve_asset, methods=["GET"])]


def _serve_asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in ASSETS or not ASSETS[name].exists():
        raise HTTPException(404)
    file = _load_asset(name, ASSETS[name].stat().st_mtime_ns)
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
def _load_asset(name: str, modified_ns: int) -> _Asset:
    """The compressed content of a file as of its modification time."""
    content = ASSETS[name].read_bytes()
    etag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'  # weak: the same for both encodings
    return _Asset(etag, MEDIA_TYPES[Path(name).suffix], gzip.compress(content))
