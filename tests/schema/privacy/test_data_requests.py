"""P4.1: people use their rights over their data: each request has a deadline, operators are
reminded of it, decide it and say what was done.
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from models.accounts.account import Role
from models.action import Action
from models.audit import AuditEntry
from models.identity.user import User
from models.operations.email import Email
from models.privacy.data_request import DataRequest, DataRequestDecision
from models.viewer import Viewer
from privacy.data_requests import MAX_PENDING, send_data_request_reminders
from resolvers.ids import encode
from tests.people import add_member, create_user, create_viewer
from tests.schema.billing.catalogue_fixtures import codes, create_operator, mutate

if TYPE_CHECKING:
    from tests.conftest import MovableClock
    from tests.schema.conftest import Dataset, Execute

REQUEST = """dataRequest { id number kind details receivedAt deadlineAt extendedAt extensionReason
    decision answer decidedAt user { name } recorder { name } decider { name } }"""
OWN = "{ viewer { dataRequests { number decision answer } } }"
LIST = """query($pending: Boolean) { dataRequests(pending: $pending, first: 10) {
    totalCount nodes { number } } }"""


@pytest.fixture
async def operator(dataset: "Dataset", action: Action) -> Viewer:
    """An operator who gets emails."""
    viewer = await create_operator(action)
    await User.filter(pk=viewer.user_id).update(second_factor_at=action.at)
    return viewer


async def make(
    execute: "Execute", viewer: Viewer, key: str = "1", kind: str = "ACCESS", **fields: Any
) -> dict[str, Any]:
    values = {"kind": kind, "details": "Tout, s’il vous plaît.", "idempotencyKey": key} | fields
    payload = await mutate(execute, viewer, "dataRequestMake", REQUEST, **values)
    assert payload["userErrors"] == []
    return dict(payload["dataRequest"])


async def emails_to(viewer: Viewer) -> list[str]:
    """The subjects of the emails about requests."""
    rows = Email.filter(template__startswith="data_request", user_id=viewer.user_id)
    return [email.subject for email in await rows.order_by("id")]


async def test_p4_1_a_request_is_received_extended_and_decided(
    execute: "Execute", dataset: "Dataset", operator: Viewer, clock: "MovableClock"
) -> None:
    paul = dataset.paul.member
    for _ in range(2):  # a repeat changes nothing
        request = await make(execute, paul)
    assert (request["kind"], request["decision"], request["recorder"]) == ("ACCESS", None, None)
    # a month later, at the start of the day in Paris
    assert request["deadlineAt"] == datetime(2026, 12, 22, 23, tzinfo=UTC).isoformat()
    [subject] = await emails_to(paul)
    assert request["number"] in subject

    async def change(name: str, **fields: Any) -> dict[str, Any]:
        values = {"dataRequestId": request["id"]} | fields
        return await mutate(execute, operator, name, REQUEST, **values)

    clock.advance(timedelta(days=20))
    for _ in range(2):
        extended = await change("dataRequestExtend", reason="Beaucoup de messages à relire.")
    assert extended["dataRequest"]["deadlineAt"] == "2027-02-22T23:00:00+00:00"
    again = await change("dataRequestExtend", reason="Encore.")
    assert codes(again) == [("TRANSITION_ILLEGAL", "dataRequestId")]
    for _ in range(2):
        decided = await change(
            "dataRequestDecide", decision="GRANTED", answer="Archive remise le 13 décembre."
        )
    assert decided["dataRequest"]["decider"]["name"] == operator.user.name  # type: ignore[union-attr]
    other = await change("dataRequestDecide", decision="REFUSED", answer="Non.")
    assert codes(other) == [("TRANSITION_ILLEGAL", "dataRequestId")]
    own = (await execute(paul, OWN))["data"]["viewer"]["dataRequests"]
    assert own == [
        {
            "number": request["number"],
            "decision": "GRANTED",
            "answer": "Archive remise le 13 décembre.",
        }
    ]
    assert len(await emails_to(paul)) == 3
    last = await Email.filter(template__startswith="data_request").order_by("-id").first()
    assert last
    assert "Archive remise le 13 décembre." in last.text
    entries = await AuditEntry.filter(action__startswith="data_request.").order_by("id")
    assert [(entry.action, entry.actor_id) for entry in entries] == [
        ("data_request.receive", paul.user_id),
        ("data_request.extend", operator.user_id),
        ("data_request.decide", operator.user_id),
    ]


async def test_p4_1_a_late_extension_is_refused(
    execute: "Execute", dataset: "Dataset", operator: Viewer, clock: "MovableClock"
) -> None:
    request = await make(execute, dataset.paul.owner)
    clock.advance(timedelta(days=31))
    payload = await mutate(
        execute, operator, "dataRequestExtend", REQUEST, dataRequestId=request["id"], reason="Tard."
    )
    assert codes(payload) == [("TRANSITION_ILLEGAL", "dataRequestId")]


async def test_p4_1_operators_are_reminded_until_a_request_is_decided(
    execute: "Execute",
    dataset: "Dataset",
    operator: Viewer,
    action: Action,
    clock: "MovableClock",
) -> None:
    request = await make(execute, dataset.paul.owner)
    await make(execute, dataset.marie.owner)
    await DataRequest.filter(user_id=dataset.marie.owner.user_id).update(
        decision=DataRequestDecision.GRANTED, reminder_at=None
    )
    deadline = datetime.fromisoformat(request["deadlineAt"])
    for days, count in ((15, 0), (14, 1), (14, 0), (7, 1), (1, 1), (0, 1), (-1, 0)):
        now = Action(None, deadline - timedelta(days=days), action.bus)
        assert await send_data_request_reminders(now) == count, days
    subjects = await emails_to(operator)
    assert len(subjects) == 4
    assert all(request["number"] in subject for subject in subjects)
    assert len(await emails_to(dataset.paul.owner)) == 1  # the receipt only


async def test_p4_1_an_operator_records_what_somebody_wrote(
    execute: "Execute", dataset: "Dataset", operator: Viewer
) -> None:
    paul = dataset.paul.owner
    values = {
        "userId": encode("User", paul.user_id or 0),
        "kind": "ERASURE",
        "details": "Lettre du 2 novembre.",
        "receivedAt": "2026-11-02T08:00:00Z",
        "idempotencyKey": "letter",
    }
    for _ in range(2):
        payload = await mutate(execute, operator, "dataRequestRecord", REQUEST, **values)
    request = payload["dataRequest"]
    assert request["deadlineAt"] == datetime(2026, 12, 1, 23, tzinfo=UTC).isoformat()
    assert request["recorder"]["name"] == operator.user.name  # type: ignore[union-attr]
    assert len(await emails_to(paul)) == 1
    own = (await execute(paul, OWN))["data"]["viewer"]["dataRequests"]
    assert [each["number"] for each in own] == [request["number"]]
    later = values | {"receivedAt": "2999-01-01T00:00:00Z", "idempotencyKey": "2"}
    payload = await mutate(execute, operator, "dataRequestRecord", REQUEST, **later)
    assert codes(payload) == [("TIME_FUTURE", "receivedAt")]
    earlier = values | {"receivedAt": "2018-05-24T00:00:00Z", "idempotencyKey": "3"}
    payload = await mutate(execute, operator, "dataRequestRecord", REQUEST, **earlier)
    assert codes(payload) == [("VALUE_INVALID", "receivedAt")]
    # Nobody writes to an address that was erased, or that nobody has confirmed.
    await User.filter(pk=paul.user_id).update(email_verified_at=None)
    again = values | {"idempotencyKey": "4"}
    payload = await mutate(execute, operator, "dataRequestRecord", REQUEST, **again)
    assert codes(payload) == []
    assert len(await emails_to(paul)) == 1


async def test_p4_1_nobody_but_operators_sees_or_ends_the_request_of_another(
    execute: "Execute", dataset: "Dataset", operator: Viewer, action: Action
) -> None:
    request = await make(execute, dataset.paul.member)
    user = await create_user(action, "Odile")
    await add_member(action, dataset.paul.account, user, Role.OWNER)
    colleague = await create_viewer(action, user, dataset.paul.account)
    document = """mutation($i: DataRequestDecideInput!) { dataRequestDecide(input: $i) {
        userErrors { code } } }"""
    values = {"dataRequestId": request["id"], "decision": "REFUSED", "answer": "Non."}
    node = "query($id: ID!) { node(id: $id) { id } }"
    for viewer in (dataset.paul.owner, colleague, dataset.alice, dataset.paul.member):
        assert (await execute(viewer, document, i=values))["errors"]
        if viewer is not dataset.paul.member:
            assert (await execute(viewer, node, id=request["id"]))["data"]["node"] is None
            assert (await execute(viewer, OWN))["data"]["viewer"]["dataRequests"] == []
        assert (await execute(viewer, LIST))["errors"]
    assert (await DataRequest.get()).decision is None
    for pending, count in ((True, 1), (False, 0), (None, 1)):
        page = (await execute(operator, LIST, pending=pending))["data"]["dataRequests"]
        assert page["totalCount"] == count


async def test_p4_1_nobody_floods_the_register(
    execute: "Execute", dataset: "Dataset", operator: Viewer
) -> None:
    paul = dataset.paul.member
    for number in range(MAX_PENDING):
        request = await make(execute, paul, key=f"{number}")
    values = {"kind": "ACCESS", "details": "Encore.", "idempotencyKey": "more"}
    payload = await mutate(execute, paul, "dataRequestMake", REQUEST, **values)
    assert codes(payload) == [("TOO_MANY", "")]
    assert await make(execute, paul, key=f"{MAX_PENDING - 1}") == request
    decision = {"dataRequestId": request["id"], "decision": "GRANTED", "answer": "Fait."}
    await mutate(execute, operator, "dataRequestDecide", REQUEST, **decision)
    await make(execute, paul, key="more")
