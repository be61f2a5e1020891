"""Stripe, by its official library (https://docs.stripe.com/api).

- Each POST has our key as its idempotency key, which Stripe keeps for a day, and as metadata, by
  which `find` searches. Stripe's search index lags by a minute at most, so that one of the two
  always finds what an earlier call made.
- A renewal that needs 3-D Secure again is refused by Stripe with `authentication_required`. That
  isn't a decline: the customer can confirm the same PaymentIntent later (`confirm`).
- Several installations may use one Stripe account, such as those of developers. So a key begins
  with the installation's reference.
- Amounts are in cents of euros.
"""

from calendar import monthrange
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from datetime import date
from typing import Any, TypeVar

import orjson
import stripe
import structlog

from billing.gateways.gateway import (
    AUTHENTICATION_FAILED,
    Consent,
    DisputeOutcome,
    DisputeStatus,
    GatewayUnavailable,
    MethodDetails,
    Notification,
    Outcome,
    RefundOutcome,
    RequestRejected,
    Setup,
    SetupStatus,
    SignatureInvalid,
    Subject,
)
from models.billing.payment import PaymentStatus
from models.billing.payment_method import PaymentKind
from models.billing.refund import RefundStatus
from models.operations.installation import Installation

API_URL = "https://api.stripe.com"
KEY = "camcha_key"  # the name of our key in metadata
_METHOD = "camcha_method"  # the name of the token from which a method is saved
_TIMEOUT_SECONDS = 30.0
_RETRIES = 1
_CURRENCY = "eur"
_TOLERANCE_SECONDS = 300  # of a notification's age
_AUTHENTICATION_REQUIRED = "authentication_required"

_TYPES = {
    PaymentKind.CARD: "card",
    PaymentKind.DIRECT_DEBIT: "sepa_debit",
    PaymentKind.WALLET: "paypal",
}
_KINDS = {name: kind for kind, name in _TYPES.items()}
_PAYMENT_STATUSES = {
    "succeeded": PaymentStatus.SUCCEEDED,
    "processing": PaymentStatus.PROCESSING,
    "requires_confirmation": PaymentStatus.PROCESSING,
    "requires_capture": PaymentStatus.PROCESSING,
    "requires_action": PaymentStatus.REQUIRES_ACTION,
    "requires_payment_method": PaymentStatus.DECLINED,
    "canceled": PaymentStatus.CANCELED,
}
_SETUP_STATUSES = {
    "succeeded": SetupStatus.SUCCEEDED,
    "processing": SetupStatus.PROCESSING,
    "requires_confirmation": SetupStatus.REQUIRES_METHOD,
    "requires_action": SetupStatus.REQUIRES_ACTION,
    "requires_payment_method": SetupStatus.REQUIRES_METHOD,
    "canceled": SetupStatus.CANCELED,
}
_REFUND_STATUSES = {
    "succeeded": RefundStatus.SUCCEEDED,
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.PENDING,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
}
_DISPUTE_STATUSES = {
    "won": DisputeStatus.WON,
    "warning_closed": DisputeStatus.WON,
    "prevented": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
}
_SUBJECTS = (
    ("payment_intent.", Subject.PAYMENT),
    ("setup_intent.", Subject.SETUP),
    ("refund.", Subject.REFUND),
    ("charge.refund.", Subject.REFUND),
    ("charge.dispute.", Subject.DISPUTE),
    ("payment_method.", Subject.METHOD),
)
_CODES = {"payment_intent_authentication_failure": AUTHENTICATION_FAILED} | {
    "setup_intent_authentication_failure": AUTHENTICATION_FAILED
}

log = structlog.stdlib.get_logger()
Result = TypeVar("Result")


class StripeGateway:
    """Implements Gateway. `url` is that of another server with Stripe's API, for tests. Customers
    return to `return_url` from their bank when a call names no other page.
    """

    name = "stripe"

    def __init__(self, key: str, webhook_secret: str, return_url: str, url: str = API_URL) -> None:
        self._return_url = return_url
        self._http = _HttpClient(timeout=_TIMEOUT_SECONDS)
        self._webhook_secret = webhook_secret
        self._installation: str | None = None
        self._api = stripe.StripeClient(
            key,
            base_addresses={"api": url.rstrip("/")},
            max_network_retries=_RETRIES,
            http_client=self._http,
        ).v1

    async def _own(self, key: str) -> str:
        """A key with the installation's prefix, as Stripe knows it."""
        if self._installation is None:
            self._installation = await Installation.current_reference()
        return f"{self._installation}-{key}"

    async def create_customer(self, key: str, name: str, email: str) -> str:
        key = await self._own(key)
        customer = await _call(
            self._api.customers.create_async(
                {"name": name, "email": email, "metadata": {KEY: key}}, _options(key)
            )
        )
        return customer.id

    async def remove_customer(self, reference: str) -> None:
        try:
            await _call(self._api.customers.delete_async(reference))
        except RequestRejected:  # unknown, or removed before
            return

    async def begin_setup(
        self,
        key: str,
        customer: str,
        kind: PaymentKind,
        *,
        method: str | None = None,
        return_url: str | None = None,
        consent: Consent | None = None,
    ) -> Setup:
        if kind not in _TYPES:
            raise RequestRejected(kind)
        key = await self._own(key)
        params: Any = {
            "customer": customer,
            "usage": "off_session",
            "payment_method_types": [_TYPES[kind]],
            "metadata": {KEY: key} | ({_METHOD: method} if method else {}),
        }
        intent = await _call(self._api.setup_intents.create_async(params, _options(key)))
        # A repeat returns the first response, which may be out of date.
        intent = await _call(self._api.setup_intents.retrieve_async(intent.id))
        if (
            method
            and intent.status == "requires_payment_method"
            and not _get(intent, "last_setup_error")
        ):
            return await self._confirm_setup(intent.id, kind, method, return_url, consent)
        return await self._setup(intent)

    async def _confirm_setup(
        self,
        reference: str,
        kind: PaymentKind,
        method: str,
        return_url: str | None,
        consent: Consent | None,
    ) -> Setup:
        params: Any = {"payment_method": method, "return_url": return_url or self._return_url}
        if consent and kind is PaymentKind.DIRECT_DEBIT:
            params["mandate_data"] = {
                "customer_acceptance": {
                    "type": "online",
                    "online": {"ip_address": consent.address, "user_agent": consent.user_agent},
                }
            }
        try:
            intent = await _call(self._api.setup_intents.confirm_async(reference, params))
        except _Declined as error:
            return Setup(SetupStatus.DECLINED, reference, decline_code=error.code)
        return await self._setup(intent)

    async def find_setup(self, reference: str) -> Setup | None:
        try:
            return await self._setup(await _call(self._api.setup_intents.retrieve_async(reference)))
        except RequestRejected:
            return None

    async def cancel_setup(self, reference: str) -> Setup | None:
        with suppress(RequestRejected):  # it can't be canceled any more
            await _call(self._api.setup_intents.cancel_async(reference))
        return await self.find_setup(reference)

    async def _setup(self, intent: Any) -> Setup:
        status, error = _SETUP_STATUSES[intent.status], _get(intent, "last_setup_error")
        code = _decline_code(error) if error else None
        if status is SetupStatus.SUCCEEDED:
            method = await self.find_method(_id(intent.payment_method))
            if method is None:
                return Setup(SetupStatus.CANCELED, intent.id)
            mandate = await self._mandate_reference(_get(intent, "mandate"))
            method = _with_mandate(method, mandate) if mandate else method
            return Setup(status, intent.id, method=method)
        # In Stripe's script, the customer corrects a mistyped number or takes another card.
        if status is SetupStatus.REQUIRES_METHOD and code and _get(intent.metadata, _METHOD):
            return Setup(SetupStatus.DECLINED, intent.id, decline_code=code)
        return Setup(
            status,
            intent.id,
            confirmation_url=_redirect_url(intent),
            client_secret=intent.client_secret if not _is_final(status) else None,
        )

    async def _mandate_reference(self, mandate: Any) -> str | None:
        if mandate is None:
            return None
        details = await _call(self._api.mandates.retrieve_async(_id(mandate)))
        debit = _get(details.payment_method_details, "sepa_debit")
        return _get(debit, "reference") if debit else None

    async def find_method(self, method: str) -> MethodDetails | None:
        try:
            details = await _call(self._api.payment_methods.retrieve_async(method))
        except RequestRejected:
            return None
        return _method_details(details)

    async def remove_method(self, method: str) -> None:
        try:
            await _call(self._api.payment_methods.detach_async(method))
        except RequestRejected:  # unknown, or not attached any more
            return

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
        details = await self.find_method(method)
        if details is None:
            raise RequestRejected(method)
        key = await self._own(key)
        params: Any = {
            "amount": amount_cents,
            "currency": _CURRENCY,
            "payment_method": method,
            "payment_method_types": [_TYPES[details.kind]],
            "confirm": True,
            "metadata": {KEY: key},
        }
        if customer:
            params["customer"] = customer
        if off_session:
            params["off_session"] = True
        else:
            params["return_url"] = return_url or self._return_url
        try:
            intent = await _call(self._api.payment_intents.create_async(params, _options(key)))
        except _Declined as error:
            if error.intent is None:
                raise RequestRejected(error.code) from None
            # The stored response of a repeat may be out of date.
            intent = await _call(self._api.payment_intents.retrieve_async(error.intent))
            return await self._outcome(intent, error.code)
        intent = await _call(self._api.payment_intents.retrieve_async(intent.id))
        return await self._outcome(intent)

    async def find(self, key: str, reference: str | None = None) -> Outcome | None:
        if reference:
            try:
                return await self._outcome(
                    await _call(self._api.payment_intents.retrieve_async(reference))
                )
            except RequestRejected:
                return None
        found = await _call(
            self._api.payment_intents.search_async(
                {"query": f"metadata['{KEY}']:'{await self._own(key)}'", "limit": 1}
            )
        )
        return await self.find(key, found.data[0].id) if found.data else None

    async def confirm(self, reference: str, method: str, return_url: str | None = None) -> Outcome:
        intent = await _call(self._api.payment_intents.retrieve_async(reference))
        outcome = await self._outcome(intent)
        if (
            outcome.status is not PaymentStatus.REQUIRES_ACTION
            or intent.status == "requires_action"
        ):
            return outcome
        params: Any = {
            "payment_method": method,
            "off_session": False,
            "return_url": return_url or self._return_url,
        }
        try:
            # Another confirmation can't collect twice: a PaymentIntent succeeds once.
            intent = await _call(self._api.payment_intents.confirm_async(reference, params))
        except _Declined as error:
            return await self._outcome(
                await _call(self._api.payment_intents.retrieve_async(reference)), error.code
            )
        return await self._outcome(intent)

    async def capture(self, reference: str) -> Outcome:
        intent = await _call(self._api.payment_intents.retrieve_async(reference))
        return await self._outcome(intent)

    async def cancel(self, reference: str) -> Outcome:
        intent = await _call(self._api.payment_intents.retrieve_async(reference))
        if intent.status in ("succeeded", "canceled", "processing"):
            return await self._outcome(intent)
        try:
            return await self._outcome(
                await _call(self._api.payment_intents.cancel_async(reference))
            )
        except RequestRejected:  # it succeeded in between
            return await self._outcome(
                await _call(self._api.payment_intents.retrieve_async(reference))
            )

    async def _outcome(self, intent: Any, decline_code: str | None = None) -> Outcome:
        if intent.status == "requires_capture":
            intent = await _call(
                self._api.payment_intents.capture_async(
                    intent.id, options=_options(f"{intent.id}:capture")
                )
            )
        status, error = _PAYMENT_STATUSES[intent.status], _get(intent, "last_payment_error")
        if error and not decline_code:
            decline_code = _decline_code(error)
        needs_customer = decline_code == _AUTHENTICATION_REQUIRED
        if status is PaymentStatus.DECLINED and needs_customer:
            status = PaymentStatus.REQUIRES_ACTION
        details = await self._details_of(intent, error)
        return Outcome(
            status,
            intent.id,
            confirmation_url=_redirect_url(intent),
            decline_code=(decline_code or "card_declined")
            if status is PaymentStatus.DECLINED
            else None,
            brand=details.brand if details else None,
            last_four=details.last_four if details else None,
        )

    async def _details_of(self, intent: Any, error: Any) -> MethodDetails | None:
        method = _get(intent, "payment_method") or _get(error, "payment_method")
        return await self.find_method(_id(method)) if method else None

    async def refund(self, key: str, reference: str, amount_cents: int) -> RefundOutcome:
        earlier = await self.find_refund(key, reference)
        if earlier:
            return earlier
        key = await self._own(key)
        try:
            refund = await _call(
                self._api.refunds.create_async(
                    {
                        "payment_intent": reference,
                        "amount": amount_cents,
                        "metadata": {KEY: key},
                    },
                    _options(key),
                )
            )
        except _Declined as error:
            raise RequestRejected(error.code) from None
        return _refund_outcome(refund)

    async def find_refund(self, key: str, reference: str) -> RefundOutcome | None:
        key = await self._own(key)
        page = await _call(
            self._api.refunds.list_async({"payment_intent": reference, "limit": 100})
        )
        async for refund in page.auto_paging_iter():
            if _get(refund.metadata, KEY) == key:
                return _refund_outcome(refund)
        return None

    async def find_dispute(self, reference: str) -> DisputeOutcome | None:
        try:
            dispute = await _call(self._api.disputes.retrieve_async(reference))
        except RequestRejected:
            return None
        payment = _get(dispute, "payment_intent")
        if payment is None:  # of a charge that wasn't made here, such as by another program
            return None
        return DisputeOutcome(
            _DISPUTE_STATUSES.get(dispute.status, DisputeStatus.OPEN),
            dispute.id,
            _id(payment),
            dispute.amount,
            dispute.reason,
        )

    async def read_notification(self, headers: Mapping[str, str], body: bytes) -> Notification:
        """The signature and its age are checked against this machine's clock, because Stripe has no
        other.
        """
        try:
            stripe.WebhookSignature.verify_header(
                body,
                headers.get("stripe-signature"),
                self._webhook_secret,
                _TOLERANCE_SECONDS,
            )
        except (stripe.SignatureVerificationError, UnicodeDecodeError) as error:
            raise SignatureInvalid(type(error).__name__) from None
        prefix = await self._own("")
        return _notification(orjson.loads(body), prefix)

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call] # of the library


class _HttpClient(stripe.HTTPXClient):
    """The library's client, which passes the body in a way that httpx has deprecated."""

    def _get_request_args_kwargs(
        self, method: str, url: str, headers: Any, post_data: Any
    ) -> list[Any]:
        args, options = super()._get_request_args_kwargs(method, url, headers, post_data)
        options["content"] = options.pop("data") or None
        return [args, options]


class _Declined(Exception):
    """A bank or Stripe declined. `intent` is the reference of the PaymentIntent, if there is
    one.
    """

    def __init__(self, code: str, intent: str | None) -> None:
        super().__init__(code)
        self.code, self.intent = code, intent


async def _call(request: Awaitable[Result]) -> Result:
    """The result of a request. Raises _Declined, RequestRejected for what Stripe doesn't know or
    allow, and GatewayUnavailable for anything that a repeat may solve.
    """
    try:
        return await request
    except stripe.CardError as error:
        code, intent = _decline_code(error.error), _get(error.error, "payment_intent")
        raise _Declined(code, _id(intent) if intent else None) from None
    except stripe.IdempotencyError:
        raise  # a key of ours was used with other arguments, which is a mistake of ours
    except stripe.InvalidRequestError as error:
        raise RequestRejected(error.code or str(error.http_status)) from None
    except stripe.StripeError as error:
        log.warning("stripe.unavailable", error=type(error).__name__, status=error.http_status)
        raise GatewayUnavailable from None


def _options(key: str) -> Any:
    return {"idempotency_key": key}


def _notification(event: Any, prefix: str) -> Notification:
    try:
        subject = next(
            (subject for prefix, subject in _SUBJECTS if event["type"].startswith(prefix)),
            Subject.OTHER,
        )
        content = event["data"]["object"]
        key = str((content.get("metadata") or {}).get(KEY) or "")
        return Notification(
            str(event["id"]),
            str(event["type"]),
            subject,
            str(content.get("id") or ""),
            key.removeprefix(prefix) if key.startswith(prefix) else None,
        )
    except (KeyError, TypeError, AttributeError):
        raise ValueError("not an event") from None


def _get(value: Any, name: str) -> Any:
    """A field that a response may lack."""
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def _id(value: Any) -> str:
    """The ID of an object, or of a reference to it."""
    return str(value if isinstance(value, str) else value.id)


def _decline_code(error: Any) -> str:
    code = _get(error, "decline_code") or _get(error, "code") or "card_declined"
    if _get(error, "code") == _AUTHENTICATION_REQUIRED:
        return _AUTHENTICATION_REQUIRED
    return str(_CODES.get(code, code))[:40]


def _redirect_url(intent: Any) -> str | None:
    redirect = _get(_get(intent, "next_action"), "redirect_to_url")
    return str(redirect["url"]) if redirect else None


def _is_final(status: SetupStatus) -> bool:
    return status in (SetupStatus.SUCCEEDED, SetupStatus.DECLINED, SetupStatus.CANCELED)


def _method_details(method: Any) -> MethodDetails | None:
    kind = _KINDS.get(method.type)
    if kind is None:
        return None
    details = _get(method, method.type)
    expires_on = None
    if kind is PaymentKind.CARD:
        year, month = details.exp_year, details.exp_month
        expires_on = date(year, month, monthrange(year, month)[1])
    return MethodDetails(
        method.id,
        kind,
        brand=_get(details, "brand"),
        last_four=_get(details, "last4"),
        expires_on=expires_on,
        mandate_reference=_get(details, "mandate_reference"),
    )


def _with_mandate(method: MethodDetails, reference: str) -> MethodDetails:
    return MethodDetails(
        method.token, method.kind, method.brand, method.last_four, method.expires_on, reference
    )


def _refund_outcome(refund: Any) -> RefundOutcome:
    return RefundOutcome(_REFUND_STATUSES[refund.status], refund.id, _get(refund, "failure_reason"))
