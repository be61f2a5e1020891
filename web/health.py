"""Health checks, and the response of every other URL while the database is unavailable."""

import asyncio
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tortoise.exceptions import BaseORMException

from models.database.connection import pending_migrations
from models.database.failures import log_unavailable
from models.database.options import HEALTH_TIMEOUT
from models.database.sql import execute
from models.database.workload import Workload, workload
from models.errors import ServiceUnavailable
from models.translations import _
from operations.version import VERSION
from web.page import Page, page_response


def routes() -> list[Route]:
    """The routes of health checks."""
    return [Route("/healthz", healthz), Route("/readyz", readyz)]


async def healthz(request: Request) -> Response:
    """200 as long as the process responds. It depends on nothing else: restarting a process doesn't
    bring back a database that is unavailable.
    """
    return _json_response({"alive": True}, 200)


async def readyz(request: Request) -> Response:
    """200 when the database responds and all migrations are applied, else 503 with what is missing,
    and in any case the version of the program.

    It answers within seconds whatever happens to the database. On PostgreSQL it has a connection of
    its own, so that a high load doesn't look like an outage.
    """
    try:
        async with asyncio.timeout(HEALTH_TIMEOUT):
            with workload(Workload.HEALTH):
                await execute("SELECT 1")
                missing = await pending_migrations()
    except (BaseORMException, ServiceUnavailable, OSError):  # TimeoutError is an OSError
        return _json_response({"ready": False, "version": VERSION, "database": False}, 503)
    return _json_response(
        {
            "ready": not missing,
            "version": VERSION,
            "database": True,
            "pendingMigrations": missing,
        },
        503 if missing else 200,
    )


def unavailable(request: Request, error: Exception) -> Response:
    """The page of a request that failed with ServiceUnavailable."""
    assert isinstance(error, ServiceUnavailable), "registered for it"  # noqa: S101
    log_unavailable(error)
    page = Page(_("Try again in a moment"), _("The service is temporarily unavailable."))
    response = page_response(request, page, 503)
    response.headers["Retry-After"] = str(error.retry_after)
    return response


def _json_response(content: dict[str, Any], status: int) -> Response:
    return Response(
        orjson.dumps(content), status, {"Cache-Control": "no-store"}, "application/json"
    )
