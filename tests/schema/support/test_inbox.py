"""P6.2: the views of the inbox, which stay exact over subscriptions and reconnections."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from engine import Engine
from models.action import Action
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.context import Services
from support.sla import check_clocks
from support.snoozing import wake_due
from tests.schema.conftest import Dataset
from tests.schema.subscription_fixtures import subscribe
from tests.schema.support.test_assignment import Agents, user_id
from tests.schema.support.test_assignment import agents as agents
from tests.schema.support.test_notes import ADD

if TYPE_CHECKING:
    from tests.conftest import MovableClock

EVENTS = """subscription($after: BigInt) { inboxEvents(after: $after) {
    sequence inboxViews { view ticketCount } } }"""
VIEWS = "{ inboxViews { view ticketCount } viewer { inboxSequence } }"


async def read_views(agents: Agents, viewer: Viewer) -> tuple[dict[str, int], int]:
    """The counts of a viewer, and the position of the inbox."""
    data = (await agents.execute(viewer, VIEWS))["data"]
    counts = {each["view"]: each["ticketCount"] for each in data["inboxViews"]}
    return counts, int(data["viewer"]["inboxSequence"])


async def list_view(agents: Agents, viewer: Viewer, view: str) -> set[str]:
    query = "query($f: TicketFilter) { tickets(filter: $f) { nodes { id } } }"
    tickets = (await agents.execute(viewer, query, f={"view": view}))["data"]["tickets"]
    return {each["id"] for each in tickets["nodes"]}


async def test_p6_2_a_snoozed_ticket_comes_back(
    agents: Agents, clock: "MovableClock", services: Services
) -> None:
    await agents.change(agents.alice, "ticketClaim")
    until = clock.now() + timedelta(days=1)
    owner = agents.dataset.paul.owner
    for wake in ("job", "customer", "agent"):
        await agents.change(agents.alice, "ticketSnooze", until=until.isoformat())
        assert await list_view(agents, agents.alice, "MINE") == set()
        assert await list_view(agents, agents.alice, "SNOOZED") == {agents.ticket_id}
        assert await list_view(agents, owner, "SNOOZED") == set()
        assert await wake_due(Action(None, clock.now(), services.hub)) == 0
        if wake == "job":
            clock.advance(timedelta(days=1))
            assert await wake_due(Action(None, clock.now(), services.hub)) == 1
            until = clock.now() + timedelta(days=1)
        elif wake == "customer":
            await agents.answer(agents.alice, "Toujours là ?")
            await agents.change(agents.alice, "ticketMove", status="PENDING")
            assert await list_view(agents, agents.alice, "SNOOZED") == {agents.ticket_id}
            for body in ("Oui", "Vraiment"):
                await reply(agents, owner, body)
        else:
            await agents.change(agents.alice, "ticketWake")
        assert await list_view(agents, agents.alice, "MINE") == {agents.ticket_id}
        assert await list_view(agents, agents.alice, "SNOOZED") == set()
    for moment in (clock.now(), clock.now() + timedelta(days=400)):
        payload = await agents.mutate(agents.alice, "ticketSnooze", until=moment.isoformat())
        assert payload["userErrors"][0]["code"] == "VALUE_INVALID"


async def reply(agents: Agents, viewer: Viewer, body: str) -> None:
    query = "mutation($i: TicketReplyInput!) { ticketReply(input: $i) { userErrors { code } } }"
    variables = {"ticketId": agents.ticket_id, "body": body, "clientMessageId": body}
    response = await agents.execute(viewer, query, i=variables)
    assert response["data"]["ticketReply"]["userErrors"] == []


class InboxClient:
    """An agent's client that reads the counts once, then follows the events."""

    def __init__(self, counts: dict[str, int], cursor: int) -> None:
        self.counts, self.cursor = counts, cursor

    async def reconnect(
        self, engine: Engine, services: Services, viewer: Viewer, last_sequence: int
    ) -> None:
        """Receive what has happened since the last connection."""
        if self.cursor == last_sequence:
            return
        events = subscribe(engine, viewer, services, EVENTS, after=self.cursor)
        async with aclosing(events):
            async for result in events:
                event = result["data"]["inboxEvents"]
                assert int(event["sequence"]) == self.cursor + 1
                self.cursor += 1
                counts = event["inboxViews"]
                self.counts = {each["view"]: each["ticketCount"] for each in counts}
                if self.cursor == last_sequence:
                    return


async def test_p6_2_views_miss_no_change_over_reconnections(
    agents: Agents, dataset: Dataset, engine: Engine, services: Services, clock: "MovableClock"
) -> None:
    """Whatever is done with a ticket, the counts of a client that only follows the events are those
    of the database.
    """
    team = await agents.create_team(
        agents.sonia, name="Technique", memberIds=[user_id(agents.bruno)]
    )
    clients = {
        viewer.user_id: (viewer, InboxClient(*await read_views(agents, viewer)))
        for viewer in (agents.alice, agents.bruno)
    }
    random, owner = Random(9), dataset.paul.owner
    keys = iter(range(1_000))

    async def mention() -> None:
        fields: dict[str, Any] = {"ticketId": agents.ticket_id, "body": "@"}
        fields |= {"mentionedUserIds": [user_id(agents.bruno)], "idempotencyKey": str(next(keys))}
        await agents.execute(agents.alice, ADD, i=fields)

    async def change(viewer: Viewer, name: str, **fields: Any) -> None:
        await agents.mutate(viewer, name, **fields)  # some are refused

    async def mark_read() -> None:
        query = """mutation($id: ID!) {
            ticketMarkRead(input: {ticketId: $id, sequence: 1}) { userErrors { code } } }"""
        await agents.execute(agents.bruno, query, id=agents.ticket_id)

    async def wake() -> None:
        clock.advance(timedelta(hours=2))
        await wake_due(Action(None, clock.now(), services.hub))

    async def watch() -> None:
        clock.advance(timedelta(minutes=20))
        await check_clocks(Action(None, clock.now(), services.hub))

    async def snooze() -> None:
        until = (clock.now() + timedelta(hours=1)).isoformat()
        await change(agents.alice, "ticketSnooze", until=until)

    actions: list[Callable[[], Awaitable[Any]]] = [
        mention,
        mark_read,
        wake,
        watch,
        snooze,
        lambda: change(agents.alice, "ticketClaim"),
        lambda: change(agents.alice, "ticketRelease"),
        lambda: change(agents.sonia, "ticketTransfer", userId=user_id(agents.bruno)),
        lambda: change(agents.sonia, "ticketTransfer", teamId=team["team"]["id"]),
        lambda: change(agents.sonia, "ticketTakeOver"),
        lambda: change(agents.alice, "ticketMove", status=random.choice(["SOLVED", "PENDING"])),
        lambda: reply(agents, owner, f"message {next(keys)}"),
        lambda: agents.answer(agents.bruno, f"answer {next(keys)}"),
    ]
    seen = set()
    for _ in range(40):
        agents.ticket_id = random.choice([dataset.paul.id(Ticket), dataset.marie.id(Ticket)])
        if agents.ticket_id == dataset.marie.id(Ticket):
            owner = dataset.marie.owner
        else:
            owner = dataset.paul.owner
        await random.choice(actions)()
        for viewer, client in clients.values():
            if random.random() < 0.5:
                continue  # it isn't connected
            counts, last_sequence = await read_views(agents, viewer)
            await client.reconnect(engine, services, viewer, last_sequence)
            assert client.counts == counts
            seen |= {view for view, count in counts.items() if count}
            for view, count in counts.items():
                assert len(await list_view(agents, viewer, view)) == count
    assert seen == {"MINE", "MY_TEAMS", "UNASSIGNED", "BREACHING", "MENTIONED", "SNOOZED"}
