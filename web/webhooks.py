"""Notifications by payment providers: `POST /webhooks/<provider>`.

The signature is checked over the raw bytes. The answer is sent as soon as the notification is
stored, because providers wait for seconds only, and then it is handled.
"""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from billing import provider_events
from billing.gateways.gateway import SignatureInvalid
from models.action import Action
from models.billing.provider_event import ProviderEvent
from models.operations.installation import Installation
from resolvers.context import Services

MAX_BODY_BYTES = 262_144
TIMEOUT_SECONDS = 30

log = structlog.stdlib.get_logger()


def routes(services: Services) -> list[Route]:
    """The endpoint of the provider that is configured."""
    endpoint = _WebhookEndpoint(services)
    return [Route(f"/webhooks/{services.gateway.name}", endpoint.receive, methods=["POST"])]


@dataclass(frozen=True)
class _WebhookEndpoint:
    """Receives notifications."""

    services: Services

    async def receive(self, request: Request) -> Response:
        """200 when the notification is stored, including when it was stored before; 400 when it is
        forged, too old or unreadable, 413 when it is too large.
        """
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                body = await read_body(request)
        except (TimeoutError, ClientDisconnect):
            return json_response(HTTPStatus.REQUEST_TIMEOUT, "INCOMPLETE")
        if body is None:
            return json_response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "TOO_LARGE")
        gateway = self.services.gateway
        try:
            event = await provider_events.receive(self._action(), gateway, request.headers, body)
        except SignatureInvalid:
            log.warning("webhook.refused", provider=gateway.name)
            return json_response(HTTPStatus.BAD_REQUEST, "SIGNATURE_INVALID")
        except ValueError:
            log.error("webhook.unreadable", provider=gateway.name)
            return json_response(HTTPStatus.BAD_REQUEST, "UNREADABLE")
        response = json_response(HTTPStatus.OK, "STORED")
        if event:
            response.background = BackgroundTask(self._handle, event)
        return response

    async def _handle(self, event: ProviderEvent) -> None:
        if not await Installation.is_held():
            await provider_events.handle(self._action(), self.services.checkout, event)

    def _action(self) -> Action:
        return Action(None, self.services.clock.now(), self.services.hub)


async def read_body(request: Request) -> bytes | None:
    """The body, None when it is too large."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or len(length) > 12 or int(length) > MAX_BODY_BYTES:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


def json_response(status: HTTPStatus, code: str) -> JSONResponse:
    return JSONResponse({"code": code}, status, headers={"Cache-Control": "no-store"})
