"""An example of each audited mutation of support, in a function with the mutation's name."""

from models.support.ticket import Ticket
from tests.schema.audited_fixtures import Scenario


async def ticket_claim(scenario: Scenario) -> None:
    for _ in range(2):
        await scenario.mutate(
            scenario.dataset.alice, "ticketClaim", ticketId=scenario.dataset.paul.id(Ticket)
        )


async def ticket_release(scenario: Scenario) -> None:
    await scenario.mutate(
        scenario.dataset.alice, "ticketClaim", ticketId=scenario.dataset.paul.id(Ticket)
    )
    for _ in range(2):
        await scenario.mutate(
            scenario.dataset.alice, "ticketRelease", ticketId=scenario.dataset.paul.id(Ticket)
        )


async def ticket_move(scenario: Scenario) -> None:
    for _ in range(2):
        await scenario.mutate(
            scenario.dataset.alice,
            "ticketMove",
            ticketId=scenario.dataset.paul.id(Ticket),
            status="SOLVED",
        )


async def ticket_close(scenario: Scenario) -> None:
    await scenario.mutate(scenario.owner, "ticketClose", ticketId=scenario.dataset.paul.id(Ticket))


async def file_announce(scenario: Scenario) -> None:
    await scenario.mutate(
        scenario.owner,
        "fileAnnounce",
        name="MARKED FILE.pdf",
        contentType="application/pdf",
        size=9,
    )
