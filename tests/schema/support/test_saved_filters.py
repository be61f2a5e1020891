"""P6.2: agents save filters as views of their own, whose counts subscriptions keep up to date."""

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from engine import Engine
from models.identity.user import Staff
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode
from tests.people import create_staff_viewer
from tests.schema.billing.catalogue_fixtures import codes, mutate
from tests.schema.subscription_fixtures import subscribe

if TYPE_CHECKING:
    from models.action import Action
    from tests.schema.conftest import Dataset, Execute

CONDITIONS = "status channel category priority tags teamIds assigneeIds assigned view"
SAVED = f"savedFilter {{ id name ticketCount conditions {{ {CONDITIONS} }} }}"
NOTHING = dict.fromkeys(CONDITIONS.split())
EVENTS = """subscription { inboxEvents(after: 0) { sequence
    savedFilters { name ticketCount } } }"""


async def save(execute: "Execute", viewer: Viewer, name: str, **conditions: Any) -> dict[str, Any]:
    fields = {"name": name, "conditions": conditions, "idempotencyKey": name}
    return await mutate(execute, viewer, "savedFilterCreate", SAVED, **fields)


async def listed(execute: "Execute", viewer: Viewer, saved_filter: str) -> set[str]:
    document = """query($id: ID) { tickets(filter: {savedFilterId: $id}) {
        totalCount nodes { id } } }"""
    tickets = (await execute(viewer, document, id=saved_filter))["data"]["tickets"]
    assert tickets["totalCount"] == len(tickets["nodes"])
    return {ticket["id"] for ticket in tickets["nodes"]}


async def test_p6_2_saved_filters_are_counted_listed_and_kept_up_to_date(
    execute: "Execute",
    dataset: "Dataset",
    action: "Action",
    engine: Engine,
    services: Services,
) -> None:
    alice, ticket, other = dataset.alice, dataset.paul.id(Ticket), dataset.marie.id(Ticket)
    bruno = await create_staff_viewer(action, "Bruno", Staff.AGENT)
    alice_id = encode("User", alice.user_id or 0)
    for _ in range(2):  # a repeat returns the same
        payload = await save(execute, alice, "Urgent", priority=["URGENT"], status=["NEW", "OPEN"])
        assert codes(payload) == []
    urgent = payload["savedFilter"]
    assert urgent["conditions"] == NOTHING | {"priority": ["URGENT"], "status": ["NEW", "OPEN"]}
    assert urgent["ticketCount"] == 0
    tagged = (await save(execute, alice, "Export", tags=["Export"], view="UNASSIGNED"))[
        "savedFilter"
    ]
    mine = (await save(execute, alice, "Miens", assigneeIds=[alice_id]))["savedFilter"]
    empty = (await save(execute, alice, "Rien", channel=[]))["savedFilter"]
    assert codes(await save(execute, alice, "Export", tags=["x"])) == [
        ("IDEMPOTENCY_MISMATCH", "idempotencyKey")
    ]

    fields = {"ticketId": ticket, "priority": "URGENT", "addTags": ["EXPORT"]}
    await mutate(execute, alice, "ticketUpdate", "ticket { id }", **fields)
    await mutate(execute, alice, "ticketClaim", "ticket { id }", ticketId=other)
    assert [await listed(execute, alice, each["id"]) for each in (urgent, tagged, mine, empty)] == [
        {ticket},
        {ticket},
        {other},
        set(),
    ]
    last = (await execute(alice, "{ viewer { inboxSequence } }"))["data"]["viewer"]["inboxSequence"]
    async with aclosing(subscribe(engine, alice, services, EVENTS)) as events:
        async for result in events:
            event = result["data"]["inboxEvents"]
            if event["sequence"] == last:
                break
    counts = {"Export": 1, "Miens": 1, "Rien": 0, "Urgent": 1}
    assert {each["name"]: each["ticketCount"] for each in event["savedFilters"]} == counts
    own = "{ savedFilters { name ticketCount } }"
    assert (await execute(alice, own))["data"]["savedFilters"] == event["savedFilters"]

    changes = {"savedFilterId": tagged["id"], "conditions": {"assigned": False}, "name": "Libres"}
    changed = await mutate(execute, alice, "savedFilterUpdate", SAVED, **changes)
    assert changed["savedFilter"]["conditions"] == NOTHING | {"assigned": False}
    assert await listed(execute, alice, tagged["id"]) == {ticket}
    taken = await mutate(execute, alice, "savedFilterUpdate", SAVED, **changes | {"name": "Rien"})
    assert codes(taken) == [("NAME_TAKEN", "name")]
    deleted = {"savedFilterId": empty["id"]}
    await mutate(execute, alice, "savedFilterDelete", "savedFilter { name }", **deleted)
    assert len((await execute(alice, own))["data"]["savedFilters"]) == 3

    assert (await execute(bruno, own))["data"]["savedFilters"] == []
    assert await listed(execute, bruno, urgent["id"]) == set()
    assert await listed(execute, dataset.paul.owner, urgent["id"]) == set()
    refused = await mutate(execute, bruno, "savedFilterUpdate", SAVED, **changes)
    assert codes(refused) == [("NOT_FOUND", "savedFilterId")]
    names = [await save(execute, bruno, str(number)) for number in range(31)]
    assert [codes(payload) for payload in names[29:]] == [[], [("TOO_MANY", "name")]]
