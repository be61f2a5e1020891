"""A PayPal server for tests: its Orders and Payments APIs, and the page on which a customer
approves an order, as https://developer.paypal.com/docs/api/orders/v2/ describes them.
"""

import secrets
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from billing.gateways.paypal import PaypalGateway
from tests.uvicorn_thread import serve_in_thread

CLIENT_ID, SECRET = "paypal-client", "secret of the paypal app"
SHOP = "https://shop.example/account"
_PAGE = """<!doctype html><title>PayPal</title><form method="post">
<button name="outcome" value="approve">Pay now</button>
<button name="outcome" value="cancel">Cancel and return</button></form>"""


@dataclass
class PaypalServer:
    """PayPal. `declines` is the issue with which captures are refused, `capture_status` and
    `refund_status` those of new captures and refunds. With `loses_answers`, requests are carried
    out but the answers get lost. `body` replaces the right answer.
    """

    url: str = ""
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_down: bool = False
    loses_answers: bool = False
    body: bytes | None = None
    declines: str | None = None
    capture_status: str = "COMPLETED"
    refund_status: str = "COMPLETED"
    tokens: set[str] = field(default_factory=set)
    _made: dict[str, Any] = field(default_factory=dict)  # by the keys of requests

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/oauth2/token", self._token, methods=["POST"]),
                Route("/v2/checkout/orders", self._create, methods=["POST"]),
                Route("/v2/checkout/orders/{id}", self._show),
                Route("/v2/checkout/orders/{id}/capture", self._capture, methods=["POST"]),
                Route("/v2/payments/captures/{id}/refund", self._refund, methods=["POST"]),
                Route("/checkoutnow", self._page, methods=["GET", "POST"]),
            ]
        )

    def gateway(self, secret: str = SECRET) -> PaypalGateway:
        """Our client for it."""
        return PaypalGateway(CLIENT_ID, secret, SHOP, self.url)

    # what tests do

    def reset(self) -> None:
        """Clear what an earlier test left."""
        self.orders.clear()
        self._made.clear()
        self.is_down = self.loses_answers = False
        self.body = self.declines = None
        self.capture_status = self.refund_status = "COMPLETED"

    def approve(self, reference: str) -> None:
        """Approve an order, as the customer does on PayPal's page."""
        self.orders[reference]["status"] = "APPROVED"

    def captures(self, reference: str) -> list[dict[str, Any]]:
        """What was collected for an order."""
        captures: list[dict[str, Any]] = _payments(self.orders[reference])["captures"]
        return captures

    def refunds(self, reference: str) -> list[dict[str, Any]]:
        """What was refunded of an order."""
        refunds: list[dict[str, Any]] = _payments(self.orders[reference])["refunds"]
        return refunds

    # PayPal's API

    async def _token(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        credentials = b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
        if self.is_down:
            return Response(status_code=503)
        if request.headers.get("authorization") != f"Basic {credentials}":
            return JSONResponse({"error": "invalid_client"}, 401)
        assert form == {"grant_type": ["client_credentials"]}
        token = secrets.token_hex(8)
        self.tokens.add(token)
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": 32400})

    def _refusal(self, request: Request) -> Response | None:
        """The answer to a request that isn't handled at all."""
        if self.is_down:
            return JSONResponse({"name": "SERVICE_UNAVAILABLE"}, 503)
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return JSONResponse({"error": "invalid_token"}, 401)
        return Response(self.body) if self.body is not None else None

    async def _create(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        key, content = request.headers["paypal-request-id"], await request.json()
        if key in self._made:
            return self._answer(self.orders[self._made[key]], 200)
        [unit] = content["purchase_units"]
        amount = unit["amount"]
        if amount["currency_code"] != "EUR" or Decimal(amount["value"]) <= 0:
            return _error("CANNOT_BE_ZERO_OR_NEGATIVE")
        reference = secrets.token_hex(8).upper() + "C"
        context = content["payment_source"]["paypal"]["experience_context"]
        self.orders[reference] = {
            "id": reference,
            "intent": content["intent"],
            "status": "PAYER_ACTION_REQUIRED",
            "purchase_units": [unit | {"payments": {"captures": [], "refunds": []}}],
            "links": [
                {"rel": "self", "href": f"{self.url}/v2/checkout/orders/{reference}"},
                {"rel": "payer-action", "href": f"{self.url}/checkoutnow?token={reference}"},
            ],
            "pages": (context["return_url"], context["cancel_url"]),
        }
        self._made[key] = reference
        return self._answer(self.orders[reference], 201)

    async def _show(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        order = self.orders.get(request.path_params["id"])
        return self._answer(order, 200) if order else _error("INVALID_RESOURCE_ID", 404)

    async def _capture(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        order = self.orders.get(request.path_params["id"])
        if order is None:
            return _error("INVALID_RESOURCE_ID", 404)
        key = request.headers["paypal-request-id"]
        if key not in self._made:
            if order["status"] == "COMPLETED":
                return _error("ORDER_ALREADY_CAPTURED")
            if order["status"] != "APPROVED":
                return _error("ORDER_NOT_APPROVED")
            if self.declines:
                return _error(self.declines)
            order["status"] = "COMPLETED"
            capture = {
                "id": f"CAP-{order['id']}",
                "status": self.capture_status,
                "amount": order["purchase_units"][0]["amount"],
            }
            _payments(order)["captures"].append(capture)
            self._made[key] = order["id"]
        return self._answer(order, 201)

    async def _refund(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        order = self.orders.get(request.path_params["id"].removeprefix("CAP-"))
        if order is None:
            return _error("INVALID_RESOURCE_ID", 404)
        key, content = request.headers["paypal-request-id"], await request.json()
        if key not in self._made:
            payments = _payments(order)
            refunded = sum(Decimal(each["amount"]["value"]) for each in payments["refunds"])
            left = Decimal(payments["captures"][0]["amount"]["value"]) - refunded
            if Decimal(content["amount"]["value"]) > left:
                return _error("REFUND_AMOUNT_EXCEEDED")
            self._made[key] = {
                "id": f"REF-{secrets.token_hex(6)}",
                "status": self.refund_status,
                "amount": content["amount"],
                "custom_id": content["custom_id"],
            }
            payments["refunds"].append(self._made[key])
        return self._answer(self._made[key], 201)

    def _answer(self, content: dict[str, Any], status: int) -> Response:
        if self.loses_answers:
            return JSONResponse({"name": "INTERNAL_SERVICE_ERROR"}, 500)
        return JSONResponse(content, status)

    # the page on which customers approve

    async def _page(self, request: Request) -> Response:
        reference = request.query_params["token"]
        if request.method == "GET":
            return HTMLResponse(_PAGE)
        form = parse_qs((await request.body()).decode())
        return_url, cancel_url = self.orders[reference]["pages"]
        if form["outcome"] != ["approve"]:
            return RedirectResponse(f"{cancel_url}?{urlencode({'token': reference})}", 303)
        self.approve(reference)
        query = urlencode({"token": reference, "PayerID": "QYR5Z8XDVJNXQ"})
        return RedirectResponse(f"{return_url}?{query}", 303)


def _payments(order: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    payments: dict[str, list[dict[str, Any]]] = order["purchase_units"][0]["payments"]
    return payments


def _error(issue: str, status: int = 422) -> Response:
    name = "RESOURCE_NOT_FOUND" if status == 404 else "UNPROCESSABLE_ENTITY"
    return JSONResponse({"name": name, "details": [{"issue": issue}]}, status)


@contextmanager
def serve_paypal() -> Iterator[PaypalServer]:
    """A running server."""
    server = PaypalServer()
    with serve_in_thread(server.app()) as server.url:
        yield server
