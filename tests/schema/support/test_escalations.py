"""P5.4: a problem that persists is escalated to a supervisor, with its details and history."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from models.action import Action
from models.identity.user import Staff, User
from models.operations.email import Email
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.ids import encode
from support.escalations import assign_waiting
from tests.people import create_staff_viewer
from tests.schema.billing.catalogue_fixtures import codes, create_operator, mutate
from tests.schema.support.test_merging import merge, open_ticket

if TYPE_CHECKING:
    from tests.schema.conftest import Dataset, Execute

ESCALATION = """escalation { details stepsTried resolvedAt escalator { name } supervisor { name }
    history { number } ticket { id status assignee { name } follows { id } } }"""
TEXTS = {
    "details": "L’export échoue toujours, nous ne pouvons plus facturer.",
    "stepsTried": "Nouvel essai, autre navigateur.",
}


async def create_supervisor(action: Action, name: str) -> Viewer:
    """A supervisor whose role is active, and who gets emails."""
    viewer = await create_staff_viewer(action, name, Staff.SUPERVISOR)
    await User.filter(pk=viewer.user_id).update(second_factor_at=action.at)
    return viewer


async def escalate(
    execute: "Execute", viewer: Viewer, ticket: str, key: str = "1"
) -> dict[str, Any]:
    fields = {"ticketId": ticket, "idempotencyKey": key} | TEXTS
    return await mutate(execute, viewer, "ticketEscalate", ESCALATION, **fields)


async def move(execute: "Execute", viewer: Viewer, ticket: str, status: str) -> None:
    await mutate(execute, viewer, "ticketMove", "ticket { id }", ticketId=ticket, status=status)


async def emails() -> list[tuple[str, str]]:
    return [
        (email.template.removesuffix(".fr"), email.recipient)
        for email in await Email.filter(template__contains="escalat").order_by("id")
    ]


async def last_bodies(execute: "Execute", viewer: Viewer, ticket: str) -> list[str]:
    response = await execute(
        viewer,
        "query($id: ID!) { node(id: $id) { ... on Ticket "
        "{ messages(last: 2) { nodes { body } } } } }",
        id=ticket,
    )
    return [message["body"] for message in response["data"]["node"]["messages"]["nodes"]]


async def test_p5_4_a_supervisor_gets_the_ticket_with_its_history_and_resolves_it(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    paul, ticket = dataset.paul, dataset.paul.id(Ticket)
    sophie = await create_supervisor(action, "Sophie")
    await mutate(execute, dataset.alice, "ticketClaim", "ticket { id }", ticketId=ticket)
    await move(execute, dataset.alice, ticket, "SOLVED")
    for _ in range(2):  # a repeat changes nothing
        escalation = (await escalate(execute, paul.owner, ticket))["escalation"]
    assert paul.owner.user
    assert sophie.user
    assert escalation["escalator"] == {"name": paul.owner.user.name}
    assert escalation["supervisor"] == {"name": "Sophie"}
    assert escalation["ticket"]["assignee"] == {"name": "Sophie"}
    assert escalation["ticket"]["status"] == "OPEN"
    assert {each["number"] for each in escalation["history"]} >= {paul.row(Ticket).number}
    assert await emails() == [
        ("ticket_escalated", sophie.user.email),
        ("escalation_received", paul.owner.user.email),
    ]
    (told, _) = await Email.filter(template__contains="escalat").order_by("id")
    assert all(text in told.text for text in TEXTS.values())
    again = await escalate(execute, dataset.alice, ticket, "2")
    assert codes(again) == [("ALREADY_ESCALATED", "ticketId")]
    assert (await Ticket.get(pk=paul.row(Ticket).pk)).priority == "URGENT"

    fields = {"ticketId": ticket, "outcome": "L’export est réparé."}
    done = await mutate(execute, sophie, "ticketResolveEscalation", "ticket { id }", **fields)
    assert done["userErrors"] == []
    repeat = await mutate(execute, sophie, "ticketResolveEscalation", "ticket { id }", **fields)
    assert codes(repeat) == [("NOT_ESCALATED", "ticketId")]
    bodies = await last_bodies(execute, paul.owner, ticket)
    assert bodies == [
        f"{TEXTS['details']}\n\nDémarches déjà tentées\N{NO-BREAK SPACE}:\n{TEXTS['stepsTried']}",
        "L’export est réparé.",
    ]


async def test_escalating_a_closed_ticket_escalates_its_follow_up(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    await create_supervisor(action, "Sophie")
    ticket = dataset.paul.id(Ticket)
    await move(execute, dataset.alice, ticket, "CLOSED")
    escalation = (await escalate(execute, dataset.paul.owner, ticket))["escalation"]
    assert escalation["ticket"]["follows"] == {"id": ticket}
    numbers = [each["number"] for each in escalation["history"]]
    assert dataset.paul.row(Ticket).number in numbers
    assert len(numbers) >= 2


async def test_escalations_are_shared_among_supervisors_and_wait_for_one(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    waiting = (await escalate(execute, dataset.paul.owner, dataset.paul.id(Ticket)))["escalation"]
    assert (waiting["supervisor"], waiting["ticket"]["status"]) == (None, "NEW")
    assert (await Ticket.get(pk=dataset.paul.row(Ticket).pk)).priority == "URGENT"
    assert await assign_waiting(action) == 0
    sophie = await create_supervisor(action, "Sophie")
    counts = await asyncio.gather(*(assign_waiting(action) for _ in range(2)))
    assert sum(counts) == 1
    assert sophie.user
    assert ("ticket_escalated", sophie.user.email) in await emails()
    await create_supervisor(action, "Samir")
    other = (await escalate(execute, dataset.marie.owner, dataset.marie.id(Ticket)))["escalation"]
    assert other["supervisor"] == {"name": "Samir"}  # who has fewer


async def test_of_two_people_who_escalate_at_once_one_does(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    await create_supervisor(action, "Sophie")
    ticket = dataset.paul.id(Ticket)
    payloads = await asyncio.gather(
        escalate(execute, dataset.paul.owner, ticket, "a"),
        escalate(execute, dataset.alice, ticket, "b"),
    )
    assert sorted(map(codes, payloads)) == [[], [("ALREADY_ESCALATED", "ticketId")]]
    assert [template for template, _ in await emails()].count("ticket_escalated") == 1


async def test_only_those_who_see_a_ticket_escalate_it_and_only_supervisors_resolve(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    ticket = dataset.paul.id(Ticket)
    payload = await escalate(execute, dataset.marie.owner, ticket)
    assert codes(payload) == [("NOT_FOUND", "ticketId")]
    fields = {"ticketId": ticket, "outcome": "x"}
    for viewer in (dataset.paul.owner, dataset.alice):
        response = await execute(
            viewer,
            "mutation($i: TicketResolveEscalationInput!) "
            "{ ticketResolveEscalation(input: $i) { ticket { id } } }",
            i=fields,
        )
        assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    sophie = await create_supervisor(action, "Sophie")
    none = await mutate(execute, sophie, "ticketResolveEscalation", "ticket { id }", **fields)
    assert codes(none) == [("NOT_ESCALATED", "ticketId")]
    other = {"ticketId": encode("Ticket", 10**9), "outcome": "x"}
    missing = await mutate(execute, sophie, "ticketResolveEscalation", "ticket { id }", **other)
    assert codes(missing) == [("NOT_FOUND", "ticketId")]


async def test_an_escalated_ticket_gets_the_targets_of_urgent_ones(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    urgent = {"channel": "WEB", "priority": "URGENT", "firstResponseMinutes": 30}
    operator = await create_operator(action)
    await mutate(execute, operator, "slaPolicySet", "policy { id }", **urgent)
    fields = {"subject": "Export", "body": "Il échoue.", "idempotencyKey": "open"}
    opened = await mutate(
        execute, dataset.paul.owner, "ticketOpen", "ticket { id replyDueAt }", **fields
    )
    ticket = opened["ticket"]["id"]
    assert opened["ticket"]["replyDueAt"] > "2026-11-23T09:30:00+00:00"
    await escalate(execute, dataset.alice, ticket)
    query = "query($id: ID!) { node(id: $id) { ... on Ticket { replyDueAt } } }"
    node = (await execute(dataset.alice, query, id=ticket))["data"]["node"]
    assert node == {"replyDueAt": (action.at + timedelta(minutes=30)).isoformat()}


async def test_what_is_merged_while_it_is_escalated_gets_no_follow_up(
    execute: "Execute", dataset: "Dataset"
) -> None:
    paul, alice = dataset.paul, dataset.alice
    for number in range(4):
        target = await open_ticket(execute, paul.owner, f"target {number}")
        ticket = await open_ticket(execute, paul.owner, f"merged {number}")
        merged, escalated = await asyncio.gather(
            merge(execute, alice, ticket, target),
            escalate(execute, paul.owner, ticket, f"{number}"),
        )
        expected = ticket if codes(merged) else target
        assert escalated["escalation"]["ticket"]["id"] == expected
    assert not await Ticket.filter(follows_id__not_isnull=True).exists()
