"""An example of each audited mutation of operations, in a function with the mutation's name."""

from dataclasses import replace
from typing import TYPE_CHECKING

from models.clock import SystemClock
from models.identity.user import Staff
from models.operations.email import Email
from resolvers.ids import encode
from tests.people import create_staff_viewer
from tests.schema.audited_fixtures import Stage, operating

if TYPE_CHECKING:
    pass


async def email_retry(stage: Stage) -> None:
    email = await Email.create(
        template="verification.fr",
        recipient="x@mark.example",
        subject="-",
        text="MARKED",
        html="-",
        created_at=stage.action.at,
    )
    viewer = await operating(stage)
    for _ in range(2):
        await stage.do(viewer, "emailRetry", emailId=encode("Email", email.pk))


async def clock_advance(stage: Stage) -> None:
    oscar = await create_staff_viewer(stage.action, "Oscar", Staff.OPERATOR)
    travelling = replace(
        stage, services=replace(stage.services, clock=SystemClock(), demonstration=True)
    )
    await travelling.do(oscar, "clockAdvance", seconds=60)
