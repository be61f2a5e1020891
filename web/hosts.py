"""The hosts that this server answers to, according to the Host header of a request.

A request for any other host comes from a page whose own name was pointed at this server (DNS
rebinding), or tries to get its host into a cached response. We never build a URL from the header.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address

from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from web.missing import missing

_HOST = re.compile(rb"(\[[0-9a-fA-F:.]{2,45}\]|[0-9a-zA-Z_.-]{1,253})(?::[0-9]{0,5})?")
_PROBES = ("/healthz", "/readyz")


class HostCheck:
    """Accepts the hosts with these names, IP addresses and localhost; without names, any host.

    An address or localhost can't be the name of somebody else's page.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._allows = lru_cache(maxsize=256)(self._check)

    def accepts(self, scope: Scope) -> bool:
        """Whether the request has exactly one valid Host header, of a host that is accepted. Load
        balancers may use any host to ask whether the server is healthy.
        """
        headers = dict(scope["headers"])
        if len(headers) < len(scope["headers"]) and _count_headers(scope, b"host") > 1:
            return False
        host = headers.get(b"host")
        if host is None:
            return scope.get("http_version") == "1.0"  # RFC 9112, section 3.2
        return self._allows(host) or (
            scope["path"] in _PROBES and _HOST.fullmatch(host) is not None
        )

    def _check(self, header: bytes) -> bool:
        host_match = _HOST.fullmatch(header)
        if host_match is None:
            return False
        name = host_match[1].decode().lower().removesuffix(".")
        return not self._names or name in self._names or name == "localhost" or _is_address(name)


def _count_headers(scope: Scope, name: bytes) -> int:
    return sum(key == name for key, _ in scope["headers"])


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def refusal() -> Response:
    """The answer to a request for another host."""
    error = {
        "message": "The Host header does not name this server.",
        "extensions": {"code": "BAD_USER_INPUT"},
    }
    return JSONResponse({"errors": [error]}, 400, {"Cache-Control": "no-store"})


class TrailingSlashRedirect:
    """Redirects to the same path without a slash at its end if a route matches that; otherwise 404.

    Starlette's own redirect repeats the Host header.
    """

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        response: Response = missing(Request(scope))
        path = "/" + scope["path"].strip("/")
        if path != scope["path"] and self._matches({**scope, "path": path}):
            url = URL(scope={**scope, "path": path})
            target = f"{url.path}?{url.query}" if url.query else url.path
            response = RedirectResponse(target)
        await response(scope, receive, send)

    def _matches(self, scope: Scope) -> bool:
        return any(route.matches(scope)[0] is not Match.NONE for route in self._routes)
