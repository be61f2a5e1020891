"""The page of charts: analysts write queries of `analytics` or choose saved ones, and see them as a
chart and as a table.

Vega draws the charts. It is told to interpret its expressions, because compiling them would need
`unsafe-eval` in the page's policy.
"""

import json
from functools import cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.locale import Locale
from models.translations import text
from operations.analytics.catalogue import fact_tables
from operations.analytics.facts import Dimension, Fact, Unit
from operations.analytics.labels import (
    DIMENSIONS,
    ENUMS,
    FACTS,
    FUNCTIONS,
    KEYS,
    PERIODS,
    VALUES,
)
from web import assets, graphiql
from web.assets import HEADERS
from web.graphiql import HERE, MODULES
from web.page import TEMPLATES, language

PATH = "/analytics"
ASSETS = {
    "vega.js": MODULES / "vega/build/vega.min.js",
    "vega-lite.js": MODULES / "vega-lite/build/vega-lite.min.js",
    "vega-interpreter.js": MODULES / "vega-interpreter/build/vega-interpreter.js",
    "session.js": HERE / "session.js",
    "bar.css": HERE / "bar.css",
    "drawing.js": HERE / "chart_drawing.js",
    "page.js": HERE / "charts.js",
    "page.css": HERE / "charts.css",
}


@cache
def operations() -> dict[str, str]:
    """The documents that the page itself sends, by the name of their operation."""
    return graphiql.operations() | graphiql.read_operations("charts.graphql")


def routes() -> list[Route]:
    """The page and its assets."""
    return [Route(PATH, _show, methods=["GET"]), assets.route(f"{PATH}/assets", ASSETS)]


def _show(request: Request) -> Response:
    """The page; 503 with instructions when the npm packages aren't installed."""
    installed = all(path.exists() for path in ASSETS.values())
    template = TEMPLATES.get_template("charts.html" if installed else "graphiql_missing.html")
    locale = language(request)
    headers = HEADERS | {
        "Content-Language": locale.value,
        "Vary": "Accept-Language",
        "X-Robots-Tag": "noindex",
    }
    html = template.render(
        locale=locale.value,
        operations=json.dumps(operations()),
        catalogue=json.dumps(_catalogue(locale), ensure_ascii=False),
    )
    return Response(html, 200 if installed else 503, headers, "text/html; charset=utf-8")


@cache
def _catalogue(locale: Locale) -> dict[str, Any]:
    """What can be queried, for the form: names of the schema with what people call them."""
    return {
        "functions": {each.value: text(label, locale) for each, label in FUNCTIONS.items()},
        "periods": {each.value: text(label, locale) for each, label in PERIODS.items()},
        "facts": {name: _fact(fact, locale) for name, fact in fact_tables("sqlite").items()},
    }


def _fact(fact: Fact, locale: Locale) -> dict[str, Any]:
    return {
        "label": text(FACTS[fact.name], locale),
        "isSnapshot": fact.is_snapshot,
        "periods": [each.value for each in fact.periods],
        "dimensions": {
            name: _dimension(name, each, locale) for name, each in fact.dimensions.items()
        },
        "keys": {name: text(KEYS[name], locale) for name in ("COMPANY", *fact.keys)},
        "values": {
            name: {"label": text(VALUES[name], locale), "isShare": each.unit is Unit.SHARE}
            for name, each in fact.values.items()
        },
    }


def _dimension(name: str, dimension: Dimension, locale: Locale) -> dict[str, Any]:
    labels = {} if dimension.kind is None else ENUMS[dimension.kind]
    return {
        "label": text(DIMENSIONS[name], locale),
        "isNumber": dimension.is_number,
        "values": {each.value: text(label, locale) for each, label in labels.items()},
    }
