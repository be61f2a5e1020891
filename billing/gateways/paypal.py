"""PayPal, by its Orders API (https://developer.paypal.com/docs/api/orders/v2/).

- A charge is an order. The customer approves it on PayPal's page, and then it is captured: money
  only moves when we ask for it.
- Each POST has our key as its PayPal-Request-Id, so that a repeat returns what the first one
  created. PayPal keeps it for six hours for orders, and for 45 days for refunds. A repeat after
  that creates another order; the customer never saw the first.
- PayPal can't cancel an order. It forgets one that wasn't approved or captured in time, after three
  hours by default.
- Several installations may use one PayPal account, such as those of developers. So a key begins
  with the installation's reference.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

import orjson
import structlog

from auth.http_client import Unavailable
from auth.oauth_client import OAuthClient
from billing.gateways.gateway import (
    PAYPAL,
    GatewayUnavailable,
    Outcome,
    RefundOutcome,
    RequestRejected,
)
from models.billing.payment import PaymentStatus
from models.billing.refund import RefundStatus
from models.operations.installation import Installation

API_URL = "https://api-m.paypal.com"
_TIMEOUT_SECONDS = 30.0
_MAX_BODY_BYTES = 1024 * 1024
_CURRENCY = "EUR"
_REJECTED = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
# An order can't be captured, because the customer has something to do.
_UNAPPROVED = ("ORDER_NOT_APPROVED", "PAYER_ACTION_REQUIRED")
_LINKS = ("payer-action", "approve")
_CAPTURE_STATUSES = {
    "COMPLETED": PaymentStatus.SUCCEEDED,
    "PARTIALLY_REFUNDED": PaymentStatus.SUCCEEDED,
    "REFUNDED": PaymentStatus.SUCCEEDED,
    "PENDING": PaymentStatus.PROCESSING,
    "DECLINED": PaymentStatus.DECLINED,
    "FAILED": PaymentStatus.DECLINED,
}
_REFUND_STATUSES = {
    "COMPLETED": RefundStatus.SUCCEEDED,
    "PENDING": RefundStatus.PENDING,
    "FAILED": RefundStatus.FAILED,
    "CANCELLED": RefundStatus.FAILED,
}

log = structlog.stdlib.get_logger()
Result = TypeVar("Result")


class PaypalGateway:
    """Implements ChargeGateway. `url` is that of PayPal's sandbox, or of another server with its
    API, for tests. Customers return to `return_url` from PayPal when a call names no other page.
    """

    name = PAYPAL

    def __init__(
        self, client_id: str, client_secret: str, return_url: str, url: str = API_URL
    ) -> None:
        self._url, self._return_url = url.rstrip("/"), return_url
        self._installation: str | None = None
        self._client = OAuthClient(
            f"{self._url}/v1/oauth2/token",
            client_id,
            client_secret,
            _TIMEOUT_SECONDS,
            _MAX_BODY_BYTES,
        )

    async def _own(self, key: str) -> str:
        """A key with the installation's prefix, as PayPal knows it."""
        if self._installation is None:
            self._installation = await Installation.current_reference()
        return f"{self._installation}-{key}"

    async def charge(
        self,
        key: str,
        amount_cents: int,
        method: str,
        *,
        customer: str | None = None,
        off_session: bool = False,
        return_url: str | None = None,
    ) -> Outcome:
        """The customer always approves a charge: one without them is rejected. PayPal adds `token`
        to the query of the page to which they return, and `PayerID` if they approved.
        """
        if method != PAYPAL or off_session:
            raise RequestRejected(method)
        page, key = return_url or self._return_url, await self._own(key)
        order = await self._call(
            "POST",
            "/v2/checkout/orders",
            key,
            {
                "intent": "CAPTURE",
                "purchase_units": [{"custom_id": key, "amount": _money(amount_cents)}],
                "payment_source": {
                    "paypal": {
                        "experience_context": {
                            "return_url": page,
                            "cancel_url": page,
                            "user_action": "PAY_NOW",
                            "shipping_preference": "NO_SHIPPING",
                            "payment_method_preference": "IMMEDIATE_PAYMENT_REQUIRED",
                        }
                    }
                },
            },
        )
        return _read(_outcome, order)

    async def find(self, key: str, reference: str | None = None) -> Outcome | None:
        """An order is found by its reference only; a repeated charge finds it by its key."""
        if reference is None:
            return None
        return await self._find(reference)

    async def _find(self, reference: str) -> Outcome:
        order = await self._order(reference)
        if order is None:
            return Outcome(PaymentStatus.CANCELED, reference)
        return _read(_outcome, order)

    async def capture(self, reference: str) -> Outcome:
        try:
            order = await self._call("POST", f"{_path(reference)}/capture", f"{reference}-capture")
        except RequestRejected as error:
            found, issue = await self._find(reference), str(error)
            if found.status is not PaymentStatus.REQUIRES_ACTION or issue in _UNAPPROVED:
                return found  # it was captured before, or the customer has something to do
            return _declined(reference, issue)
        return _read(_outcome, order)

    async def cancel(self, reference: str) -> Outcome:
        """The order as it is: only PayPal ends it, when it isn't captured in time."""
        return await self._find(reference)

    async def refund(self, key: str, reference: str, amount_cents: int) -> RefundOutcome:
        order = await self._order(reference)
        capture = None if order is None else _read(_last_capture, order)
        if capture is None:
            raise RequestRejected(reference)
        path = f"/v2/payments/captures/{quote(str(capture['id']), safe='')}/refund"
        key = await self._own(key)
        content = {"custom_id": key, "amount": _money(amount_cents)}
        return _read(_refund_outcome, await self._call("POST", path, key, content))

    async def find_refund(self, key: str, reference: str) -> RefundOutcome | None:
        order, key = await self._order(reference), await self._own(key)
        refunds = {} if order is None else _read(_refunds, order)
        return _read(_refund_outcome, refunds[key]) if key in refunds else None

    async def close(self) -> None:
        return  # no connection is kept

    async def _order(self, reference: str) -> dict[str, Any] | None:
        """An order, None when PayPal doesn't know it or has forgotten it."""
        try:
            return await self._call("GET", _path(reference))
        except RequestRejected:
            return None

    async def _call(
        self, method: str, path: str, key: str | None = None, content: object = None
    ) -> dict[str, Any]:
        """The content of a response. Raises RequestRejected with PayPal's issue for what it doesn't
        know or allow, and GatewayUnavailable for anything that a repeat may solve.
        """
        headers = {"Content-Type": "application/json", "Prefer": "return=representation"}
        if key:
            headers["PayPal-Request-Id"] = key
        body = orjson.dumps({} if content is None else content) if key else None
        try:
            status, answer = await self._client.request(
                method, f"{self._url}{path}", headers, content=body
            )
        except Unavailable as error:
            raise _unavailable(error.reason) from None
        values = _json(answer)
        if status in _REJECTED:
            raise RequestRejected(_read(_issue, values))
        if status not in (HTTPStatus.OK, HTTPStatus.CREATED):
            raise _unavailable(f"status {status}")
        return values


def _unavailable(reason: str) -> GatewayUnavailable:
    log.warning("paypal.unavailable", reason=reason)
    return GatewayUnavailable()


def _read(convert: Callable[[dict[str, Any]], Result], values: dict[str, Any]) -> Result:
    """Convert a response. Raises GatewayUnavailable when it lacks something."""
    try:
        return convert(values)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise _unavailable(type(error).__name__) from None


def _path(reference: str) -> str:
    return f"/v2/checkout/orders/{quote(reference, safe='')}"


def _money(cents: int) -> dict[str, str]:
    return {"currency_code": _CURRENCY, "value": f"{cents // 100}.{cents % 100:02d}"}


def _json(answer: bytes) -> dict[str, Any]:
    try:
        values = orjson.loads(answer or b"{}")
    except ValueError:
        raise _unavailable("not JSON") from None
    if not isinstance(values, dict):
        raise _unavailable("not an object")
    return values


def _issue(values: Mapping[str, Any]) -> str:
    """PayPal's name of the error, such as INSTRUMENT_DECLINED."""
    details = values.get("details") or [{}]
    return str(details[0].get("issue") or values.get("name") or "")


def _outcome(order: Mapping[str, Any]) -> Outcome:
    reference, status = str(order["id"]), order["status"]
    if capture := _last_capture(order):
        paid = _CAPTURE_STATUSES[capture["status"]]
        if paid is PaymentStatus.DECLINED:
            return _declined(reference, "")
        return Outcome(paid, reference, brand=PAYPAL)
    if status == "VOIDED":
        return Outcome(PaymentStatus.CANCELED, reference, brand=PAYPAL)
    link = next((link for link in order["links"] if link["rel"] in _LINKS), None)
    return Outcome(
        PaymentStatus.REQUIRES_ACTION,
        reference,
        confirmation_url=link and str(link["href"]),
        brand=PAYPAL,
        is_approved=status == "APPROVED",
    )


def _declined(reference: str, issue: str) -> Outcome:
    code = (issue or "INSTRUMENT_DECLINED").lower()[:40]
    return Outcome(PaymentStatus.DECLINED, reference, decline_code=code, brand=PAYPAL)


def _payments(order: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """The captures or the refunds of an order."""
    unit = (order.get("purchase_units") or [{}])[0]
    return list((unit.get("payments") or {}).get(kind) or [])


def _last_capture(order: Mapping[str, Any]) -> dict[str, Any] | None:
    captures = _payments(order, "captures")
    return captures[-1] if captures else None


def _refunds(order: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The refunds of an order by our keys."""
    return {str(each.get("custom_id")): each for each in _payments(order, "refunds")}


def _refund_outcome(refund: Mapping[str, Any]) -> RefundOutcome:
    status = _REFUND_STATUSES[refund["status"]]
    reason = (refund.get("status_details") or {}).get("reason")
    has_failed = status is RefundStatus.FAILED
    return RefundOutcome(
        status, str(refund["id"]), str(reason or "failed").lower()[:60] if has_failed else None
    )
