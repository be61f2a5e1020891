"""Uploads and downloads through signed links: the token in the URL is the only permission, without
cookies or sign-in.
"""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from auth.tokens import Purpose
from billing.document_requests import document_of
from models.action import Action
from models.errors import Refusal
from models.support.file import File, FileStatus
from models.translations import _, text
from privacy.kept_invoices import record_download
from resolvers.context import Services
from storage.file_service import FileService
from storage.store import StoreFull, StoreUnavailable
from support.files import RejectionReason, UploadRejected, receive
from web.exports import Export, find_export
from web.page import language, not_found
from web.ranges import is_unchanged, requested_range

_UPLOAD_TIMEOUT = 300

log = structlog.stdlib.get_logger()

_HEADERS = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}

# A file never changes, and its link stays the same for an hour.
_CACHED = {"Cache-Control": "private, max-age=3600, immutable"}


def routes(services: Services, file_service: FileService) -> list[Route]:
    """`/uploads/{token}` and `/downloads/{token}`."""
    endpoints = _FileEndpoints(services, file_service)
    return [
        Route("/uploads/{token}", endpoints.upload, methods=["PUT"]),
        Route("/downloads/{token}", endpoints.download),
    ]


@dataclass(frozen=True)
class _FileEndpoints:
    """Receives uploads and serves downloads."""

    services: Services
    file_service: FileService

    async def upload(self, request: Request) -> Response:
        """201 when the file is stored, 200 when the same file was stored before, 202 when it waits
        for the scanner, otherwise the error.

        507 when there is no space (RFC 4918, section 11.5), 503 when the store is unavailable; both
        can be retried. Responses are JSON.
        """
        file = await self._announced_file(request.path_params["token"])
        if file is None:
            return _json_response(request, 404, "TOKEN_INVALID")
        if rejection := _check_headers(request, file):
            return rejection
        try:
            async with asyncio.timeout(_UPLOAD_TIMEOUT):
                action = Action(None, self.services.clock.now(), self.services.hub)
                is_new = await receive(action, self.file_service, file, request.stream())
        except UploadRejected as error:
            return _upload_error(request, error.reason)
        except (TimeoutError, ClientDisconnect):
            return _json_response(request, 408, "INCOMPLETE")
        except StoreFull:
            log.error("store.full", file=file.pk)
            return _json_response(request, HTTPStatus.INSUFFICIENT_STORAGE, "STORE_FULL")
        except StoreUnavailable:
            log.error("store.unavailable", file=file.pk)
            return _json_response(request, 503, "STORE_UNAVAILABLE")
        if file.status is FileStatus.QUARANTINED:
            return _json_response(request, 202, "QUARANTINED")
        return _json_response(request, 201 if is_new else 200, "STORED")

    async def _announced_file(self, token: str) -> File | None:
        data = self._token_data(token, Purpose.UPLOAD)
        return await File.get_or_none(pk=data["file"], abandoned_at=None) if data else None

    async def download(self, request: Request) -> Response:
        """The file or the invoice's PDF, always as an attachment, never displayed on our origin."""
        data = self._token_data(
            request.path_params["token"],
            Purpose.FILE_DOWNLOAD,
            Purpose.DOWNLOAD,
            Purpose.EMAIL_DOWNLOAD,
        )
        match data:
            case {"invoice": int(key)}:
                return await self._serve_invoice(request, key, data.get("reader"))
            case {"file": int(key)}:
                return await self._serve_file(request, key)
        if export := find_export(self.services, data, self.file_service.store):
            return _serve_export(request, export)
        return not_found(request)

    def _token_data(self, token: str, *purposes: Purpose) -> dict[str, Any]:
        """The data of a token that is valid for one of the purposes, otherwise empty."""
        for purpose in purposes:
            try:
                return self.services.auth.signer.read(purpose, token, self.services.clock.now())
            except Refusal:
                continue
        return {}

    async def _serve_invoice(self, request: Request, key: int, reader_id: int | None) -> Response:
        services = self.services
        action = Action(None, services.clock.now(), services.hub)
        document = await document_of(action, services.auth.signer, key, services.delivery_channel)
        if document is None:
            return not_found(request)
        headers = _headers(f"{document.invoice.number}.pdf", "application/pdf", document.sha256)
        if is_unchanged(request, headers["ETag"]):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        body_range = requested_range(request, headers["ETag"], len(document.pdf))
        if body_range is None:
            return _unsatisfiable(headers, len(document.pdf))
        if reader_id and request.method != "HEAD":
            await record_download(action, reader_id, document.invoice)
        content = b"" if request.method == "HEAD" else document.pdf[body_range.slice]
        return Response(content, body_range.status, headers=headers | body_range.headers)

    async def _serve_file(self, request: Request, key: int) -> Response:
        file = await File.get_or_none(pk=key, abandoned_at=None)
        if file is None or file.status is not FileStatus.AVAILABLE or file.sha256 is None:
            return not_found(request)
        headers = _headers(file.name, file.content_type, file.sha256) | _CACHED
        return await serve(request, self.file_service, file, headers)


async def serve(
    request: Request, file_service: FileService, file: File, headers: dict[str, str]
) -> Response:
    """A file that is available, or the part of it that is requested."""
    if is_unchanged(request, headers["ETag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    body_range = requested_range(request, headers["ETag"], file.size)
    if body_range is None:
        return _unsatisfiable(headers, file.size)
    headers |= body_range.headers
    if request.method == "HEAD":
        return Response(status_code=body_range.status, headers=headers)
    try:
        is_part = body_range.status is HTTPStatus.PARTIAL_CONTENT
        part = (body_range.slice.start, body_range.slice.stop) if is_part else ()
        content = await file_service.store.open(file.stored_key, *part)
        return StreamingResponse(content, body_range.status, headers=headers)
    except FileNotFoundError:
        log.error("file.missing", file=file.pk)
        return not_found(request)
    except StoreUnavailable:
        log.error("store.unavailable", file=file.pk)
        return _json_response(request, 503, "STORE_UNAVAILABLE")


def _serve_export(request: Request, export: Export) -> Response:
    """The file, sent while it is made, so neither its length nor its hash is known."""
    headers = _HEADERS | {
        "Content-Disposition": content_disposition(export.name),
        "Content-Type": export.media_type,
    }
    if request.method == "HEAD":
        return Response(headers=headers)
    return StreamingResponse(export.content, headers=headers)


def _check_headers(request: Request, file: File) -> Response | None:
    """The response when the headers alone show that the upload is wrong, before the body is
    read.
    """
    if request.headers.get("content-encoding", "identity") != "identity":
        return _upload_error(request, RejectionReason.OTHER_CONTENT)
    length = request.headers.get("content-length")
    if length is None or length.lstrip("0") == str(file.size):
        return None
    is_larger = not length.isdecimal() or len(length) > 18 or int(length) > file.size
    return _upload_error(
        request, RejectionReason.TOO_LARGE if is_larger else RejectionReason.TOO_SMALL
    )


def _upload_error(request: Request, reason: RejectionReason) -> Response:
    return _json_response(request, _STATUS[reason], reason.value)


def _json_response(request: Request, status: int, code: str) -> Response:
    return JSONResponse(
        {"code": code, "message": text(_MESSAGES[code], language(request))},
        status,
        headers=_HEADERS,
    )


def _unsatisfiable(headers: dict[str, str], size: int) -> Response:
    """The response to a range that the content doesn't have (RFC 9110, section 15.5.17)."""
    status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    return Response(status_code=status, headers=headers | {"Content-Range": f"bytes */{size}"})


def _headers(name: str, content_type: str, sha256: str) -> dict[str, str]:
    return _HEADERS | {
        "Accept-Ranges": "bytes",
        "Content-Disposition": content_disposition(name),
        "Content-Type": content_type,
        "ETag": f'"{sha256}"',
    }


def content_disposition(name: str) -> str:
    """The Content-Disposition header to save a file under this name: in full (RFC 6266, RFC 8187),
    and in ASCII for older clients.
    """
    ascii_name = "".join(
        c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in name
    )
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}"


_STATUS = {
    RejectionReason.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    RejectionReason.TOO_SMALL: HTTPStatus.BAD_REQUEST,
    RejectionReason.OTHER_CONTENT: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    RejectionReason.UPLOADED_BEFORE: HTTPStatus.CONFLICT,
    RejectionReason.INFECTED: HTTPStatus.UNPROCESSABLE_ENTITY,
}
_MESSAGES = {
    "STORED": _("The file has been saved."),
    "QUARANTINED": _(
        "The file has been saved. It will be available once it has been scanned for viruses."
    ),
    "INFECTED": _("A virus was found in this file, which has been deleted."),
    "TOKEN_INVALID": _("This link is no longer valid."),
    "INCOMPLETE": _("The upload was interrupted. Try again."),
    "STORE_UNAVAILABLE": _("The file storage isn’t responding. Try again in a moment."),
    "STORE_FULL": _("The file couldn’t be saved because our storage is full. Try again later."),
    "TOO_LARGE": _("The file is larger than announced."),
    "TOO_SMALL": _("The file is smaller than announced."),
    "OTHER_CONTENT": _("The file isn’t of the announced type."),
    "UPLOADED_BEFORE": _("A different file has already been uploaded with this link."),
}
