"""Clients that share a delivery get the same events as each would get alone, for every field, event
and viewer.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from graphql import GraphQLObjectType

from engine import Engine
from models.accounts.account import Role
from models.action import Action
from models.event import last_sequence_of, ticket_stream
from models.identity.user import Staff
from models.locale import Locale
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from models.viewer import Viewer
from realtime.endpoint import SocketEndpoint
from resolvers.context import Services
from schema.root import schema
from tests.people import add_member, create_staff_viewer, create_user, create_viewer
from tests.realtime.socket_fixtures import wait_until
from tests.realtime.stream_fixtures import MemorySocket, live_subscriptions
from tests.schema.conftest import decode_answer
from tests.schema.subscription_fixtures import ViewerClient, create_endpoint, subscribe
from tests.schema.test_isolation import selection

if TYPE_CHECKING:
    from tests.schema.conftest import Dataset

DEPTH = 2


@pytest.fixture
async def viewers(dataset: "Dataset", action: Action) -> list[Viewer]:
    """All viewers of Paul's ticket: members and agents, in both languages, some of them twice."""
    account = dataset.paul.account
    users = [await create_user(action, name) for name in ("Ida", "Jo")]
    people = [dataset.paul.owner, dataset.paul.member, dataset.alice]
    for user, role in zip(users, (Role.BILLING, Role.MEMBER), strict=True):
        await add_member(action, account, user, role)
        people.append(await create_viewer(action, user, account))
    people.append(await create_staff_viewer(action, "Sam", Staff.SUPERVISOR))
    return [
        Viewer(each.user, each.account, each.role, each.session, locale)
        for each in people
        for locale in Locale
    ]


def documents(field: str, arguments: str = "") -> Iterator[str]:
    """Everything that a subscription's event leads to, all at once and field by field."""
    root = schema._schema.subscription_type
    assert root is not None
    kind = root.fields[field].type.of_type
    assert isinstance(kind, GraphQLObjectType)
    yield f"subscription {{ {field}{arguments} {{ {selection(kind, DEPTH)} }} }}"
    for name, each in kind.fields.items():
        inner_type = getattr(each.type, "of_type", each.type)
        inner = (
            f"{{ {selection(inner_type, DEPTH - 1)} }}"
            if isinstance(inner_type, GraphQLObjectType)
            else ""
        )
        yield f"subscription {{ {field}{arguments} {{ sequence {name} {inner} }} }}"


class CountingEngine(Engine):
    """Counts the events that it executes."""

    execution_count = 0

    async def execute_event(self, operation: Any, context: Any, event: Any) -> dict[str, Any]:
        self.execution_count += 1
        return await super().execute_event(operation, context, event)


async def individual_event(engine: Engine, client: ViewerClient, query: str, sequence: int) -> Any:
    """The event that this client receives when it is the only one."""
    query = query.replace("after: null", f"after: {sequence - 1}")
    async with aclosing(subscribe(engine, client.viewer, client.services, query)) as results:
        return decode_answer(await anext(results))


@pytest.fixture
def counting_engine(engine: Engine) -> CountingEngine:
    counting_engine = CountingEngine(engine.schema)
    counting_engine.__dict__.update(engine.__dict__)
    return counting_engine


async def subscribe_all(
    endpoint: SocketEndpoint, clients: list[ViewerClient], queries: list[str]
) -> list[MemorySocket]:
    """Yields one websocket per client, with live subscriptions to all these queries, numbered by
    their position.
    """
    sockets = [MemorySocket(endpoint, client) for client in clients]
    for socket in sockets:
        for number, query in enumerate(queries):
            socket.subscribe(str(number), query)
    await wait_until(lambda: len(live_subscriptions(endpoint)) == len(sockets) * len(queries))
    return sockets


async def cause_events(
    services: Services, action: Action, dataset: "Dataset"
) -> AsyncIterator[int]:
    """Causes three events, one of which customers see differently from agents, and returns their
    sequences.
    """
    alice, ticket = dataset.alice.user, dataset.paul.row(Ticket)
    assert alice is not None
    await Ticket.filter(pk=ticket.pk).update(assignee_id=alice.pk, status=TicketStatus.OPEN)
    alice_action = Action(alice, action.at, services.hub)
    yield (await ticket.reply(alice_action, alice, "Bonjour", "k1")).sequence
    for status in (TicketStatus.ON_HOLD, TicketStatus.CLOSED):
        await (await Ticket.get(pk=ticket.pk)).transition_to(alice_action, status)
        yield await last_sequence_of(ticket_stream(ticket.pk))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # it compares deliveries only
async def test_shared_delivery_equals_individual_delivery(
    counting_engine: CountingEngine,
    services: Services,
    dataset: "Dataset",
    viewers: list[Viewer],
    action: Action,
) -> None:
    queries = list(
        documents("ticketEvents", f'(ticketId: "{dataset.paul.id(Ticket)}", after: null)')
    )
    endpoint, clients = (
        create_endpoint(counting_engine),
        [ViewerClient(viewer, services) for viewer in viewers],
    )
    sockets = await subscribe_all(endpoint, clients, queries)
    events: list[int] = []
    async for sequence in cause_events(services, action, dataset):
        events.append(sequence)
        await wait_until(
            lambda: all(len(socket.messages) == len(events) * len(queries) for socket in sockets)
        )
        for socket, client in zip(sockets, clients, strict=True):
            shared_payloads = {
                int(number): payload for number, _, payload in socket.messages[-len(queries) :]
            }
            for number, query in enumerate(queries):
                assert shared_payloads[number] == await individual_event(
                    counting_engine, client, query, sequence
                ), (
                    query,
                    client.viewer,
                )
    assert all(socket.written_directly == 3 * len(queries) for socket in sockets)
    await disconnect(sockets)


async def disconnect(sockets: list[MemorySocket]) -> None:
    for socket in sockets:
        await socket.disconnect()


@pytest.mark.parametrize(
    ("fields", "expected_view_count"),
    [
        ("sequence at kind", 1),
        ("status", 2),  # agents, and everyone else
        ("actor { name }", 1),
        ("actor { email }", 6),  # the user's own address: one per user
        ("ticket { status subject }", 2),
        ("message { body author { name } files { name } }", 1),
        ("ticket { messages { totalCount } }", 3),  # by company and by role: agents, supervisors
    ],
)
async def test_an_event_is_executed_once_for_each_view(
    counting_engine: CountingEngine,
    services: Services,
    dataset: "Dataset",
    viewers: list[Viewer],
    action: Action,
    fields: str,
    expected_view_count: int,
) -> None:
    query = f'subscription {{ ticketEvents(ticketId: "{dataset.paul.id(Ticket)}") {{ {fields} }} }}'
    sockets = await subscribe_all(
        create_endpoint(counting_engine),
        [ViewerClient(viewer, services) for viewer in viewers],
        [query],
    )
    events = [sequence async for sequence in cause_events(services, action, dataset)]
    await wait_until(lambda: all(len(socket.messages) == len(events) for socket in sockets))
    assert counting_engine.execution_count <= expected_view_count * len(events)
    await disconnect(sockets)
