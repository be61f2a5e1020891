"""An approved platform over HTTP: the Flow Service of AFNOR XP Z12-013 (billing/delivery/flows.py)
with an OAuth2 token for client credentials.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import orjson

from auth.http_client import Unavailable, is_server_url
from auth.oauth_client import OAuthClient
from billing.delivery.flows import (
    PAGE_SIZE,
    Acknowledgement,
    Flow,
    FlowRefused,
    FlowService,
    FlowSyntax,
    FlowType,
    NewFlow,
    PlatformUnavailable,
)
from models.text import clean_line

_TIMEOUT_SECONDS = 30.0
_MAX_BODY_BYTES = 4 * 1024 * 1024
_MAX_CODE_LENGTH = 40
_MAX_REASON_LENGTH = 500
# What the standard answers to a flow that is wrong in itself, and to one that isn't there.
_REFUSED = (400, 413, 422)
_MISSING = (404, 410)


@dataclass(frozen=True)
class PlatformOptions:
    """The settings of a platform: its Flow Service, its token endpoint, our credentials, and our
    organization, which only platforms with several need.
    """

    url: str
    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    organization: str = ""

    @property
    def errors(self) -> list[str]:
        """What is wrong, each starting with the name of a variable."""
        prefix = "CAMCHA_INVOICE_PLATFORM_"
        errors = [
            f"{prefix}{name}: must be https://host/path"
            for name, url in (("URL", self.url), ("TOKEN_URL", self.token_url))
            if not is_server_url(url)
        ]
        errors += [
            f"{prefix}{name}: required with {prefix}URL"
            for name, value in (
                ("CLIENT_ID", self.client_id),
                ("CLIENT_SECRET", self.client_secret),
            )
            if not value
        ]
        return errors


def configured_platform(options: PlatformOptions | None) -> FlowService | None:
    """The platform, None when invoices are delivered by email only."""
    return Platform(options) if options else None


class Platform:
    """The client of one platform."""

    name = "platform"

    def __init__(self, options: PlatformOptions, timeout: float = _TIMEOUT_SECONDS) -> None:
        self._url = options.url.rstrip("/")
        self._headers = {"Organization-Id": options.organization} if options.organization else {}
        self._client = OAuthClient(
            options.token_url, options.client_id, options.client_secret, timeout, _MAX_BODY_BYTES
        )

    async def submit(self, flow: NewFlow) -> str:
        info = {
            "trackingId": flow.tracking_id,
            "name": flow.name,
            "flowSyntax": flow.syntax.value,
            "processingRule": flow.rule.value,
            "sha256": flow.fingerprint,
        }
        is_invoice = flow.syntax is FlowSyntax.FACTUR_X
        if is_invoice:
            info["flowProfile"] = "CIUS"
        content_type = "application/pdf" if is_invoice else "application/xml"
        answer = await self._call(
            "POST",
            "v1/flows",
            refused=_REFUSED,
            files={
                "flowInfo": (None, orjson.dumps(info), "application/json"),
                "file": (flow.name, flow.content, content_type),
            },
        )
        return _flow_id(_json(answer).get("flowId"))

    async def search(
        self,
        types: Sequence[FlowType],
        *,
        updated_after: datetime | None = None,
        tracking_id: str | None = None,
    ) -> list[Flow]:
        where: dict[str, Any] = {"flowType": [type_.value for type_ in types]}
        if updated_after:
            where["updatedAfter"] = updated_after.isoformat(timespec="milliseconds")
        if tracking_id:
            where["trackingId"] = tracking_id
        answer = await self._call(
            "POST", "v1/flows/search", json={"where": where, "limit": PAGE_SIZE}
        )
        try:
            flows = [_flow(each) for each in _json(answer)["results"]]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PlatformUnavailable(type(error).__name__) from None
        return sorted(flows, key=lambda each: each.updated_at)

    async def content(self, flow_id: str) -> bytes:
        return await self._call(
            "GET", f"v1/flows/{flow_id}", refused=_MISSING, params={"docType": "Original"}
        )

    async def _call(
        self, method: str, path: str, refused: Sequence[int] = (), **parts: Any
    ) -> bytes:
        """The body of an answer."""
        try:
            status, body = await self._client.request(
                method, f"{self._url}/{path}", self._headers, **parts
            )
        except Unavailable as error:
            raise PlatformUnavailable(error.reason) from None
        if status in refused:
            raise FlowRefused(_error_code(body) or f"status {status}")
        if not httpx.codes.is_success(status):
            raise PlatformUnavailable(f"status {status}")
        return body


def _json(body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except ValueError:
        raise PlatformUnavailable("not JSON") from None
    if not isinstance(answer, dict):
        raise PlatformUnavailable("not an object")
    return answer


def _flow_id(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 36 or not value.isprintable():
        raise PlatformUnavailable("flowId")
    if "/" in value or "?" in value or "#" in value or value in (".", ".."):
        raise PlatformUnavailable("flowId")
    return value


def _flow(values: Mapping[str, Any]) -> Flow:
    acknowledgement = values.get("acknowledgement") or {}
    details = acknowledgement.get("details") or [{}]
    errors = [each for each in details if each.get("level") == "Error"] or details
    updated_at = datetime.fromisoformat(values["updatedAt"])
    if updated_at.tzinfo is None:
        raise ValueError("updatedAt")
    return Flow(
        flow_id=_flow_id(values["flowId"]),
        tracking_id=str(values.get("trackingId") or ""),
        type=str(values["flowType"]),
        syntax=str(values["flowSyntax"]),
        is_incoming=values.get("flowDirection") == "In",
        updated_at=updated_at,
        acknowledgement=Acknowledgement(acknowledgement.get("status") or "Pending"),
        reason_code=clean_line(str(errors[0].get("reasonCode") or ""))[:_MAX_CODE_LENGTH],
        reason=clean_line(str(errors[0].get("reasonMessage") or ""))[:_MAX_REASON_LENGTH],
    )


def _error_code(body: bytes) -> str:
    """The platform's code of an error, empty without one."""
    try:
        code = orjson.loads(body)["errorCode"]
    except (ValueError, KeyError, TypeError):
        return ""
    return clean_line(str(code))[:_MAX_CODE_LENGTH]
