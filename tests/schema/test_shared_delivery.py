"""What many get together is what each would get alone: every field of every event, for everybody who may follow."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from graphql import GraphQLObjectType

from engine import Engine, Params
from models.accounts.account import Membership, Role
from models.action import Action
from models.event import head, ticket_stream
from models.identity.user import Staff
from models.locale import Locale
from models.support.ticket import Ticket, TicketStatus
from models.viewer import Viewer
from realtime.broadcast import Channels
from resolvers.context import Context, Services
from schema.root import schema
from tests.engine.subscriptions import subscribe
from tests.realtime.stream_fixtures import Peer as Socket
from tests.realtime.stream_fixtures import Room, eventually
from tests.schema.conftest import person, sent, signed_in
from tests.schema.test_isolation import selection

if TYPE_CHECKING:
    from tests.schema.conftest import House

DEPTH = 2


@dataclass(frozen=True)
class Visitor:
    """A viewer at the other end of a socket."""

    viewer: Viewer
    services: Services
    cost_limit: int | None = 10**9
    introspection: bool = True
    trusted_only: bool = False

    def context(self) -> Context:
        return Context(self.viewer, self.services, "192.0.2.1")


@pytest.fixture
async def crowd(house: "House", action: Action) -> list[Viewer]:
    """Everybody who may follow Paul's ticket: his company's people and the agents, in both languages, some of them twice."""
    account = house.paul.account
    users = [await person(action, name) for name in ("Ida", "Jo")]
    people = [house.paul.owner, house.paul.member, house.alice]
    for user, role in zip(users, (Role.BILLING, Role.MEMBER), strict=True):
        await Membership.create(user=user, account=account, role=role, created_at=action.at)
        people.append(await signed_in(action, user, account, role))
    people.append(await signed_in(action, await person(action, "Sam", Staff.SUPERVISOR), factor=True))
    return [Viewer(each.user, each.account, each.role, each.session, locale) for each in people for locale in Locale]


def documents(field: str, arguments: str = "") -> Iterator[str]:
    """Everything a subscription's event leads to, at once and field by field."""
    root = schema._schema.subscription_type
    assert root is not None
    kind = root.fields[field].type.of_type
    assert isinstance(kind, GraphQLObjectType)
    yield f"subscription {{ {field}{arguments} {{ {selection(kind, DEPTH)} }} }}"
    for name, each in kind.fields.items():
        below = getattr(each.type, "of_type", each.type)
        inner = f"{{ {selection(below, DEPTH - 1)} }}" if isinstance(below, GraphQLObjectType) else ""
        yield f"subscription {{ {field}{arguments} {{ sequence {name} {inner} }} }}"


class Counting(Engine):
    """Counts the events that it executes."""

    executed = 0

    async def execute_event(self, operation: Any, context: Any, event: Any) -> dict[str, Any]:
        self.executed += 1
        return await super().execute_event(operation, context, event)


async def alone(engine: Engine, visitor: Visitor, query: str, sequence: int) -> Any:
    """What this visitor gets of one event when nobody else is there."""
    operation = engine.prepare(Params(query=query.replace("after: null", f"after: {sequence - 1}")), cost_limit=10**9)
    async with aclosing(subscribe(engine, operation, visitor.context)) as results:
        return sent(await anext(results))


@pytest.fixture
def counting(engine: Engine) -> Counting:
    made = Counting(engine.schema)
    made.__dict__.update(engine.__dict__)
    return made


@pytest.fixture
def room(counting: Counting, action: Action) -> Room:
    room = Room(action)
    room.engine, room.channels = counting, Channels(counting)
    return room


async def together(room: Room, visitors: list[Visitor], queries: list[str]) -> list[Socket]:
    """A socket for each visitor, all of them following every query under its number, and ready."""
    sockets = [Socket(room, visitor) for visitor in visitors]  # type: ignore[arg-type] # whoever has a context
    for socket in sockets:
        for key, query in enumerate(queries):
            await socket.ask(str(key), query)
    await eventually(lambda: all(socket.ready(str(key)) for socket in sockets for key in range(len(queries))), 60)
    return sockets


async def work(services: Services, action: Action, house: "House") -> AsyncIterator[int]:
    """Three events, of which customers see one otherwise than agents; their numbers."""
    alice, ticket = house.alice.user, house.paul.row(Ticket)
    assert alice is not None
    now = Action(alice, action.at, services.hub)
    yield (await ticket.reply(now, alice, "Bonjour", "k1")).sequence
    for status in (TicketStatus.ON_HOLD, TicketStatus.CLOSED):
        await (await Ticket.get(pk=ticket.pk)).move(now, status)
        yield await head(ticket_stream(ticket.pk))


async def test_everybody_gets_together_what_they_get_alone(
    room: Room, counting: Counting, services: Services, house: "House", crowd: list[Viewer], action: Action
) -> None:
    queries = list(documents("ticketEvents", f'(ticketId: "{house.paul.id(Ticket)}", after: null)'))
    visitors = [Visitor(viewer, services) for viewer in crowd]
    sockets = await together(room, visitors, queries)
    events: list[int] = []
    async for sequence in work(services, action, house):
        events.append(sequence)
        await eventually(lambda: all(len(each.heard) == len(events) * len(queries) for each in sockets), 60)
        for socket, visitor in zip(sockets, visitors, strict=True):
            heard = {int(key): payload for key, _, payload in socket.heard[-len(queries) :]}
            for number, query in enumerate(queries):
                assert heard[number] == await alone(counting, visitor, query, sequence), (query, visitor.viewer)
    assert all(socket.put_in_passing == 3 * len(queries) for socket in sockets)
    await left(room, sockets)


async def left(room: Room, sockets: list[Socket]) -> None:
    for socket in sockets:
        await socket.leave()
    await room.channels.closed()


@pytest.mark.parametrize(
    ("fields", "views"),
    [
        ("sequence at kind", 1),
        ("status", 2),  # agents, and the others
        ("actor { name }", 1),
        ("actor { email }", 6),  # one's own address: for each person
        ("ticket { status subject }", 2),
        ("message { body author { name } files { name } }", 1),
        ("ticket { messages { totalCount } }", 3),  # by company, and by what they may ask for: agents, supervisors
    ],
)
async def test_an_event_is_executed_once_for_each_view(
    room: Room,
    counting: Counting,
    services: Services,
    house: "House",
    crowd: list[Viewer],
    action: Action,
    fields: str,
    views: int,
) -> None:
    query = f'subscription {{ ticketEvents(ticketId: "{house.paul.id(Ticket)}") {{ {fields} }} }}'
    sockets = await together(room, [Visitor(viewer, services) for viewer in crowd], [query])
    events = [sequence async for sequence in work(services, action, house)]
    await eventually(lambda: all(len(socket.heard) == len(events) for socket in sockets))
    assert counting.executed <= views * len(events)
    await left(room, sockets)
