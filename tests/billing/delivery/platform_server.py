"""An invoicing platform for tests: the Flow Service of AFNOR XP Z12-013 over HTTP, with failures on
demand.
"""

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import HTTP
from hashlib import sha256
from typing import Any, cast
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from billing.delivery.platform import Platform, PlatformOptions
from models.clock import PARIS

CLIENT_ID, SECRET = "camcha", "secret of the platform"
_NAMESPACE = "urn:un:unece:uncefact:data:standard:"
_MESSAGE = """<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossDomainAcknowledgementAndResponse
  xmlns:rsm="{ns}CrossDomainAcknowledgementAndResponse:100"
  xmlns:ram="{ns}ReusableAggregateBusinessInformationEntity:100"
  xmlns:udt="{ns}UnqualifiedDataType:100">
  <rsm:ExchangedDocument><ram:IssueDateTime>
    <udt:DateTimeString format="204">{at}</udt:DateTimeString>
  </ram:IssueDateTime></rsm:ExchangedDocument>
  <rsm:AcknowledgementDocument>
    <ram:TypeCode>305</ram:TypeCode>
    {references}
  </rsm:AcknowledgementDocument>
</rsm:CrossDomainAcknowledgementAndResponse>"""
_REFERENCE = """<ram:ReferenceReferencedDocument>
  <ram:IssuerAssignedID>{number}</ram:IssuerAssignedID>
  <ram:ProcessConditionCode>{status}</ram:ProcessConditionCode>
  {reason}
</ram:ReferenceReferencedDocument>"""


@dataclass
class StoredFlow:
    """A flow at the platform."""

    values: dict[str, Any]
    content: bytes
    content_type: str = ""


@dataclass
class PlatformServer:
    """The platform. `answers` are the status codes of the next calls of `POST /v1/flows`: with 202
    the flow is stored, and a lost answer is a stored flow without an answer (504).
    """

    url: str = ""
    flows: list[StoredFlow] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    is_down: bool = False
    token_body: bytes | None = None  # instead of a token
    search_body: bytes | None = None  # instead of what was found
    token_count: int = 0
    tokens: set[str] = field(default_factory=set)
    now: datetime = datetime(2026, 11, 23, 9, tzinfo=UTC)
    search_count: int = 0
    content_answers: dict[str, int] = field(default_factory=dict)  # status codes by flowId

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/token", self._token, methods=["POST"]),
                Route("/v1/flows", self._submit, methods=["POST"]),
                Route("/v1/flows/search", self._search, methods=["POST"]),
                Route("/v1/flows/{flow_id}", self._content),
            ]
        )

    def client(self) -> Platform:
        """Our client for it."""
        return Platform(PlatformOptions(self.url, f"{self.url}/token", CLIENT_ID, SECRET, "org"), 5)

    # what tests do

    def invoices(self) -> list[StoredFlow]:
        """The invoices that were handed over."""
        return [flow for flow in self.flows if flow.values["flowSyntax"] == "Factur-X"]

    def reports(self) -> list[StoredFlow]:
        """The messages that were handed over."""
        return [
            flow
            for flow in self.flows
            if flow.values["flowSyntax"] == "CDAR" and flow.values["flowDirection"] == "Out"
        ]

    def acknowledge(self, flow: StoredFlow, status: str, code: str = "", message: str = "") -> None:
        """Set the result of the platform's check of a flow."""
        detail = {"level": "Error", "item": "", "reasonCode": code, "reasonMessage": message}
        flow.values["acknowledgement"] = {"status": status, "details": [detail] if code else []}
        flow.values["updatedAt"] = self._next_moment()

    def set_status(
        self,
        number: str,
        status: int,
        code: str = "",
        reason: str = "",
        *,
        at: datetime | None = None,
        content: bytes | None = None,
        others: Sequence[tuple[str, int]] = (),
    ) -> StoredFlow:
        """Set a status of an invoice, by a message to the seller, which may also state those of
        others.
        """
        text = f"<ram:ReasonCode>{escape(code)}</ram:ReasonCode>" if code else ""
        text += f"<ram:Reason>{escape(reason)}</ram:Reason>" if reason else ""
        if text:
            text = f"<ram:SpecifiedDocumentStatus>{text}</ram:SpecifiedDocumentStatus>"
        message = _MESSAGE.format(
            ns=_NAMESPACE,
            at=f"{(at or self.now).astimezone(PARIS):%Y%m%d%H%M%S}",
            references="".join(
                _REFERENCE.format(number=escape(each), status=code, reason=text)
                for each, code in ((number, status), *others)
            ),
        )
        return self._store(
            {"flowSyntax": "CDAR", "flowDirection": "In", "acknowledgement": {"status": "Ok"}},
            message.encode() if content is None else content,
        )

    # the Flow Service

    async def _token(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        credentials = b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
        if (
            self.is_down
            or form != {"grant_type": ["client_credentials"]}
            or request.headers.get("authorization") != f"Basic {credentials}"
        ):
            return JSONResponse({"error": "invalid_client"}, 401)
        if self.token_body is not None:
            return Response(self.token_body)
        self.token_count += 1
        token = f"token-{self.token_count}"
        self.tokens = {token}
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": 3600})

    def _refusal(self, request: Request) -> Response | None:
        if self.is_down:
            return JSONResponse({"errorCode": "DOWN"}, 503)
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return JSONResponse({"errorCode": "AUTH"}, 401)
        if request.headers.get("organization-id") != "org":
            return JSONResponse({"errorCode": "ORGANIZATION"}, 403)
        return None

    async def _submit(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        answer = self.answers.pop(0) if self.answers else 202
        parts = await _parts(request)
        info, content = json.loads(parts["flowInfo"][0]), parts["file"][0]
        if info["sha256"] != sha256(content).hexdigest():
            return JSONResponse({"errorCode": "SHA256"}, 400)
        if answer not in (202, 504):
            return JSONResponse({"errorCode": f"REFUSED-{answer}"}, answer)
        flow = self._store(
            info | {"flowDirection": "Out", "acknowledgement": {"status": "Pending"}}, content
        )
        flow.content_type = parts["file"][1]
        return JSONResponse({"flowId": flow.values["flowId"], **info}, answer)

    async def _search(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        self.search_count += 1
        if self.search_body is not None:
            return Response(self.search_body)
        body = await request.json()
        where = body["where"]
        after = where.get("updatedAfter")
        found = [
            flow.values
            for flow in self.flows
            if flow.values["flowType"] in where["flowType"]
            and where.get("trackingId") in (None, flow.values.get("trackingId"))
            and (not after or flow.values["updatedAt"] > datetime.fromisoformat(after).isoformat())
        ]
        found.sort(key=lambda values: str(values["updatedAt"]))
        return JSONResponse({"filters": where, "results": found[: body["limit"]]})

    async def _content(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        if answer := self.content_answers.get(request.path_params["flow_id"]):
            return JSONResponse({"errorCode": "UNAVAILABLE"}, answer)
        for flow in self.flows:
            if flow.values["flowId"] == request.path_params["flow_id"]:
                return Response(flow.content, media_type="application/xml")
        return JSONResponse({"errorCode": "UNKNOWN"}, 404)

    def _store(self, values: dict[str, Any], content: bytes) -> StoredFlow:
        moment = self._next_moment()
        is_invoice = values["flowSyntax"] == "Factur-X"
        defaults = {
            "flowId": f"flow-{len(self.flows) + 1}",
            "flowType": "CustomerInvoice" if is_invoice else "CustomerInvoiceLC",
            "submittedAt": moment,
            "updatedAt": moment,
        }
        flow = StoredFlow(defaults | values, content)
        self.flows.append(flow)
        return flow

    def _next_moment(self) -> str:
        self.now += timedelta(seconds=1)
        return self.now.isoformat()


async def _parts(request: Request) -> dict[str, tuple[bytes, str]]:
    """The parts of a multipart body by name: the content and its type."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = message_from_bytes(head + await request.body(), policy=HTTP)
    return {
        str(part.get_param("name", header="content-disposition")): (
            cast(bytes, part.get_payload(decode=True)),
            part.get_content_type(),
        )
        for part in message.iter_parts()
    }
