"""PayPal: an order is made once, approved by the customer, and captured once."""

import asyncio
from typing import TYPE_CHECKING

import pytest

from billing.gateways.gateway import PAYPAL, GatewayUnavailable, RequestRejected
from billing.gateways.paypal import PaypalGateway
from models.billing.payment import PaymentStatus
from models.billing.refund import RefundStatus
from tests.billing.gateways.paypal_server import SHOP, PaypalServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

BACK = "https://shop.example/back"


@pytest.fixture
def server(paypal_server: PaypalServer) -> PaypalServer:
    paypal_server.reset()
    return paypal_server


@pytest.fixture
def gateway(db: str, server: PaypalServer) -> PaypalGateway:
    return server.gateway()


async def test_an_order_is_made_once_and_captured_once(
    gateway: PaypalGateway, server: PaypalServer
) -> None:
    first, second = [await gateway.charge("key", 3_480, PAYPAL, return_url=BACK) for _ in range(2)]
    assert first == second
    assert (first.status, first.is_approved) == (PaymentStatus.REQUIRES_ACTION, False)
    assert (first.confirmation_url or "").startswith(f"{server.url}/checkoutnow?token=")
    order = server.orders[first.reference]
    assert order["purchase_units"][0]["amount"] == {"currency_code": "EUR", "value": "34.80"}
    assert order["pages"] == (BACK, BACK)
    assert await gateway.capture(first.reference) == first  # nobody has approved it
    server.approve(first.reference)
    approved = await gateway.find("key", first.reference)
    assert approved
    assert (approved.status, approved.is_approved) == (PaymentStatus.REQUIRES_ACTION, True)
    captured = await asyncio.gather(*(gateway.capture(first.reference) for _ in range(3)))
    assert {each.status for each in captured} == {PaymentStatus.SUCCEEDED}
    assert await gateway.find("key", first.reference) == captured[0]
    assert len(server.captures(first.reference)) == 1
    assert captured[0].brand == "paypal"
    assert captured[0].confirmation_url is None


async def test_without_a_page_customers_return_to_the_operator_s(
    gateway: PaypalGateway, server: PaypalServer
) -> None:
    order = await gateway.charge("default-page", 500, PAYPAL)
    assert server.orders[order.reference]["pages"] == (SHOP, SHOP)


async def test_a_capture_whose_answer_got_lost_is_found(
    gateway: PaypalGateway, server: PaypalServer
) -> None:
    order = await gateway.charge("lost", 1_005, PAYPAL)
    server.approve(order.reference)
    server.loses_answers = True
    with pytest.raises(GatewayUnavailable):
        await gateway.capture(order.reference)
    server.loses_answers = False
    server._made.clear()  # PayPal has forgotten the keys of requests
    assert (await gateway.capture(order.reference)).status is PaymentStatus.SUCCEEDED
    assert len(server.captures(order.reference)) == 1


@pytest.mark.parametrize(
    ("issue", "code"),
    [
        ("INSTRUMENT_DECLINED", "instrument_declined"),
        ("TRANSACTION_REFUSED", "transaction_refused"),
    ],
)
async def test_paypal_may_decline_what_the_customer_approved(
    gateway: PaypalGateway, server: PaypalServer, issue: str, code: str
) -> None:
    order = await gateway.charge(code, 1_000, PAYPAL)
    server.approve(order.reference)
    server.declines = issue
    declined = await gateway.capture(order.reference)
    assert (declined.status, declined.decline_code) == (PaymentStatus.DECLINED, code)


async def test_the_status_of_an_order_is_that_of_its_capture(
    gateway: PaypalGateway, server: PaypalServer
) -> None:
    order = await gateway.charge("pending", 1_000, PAYPAL)
    server.approve(order.reference)
    server.capture_status = "PENDING"
    assert (await gateway.capture(order.reference)).status is PaymentStatus.PROCESSING
    for status, expected in (
        ("DECLINED", PaymentStatus.DECLINED),
        ("PARTIALLY_REFUNDED", PaymentStatus.SUCCEEDED),
    ):
        server.captures(order.reference)[0]["status"] = status
        found = await gateway.find("pending", order.reference)
        assert found
        assert found.status is expected


async def test_orders_that_paypal_ended_or_forgot_are_canceled(
    gateway: PaypalGateway, server: PaypalServer
) -> None:
    order = await gateway.charge("forgotten", 1_000, PAYPAL)
    assert await gateway.cancel(order.reference) == order  # it can't be canceled
    server.orders[order.reference]["status"] = "VOIDED"
    assert (await gateway.cancel(order.reference)).status is PaymentStatus.CANCELED
    del server.orders[order.reference]
    found = await gateway.find("forgotten", order.reference)
    assert found
    assert found.status is PaymentStatus.CANCELED
    assert (await gateway.capture(order.reference)).status is PaymentStatus.CANCELED
    assert await gateway.find("forgotten") is None
    assert await gateway.find_refund("refund", order.reference) is None
    with pytest.raises(RequestRejected):
        await gateway.refund("refund", order.reference, 1)


async def test_refunds_may_be_pending_and_fail(
    gateway: PaypalGateway, server: PaypalServer
) -> None:
    order = await gateway.charge("refunded", 1_000, PAYPAL)
    server.approve(order.reference)
    await gateway.capture(order.reference)
    server.refund_status = "PENDING"
    refund = await gateway.refund("r", order.reference, 400)
    assert refund.status is RefundStatus.PENDING
    server.refunds(order.reference)[0].update(status="FAILED", status_details={"reason": "ECHECK"})
    found = await gateway.find_refund("r", order.reference)
    assert found
    assert (found.status, found.failure_code) == (RefundStatus.FAILED, "echeck")


async def test_only_customers_who_are_there_pay_with_paypal(gateway: PaypalGateway) -> None:
    for method, off_session in (("pm_unknown", False), (PAYPAL, True)):
        with pytest.raises(RequestRejected):
            await gateway.charge("k", 1_000, method, off_session=off_session)
    with pytest.raises(RequestRejected):
        await gateway.charge("nothing", 0, PAYPAL)


async def test_while_paypal_is_down_or_unreadable_everything_can_be_repeated(
    gateway: PaypalGateway, server: PaypalServer
) -> None:
    order = await gateway.charge("outage", 1_000, PAYPAL)
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: gateway.charge("outage", 1_000, PAYPAL),
        lambda: gateway.find("outage", order.reference),
        lambda: gateway.capture(order.reference),
        lambda: gateway.refund("r", order.reference, 1),
        lambda: server.gateway().find("outage", order.reference),  # asks for a token first
    ]
    server.is_down = True
    for call in calls:
        with pytest.raises(GatewayUnavailable):
            await call()
    server.is_down = False
    for server.body in (b"<html>", b"[]", b"{}", b'{"id": "1", "status": "NEW", "links": 1}'):
        with pytest.raises(GatewayUnavailable):
            await gateway.find("outage", order.reference)
    server.body = None
    assert await gateway.find("outage", order.reference) == order


async def test_a_token_is_replaced_and_a_wrong_secret_is_no_answer(
    gateway: PaypalGateway, server: PaypalServer
) -> None:
    order = await gateway.charge("token", 1_000, PAYPAL)
    server.tokens.clear()
    assert await gateway.find("token", order.reference) == order
    with pytest.raises(GatewayUnavailable):
        await server.gateway("another secret").find("token", order.reference)
