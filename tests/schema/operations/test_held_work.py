"""What an operator is told before the jobs of a copy run again: `bin/cli release`."""

from datetime import timedelta

from models.accounts.account import AccountStatus
from models.action import Action
from models.billing.delivery import DeliveryState, InvoiceDelivery
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.refund import Refund, RefundStatus
from models.event import last_sequence_of
from models.operations.webhook import WebhookDelivery, WebhookEndpoint
from models.support.push_device import PushDevice
from models.support.ticket import Ticket
from operations.held_work import held_work
from tests.schema.conftest import Dataset, create_private_rows


async def numbers(action: Action) -> dict[str, int]:
    """The numbers of lines that begin with one, by the rest of the line."""
    lines = [line.partition(" ") for line in await held_work(action.at)]
    return {text: int(number) for number, _, text in lines if number.isdigit()}


async def test_everything_that_would_reach_somebody_is_listed(
    dataset: Dataset, action: Action
) -> None:
    for company in (dataset.paul, dataset.marie):
        await create_private_rows(action, company)
    paul, marie = dataset.paul.account, dataset.marie.account
    waiting = {"next_attempt_at": action.at, "succeeded_at": None}
    await WebhookDelivery.all().update(**waiting)
    for device in await PushDevice.all():
        device.sequence = await last_sequence_of(device.stream)
        await device.save()
    endpoint = await WebhookEndpoint.get(account_id=paul.pk)
    head = await last_sequence_of(endpoint.stream)
    await WebhookEndpoint.filter(account_id=paul.pk).update(sequence=head - 2)
    await PushDevice.filter(user_id=dataset.paul.owner.user_id).update(sequence=0)
    pending = {"status": RefundStatus.PENDING, "next_check_at": action.at}
    await Refund.filter(account_id=paul.pk).update(amount_cents=1_234, **pending)
    succeeded = {"status": RefundStatus.SUCCEEDED, "next_check_at": action.at}
    await Refund.filter(account_id=marie.pk).update(**succeeded)
    await Purchase.filter(account_id=paul.pk).update(
        status=PurchaseStatus.ACTIVE, bills_on=action.day
    )
    await Ticket.filter(account_id=paul.pk).update(reply_email_pending_since=action.at)
    await InvoiceDelivery.filter(account_id=paul.pk).update(
        state=DeliveryState.WAITING, next_attempt_at=action.at
    )
    # Nothing is sent for a company that is deactivated, and to an endpoint that is disabled.
    marie.status = AccountStatus.DEACTIVATED
    await marie.save()
    found = await numbers(action)
    assert found["webhooks message.posted"] == found["webhooks to send"] == 1
    assert found["events of which webhooks may be sent"] == 2
    assert found["devices with new events at fcm.googleapis.com"] == 1
    assert found["devices to notify of new events"] == 1
    assert found["refunds to make at the provider, €12.34"] == 1
    assert found["refunds to ask the provider about"] == 1
    assert found["purchases to bill"] == await Purchase.filter(account_id=paul.pk).count() > 0
    assert found["tickets whose replies are to be emailed"] > 0
    assert found["invoices to deliver to the platform"] == 1
    assert found["scheduled replies to post"] == 2
    disabled_at = action.at - timedelta(days=1)
    await WebhookEndpoint.filter(account_id=paul.pk).update(disabled_at=disabled_at)
    found = await numbers(action)
    assert found["webhooks to send"] == 0
    assert not any("webhooks may be" in text for text in found)
