"""Notifications by payment providers over HTTP: late, twice, out of order, forged, about unknown
objects, and too large.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from billing.gateways.gateway import Subject
from billing.gateways.sandbox import Sandbox
from models.billing.payment import Payment, PaymentStatus
from models.billing.provider_event import ProviderEvent, ProviderEventStatus
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.receivable import Receivable
from models.operations.installation import Installation
from tests.web.web_fixtures import Site, in_chunks, open_site, unconfirmed_payment
from web.webhooks import MAX_BODY_BYTES

if TYPE_CHECKING:
    from tests.conftest import MovableClock

PATH = "/webhooks/sandbox"


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(clock, tmp_path) as opened_site:
        yield opened_site


def sandbox(site: Site) -> Sandbox:
    assert isinstance(site.services.gateway, Sandbox)
    return site.services.gateway


async def send(site: Site, notification: tuple[dict[str, str], bytes]) -> httpx.Response:
    headers, body = notification
    return await site.client.post(PATH, content=body, headers=headers)


async def statuses() -> list[ProviderEventStatus]:
    return [event.status for event in await ProviderEvent.all().order_by("id")]


async def test_a_notification_is_stored_raw_and_applied_at_once(site: Site) -> None:
    purchase, payment = await unconfirmed_payment(site)
    reference = str(payment.provider_reference)
    await sandbox(site).decide(reference, is_approved=True)
    notification = sandbox(site).notification("charge.changed", Subject.PAYMENT, reference)
    response = await send(site, notification)
    assert (response.status_code, response.json()) == (200, {"code": "STORED"})
    event = await ProviderEvent.get()
    assert (event.provider, event.type, event.subject) == ("sandbox", "charge.changed", "PAYMENT")
    assert (event.body, event.status) == (notification[1], ProviderEventStatus.APPLIED)
    assert (event.received_at, event.handled_at) == (site.action().at, site.action().at)
    assert (await Payment.get()).status is PaymentStatus.SUCCEEDED
    assert (await Purchase.get(pk=purchase.pk)).status is PurchaseStatus.ACTIVE
    # The provider sends it again, because it didn't get our answer.
    assert (await send(site, notification)).status_code == 200
    assert await statuses() == [ProviderEventStatus.APPLIED]


async def test_a_late_notification_doesn_t_move_a_payment_back(
    site: Site, clock: "MovableClock"
) -> None:
    _, payment = await unconfirmed_payment(site)
    reference = str(payment.provider_reference)
    await sandbox(site).decide(reference, is_approved=True)
    for type in ("charge.succeeded", "charge.requires_action", "charge.created"):
        clock.advance(timedelta(seconds=1))
        await send(site, sandbox(site).notification(type, Subject.PAYMENT, reference))
        assert (await Payment.get()).status is PaymentStatus.SUCCEEDED
    assert await statuses() == [ProviderEventStatus.APPLIED] * 3


async def test_a_notification_that_comes_before_the_answer_finds_the_payment_by_our_key(
    site: Site,
) -> None:
    _, payment = await unconfirmed_payment(site)
    reference = str(payment.provider_reference)
    await sandbox(site).decide(reference, is_approved=True)
    await Payment.all().update(provider_reference=None, status=PaymentStatus.PROCESSING)
    key = f"camcha-payment-{payment.pk}"
    await send(site, sandbox(site).notification("x", Subject.PAYMENT, reference, key))
    settled = await Payment.get()
    assert (settled.status, settled.provider_reference) == (PaymentStatus.SUCCEEDED, reference)


async def test_a_charge_that_the_bank_took_back_opens_its_invoice_again_once(site: Site) -> None:
    _, payment = await unconfirmed_payment(site)
    reference = str(payment.provider_reference)
    await sandbox(site).decide(reference, is_approved=True)
    await send(site, sandbox(site).notification("x", Subject.PAYMENT, reference))
    assert (await Receivable.get()).open_cents == 0
    dispute = await sandbox(site).dispute(reference)
    await send(site, sandbox(site).notification("opened", Subject.DISPUTE, dispute))
    assert (await Receivable.get()).open_cents == 0  # the bank hasn't decided
    await sandbox(site).close_dispute(dispute, is_won=False)
    for _ in range(2):
        await send(site, sandbox(site).notification("closed", Subject.DISPUTE, dispute))
    receivable = await Receivable.get()
    assert receivable.open_cents == receivable.gross_cents == payment.amount_cents
    assert (await Payment.get()).refunded_cents == payment.amount_cents
    assert await statuses() == [ProviderEventStatus.APPLIED] * 4


async def test_a_dispute_that_was_won_changes_nothing(site: Site) -> None:
    _, payment = await unconfirmed_payment(site)
    reference = str(payment.provider_reference)
    await sandbox(site).decide(reference, is_approved=True)
    await send(site, sandbox(site).notification("x", Subject.PAYMENT, reference))
    dispute = await sandbox(site).dispute(reference)
    await sandbox(site).close_dispute(dispute, is_won=True)
    await send(site, sandbox(site).notification("closed", Subject.DISPUTE, dispute))
    assert (await Receivable.get()).open_cents == 0


@pytest.mark.parametrize("subject", list(Subject))
async def test_unknown_objects_are_ignored(site: Site, subject: Subject) -> None:
    for key in (None, "camcha-payment-999", "another", "camcha-method-999"):
        notification = sandbox(site).notification("x", subject, "unknown", key)
        assert (await send(site, notification)).status_code == 200
    assert await statuses() == [ProviderEventStatus.IGNORED] * 4


async def test_a_forged_notification_is_refused_and_not_stored(site: Site) -> None:
    headers, body = sandbox(site).notification("x", Subject.PAYMENT, "reference")
    forgeries = [({}, body), (headers, body + b" "), ({"sandbox-signature": "1.x"}, body)]
    for forgery in forgeries:
        response = await send(site, forgery)
        assert (response.status_code, response.json()) == (400, {"code": "SIGNATURE_INVALID"})
    assert await statuses() == []


async def test_too_large_a_notification_is_refused_before_it_is_read(site: Site) -> None:
    headers, _ = sandbox(site).notification("x", Subject.PAYMENT, "reference")
    content = b"x" * (MAX_BODY_BYTES + 1)
    response = await site.client.post(PATH, content=content, headers=headers)
    assert (response.status_code, response.json()) == (413, {"code": "TOO_LARGE"})
    chunks = in_chunks(content, 65_536)  # without a Content-Length
    assert (await site.client.post(PATH, content=chunks, headers=headers)).status_code == 413
    allowed = await site.client.post(PATH, content=content[:-1], headers=headers)
    assert allowed.json() == {"code": "SIGNATURE_INVALID"}


async def test_other_methods_and_providers_have_no_endpoint(site: Site) -> None:
    assert (await site.client.get(PATH)).status_code == 405
    assert (await site.client.post("/webhooks/stripe")).status_code == 404


async def test_while_jobs_are_held_a_notification_is_stored_only(site: Site) -> None:
    _, payment = await unconfirmed_payment(site)
    reference = str(payment.provider_reference)
    await sandbox(site).decide(reference, is_approved=True)
    await Installation.current()
    await Installation.all().update(held_at=site.action().at)
    await send(site, sandbox(site).notification("x", Subject.PAYMENT, reference))
    assert await statuses() == [ProviderEventStatus.RECEIVED]
    assert (await Payment.get()).status is PaymentStatus.REQUIRES_ACTION
