"""A Stripe server for tests: localstripe in a process of its own, behind a layer that adds what
localstripe lacks.

The layer follows https://docs.stripe.com/api: idempotency keys, the search by metadata, the refusal
of an off-session charge that needs 3-D Secure, redirects, decline codes, mandates, limits of
refunds, and disputes.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import stripe
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.story.server_fixtures import NO_TLS, free_port
from tests.uvicorn_thread import serve_in_thread
from tests.waiting import MAX_WAIT

KEY = "sk_test_localstripe"
WEBHOOK_SECRET = "whsec_of_the_tests"
CARD = "4242424242424242"
AUTHENTICATED_CARD = "4000002500003155"  # requires 3-D Secure
DECLINED_CARD = "4000000000000341"  # can be saved, not charged
UNSAVABLE_CARD = "4000000000000002"
IBAN = "FR1420041010050500013M02606"
DECLINED_IBAN = "DE62370400440532013001"
# It keeps its store in a file that all runs would share.
_PROGRAM = (
    "from localstripe import resources, server; "
    "resources.Store.dump_to_disk = lambda self: None; server.start()"
)
_IGNORED = ("return_url", "mandate_data", "off_session")


class StripeServer:
    """The layer. `url` is its address."""

    def __init__(self, upstream: str) -> None:
        self.url = ""
        self.upstream = upstream
        self.requests: list[tuple[str, str]] = []
        self.is_down = False
        self.returned_refunds: set[str] = set()  # by the customer's bank, after they succeeded
        self._keys_in_use: set[str] = set()
        self._answers: dict[str, tuple[str, int, Any]] = {}
        self._return_urls: dict[str, str] = {}
        self._errors: dict[str, dict[str, Any]] = {}  # of intents that wait for another method
        self._disputes: dict[str, dict[str, Any]] = {}

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/{path:path}", self._handle, methods=["GET", "POST", "DELETE"]),
            ]
        )

    # what tests do

    async def save_card(self, number: str = CARD, **metadata: str) -> str:
        """Save a card as Stripe's script does in a browser. `decline_code` and `refund_status` in
        the metadata determine what happens to this card.
        """
        params = {
            "type": "card",
            "card[number]": number,
            "card[exp_month]": "12",
            "card[exp_year]": "2030",
            "card[cvc]": "123",
        } | {f"metadata[{name}]": value for name, value in metadata.items()}
        return str((await self._send("POST", "/v1/payment_methods", params))[1]["id"])

    async def save_iban(self, iban: str = IBAN) -> str:
        params = {"type": "sepa_debit", "sepa_debit[iban]": iban}
        return str((await self._send("POST", "/v1/payment_methods", params))[1]["id"])

    async def confirm_setup(self, client_secret: str, method: str) -> None:
        """Confirm a setup, as Stripe's script does in a browser."""
        reference = client_secret.partition("_secret_")[0]
        params = {"payment_method": method, "client_secret": client_secret}
        await self._setup_confirm(reference, params)

    async def authenticate(self, reference: str, *, succeeds: bool) -> None:
        """Decide as the customer does at their bank."""
        kind = "setup_intents" if reference.startswith("seti_") else "payment_intents"
        _, intent = await self._send("GET", f"/v1/{kind}/{reference}")
        assert intent["status"] == "requires_action"
        if kind == "payment_intents":
            await self._send(
                "POST",
                f"/v1/payment_intents/{reference}/_authenticate",
                {"client_secret": intent["client_secret"], "success": str(succeeds).lower()},
            )
        elif succeeds:
            await self._send("POST", f"/v1/setup_intents/{reference}/confirm", {})
        else:
            self._errors[reference] = {"code": "setup_intent_authentication_failure"}

    async def dispute(
        self, reference: str, status: str, reason: str, *, has_intent: bool = True
    ) -> str:
        """Let a customer's bank take a charge back. Charges of older programs have no
        PaymentIntent.
        """
        _, intent = await self._send("GET", f"/v1/payment_intents/{reference}")
        dispute = {
            "id": f"du_{len(self._disputes)}{reference}",
            "object": "dispute",
            "amount": intent["amount"],
            "currency": "eur",
            "payment_intent": reference if has_intent else None,
            "charge": intent["latest_charge"]["id"],
            "status": status,
            "reason": reason,
        }
        self._disputes[str(dispute["id"])] = dispute
        return str(dispute["id"])

    async def event(self, type: str, path: str, event_id: str | None = None) -> dict[str, Any]:
        """A new event about an object in its current state."""
        _, content = await self._answer("GET", path, {})
        return {
            "id": event_id or f"evt_{len(self.requests)}{time.monotonic_ns()}",
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": int(time.time()),
            "livemode": False,
            "type": type,
            "data": {"object": content},
        }

    # what Stripe does

    async def _handle(self, request: Request) -> Response:
        path, method = request.url.path, request.method
        self.requests.append((method, path))
        if self.is_down:
            return Response(status_code=503)
        if not request.headers.get("authorization", "").endswith(KEY):
            return JSONResponse({"error": {"type": "invalid_request_error"}}, 401)
        body = (await request.body()).decode()
        params = dict(parse_qsl(body, keep_blank_values=True)) | dict(request.query_params)
        key, fingerprint = request.headers.get("idempotency-key"), f"{path} {body}"
        if method == "POST" and key in self._answers:
            earlier, status, content = self._answers[key]
            if earlier != fingerprint:
                return JSONResponse({"error": {"type": "idempotency_error"}}, 400)
            return JSONResponse(content, status, {"Idempotent-Replayed": "true"})
        if method != "POST" or key is None:
            status, content = await self._answer(method, path, params)
            return JSONResponse(content, status)
        if key in self._keys_in_use:
            return JSONResponse({"error": {"code": "idempotency_key_in_use"}}, 409)
        self._keys_in_use.add(key)
        status, content = await self._answer(method, path, params)
        self._keys_in_use.remove(key)
        if status < 500:
            self._answers[key] = (fingerprint, status, content)
        return JSONResponse(content, status)

    async def _answer(self, method: str, path: str, params: dict[str, str]) -> tuple[int, Any]:
        match method, *path.strip("/").split("/")[1:]:
            case "GET", "payment_intents", "search":
                return await self._search(params["query"])
            case "GET", "disputes", reference:
                dispute = self._disputes.get(reference)
                return (200, dispute) if dispute else _not_found()
            case "GET", "mandates", reference:
                return 200, _mandate(reference)
            case "POST", "payment_intents":
                return await self._charge(params)
            case "POST", "payment_intents", reference, "confirm":
                return await self._confirm(reference, params)
            case "POST", "setup_intents", reference, "cancel":
                return await self._setup_cancel(reference)
            case "POST", "setup_intents", reference, "confirm":
                return await self._setup_confirm(reference, params)
            case "POST", "refunds":
                return await self._refund(params)
            case "GET", "refunds":
                return await self._refunds(params)
            case "GET" | "POST", ("payment_intents" | "setup_intents"), *_:
                status, intent = await self._send(method, path, params)
                return status, await self._extended(intent)
        return await self._send(method, path, params)

    async def _search(self, query: str) -> tuple[int, Any]:
        name, _, value = query.removeprefix("metadata['").partition("']:")
        _, found = await self._send("GET", "/v1/payment_intents", {"limit": "1000"})
        data = [each for each in found["data"] if each["metadata"].get(name) == value.strip("'")]
        return 200, {"object": "search_result", "data": data, "has_more": False, "url": "/"}

    async def _charge(self, params: dict[str, str]) -> tuple[int, Any]:
        if int(params["amount"]) < 50:
            return 400, {"error": {"type": "invalid_request_error", "code": "amount_too_small"}}
        if int(params["amount"]) > 99_999_999:
            return 400, {"error": {"type": "invalid_request_error", "code": "amount_too_large"}}
        status, intent = await self._send("POST", "/v1/payment_intents", params)
        if status == 402:
            return 402, await self._card_error(intent["error"])
        if status != 200:
            return status, intent
        if url := params.get("return_url"):
            self._return_urls[intent["id"]] = url
        if intent["status"] == "requires_action" and params.get("off_session") == "true":
            code = "authentication_required"
            method = {"id": intent["payment_method"]}
            self._errors[intent["id"]] = {
                "code": code,
                "decline_code": code,
                "payment_method": method,
            }
            return 402, {
                "error": {
                    "type": "card_error",
                    "code": code,
                    "payment_intent": await self._extended(intent),
                }
            }
        return 200, await self._extended(intent)

    async def _card_error(self, error: dict[str, Any]) -> dict[str, Any]:
        _, charge = await self._send("GET", f"/v1/charges/{error['charge']}")
        _, intent = await self._send("GET", f"/v1/payment_intents/{charge['payment_intent']}")
        intent = await self._extended(intent)
        return {
            "error": {
                "type": "card_error",
                **intent["last_payment_error"],
                "payment_intent": intent,
            }
        }

    async def _confirm(self, reference: str, params: dict[str, str]) -> tuple[int, Any]:
        assert self._errors.pop(reference)["code"] == "authentication_required"
        if url := params.get("return_url"):
            self._return_urls[reference] = url
        status, intent = await self._send("GET", f"/v1/payment_intents/{reference}")
        return status, await self._extended(intent)

    async def _setup_confirm(self, reference: str, params: dict[str, str]) -> tuple[int, Any]:
        status, intent = await self._send("POST", f"/v1/setup_intents/{reference}/confirm", params)
        if url := params.get("return_url"):
            self._return_urls[reference] = url
        if status == 402:
            error = {"type": "card_error", "code": "card_declined", "decline_code": "do_not_honor"}
            self._errors[reference] = error
            return 402, {"error": error}
        self._errors.pop(reference, None)
        return status, await self._extended(intent)

    async def _setup_cancel(self, reference: str) -> tuple[int, Any]:
        status, intent = await self._send("GET", f"/v1/setup_intents/{reference}")
        if status != 200 or intent["status"] in ("succeeded", "canceled"):
            return 400, {"error": {"type": "invalid_request_error", "code": "unexpected_state"}}
        self._errors.pop(reference, None)
        return await self._send("POST", f"/v1/setup_intents/{reference}/cancel", {})

    async def _refund(self, params: dict[str, str]) -> tuple[int, Any]:
        status, intent = await self._send("GET", f"/v1/payment_intents/{params['payment_intent']}")
        if status != 200:
            return status, intent
        charge = intent["latest_charge"]
        if not charge or int(params["amount"]) > charge["amount"] - charge["amount_refunded"]:
            return 400, {"error": {"type": "invalid_request_error", "code": "amount_too_large"}}
        status, refund = await self._send("POST", "/v1/refunds", params)
        _, method = await self._send("GET", f"/v1/payment_methods/{charge['payment_method']}")
        return status, refund | {"status": method["metadata"].get("refund_status", "succeeded")}

    async def _refunds(self, params: dict[str, str]) -> tuple[int, Any]:
        status, page = await self._send("GET", "/v1/refunds", params)
        failure = {"status": "failed", "failure_reason": "expired_or_canceled_card"}
        for refund in page.get("data", ()):
            refund |= failure if refund["id"] in self.returned_refunds else {}
        return status, page

    async def _extended(self, intent: dict[str, Any]) -> dict[str, Any]:
        """An intent with the fields that localstripe leaves out."""
        if "status" not in intent:
            return intent
        reference = intent["id"]
        name = "last_setup_error" if reference.startswith("seti_") else "last_payment_error"
        if reference in self._errors:
            return intent | {
                "status": "requires_payment_method",
                "payment_method": None,
                "next_action": None,
                name: self._errors[reference],
            }
        extra: dict[str, Any] = {}
        if intent["status"] == "requires_action" and reference in self._return_urls:
            redirect = {
                "url": f"{self.url}/redirect/{reference}",
                "return_url": self._return_urls[reference],
            }
            extra["next_action"] = {"type": "redirect_to_url", "redirect_to_url": redirect}
        if intent["status"] == "succeeded" and intent.get("payment_method_types") == ["sepa_debit"]:
            extra["mandate"] = f"mandate_{reference}"
        if (error := intent.get("last_payment_error")) and intent["payment_method"]:
            path = f"/v1/payment_methods/{intent['payment_method']}"
            _, method = await self._send("GET", path)
            code = method["metadata"].get("decline_code", "generic_decline")
            extra[name] = error | {"decline_code": code, "payment_method": method}
            extra["payment_method"] = None
        return {name: None} | intent | extra

    async def _send(
        self, method: str, path: str, params: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Send a request to localstripe."""
        known = {
            name: value
            for name, value in (params or {}).items()
            if name.partition("[")[0] not in _IGNORED
        }
        async with httpx.AsyncClient(
            base_url=self.upstream, timeout=MAX_WAIT, verify=NO_TLS
        ) as http:
            response = await http.request(
                method,
                path,
                params=known if method == "GET" else None,
                content=urlencode(known) if method == "POST" else None,
                headers={
                    "Authorization": f"Bearer {KEY}",
                    "Content-Type": "application/x-www-form-urlencoded",
                },
            )
        return response.status_code, response.json()


def _not_found() -> tuple[int, Any]:
    return 404, {"error": {"type": "invalid_request_error", "code": "resource_missing"}}


def _mandate(reference: str) -> dict[str, Any]:
    debit = {"reference": reference[-12:].upper(), "url": "https://example.com/mandate"}
    return {
        "id": reference,
        "object": "mandate",
        "status": "active",
        "payment_method_details": {"type": "sepa_debit", "sepa_debit": debit},
    }


def signed(event: dict[str, Any], at: float | None = None, secret: str = WEBHOOK_SECRET) -> Any:
    """The headers and the body of a notification, signed as Stripe documents it
    (https://docs.stripe.com/webhooks#verify-manually).
    """
    body = json.dumps(event, indent=2)
    header = stripe.WebhookSignature.generate_signature_header(
        body, secret, int(at if at is not None else time.time())
    )
    return {"stripe-signature": header}, body.encode()


@contextmanager
def serve_stripe() -> Iterator[StripeServer]:
    """A running server."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, "--port", str(port), "--from-scratch"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        server = StripeServer(f"http://localhost:{port}")
        _wait_until_ready(server.upstream, process)
        with serve_in_thread(server.app()) as url:
            server.url = url
            yield server
    finally:
        process.terminate()
        process.wait(60)


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 120
    with httpx.Client(verify=NO_TLS) as http:
        while time.monotonic() < deadline:
            assert process.poll() is None
            with suppress(httpx.TransportError):
                http.get(url)
                return
            time.sleep(0.02)
    raise AssertionError(url)
