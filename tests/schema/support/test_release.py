"""P6.2: an agent who can't continue with a ticket returns it to the inbox."""

from models.action import Action
from models.identity.user import Staff
from models.support.ticket import Ticket
from tests.people import create_staff_viewer
from tests.schema.conftest import Dataset, Execute

RELEASE_MUTATION = """mutation($ticket: ID!) {
    ticketRelease(input: {ticketId: $ticket}) { ticket { status assignee { name } }
    userErrors { code field } } }"""
CLAIM_MUTATION = """mutation($ticket: ID!) {
    ticketClaim(input: {ticketId: $ticket}) { ticket { assignee { name } }
    userErrors { code } } }"""


async def test_p6_2_a_released_ticket_can_be_claimed_by_another_agent(
    execute: Execute, dataset: Dataset, action: Action
) -> None:
    ticket = dataset.paul.id(Ticket)
    bruno = await create_staff_viewer(action, "Bruno", Staff.AGENT)
    await execute(dataset.alice, CLAIM_MUTATION, ticket=ticket)
    for _ in range(2):  # a repeat changes nothing
        release = (await execute(dataset.alice, RELEASE_MUTATION, ticket=ticket))["data"][
            "ticketRelease"
        ]
        assert release == {"ticket": {"status": "OPEN", "assignee": None}, "userErrors": []}
    claim = (await execute(bruno, CLAIM_MUTATION, ticket=ticket))["data"]["ticketClaim"]
    assert claim["ticket"]["assignee"] == {"name": "Bruno"}


async def test_p6_2_only_the_assignee_releases_a_ticket(
    execute: Execute, dataset: Dataset, action: Action
) -> None:
    ticket = dataset.paul.id(Ticket)
    bruno = await create_staff_viewer(action, "Bruno", Staff.AGENT)
    await execute(dataset.alice, CLAIM_MUTATION, ticket=ticket)
    refusal = (await execute(bruno, RELEASE_MUTATION, ticket=ticket))["data"]["ticketRelease"]
    assert refusal == {
        "ticket": None,
        "userErrors": [{"code": "NOT_ASSIGNED", "field": ["input", "ticketId"]}],
    }
    assert (await execute(dataset.paul.owner, RELEASE_MUTATION, ticket=ticket))["errors"][0][
        "extensions"
    ]["code"] == "FORBIDDEN"
    assert (await Ticket.get(pk=dataset.paul.row(Ticket).pk)).assignee_id == dataset.alice.user_id
