"""P6.2: an agent who can't continue with a ticket returns it to the inbox."""

from models.action import Action
from models.identity.user import Staff
from models.support.ticket import Ticket
from tests.people import create_staff_viewer
from tests.schema.conftest import Ask, Dataset

RELEASE = """mutation($ticket: ID!) {
    ticketRelease(input: {ticketId: $ticket}) { ticket { status assignee { name } }
    userErrors { code field } } }"""
CLAIM = """mutation($ticket: ID!) {
    ticketClaim(input: {ticketId: $ticket}) { ticket { assignee { name } }
    userErrors { code } } }"""


async def test_p6_2_a_released_ticket_can_be_claimed_by_another_agent(
    ask: Ask, dataset: Dataset, action: Action
) -> None:
    ticket = dataset.paul.id(Ticket)
    bruno = await create_staff_viewer(action, "Bruno", Staff.AGENT)
    await ask(dataset.alice, CLAIM, ticket=ticket)
    for _ in range(2):  # a repeat changes nothing
        released = (await ask(dataset.alice, RELEASE, ticket=ticket))["data"]["ticketRelease"]
        assert released == {"ticket": {"status": "OPEN", "assignee": None}, "userErrors": []}
    claimed = (await ask(bruno, CLAIM, ticket=ticket))["data"]["ticketClaim"]
    assert claimed["ticket"]["assignee"] == {"name": "Bruno"}


async def test_p6_2_only_the_assignee_releases_a_ticket(
    ask: Ask, dataset: Dataset, action: Action
) -> None:
    ticket = dataset.paul.id(Ticket)
    bruno = await create_staff_viewer(action, "Bruno", Staff.AGENT)
    await ask(dataset.alice, CLAIM, ticket=ticket)
    refused = (await ask(bruno, RELEASE, ticket=ticket))["data"]["ticketRelease"]
    assert refused == {
        "ticket": None,
        "userErrors": [{"code": "NOT_ASSIGNED", "field": ["input", "ticketId"]}],
    }
    assert (await ask(dataset.paul.owner, RELEASE, ticket=ticket))["errors"][0]["extensions"][
        "code"
    ] == "FORBIDDEN"
    assert (await Ticket.get(pk=dataset.paul.row(Ticket).pk)).assignee_id == dataset.alice.user_id
