"""CSAT: customers are asked once how satisfied they are, rate, and supervisors see the measures."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from models.accounts.account import Account, AccountStatus
from models.action import Action
from models.event import Event
from models.identity.user import Staff
from models.operations.email import Email
from models.support.rating import TicketRating
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode
from support.ratings import request_ratings
from tests.conftest import MovableClock
from tests.people import create_staff_viewer
from tests.schema.billing.catalogue_fixtures import codes, mutate

if TYPE_CHECKING:
    from tests.schema.conftest import Dataset, Execute

TICKET = """query($id: ID!) { node(id: $id) { ... on Ticket { ratableUntil
    rating { score comment rater { name } agent { name } } } } }"""
REPORT = """{ ratingReport(groupBy: [AGENT, MONTH]) {
    agent { name } team { name } month count satisfied satisfiedShare } }"""
RATINGS = """query($score: [Int!], $agent: ID) { ticketRatings(score: $score, agentId: $agent) {
    totalCount nodes { score comment ticket { id } } } }"""


async def reply(execute: "Execute", viewer: Viewer, ticket: str, key: str) -> None:
    fields = {"ticketId": ticket, "body": "Bonjour", "clientMessageId": key}
    await mutate(execute, viewer, "ticketReply", "message { id }", **fields)


async def move(execute: "Execute", viewer: Viewer, ticket: str, status: str) -> None:
    fields = {"ticketId": ticket, "status": status}
    assert codes(await mutate(execute, viewer, "ticketMove", "ticket { id }", **fields)) == []


async def rate(
    execute: "Execute", viewer: Viewer, ticket: str, score: int, comment: str | None = None
) -> dict[str, Any]:
    fields = {"ticketId": ticket, "score": score, "comment": comment}
    return await mutate(execute, viewer, "ticketRate", "rating { score comment }", **fields)


async def emails() -> list[str]:
    sent = Email.filter(template="rating_request.fr").order_by("id")
    return [" ".join(email.subject.split()) for email in await sent]


async def test_a_customer_is_asked_once_reminded_once_and_rates(
    execute: "Execute",
    dataset: "Dataset",
    services: Services,
    clock: MovableClock,
) -> None:
    paul, alice, ticket = dataset.paul, dataset.alice, dataset.paul.id(Ticket)
    number = paul.row(Ticket).number

    async def ask_after(**duration: float) -> int:
        clock.advance(timedelta(**duration))
        job = Action(None, clock.now(), services.hub)
        counts = (request_ratings(job, services.auth.signer) for _ in range(2))
        return sum(await asyncio.gather(*counts))  # in several processes

    async def node(viewer: Viewer) -> Any:
        return (await execute(viewer, TICKET, id=ticket))["data"]["node"]

    refused = await rate(execute, paul.owner, ticket, 5)
    assert codes(refused) == [("NOT_RATABLE", "ticketId")]
    await reply(execute, alice, ticket, "1")
    await move(execute, alice, ticket, "SOLVED")
    assert await ask_after(minutes=59) == 0
    await reply(execute, paul.owner, ticket, "2")  # opens it again
    assert await ask_after(hours=2) == 0
    assert codes(await rate(execute, paul.owner, ticket, 5)) == [("NOT_RATABLE", "ticketId")]
    await move(execute, alice, ticket, "SOLVED")
    until = (clock.now() + timedelta(days=30)).isoformat()
    assert await node(paul.member) == {"ratableUntil": until, "rating": None}
    assert await ask_after(hours=1) == 1
    question = f"Que pensez-vous du traitement de votre demande {number} ?"
    assert await emails() == [question]
    asked = await Event.filter(kind="RATING_REQUESTED").order_by("id")
    assert [event.stream.partition(":")[0] for event in asked] == ["ticket", "account"]
    assert await ask_after(days=2, hours=23) == 0
    assert await ask_after(hours=1) == 1
    assert await emails() == [question, f"Rappel : q{question[1:]}"]
    assert await ask_after(days=10) == 0

    payload = await rate(execute, paul.member, ticket, 2, "Trop long.")
    assert payload["rating"] == {"score": 2, "comment": "Trop long."}
    for _ in range(2):  # a repeat changes nothing
        payload = await rate(execute, paul.owner, ticket, 4)
        assert payload["rating"] == {"score": 4, "comment": None}
    assert await Event.filter(kind="TICKET_RATED", stream__startswith="agent:").count() == 2
    clock.advance(timedelta(days=7))
    ended = await rate(execute, paul.owner, ticket, 1)
    assert codes(ended) == [("RATING_ENDED", "ticketId")]
    assert "13 décembre 2026" in ended["userErrors"][0]["message"]


async def test_ratings_are_seen_by_the_company_the_agent_and_supervisors(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    alice, bruno = dataset.alice, await create_staff_viewer(action, "Bruno", Staff.AGENT)
    sophie = await create_staff_viewer(action, "Sophie", Staff.SUPERVISOR)
    solved = [(dataset.paul, alice, 5), (dataset.marie, bruno, 3)]
    for company, agent, score in solved:
        ticket = company.id(Ticket)
        await reply(execute, agent, ticket, "1")
        await move(execute, agent, ticket, "CLOSED")
        payload = await rate(execute, company.owner, ticket, score, f"{company.mark} comment")
        assert codes(payload) == []
    ticket = dataset.paul.id(Ticket)
    assert codes(await rate(execute, dataset.marie.owner, ticket, 1)) == [("NOT_FOUND", "ticketId")]

    async def rating(viewer: Viewer) -> Any:
        node = (await execute(viewer, TICKET, id=ticket))["data"]["node"]
        return node and node["rating"]

    seen = {"score": 5, "comment": "PAULMARK comment", "rater": {"name": "PAULMARK OWNER"}}
    assert await rating(dataset.paul.member) == seen | {"agent": None}
    assert await rating(alice) == await rating(sophie) == seen | {"agent": {"name": "Alice"}}
    assert await rating(bruno) is None
    assert await rating(dataset.marie.owner) is None

    async def scores(viewer: Viewer, **arguments: Any) -> list[int]:
        found = (await execute(viewer, RATINGS, **arguments))["data"]["ticketRatings"]
        assert found["totalCount"] == len(found["nodes"])
        return [node["score"] for node in found["nodes"]]

    assert await scores(sophie) == [3, 5]
    assert await scores(sophie, score=[1, 2, 3]) == [3]
    assert await scores(sophie, agent=encode("User", alice.user_id or 0)) == [5]
    assert await scores(alice) == [5]
    assert await scores(alice, agent=encode("User", bruno.user_id or 0)) == []

    async def report(viewer: Viewer) -> list[tuple[Any, ...]]:
        rows = (await execute(viewer, REPORT))["data"]["ratingReport"]
        names = ("month", "count", "satisfied", "satisfiedShare")
        return [(row["agent"]["name"], *(row[name] for name in names)) for row in rows]

    rows = [("Alice", "2026-11-01", 1, 1, 1.0), ("Bruno", "2026-11-01", 1, 0, 0.0)]
    assert await report(sophie) == rows
    assert await report(alice) == rows[:1]


async def test_nobody_is_asked_about_legal_requests_or_what_was_not_answered(
    execute: "Execute", dataset: "Dataset", services: Services, clock: MovableClock
) -> None:
    paul, alice = dataset.paul, dataset.alice
    fields = {"subject": "S", "body": "B", "category": "SECURITY", "idempotencyKey": "k"}
    opened = await mutate(execute, paul.owner, "ticketOpen", "ticket { id }", **fields)
    legal_request, unanswered = opened["ticket"]["id"], paul.id(Ticket)
    await mutate(
        execute,
        alice,
        "ticketMove",
        "ticket { id }",
        ticketId=legal_request,
        status="SOLVED",
        reason="Rien.",
    )
    await mutate(execute, paul.owner, "ticketClose", "ticket { id }", ticketId=unanswered)
    for ticket in (legal_request, unanswered):
        assert codes(await rate(execute, paul.owner, ticket, 1)) == [("NOT_RATABLE", "ticketId")]
    clock.advance(timedelta(hours=1))
    job = Action(None, clock.now(), services.hub)
    assert await request_ratings(job, services.auth.signer) == 0
    assert await emails() == []
    assert await TicketRating.all().count() == 0


async def test_a_deactivated_company_is_not_asked(
    execute: "Execute", dataset: "Dataset", services: Services, clock: MovableClock
) -> None:
    ticket = dataset.paul.id(Ticket)
    await reply(execute, dataset.alice, ticket, "1")
    await move(execute, dataset.alice, ticket, "SOLVED")
    await Account.filter(pk=dataset.paul.account.pk).update(status=AccountStatus.DEACTIVATED)
    clock.advance(timedelta(hours=1))
    job = Action(None, clock.now(), services.hub)
    assert await request_ratings(job, services.auth.signer) == 0
    assert await emails() == []


async def test_the_report_equals_a_count_over_the_ratings(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    """Ratings of many days, scores and agents, grouped in every way."""
    sophie = await create_staff_viewer(action, "Sophie", Staff.SUPERVISOR)
    paul = dataset.paul
    agents = [dataset.alice.user_id, sophie.user_id, None]
    expected: dict[tuple[Any, ...], list[int]] = {}
    for index in range(60):
        async with action.transaction() as tx:
            ticket = await Ticket.open(
                tx,
                paul.account,
                paul.owner.user,  # type: ignore[arg-type] # Paul is signed in
                subject="S",
                channel="WEB",
                category="BUG" if index % 2 else "USAGE",
            )
        day = action.day - timedelta(days=index % 20)
        score = 1 + index * 7 % 5
        await TicketRating.create(
            ticket=ticket,
            agent_id=agents[index % 3],
            finished_at=action.at,
            score=score,
            rated_at=action.at,
            rated_on=day,
            updated_at=action.at,
        )
        key = (index % 3, "BUG" if index % 2 else "USAGE", day.isoformat())
        expected.setdefault(key, []).append(score)
    document = """{ ratingReport(groupBy: [AGENT, CATEGORY, DAY], first: 1000) {
        agent { name } category day count satisfied } }"""
    rows = (await execute(sophie, document))["data"]["ratingReport"]
    names = [{"name": "Alice"}, {"name": "Sophie"}, None]
    counted = {
        (names.index(row["agent"]), row["category"], row["day"]): (row["count"], row["satisfied"])
        for row in rows
    }
    assert counted == {
        key: (len(scores), sum(score >= 4 for score in scores)) for key, scores in expected.items()
    }
