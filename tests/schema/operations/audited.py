"""An example of each audited mutation of operations, in a function with the mutation's name."""

from dataclasses import replace
from typing import TYPE_CHECKING

from models.clock import SystemClock
from models.identity.user import Staff
from models.operations.email import Email
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


async def clock_advance(scenario: Scenario) -> None:
    oscar = await create_staff_viewer(scenario.action, "Oscar", Staff.OPERATOR)
    demonstration_scenario = replace(
        scenario, services=replace(scenario.services, clock=SystemClock(), demonstration=True)
    )
    await demonstration_scenario.mutate(oscar, "clockAdvance", seconds=60)
