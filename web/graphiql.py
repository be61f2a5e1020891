"""GraphiQL served entirely from this server, with a policy that forbids requests to any other."""

import json
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from web import assets
from web.assets import HEADERS
from web.page import TEMPLATES, language

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
    "session.js": HERE / "session.js",
    "bar.css": HERE / "bar.css",
    "page.js": HERE / "graphiql.js",
    "page.css": HERE / "graphiql.css",
}


@cache
def operations() -> dict[str, str]:
    """The documents that the page itself sends, by the name of their operation."""
    return read_operations("graphiql.graphql")


def read_operations(file: str) -> dict[str, str]:
    """The documents of a file, which one blank line divides, by the name of their operation."""
    text = (HERE / file).read_text(encoding="utf-8")
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
    return [assets.route("/graphql/assets", ASSETS)]
