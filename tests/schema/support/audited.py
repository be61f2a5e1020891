"""An example of each audited mutation of support, in a function with the mutation's name."""

from models.support.ticket import Ticket
from tests.schema.audited_fixtures import Stage


async def ticket_claim(stage: Stage) -> None:
    for _ in range(2):
        await stage.do(stage.dataset.alice, "ticketClaim", ticketId=stage.dataset.paul.id(Ticket))


async def ticket_release(stage: Stage) -> None:
    await stage.do(stage.dataset.alice, "ticketClaim", ticketId=stage.dataset.paul.id(Ticket))
    for _ in range(2):
        await stage.do(stage.dataset.alice, "ticketRelease", ticketId=stage.dataset.paul.id(Ticket))


async def ticket_move(stage: Stage) -> None:
    for _ in range(2):
        await stage.do(
            stage.dataset.alice,
            "ticketMove",
            ticketId=stage.dataset.paul.id(Ticket),
            status="SOLVED",
        )


async def ticket_close(stage: Stage) -> None:
    await stage.do(stage.owner, "ticketClose", ticketId=stage.dataset.paul.id(Ticket))


async def file_announce(stage: Stage) -> None:
    await stage.do(
        stage.owner, "fileAnnounce", name="MARKED FILE.pdf", contentType="application/pdf", size=9
    )
