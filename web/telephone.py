"""Calls that a telephone system reports: `POST /webhooks/<name of the system>`."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from auth.webhook_signatures import SignatureInvalid
from models.action import Action, retry_conflict
from models.errors import Refusal
from models.operations.installation import Installation
from resolvers.context import Services
from support.calls import ReportChanged, check_times, record_report
from support.telephone import TelephoneSystem
from web.webhooks import TIMEOUT_SECONDS, json_response, read_body

log = structlog.stdlib.get_logger()


def routes(services: Services) -> list[Route]:
    """The endpoint of the telephone system that is configured."""
    if services.telephone is None:
        return []
    endpoint = _TelephoneEndpoint(services, services.telephone)
    return [Route(f"/webhooks/{services.telephone.name}", endpoint.receive, methods=["POST"])]


@dataclass(frozen=True)
class _TelephoneEndpoint:
    """Receives reports."""

    services: Services
    system: TelephoneSystem

    async def receive(self, request: Request) -> Response:
        """200 when the call is stored, including when it was stored before or the request isn't
        about an ended call; 400 when the request is forged, too old or unreadable, or the call is
        from the future, 409 when the same call was reported with different facts, 413 when the
        request is too large, 503 while no calls are accepted.
        """
        if await Installation.is_held():
            return json_response(HTTPStatus.SERVICE_UNAVAILABLE, "HELD")
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                body = await read_body(request)
        except (TimeoutError, ClientDisconnect):
            return json_response(HTTPStatus.REQUEST_TIMEOUT, "INCOMPLETE")
        if body is None:
            return json_response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "TOO_LARGE")
        return await self._record(request, body)

    async def _record(self, request: Request, body: bytes) -> Response:
        action = Action(None, self.services.clock.now(), self.services.hub)
        try:
            report = self.system.read(request.headers, body)
            if report:
                facts = report.facts
                check_times(action, facts.started_at, facts.duration_seconds, facts.outcome)
        except SignatureInvalid as error:
            log.warning("telephone.refused", reason=error.args[0])
            return json_response(HTTPStatus.BAD_REQUEST, "SIGNATURE_INVALID")
        except (ValueError, Refusal):
            log.error("telephone.unreadable")
            return json_response(HTTPStatus.BAD_REQUEST, "UNREADABLE")
        if report is None:
            return json_response(HTTPStatus.OK, "IGNORED")
        try:
            is_new = await retry_conflict(lambda: record_report(action, report))
        except ReportChanged:
            log.warning("telephone.changed")
            return json_response(HTTPStatus.CONFLICT, "CHANGED")
        return json_response(HTTPStatus.OK, "STORED" if is_new else "KNOWN")
