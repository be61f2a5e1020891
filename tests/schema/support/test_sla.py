"""P5.6: answers are promised, watched and measured, and the measures are shown."""

import asyncio
from datetime import timedelta
from typing import Any

from engine import Engine
from models.action import Action
from models.identity.user import Staff
from models.support.sla_clock import SlaClock
from models.viewer import Viewer
from resolvers.context import Services
from support.sla import check_clocks
from support.sla_measures import refresh_answer_times
from tests.conftest import MovableClock
from tests.people import create_staff_viewer, make_available
from tests.schema.analytics.query_fixtures import TABLE, rows_of
from tests.schema.conftest import Dataset, Execute
from tests.schema.subscription_fixtures import subscribe

OPEN_MUTATION = """mutation($channel: Channel!, $key: String!) { ticketOpen(input: {
    channel: $channel,
    subject: "Aide", body: "Bonjour", idempotencyKey: $key}) {
    ticket { id replyDueAt slaClocks { measure } } userErrors { code } } }"""
CLAIM_MUTATION = """mutation($ticket: ID!) { ticketClaim(input: {ticketId: $ticket}) {
    userErrors { code } } }"""
REPLY_MUTATION = """mutation($ticket: ID!, $key: String!) { ticketReply(input: {ticketId: $ticket,
    body: "Bonjour", clientMessageId: $key}) { userErrors { code } } }"""
MOVE_MUTATION = """mutation($ticket: ID!, $status: TicketStatus!) { ticketMove(input: {
    ticketId: $ticket, status: $status}) { userErrors { code } } }"""
TICKET_QUERY = """query($ticket: ID!) { node(id: $ticket) { ... on Ticket { replyDueAt slaClocks {
    measure state targetSeconds businessSeconds wallSeconds dueAt warnedAt breachedAt } } } }"""
EVENTS = "subscription { agentEvents(after: 0) { sequence kind ticket { id } } }"
ANSWER_TIMES = """{ contact { answerTimes { channel text promisedHoursFrom promisedHours
    measured { answers medianSeconds p90Seconds medianBusinessSeconds } } } }"""
FIGURES = {
    "by": ["MEASURE", "CHANNEL", "PRIORITY", "TEAM"],
    "measures": [
        {"function": "COUNT"},
        {"function": "SUM", "of": "BREACHED"},
        {"function": "MEDIAN", "of": "BUSINESS_TIME"},
        {"function": "P90", "of": "WALL_TIME"},
    ],
}
POLICIES = "{ slaPolicies { nodes { id channel priority firstResponseMinutes calendar { id } } } }"


async def mutate(execute: Execute, viewer: Viewer, document: str, **variables: Any) -> Any:
    """The payload of a mutation that succeeds."""
    (payload,) = (await execute(viewer, document, **variables))["data"].values()
    assert payload["userErrors"] == []
    return payload


async def first_events(
    engine: Engine, services: Services, viewer: Viewer, count: int
) -> list[tuple[str, str]]:
    """The kind and the ticket of the first events that an agent is notified of."""
    stream, events = subscribe(engine, viewer, services, EVENTS), []
    async for result in stream:
        event = result["data"]["agentEvents"]
        events.append((event["kind"], event["ticket"]["id"]))
        if len(events) == count:
            break
    await stream.aclose()
    return events


async def test_p5_6_a_chat_that_nobody_answers_warns_people_and_is_measured(
    execute: Execute,
    dataset: Dataset,
    services: Services,
    engine: Engine,
    action: Action,
    clock: MovableClock,
) -> None:
    owner, alice, start = dataset.paul.owner, dataset.alice, clock.now()
    sophie = await create_staff_viewer(action, "Sophie", Staff.SUPERVISOR)
    await make_available(sophie, action.at)
    await SlaClock.all().delete()  # of the dataset's tickets

    async def work_after(**duration: float) -> None:
        clock.advance(timedelta(**duration))
        job = Action(None, clock.now(), services.hub)
        await asyncio.gather(check_clocks(job), check_clocks(job))  # in several processes

    opened = await mutate(execute, owner, OPEN_MUTATION, channel="CHAT", key="chat")
    ticket = opened["ticket"]["id"]
    assert opened["ticket"] == {
        "id": ticket,
        "replyDueAt": (start + timedelta(minutes=1)).isoformat(),
        "slaClocks": [],
    }
    await work_after(seconds=44)
    await work_after(seconds=1)
    await mutate(execute, alice, CLAIM_MUTATION, ticket=ticket)
    await work_after(seconds=15)
    await work_after(seconds=1)
    assert await first_events(engine, services, sophie, 2) == [
        ("SLA_WARNING", ticket),
        ("SLA_BREACHED", ticket),
    ]
    assert await first_events(engine, services, alice, 1) == [("SLA_BREACHED", ticket)]

    clock.advance(timedelta(seconds=29))
    await mutate(execute, alice, REPLY_MUTATION, ticket=ticket, key="1")
    await mutate(execute, owner, REPLY_MUTATION, ticket=ticket, key="2")
    clock.advance(timedelta(seconds=30))
    await mutate(execute, alice, REPLY_MUTATION, ticket=ticket, key="3")
    await mutate(execute, alice, MOVE_MUTATION, ticket=ticket, status="PENDING")
    await work_after(hours=2)
    await mutate(execute, alice, MOVE_MUTATION, ticket=ticket, status="SOLVED")
    await work_after(seconds=1)
    node = (await execute(alice, TICKET_QUERY, ticket=ticket))["data"]["node"]
    measures = ("measure", "state", "targetSeconds", "businessSeconds", "wallSeconds")
    assert [tuple(each[name] for name in measures) for each in node["slaClocks"]] == [
        ("FIRST_RESPONSE", "SETTLED", 60, 90, 90),
        ("RESOLUTION", "SETTLED", 5 * 9 * 3_600, 120, 120),
        ("NEXT_RESPONSE", "SETTLED", 120, 30, 30),
    ]
    assert node["replyDueAt"] is None
    first_response = node["slaClocks"][0]
    assert first_response["warnedAt"] == (start + timedelta(seconds=45)).isoformat()
    assert first_response["breachedAt"] == (start + timedelta(seconds=60)).isoformat()
    assert node["slaClocks"][2]["breachedAt"] is None

    await refresh_answer_times(Action(None, clock.now(), services.hub))
    chat, email, phone, web = (await execute(Viewer(), ANSWER_TIMES))["data"]["contact"][
        "answerTimes"
    ]
    assert chat == {
        "channel": "CHAT",
        "text": "immédiatement, aux heures d’ouverture",
        "promisedHoursFrom": None,
        "promisedHours": None,
        "measured": {
            "answers": 1,
            "medianSeconds": 90,
            "p90Seconds": 90,
            "medianBusinessSeconds": 90,
        },
    }
    assert (phone["channel"], phone["text"]) == ("PHONE", chat["text"])
    for answer_time in (email, web):
        assert answer_time["text"] == "sous 24 à 48 heures, les jours ouvrés"
        assert answer_time["measured"] is None

    answer = await execute(dataset.nadia, TABLE, query={"sla": FIGURES})
    assert rows_of(answer["data"]["analytics"]) == [
        ("FIRST_RESPONSE", "CHAT", "NORMAL", None, 1, 1, 90, 90),
        ("NEXT_RESPONSE", "CHAT", "NORMAL", None, 1, 0, 30, 30),
        ("RESOLUTION", "CHAT", "NORMAL", None, 1, 0, 120, 120),
    ]


async def test_p5_6_operators_set_targets_that_running_tickets_keep(
    execute: Execute, dataset: Dataset, action: Action, clock: MovableClock, services: Services
) -> None:
    omar = await create_staff_viewer(action, "Omar", Staff.OPERATOR)
    policy_mutation = """mutation($input: SlaPolicySetInput!) { slaPolicySet(input: $input) {
        policy { id firstResponseMinutes promisedHours } userErrors { code field } } }"""
    remove_mutation = """mutation($id: ID!) { slaPolicyRemove(input: {policyId: $id}) {
        policy { id } userErrors { code field } } }"""
    key = {"channel": "WEB", "key": "1"}
    first = (await mutate(execute, dataset.paul.owner, OPEN_MUTATION, **key))["ticket"]
    # two business days after Monday, 10:00
    assert first["replyDueAt"] == (clock.now() + timedelta(days=2)).isoformat()
    policy = {"channel": "WEB", "firstResponseMinutes": 600, "promisedHours": 24}
    await mutate(execute, omar, policy_mutation, input=policy)
    key["key"] = "2"
    second = (await mutate(execute, dataset.paul.owner, OPEN_MUTATION, **key))["ticket"]
    assert second["replyDueAt"] == (clock.now() + timedelta(days=1, hours=1)).isoformat()
    node = (await execute(dataset.alice, TICKET_QUERY, ticket=first["id"]))["data"]["node"]
    assert node["replyDueAt"] == first["replyDueAt"]

    # A closure moves what is due, also of running tickets.
    calendars = (await execute(omar, "{ calendars { nodes { id } } }"))["data"]["calendars"]
    closure = {
        "calendarId": calendars["nodes"][0]["id"],
        "startsAt": "2026-11-24T08:00:00Z",
        "endsAt": "2026-11-24T17:00:00Z",
        "reason": "Inventaire",
        "idempotencyKey": "stock",
    }
    await mutate(
        execute,
        omar,
        "mutation($input: ClosureAddInput!) { closureAdd(input: $input) { userErrors { code } } }",
        input=closure,
    )
    await check_clocks(Action(None, clock.now(), services.hub))
    node = (await execute(dataset.alice, TICKET_QUERY, ticket=first["id"]))["data"]["node"]
    assert node["replyDueAt"] == (clock.now() + timedelta(days=3)).isoformat()

    # A priority has its own targets, which a running ticket gets.
    urgent = {"channel": "WEB", "priority": "URGENT", "firstResponseMinutes": 30}
    urgent_id = (await mutate(execute, omar, policy_mutation, input=urgent))["policy"]["id"]
    clock.advance(timedelta(minutes=10))
    classify_mutation = """mutation($ticket: ID!) { ticketUpdate(input: {ticketId: $ticket,
        priority: URGENT}) { ticket { replyDueAt } userErrors { code } } }"""
    classified = await mutate(execute, dataset.alice, classify_mutation, ticket=first["id"])
    assert classified["ticket"]["replyDueAt"] == (action.at + timedelta(minutes=30)).isoformat()
    await mutate(execute, omar, remove_mutation, id=urgent_id)
    nodes = (await execute(dataset.alice, POLICIES))["data"]["slaPolicies"]["nodes"]
    (general,) = (each for each in nodes if each["channel"] == "WEB" and not each["priority"])
    assert urgent_id not in {each["id"] for each in nodes}
    refused = (await execute(omar, remove_mutation, id=general["id"]))["data"]["slaPolicyRemove"]
    assert refused["userErrors"] == [{"code": "VALUE_INVALID", "field": ["input", "policyId"]}]
