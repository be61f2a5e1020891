"""P5.3: customers follow the state of their requests, live or on a board updated each morning."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from engine import Engine
from models.accounts.account import Account
from models.action import Action
from models.support.status_board import BoardEntry, BoardSnapshot, StatusBoard
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.context import Services
from support.status_board import take_snapshot
from tests.conftest import MovableClock
from tests.schema.billing.catalogue_fixtures import mutate
from tests.schema.subscription_fixtures import subscribe

if TYPE_CHECKING:
    from tests.schema.conftest import Dataset, Execute

BOARD = """query($token: String!, $day: Date) { statusBoard(token: $token, day: $day) {
    day asOf previousDay nextDay
    requests { number category status statusText openedOn updatedOn } } }"""
LINK = "query($id: ID!) { account(id: $id) { statusBoard { url feedUrl } } }"
RENEW = "mutation { statusBoardRenewLink { link { url } userErrors { code } } }"
TURN_OFF = "mutation { statusBoardTurnOff { turnedOff userErrors { code } } }"


async def move(execute: "Execute", viewer: Viewer, ticket: str, status: str) -> None:
    await mutate(execute, viewer, "ticketMove", "ticket { id }", ticketId=ticket, status=status)


async def open_ticket(execute: "Execute", viewer: Viewer, category: str) -> dict[str, Any]:
    fields = {"subject": "S", "body": "B", "category": category, "idempotencyKey": category}
    payload = await mutate(execute, viewer, "ticketOpen", "ticket { id number }", **fields)
    opened: dict[str, Any] = payload["ticket"]
    return opened


async def test_p5_3_the_board_shows_a_morning_snapshot_to_whoever_has_the_link(
    execute: "Execute", dataset: "Dataset", services: Services, clock: MovableClock
) -> None:
    paul, alice, ticket = dataset.paul, dataset.alice, dataset.paul.id(Ticket)
    bug = await open_ticket(execute, paul.owner, "BUG")
    await open_ticket(execute, paul.owner, "SECURITY")  # a legal request: never listed
    await move(execute, alice, ticket, "ON_HOLD")

    async def snapshots_after(**duration: float) -> int:
        clock.advance(timedelta(**duration))
        job = Action(None, clock.now(), services.hub)
        return sum(await asyncio.gather(*(take_snapshot(job) for _ in range(3))))

    async def board(day: str | None = None) -> Any:
        response = await execute(Viewer(), BOARD, token=token, day=day)
        assert "MARK" not in str(response), "neither names nor texts"
        return response["data"]["statusBoard"]

    assert await snapshots_after(hours=20, minutes=59) == 0  # 6:59 in Paris
    assert await snapshots_after(minutes=1) == 1
    response = await execute(paul.member, LINK, id=paul.id(Account))
    link = response["data"]["account"]["statusBoard"]
    token = link["url"].rpartition("/")[2]
    assert link["url"] == f"https://camcha.example/board/{token}"
    assert link["feedUrl"] == f"{link['url']}/feed"
    contact = "{ contact { statusBoardUrl } }"
    assert (await execute(paul.member, contact))["data"]["contact"] == {
        "statusBoardUrl": link["url"]
    }
    shared = {
        "openedOn": "2026-11-23",
        "updatedOn": "2026-11-23",
    }
    first = {
        "day": "2026-11-24",
        "asOf": clock.now().isoformat(),
        "previousDay": None,
        "nextDay": None,
        "requests": [
            {"number": bug["number"], "category": "BUG", "status": "NEW", "statusText": "Reçue"}
            | shared,
            {
                "number": paul.row(Ticket).number,
                "category": "USAGE",
                "status": "OPEN",
                "statusText": "En cours",
            }
            | shared,
        ],
    }
    assert await board() == first

    await move(execute, alice, ticket, "SOLVED")
    assert await snapshots_after(hours=10) == 0
    assert await board() == first  # until the next morning
    assert await snapshots_after(hours=14) == 1
    second = await board()
    assert (second["day"], second["previousDay"]) == ("2026-11-25", "2026-11-24")
    assert [(each["status"], each["updatedOn"]) for each in second["requests"]] == [
        ("SOLVED", "2026-11-24"),
        ("NEW", "2026-11-23"),
    ]
    assert await board("2026-11-24") == first | {"nextDay": "2026-11-25"}
    assert await board("2026-11-23") is None
    assert await snapshots_after(days=13) == 1
    assert [each["status"] for each in (await board())["requests"]] == ["SOLVED", "NEW"]
    assert await snapshots_after(days=1) == 1
    assert [each["status"] for each in (await board())["requests"]] == ["NEW"]
    assert await BoardSnapshot.all().count() == 4


async def test_p5_3_the_board_shows_no_day_that_has_not_begun(
    dataset: "Dataset", services: Services, clock: MovableClock
) -> None:
    """After the clock was set back."""
    today = clock.now()
    for duration in (timedelta(), timedelta(days=1), timedelta(days=2), timedelta(hours=1)):
        clock.time = today + duration
        await take_snapshot(Action(None, clock.now(), services.hub))
    (snapshot,) = await BoardSnapshot.all()
    assert snapshot.as_of == today
    assert set(await BoardEntry.all().values_list("day", flat=True)) == {snapshot.day}


async def test_p5_3_owners_renew_the_link_and_turn_the_board_off(
    execute: "Execute", dataset: "Dataset", services: Services, clock: MovableClock
) -> None:
    paul, marie = dataset.paul, dataset.marie
    assert await take_snapshot(Action(None, clock.now(), services.hub))
    tokens = {board.account_id: board.token for board in await StatusBoard.all()}
    assert set(tokens) == {paul.account.pk, marie.account.pk}
    former = tokens[paul.account.pk]

    async def numbers(token: str | None) -> list[str] | None:
        data = (await execute(dataset.alice, BOARD, token=token))["data"]["statusBoard"]
        return data and [each["number"] for each in data["requests"]]

    own = [paul.row(Ticket).number]
    assert await numbers(former) == own
    for unknown in ("", "x", f"{former}x", f"{former}"[:-1], "\x00", "é" * 32):
        assert await numbers(unknown) is None
    for viewer in (dataset.alice, marie.owner, Viewer()):
        response = await execute(viewer, LINK, id=paul.id(Account))
        account = response["data"]["account"]
        assert account is None or account["statusBoard"] is None
        url = (await execute(viewer, "{ contact { statusBoardUrl } }"))["data"]["contact"]
        assert former not in url["statusBoardUrl"]
    for document in (RENEW, TURN_OFF):
        refused = await execute(paul.member, document)
        assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"

    renewed = (await execute(paul.owner, RENEW))["data"]["statusBoardRenewLink"]["link"]["url"]
    token = renewed.rpartition("/")[2]
    assert (await numbers(former), await numbers(token)) == (None, own)
    for _ in range(2):  # a repeat changes nothing
        payload = (await execute(paul.owner, TURN_OFF))["data"]["statusBoardTurnOff"]
        assert payload == {"turnedOff": True, "userErrors": []}
    assert await numbers(token) is None
    clock.advance(timedelta(days=1))
    assert await take_snapshot(Action(None, clock.now(), services.hub))
    response = await execute(paul.owner, LINK, id=paul.id(Account))
    assert response["data"]["account"]["statusBoard"] is None  # it stays off
    url = (await execute(paul.owner, RENEW))["data"]["statusBoardRenewLink"]["link"]["url"]
    assert await numbers(url.rpartition("/")[2]) == own
    assert await BoardEntry.filter(account_id=paul.account.pk).count() == 2  # history is kept


async def test_p5_3_the_requester_sees_the_state_live(
    execute: "Execute", dataset: "Dataset", services: Services, engine: Engine
) -> None:
    paul, ticket = dataset.paul, dataset.paul.id(Ticket)
    document = """subscription($id: ID!) { ticketEvents(ticketId: $id, after: 0) {
        kind status ticket { status } } }"""
    events = subscribe(engine, paul.owner, services, document, id=ticket)
    await move(execute, dataset.alice, ticket, "ON_HOLD")
    await move(execute, dataset.alice, ticket, "SOLVED")
    statuses = []
    async for result in events:
        event = result["data"]["ticketEvents"]
        if event["kind"] == "STATUS_CHANGED":
            statuses.append(event["status"])
        if statuses == ["OPEN", "SOLVED"]:
            assert event["ticket"] == {"status": "SOLVED"}
            break
    await events.aclose()


async def test_visits_are_throttled_by_network(execute: "Execute", dataset: "Dataset") -> None:
    document = "query($t: String!) { " + " ".join(
        f"b{index}: statusBoard(token: $t) {{ day }}" for index in range(30)
    )
    codes = []
    for _ in range(5):
        response = await execute(Viewer(), f"{document} }}", t="x")
        codes += [error["extensions"]["code"] for error in response.get("errors", ())]
    assert set(codes) == {"RATE_LIMITED"}
