"""An example of each audited mutation of operations, in a function with the mutation's name."""

from dataclasses import replace
from typing import TYPE_CHECKING

from models.clock import SystemClock
from models.identity.user import Staff
from models.operations.email import Email
from models.operations.webhook import WebhookDelivery
from resolvers.ids import encode
from tests.people import create_staff_viewer
from tests.schema.audited_fixtures import Scenario, operator_viewer

if TYPE_CHECKING:
    pass


async def email_retry(scenario: Scenario) -> None:
    email = await Email.create(
        template="verification.fr",
        recipient="x@mark.example",
        subject="-",
        text="MARKED",
        html="-",
        created_at=scenario.action.at,
    )
    viewer = await operator_viewer(scenario)
    for _ in range(2):
        await scenario.mutate(viewer, "emailRetry", emailId=encode("Email", email.pk))


async def webhook_endpoint_create(scenario: Scenario) -> None:
    await _webhook_endpoint(scenario)


async def _webhook_endpoint(scenario: Scenario) -> str:
    """The ID of a new webhook endpoint of Paul's company."""
    payload = await scenario.mutate(
        scenario.owner,
        "webhookEndpointCreate",
        "webhookEndpoint { id }",
        url="https://hooks.example.fr/MARKED",
        kinds=["INVOICE_ISSUED"],
        description="MARKED",
        idempotencyKey="k",
    )
    return str(payload["webhookEndpoint"]["id"])


async def webhook_endpoint_update(scenario: Scenario) -> None:
    endpoint_id = await _webhook_endpoint(scenario)
    await scenario.mutate(
        scenario.owner, "webhookEndpointUpdate", webhookEndpointId=endpoint_id, enabled=False
    )


async def webhook_endpoint_delete(scenario: Scenario) -> None:
    endpoint_id = await _webhook_endpoint(scenario)
    await scenario.mutate(scenario.owner, "webhookEndpointDelete", webhookEndpointId=endpoint_id)


async def webhook_endpoint_rotate_secret(scenario: Scenario) -> None:
    fields = {"webhookEndpointId": await _webhook_endpoint(scenario), "idempotencyKey": "k"}
    await scenario.mutate(scenario.owner, "webhookEndpointRotateSecret", **fields)


async def webhook_endpoint_test(scenario: Scenario) -> None:
    fields = {"webhookEndpointId": await _webhook_endpoint(scenario), "idempotencyKey": "k"}
    await scenario.mutate(scenario.owner, "webhookEndpointTest", **fields)


async def webhook_delivery_replay(scenario: Scenario) -> None:
    fields = {"webhookEndpointId": await _webhook_endpoint(scenario), "idempotencyKey": "k"}
    payload = await scenario.mutate(
        scenario.owner, "webhookEndpointTest", "webhookDelivery { id }", **fields
    )
    await WebhookDelivery.filter().update(next_attempt_at=None)
    await scenario.mutate(
        scenario.owner,
        "webhookDeliveryReplay",
        webhookDeliveryId=payload["webhookDelivery"]["id"],
    )


async def clock_advance(scenario: Scenario) -> None:
    oscar = await create_staff_viewer(scenario.action, "Oscar", Staff.OPERATOR)
    demonstration_scenario = replace(
        scenario, services=replace(scenario.services, clock=SystemClock(), demonstration=True)
    )
    await demonstration_scenario.mutate(oscar, "clockAdvance", seconds=60)
