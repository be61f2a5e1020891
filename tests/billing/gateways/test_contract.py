"""What every gateway promises, checked with each: the sandbox, and Stripe's library against a
Stripe server. What collects and refunds is checked with PayPal as well.
"""

import asyncio
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from billing.gateways.gateway import (
    MAX_CHARGE_CENTS,
    MIN_CHARGE_CENTS,
    DisputeStatus,
    GatewayUnavailable,
    Outcome,
    RequestRejected,
    SetupStatus,
    SignatureInvalid,
    Subject,
    is_hard_decline,
)
from models.billing.payment import PaymentStatus
from models.billing.payment_method import PaymentKind
from models.billing.refund import RefundStatus

if TYPE_CHECKING:
    from tests.billing.gateways.conftest import Collector, Provider

BACK = "https://shop.example/back"


@pytest.fixture
def key() -> str:
    """A different key in each test, because the Stripe server is shared."""
    return f"key-{secrets.token_hex(8)}"


async def customer_of(provider: "Provider", key: str) -> str:
    return await provider.gateway.create_customer(f"{key}-c", "Le Fournil", "a@fournil.example")


async def saved(provider: "Provider", key: str, name: str, kind: PaymentKind) -> tuple[str, str]:
    """A customer and their saved method."""
    customer = await customer_of(provider, key)
    setup = await provider.gateway.begin_setup(
        f"{key}-s", customer, kind, method=await provider.token(name), return_url=BACK
    )
    if setup.status is SetupStatus.REQUIRES_ACTION:
        await provider.decide(setup.reference, approves=True)
    found = await provider.gateway.find_setup(setup.reference)
    assert found
    assert found.method
    return customer, found.method.token


async def test_a_customer_is_created_once(provider: "Provider", key: str) -> None:
    customers = {await customer_of(provider, key) for _ in range(2)}
    assert len(customers) == 1
    assert await customer_of(provider, f"{key}2") not in customers


async def test_a_customer_can_be_removed_again_and_again(provider: "Provider", key: str) -> None:
    customer = await customer_of(provider, key)
    for _ in range(2):
        await provider.gateway.remove_customer(customer)


async def test_a_card_is_saved_at_once_by_its_token(provider: "Provider", key: str) -> None:
    gateway, token = provider.gateway, await provider.token("success")
    customer = await customer_of(provider, key)
    setups = [
        await gateway.begin_setup(key, customer, PaymentKind.CARD, method=token) for _ in range(2)
    ]
    assert setups[0] == setups[1] == await gateway.find_setup(setups[0].reference)
    assert setups[0].status is SetupStatus.SUCCEEDED
    method = setups[0].method
    assert method
    assert (method.kind, method.brand, method.last_four) == (PaymentKind.CARD, "visa", "4242")
    assert method.expires_on
    assert method.expires_on.day == 31
    assert await gateway.find_method(method.token) == method


async def test_a_card_is_saved_in_the_provider_s_script_or_page(
    provider: "Provider", key: str
) -> None:
    gateway, customer = provider.gateway, await customer_of(provider, key)
    setup = await gateway.begin_setup(key, customer, PaymentKind.CARD, return_url=BACK)
    assert setup.status is SetupStatus.REQUIRES_METHOD
    assert setup.client_secret or setup.confirmation_url
    await provider.save(setup, await provider.token("success"))
    found = await gateway.find_setup(setup.reference)
    assert found
    assert found.status is SetupStatus.SUCCEEDED
    assert await gateway.find_setup("seti_unknown") is None


async def test_a_customer_who_chose_a_wrong_card_can_choose_another_one(
    provider: "Provider", key: str
) -> None:
    gateway, customer = provider.gateway, await customer_of(provider, key)
    setup = await gateway.begin_setup(key, customer, PaymentKind.CARD, return_url=BACK)
    for name, status in (
        ("unsavable", SetupStatus.REQUIRES_METHOD),
        ("success", SetupStatus.SUCCEEDED),
    ):
        await provider.save(setup, await provider.token(name))
        found = await gateway.find_setup(setup.reference)
        assert found
        assert found.status is status


async def test_a_canceled_setup_can_t_be_finished(provider: "Provider", key: str) -> None:
    gateway, customer = provider.gateway, await customer_of(provider, key)
    setup = await gateway.begin_setup(key, customer, PaymentKind.CARD, return_url=BACK)
    for _ in range(2):
        canceled = await gateway.cancel_setup(setup.reference)
        assert canceled
        assert (canceled.status, canceled.method) == (SetupStatus.CANCELED, None)
    finished = await gateway.begin_setup(
        f"{key}2", customer, PaymentKind.CARD, method=await provider.token("success")
    )
    assert await gateway.cancel_setup(finished.reference) == finished
    assert await gateway.cancel_setup("seti_unknown") is None


@pytest.mark.parametrize("approves", [True, False])
async def test_saving_a_card_may_need_a_confirmation(
    provider: "Provider", key: str, approves: bool
) -> None:
    gateway, customer = provider.gateway, await customer_of(provider, key)
    setup = await gateway.begin_setup(
        key,
        customer,
        PaymentKind.CARD,
        method=await provider.token("confirmation"),
        return_url=BACK,
    )
    assert (setup.status, setup.method) == (SetupStatus.REQUIRES_ACTION, None)
    assert setup.confirmation_url
    await provider.decide(setup.reference, approves=approves)
    found = await gateway.find_setup(setup.reference)
    assert found
    assert found.status is (SetupStatus.SUCCEEDED if approves else SetupStatus.DECLINED)
    assert found.decline_code == (None if approves else "authentication_failed")


async def test_a_card_that_can_t_be_saved_is_declined(provider: "Provider", key: str) -> None:
    customer, token = await customer_of(provider, key), await provider.token("unsavable")
    for _ in range(2):
        setup = await provider.gateway.begin_setup(key, customer, PaymentKind.CARD, method=token)
        assert (setup.status, setup.method) == (SetupStatus.DECLINED, None)
        assert setup.decline_code


async def test_a_removed_method_is_unknown_and_can_be_removed_again(
    provider: "Provider", key: str
) -> None:
    _, method = await saved(provider, key, "success", PaymentKind.CARD)
    for _ in range(2):
        await provider.gateway.remove_method(method)
    await provider.gateway.remove_method("pm_sandbox_unknown")


async def test_a_direct_debit_mandate_is_saved_and_charged(provider: "Provider", key: str) -> None:
    customer, method = await saved(provider, key, "debit", PaymentKind.DIRECT_DEBIT)
    details = await provider.gateway.find_method(method)
    assert details
    assert (details.kind, details.expires_on) == (PaymentKind.DIRECT_DEBIT, None)
    assert details.mandate_reference
    charge = await provider.gateway.charge(key, 2_000, method, customer=customer, off_session=True)
    outcome = await provider.settled(key, charge)
    assert outcome.status is PaymentStatus.SUCCEEDED
    assert outcome.last_four


async def test_a_direct_debit_may_fail_later(provider: "Provider", key: str) -> None:
    customer, method = await saved(provider, key, "debit_declined", PaymentKind.DIRECT_DEBIT)
    charge = await provider.gateway.charge(key, 2_000, method, customer=customer, off_session=True)
    assert charge.status is PaymentStatus.PROCESSING
    outcome = await provider.settled(key, charge)
    assert outcome.status is PaymentStatus.DECLINED
    assert outcome.decline_code


async def test_a_charge_is_made_once_per_key(provider: "Provider", key: str) -> None:
    gateway, token = provider.gateway, await provider.token("success")
    assert await gateway.find(key) is None

    async def charge() -> Outcome:
        """Charges again while the provider answers that the key is in use, as the jobs do."""
        while True:
            with suppress(GatewayUnavailable):
                return await gateway.charge(key, 3_480, token)
            await asyncio.sleep(0.05)

    outcomes = await asyncio.gather(*(charge() for _ in range(3)))
    assert {outcome.reference for outcome in outcomes} == {outcomes[0].reference}
    assert outcomes[0].status is PaymentStatus.SUCCEEDED
    assert (outcomes[0].brand, outcomes[0].last_four) == ("visa", "4242")
    assert await gateway.find(key) == outcomes[0]
    assert await gateway.find(key, outcomes[0].reference) == outcomes[0]


@pytest.mark.parametrize("code", ["insufficient_funds", "stolen_card", "expired_card"])
async def test_a_decline_has_the_bank_s_code(provider: "Provider", key: str, code: str) -> None:
    gateway, token = provider.gateway, await provider.token(code)
    outcomes = [await gateway.charge(key, 3_480, token, off_session=True) for _ in range(2)]
    assert [outcome.status for outcome in outcomes] == [PaymentStatus.DECLINED] * 2
    assert outcomes[0] == outcomes[1] == await gateway.find(key)
    assert outcomes[0].decline_code == code
    assert is_hard_decline(code) is (code != "insufficient_funds")


async def test_an_unknown_method_is_refused(provider: "Provider", key: str) -> None:
    with pytest.raises(RequestRejected):
        await provider.gateway.charge(key, 3_480, "pm_unknown")
    assert await provider.gateway.find(key) is None


async def test_an_amount_out_of_range_is_refused(provider: "Provider", key: str) -> None:
    gateway, token = provider.gateway, await provider.token("success")
    for cents in (MIN_CHARGE_CENTS - 1, MAX_CHARGE_CENTS + 1):
        with pytest.raises(RequestRejected):
            await gateway.charge(f"{key}-{cents}", cents, token)
        assert await gateway.find(f"{key}-{cents}") is None
    charge = await gateway.charge(f"{key}-2", MIN_CHARGE_CENTS, token)
    assert charge.status is PaymentStatus.SUCCEEDED


@pytest.mark.parametrize("approves", [True, False])
async def test_a_charge_may_need_the_customer_s_confirmation(
    provider: "Provider", key: str, approves: bool
) -> None:
    gateway, token = provider.gateway, await provider.token("confirmation")
    charge = await gateway.charge(key, 3_480, token, return_url=BACK)
    assert charge.status is PaymentStatus.REQUIRES_ACTION
    assert charge.confirmation_url
    await provider.decide(charge.reference, approves=approves)
    outcome = await gateway.find(key, charge.reference)
    assert outcome
    assert outcome.status is (PaymentStatus.SUCCEEDED if approves else PaymentStatus.DECLINED)
    assert outcome.decline_code == (None if approves else "authentication_failed")
    assert outcome.confirmation_url is None


async def test_a_renewal_may_need_a_confirmation_again_which_is_no_decline(
    provider: "Provider", key: str
) -> None:
    gateway = provider.gateway
    customer, method = await saved(provider, key, "reconfirmation", PaymentKind.CARD)
    charge = await gateway.charge(key, 3_480, method, customer=customer, off_session=True)
    assert (charge.status, charge.decline_code) == (PaymentStatus.REQUIRES_ACTION, None)
    found = await gateway.find(key, charge.reference)
    assert found
    assert found.status is PaymentStatus.REQUIRES_ACTION
    confirmation = await gateway.confirm(charge.reference, method, BACK)
    assert confirmation.reference == charge.reference
    assert confirmation.confirmation_url
    await provider.decide(charge.reference, approves=True)
    outcome = await gateway.find(key, charge.reference)
    assert outcome
    assert outcome.status is PaymentStatus.SUCCEEDED
    assert (await gateway.confirm(charge.reference, method)).status is PaymentStatus.SUCCEEDED


async def test_a_charge_that_waits_can_be_canceled_others_not(
    provider: "Provider", key: str
) -> None:
    gateway = provider.gateway
    waiting = await gateway.charge(key, 3_480, await provider.token("confirmation"))
    for _ in range(2):
        assert (await gateway.cancel(waiting.reference)).status is PaymentStatus.CANCELED
    paid = await gateway.charge(f"{key}2", 3_480, await provider.token("success"))
    assert (await gateway.cancel(paid.reference)).status is PaymentStatus.SUCCEEDED
    with pytest.raises(RequestRejected):
        await gateway.cancel("pi_unknown")


async def test_refunds_are_partial_made_once_and_never_exceed_the_charge(
    collector: "Collector", key: str
) -> None:
    gateway = collector.gateway
    charge = await collector.paid(key, 1_000)
    assert (await gateway.capture(charge.reference)).status is PaymentStatus.SUCCEEDED
    assert (await gateway.cancel(charge.reference)).status is PaymentStatus.SUCCEEDED
    refunds = [await gateway.refund(f"{key}-1", charge.reference, 400) for _ in range(2)]
    assert refunds[0] == refunds[1] == await gateway.find_refund(f"{key}-1", charge.reference)
    assert refunds[0].status is RefundStatus.SUCCEEDED
    with pytest.raises(RequestRejected):
        await gateway.refund(f"{key}-2", charge.reference, 601)
    assert await gateway.find_refund(f"{key}-2", charge.reference) is None
    rest = await gateway.refund(f"{key}-3", charge.reference, 600)
    assert rest.status is RefundStatus.SUCCEEDED
    assert rest.reference != refunds[0].reference
    with pytest.raises(RequestRejected):
        await gateway.refund(f"{key}-4", "pi_unknown", 1)


async def test_a_refund_may_fail(provider: "Provider", key: str) -> None:
    charge = await provider.gateway.charge(key, 1_000, await provider.token("unrefundable"))
    refund = await provider.gateway.refund(f"{key}-1", charge.reference, 400)
    assert refund.status is RefundStatus.FAILED


async def test_a_refund_may_fail_after_it_succeeded(provider: "Provider", key: str) -> None:
    charge = await provider.gateway.charge(key, 1_000, await provider.token("refund_returned"))
    refund = await provider.gateway.refund(f"{key}-1", charge.reference, 400)
    assert refund.status is RefundStatus.SUCCEEDED
    await provider.return_refund(refund.reference)
    found = await provider.gateway.find_refund(f"{key}-1", charge.reference)
    assert found
    assert (found.status, found.reference) == (RefundStatus.FAILED, refund.reference)
    assert found.failure_code == "expired_or_canceled_card"


async def test_a_declined_charge_can_t_be_refunded(provider: "Provider", key: str) -> None:
    charge = await provider.gateway.charge(key, 1_000, await provider.token("stolen_card"))
    with pytest.raises(RequestRejected):
        await provider.gateway.refund(f"{key}-1", charge.reference, 400)


async def test_a_dispute_names_the_charge(provider: "Provider", key: str) -> None:
    charge = await provider.gateway.charge(key, 1_000, await provider.token("success"))
    dispute = await provider.gateway.find_dispute(await provider.dispute(charge.reference))
    assert dispute
    assert (dispute.payment_reference, dispute.amount_cents) == (charge.reference, 1_000)
    assert (dispute.status, dispute.reason) == (DisputeStatus.OPEN, "general")
    assert await provider.gateway.find_dispute("du_unknown") is None


@pytest.mark.parametrize("subject", list(Subject))
async def test_a_notification_says_what_it_is_about(provider: "Provider", subject: Subject) -> None:
    headers, body = await provider.notification(subject, "reference")
    notification = await provider.gateway.read_notification(headers, body)
    assert (notification.subject, notification.reference) == (subject, "reference")
    assert notification.key == "our-key"
    assert notification.event_id
    assert notification.type


async def test_forged_and_old_notifications_are_refused(provider: "Provider") -> None:
    gateway = provider.gateway
    headers, body = await provider.notification(Subject.PAYMENT, "reference")
    [name] = headers
    forgeries = [
        ({}, body),
        ({name: "é"}, body),
        ({name: "t=x,v1=y"}, body),
        ({name: headers[name][:-1]}, body),
        (headers, body.replace(b"reference", b"another12")),
        (headers, body + b" "),
        (headers, b"\xff" + body),
        await provider.notification(Subject.PAYMENT, "reference", secret="another"),
        await provider.notification(Subject.PAYMENT, "reference", at=-310),
    ]
    for forged_headers, forged_body in forgeries:
        with pytest.raises(SignatureInvalid):
            await gateway.read_notification(forged_headers, forged_body)
    recent = await provider.notification(Subject.PAYMENT, "reference", at=-290)
    assert (await gateway.read_notification(*recent)).reference == "reference"
