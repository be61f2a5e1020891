"""P5.1: phone calls that agents log, with the lookup of the caller."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from models.accounts.account import Account
from models.action import Action
from models.operations.email import Email
from models.support.call import Call
from models.support.note import Note
from models.support.sla_clock import ClockState, SlaClock
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode
from support.reply_emails import send_due_replies
from support.sla import check_clocks
from tests.schema.billing.catalogue_fixtures import codes, mutate

if TYPE_CHECKING:
    from tests.conftest import MovableClock
    from tests.schema.conftest import Company, Dataset, Execute

CALL = """call { id direction outcome startedAt durationSeconds number agent { name }
    note { body } message { id sequence body fromStaff author { name } call { id } }
    ticket { id subject channel status assignee { name } requester { name } replyAwaitedSince } }"""
CALLER = """query($n: String!) { caller(number: $n) { number formatted
    phoneNumbers { formatted user { name memberships { account { legalName } } } account { id } }
    recentCalls { id outcome } } }"""
TIMELINE = """query($id: ID!) { node(id: $id) { ... on Ticket { unreadCount
    messages { nodes { body call { direction outcome durationSeconds number note { body }
    agent { name } } } } } } }"""
NUMBER = "+33142685300"


def new_ticket(company: "Company", viewer: Viewer | None = None, **fields: Any) -> dict[str, Any]:
    member = viewer or company.owner
    requester = encode("User", member.user_id or 0)
    return {"accountId": company.id(Account), "requesterId": requester, **fields}


async def log_call(
    execute: "Execute", viewer: Viewer, target: dict[str, Any], **fields: Any
) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "target": target,
        "direction": "INBOUND",
        "outcome": "ANSWERED",
        "startedAt": "2026-11-23T08:55:00Z",
        "durationSeconds": 272,
        "idempotencyKey": "k",
    }
    return await mutate(execute, viewer, "callLog", CALL, **defaults | fields)


async def test_p5_1_an_agent_answers_a_call_finds_the_caller_and_logs_it(
    execute: "Execute", dataset: "Dataset", services: Services, action: Action
) -> None:
    paul, alice = dataset.paul, dataset.alice
    for number in ("01 42 68 53 00", "+33 (0)1.42.68.53.00"):  # a repeat, written otherwise
        added = await mutate(
            execute, paul.owner, "phoneNumberAdd", "phoneNumber { number }", number=number
        )
        assert added["phoneNumber"] == {"number": NUMBER}
    caller = (await execute(alice, CALLER, n="0033142685300"))["data"]["caller"]
    assert paul.owner.user
    assert (caller["number"], caller["formatted"]) == (NUMBER, "+33 1 42 68 53 00")
    assert [each["user"]["name"] for each in caller["phoneNumbers"]] == [paul.owner.user.name]
    assert caller["phoneNumbers"][0]["user"]["memberships"][0]["account"]["legalName"]

    fields = {"number": "0142685300", "notes": "Carte 4970 1000 0000 0055, export en panne"}
    call = (await log_call(execute, alice, new_ticket(paul, category="BUG"), **fields))["call"]
    assert (await log_call(execute, alice, new_ticket(paul, category="BUG"), **fields))[
        "call"
    ] == call  # a repeat
    assert call["message"] | {"id": ""} == {
        "id": "",
        "sequence": 2,
        "body": "Appel téléphonique du client le 23 novembre 2026 à 9\N{NO-BREAK SPACE}h"
        "\N{NO-BREAK SPACE}55, 5 minutes.",
        "fromStaff": True,
        "author": {"name": "Alice"},
        "call": {"id": call["id"]},
    }
    assert call["ticket"]["subject"] == "Appel téléphonique du 23 novembre 2026"
    assert call["ticket"]["channel"] == "PHONE"
    assert (call["ticket"]["status"], call["ticket"]["assignee"]) == ("OPEN", {"name": "Alice"})
    assert call["note"]["body"].startswith("Carte ")
    assert "4970 1000" not in call["note"]["body"]
    caller = (await execute(alice, CALLER, n=NUMBER))["data"]["caller"]
    assert caller["recentCalls"] == [{"id": call["id"], "outcome": "ANSWERED"}]

    # The customer sees that there was a call, and neither the note nor the number.
    timeline = (await execute(paul.owner, TIMELINE, id=call["ticket"]["id"]))["data"]["node"]
    (message,) = timeline["messages"]["nodes"]
    assert message["call"] == {
        "direction": "INBOUND",
        "outcome": "ANSWERED",
        "durationSeconds": 272,
        "number": None,
        "note": None,
        "agent": {"name": "Alice"},
    }
    # An answered call is a first response, within no time, and no email repeats it.
    ticket = await Ticket.get(pk=(await Call.get()).ticket_id)
    assert ticket.first_response_seconds == 0
    await check_clocks(action)
    clock = await SlaClock.get(ticket_id=ticket.pk, measure="FIRST_RESPONSE")
    assert (clock.state, clock.business_time, clock.breached_at) == (
        ClockState.SETTLED,
        timedelta(),
        None,
    )
    later = Action(None, action.at + timedelta(hours=1), services.hub)
    await send_due_replies(later, services.delivered, timedelta(minutes=5))
    assert not await Email.filter(template__startswith="ticket_replies.").exists()


async def test_p5_1_a_missed_call_awaits_an_answer_and_calling_back_ends_that(
    execute: "Execute", dataset: "Dataset", clock: "MovableClock"
) -> None:
    paul, alice = dataset.paul, dataset.alice
    clock.advance(timedelta(seconds=40))  # calls are entered to the minute
    missed = await log_call(
        execute, alice, new_ticket(paul), outcome="MISSED", durationSeconds=0, idempotencyKey="1"
    )
    ticket = missed["call"]["ticket"]
    assert missed["call"]["message"]["fromStaff"] is False
    assert (ticket["status"], ticket["replyAwaitedSince"] is None) == ("NEW", False)
    target = {"ticketId": ticket["id"]}
    attempt = {"direction": "OUTBOUND", "startedAt": "2026-11-23T09:00:00Z"}
    tried = await log_call(
        execute, alice, target, **attempt, outcome="MISSED", durationSeconds=0, idempotencyKey="2"
    )
    assert tried["call"]["ticket"]["replyAwaitedSince"]
    assert tried["call"]["ticket"]["status"] == "NEW"
    early = await log_call(execute, alice, target, durationSeconds=60, idempotencyKey="3")
    assert early["call"]["ticket"]["replyAwaitedSince"]  # it was before they were missed
    reached = await log_call(
        execute, alice, target, **attempt, durationSeconds=60, idempotencyKey="4"
    )
    assert reached["call"]["ticket"]["replyAwaitedSince"] is None
    assert reached["call"]["ticket"]["status"] == "OPEN"
    await mutate(
        execute, alice, "ticketMove", "ticket { id }", ticketId=ticket["id"], status="CLOSED"
    )
    later = await log_call(execute, alice, target, idempotencyKey="5")
    assert later["call"]["ticket"]["id"] != ticket["id"]  # its follow-up
    query = "{ calls(first: 10) { nodes { outcome direction } totalCount } }"
    assert (await execute(alice, query))["data"]["calls"]["totalCount"] == 5
    filtered = "{ calls(filter: {outcome: {eq: MISSED}, isLinked: true}) { totalCount } }"
    assert (await execute(alice, filtered))["data"]["calls"]["totalCount"] == 2


async def test_a_call_about_a_merged_ticket_gets_into_the_other_one(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    alice, target = dataset.alice, {"ticketId": dataset.paul.id(Ticket)}
    other = (await log_call(execute, alice, new_ticket(dataset.paul)))["call"]["ticket"]["id"]
    fields = {"ticketId": target["ticketId"], "intoTicketId": other}
    await mutate(execute, alice, "ticketMerge", "ticket { id }", **fields)
    logged = await log_call(execute, alice, target, idempotencyKey="2")
    assert logged["call"]["ticket"]["id"] == other
    reported = await Call.create(
        direction="INBOUND",
        outcome="MISSED",
        started_at=action.at,
        duration_seconds=0,
        created_at=action.at,
    )
    fields = {"callId": encode("Call", reported.pk), "target": target}
    for _ in range(2):  # a repeat changes nothing
        linked = await mutate(execute, alice, "callLink", CALL, **fields)
        assert linked["call"]["ticket"]["id"] == other
    elsewhere = {"target": {"ticketId": dataset.marie.id(Ticket)}}
    refused = await mutate(execute, alice, "callLink", CALL, **fields | elsewhere)
    assert codes(refused) == [("CALL_LINKED", "callId")]
    # What was said about a call can't be reworded.
    edit = {"messageId": logged["call"]["message"]["id"], "body": "Autre chose"}
    edited = await mutate(execute, alice, "messageEdit", "message { body }", **edit)
    assert edited["userErrors"]


async def test_a_call_is_logged_for_a_member_and_after_it_has_ended(
    execute: "Execute", dataset: "Dataset"
) -> None:
    paul, marie, alice = dataset.paul, dataset.marie, dataset.alice
    foreign = await log_call(execute, alice, new_ticket(paul, marie.owner))
    assert codes(foreign) == [("NOT_FOUND", "requesterId")]
    both = await log_call(
        execute, alice, new_ticket(paul, ticketId=paul.id(Ticket)), idempotencyKey="2"
    )
    assert codes(both) == [("VALUE_INVALID", "target.accountId")]
    wrong = await log_call(
        execute,
        alice,
        {},
        startedAt="2026-11-23T09:30:00Z",
        number="12",
        notes="\u2800",
        idempotencyKey="",
    )
    assert codes(wrong) == [
        ("NOT_FOUND", "target.accountId"),
        ("NOT_FOUND", "target.requesterId"),
        ("VALUE_INVALID", "startedAt"),
        ("VALUE_INVALID", "number"),
        ("BLANK", "notes"),
        ("BLANK", "idempotencyKey"),
    ]
    missed = await log_call(
        execute, alice, new_ticket(paul), outcome="MISSED", durationSeconds=1, idempotencyKey="3"
    )
    assert codes(missed) == [("VALUE_INVALID", "durationSeconds")]
    assert await Call.all().count() == await Note.all().count() == 0
    response = await execute(alice, CALLER, n="abc")
    assert response["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_p5_1_people_change_their_own_numbers_managers_those_of_the_company(
    execute: "Execute", dataset: "Dataset"
) -> None:
    paul, marie, alice = dataset.paul, dataset.marie, dataset.alice
    company = paul.id(Account)
    member = encode("User", paul.member.user_id or 0)

    async def add(viewer: Viewer, number: str, **fields: Any) -> dict[str, Any]:
        fields |= {"number": number}
        return await mutate(execute, viewer, "phoneNumberAdd", "phoneNumber { id }", **fields)

    ids = [
        (await add(paul.owner, "01 42 68 53 00", accountId=company))["phoneNumber"]["id"],
        (await add(alice, "06 12 34 56 78", userId=member))["phoneNumber"]["id"],
    ]
    query = "{ viewer { account { phoneNumbers { id } } user { phoneNumbers { id } } } }"
    seen = (await execute(paul.member, query))["data"]["viewer"]
    assert seen["account"]["phoneNumbers"] == [{"id": ids[0]}]
    assert seen["user"]["phoneNumbers"] == [{"id": ids[1]}]
    colleagues = "{ viewer { account { members { user { phoneNumbers { id } } } } } }"
    members = (await execute(paul.owner, colleagues))["data"]["viewer"]["account"]["members"]
    assert [each["user"]["phoneNumbers"] for each in members] == [[], []]  # theirs alone
    assert codes(await add(marie.owner, "01 42 68 53 00", accountId=company)) == [
        ("NOT_FOUND", "accountId")
    ]
    assert codes(await add(alice, "1", accountId=company, userId=member)) == [
        ("VALUE_INVALID", "number"),
        ("VALUE_INVALID", "accountId"),
    ]
    for number in range(5):
        await add(paul.member, f"06 12 34 57 0{number}")
    assert codes(await add(paul.member, "06 12 34 57 09")) == [("TOO_MANY", "number")]
    remove = """mutation($id: ID!) { phoneNumberRemove(input: {phoneNumberId: $id}) {
        removed userErrors { code } } }"""
    forbidden = await execute(paul.member, remove, id=ids[0])
    assert forbidden["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    for code in (None, "NOT_FOUND"):
        payload = (await execute(paul.owner, remove, id=ids[0]))["data"]["phoneNumberRemove"]
        assert [each["code"] for each in payload["userErrors"]] == ([code] if code else [])


async def test_no_key_of_a_customer_prevents_a_call_or_an_escalation(
    execute: "Execute", dataset: "Dataset"
) -> None:
    paul, alice, ticket = dataset.paul, dataset.alice, dataset.paul.id(Ticket)
    for key in (*(f"call:{number}" for number in range(1, 4)), "escalate:k"):
        fields = {"ticketId": ticket, "body": key, "clientMessageId": key}
        await mutate(execute, paul.owner, "ticketReply", "message { id }", **fields)
    target = {"ticketId": ticket}
    missed = await log_call(execute, alice, target, outcome="MISSED", durationSeconds=0)
    assert missed["call"]["message"]["author"] == {"name": paul.owner.user.name}  # type: ignore[union-attr]
    fields = {"ticketId": ticket, "details": "D", "stepsTried": "S", "idempotencyKey": "k"}
    for _ in range(2):
        payload = await mutate(
            execute, paul.owner, "ticketEscalate", "escalation { details }", **fields
        )
        assert payload["escalation"] == {"details": "D"}
