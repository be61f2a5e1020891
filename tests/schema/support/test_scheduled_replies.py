"""P6.2: an agent schedules a reply, which is sent once at its time, in their name."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.action import Action
from models.event import INBOX, Event, EventKind, agent_stream
from models.identity.user import Staff, User
from models.support.calendar import Calendar
from models.support.draft import Draft
from models.support.file import File
from models.support.message import Message
from models.support.scheduled_reply import ScheduledReply
from models.support.ticket import Ticket
from models.support.ticket_position import TicketPosition
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import decode, encode
from support.calendars import ClosureValues, add_closure
from support.merging import merge
from support.scheduled_replies import EMAIL_DELAY, send_due
from tests.conftest import MovableClock
from tests.outbox import recipients_and_subjects
from tests.schema.support.test_assignment import Agents
from tests.schema.support.test_assignment import agents as agents
from tests.schema.support.test_drafts import save

REPLY = """id body state problem sendAt atNextOpening holdWhenOvertaken overtakenAt
    author { name } files { name } message { body author { name } }"""
LIST = (
    f"query($id: ID!) {{ node(id: $id) {{ ... on Ticket {{ scheduledReplies {{ {REPLY} }} }} }} }}"
)
PREVIEW = """query($id: ID!, $at: DateTime) { scheduledReplyPreview(ticketId: $id, sendAt: $at) {
    sendAt isOpen opensAt timeZone } }"""
SEND = """mutation($i: ScheduledReplySendInput!) { scheduledReplySend(input: $i) {
    message { body author { name } } ticket { id follows { id } } userErrors { code } } }"""


class Schedule:
    """Paul's ticket, and the replies that are scheduled in it."""

    def __init__(self, agents: Agents, services: Services, clock: MovableClock) -> None:
        self.agents, self.services, self.clock = agents, services, clock
        self.count = 0

    def action(self) -> Action:
        return Action(None, self.clock.now(), self.services.hub)

    def in_an_hour(self) -> str:
        return (self.clock.now() + timedelta(hours=1)).isoformat()

    async def change(self, viewer: Viewer, name: str, **fields: Any) -> dict[str, Any]:
        """The payload of a mutation."""
        kind = f"{name[0].upper()}{name[1:]}Input"
        document = f"""mutation($i: {kind}!) {{ {name}(input: $i) {{
            scheduledReply {{ {REPLY} }} userErrors {{ code field message }} }} }}"""
        response = await self.agents.execute(viewer, document, i=fields)
        payload: dict[str, Any] = response["data"][name]
        return payload

    async def create(self, body: str | None, **fields: Any) -> dict[str, Any]:
        """Alice's payload. By default the reply is sent in an hour."""
        self.count += 1
        values: dict[str, Any] = {
            "ticketId": self.agents.ticket_id,
            "body": body,
            "idempotencyKey": f"key {self.count}",
        }
        if not fields.keys() & {"sendAt", "atNextOpening"}:
            values["sendAt"] = self.in_an_hour()
        return await self.change(self.agents.alice, "scheduledReplyCreate", **(values | fields))

    async def scheduled(self, body: str | None, **fields: Any) -> dict[str, Any]:
        """Alice's reply."""
        payload = await self.create(body, **fields)
        assert payload["userErrors"] == []
        reply: dict[str, Any] = payload["scheduledReply"]
        return reply

    async def listed(self, viewer: Viewer | None = None) -> list[dict[str, Any]]:
        """What the ticket lists, by default for Bruno."""
        response = await self.agents.execute(
            viewer or self.agents.bruno, LIST, id=self.agents.ticket_id
        )
        replies: list[dict[str, Any]] = response["data"]["node"]["scheduledReplies"]
        return replies

    async def read(self, reply: dict[str, Any]) -> dict[str, Any]:
        query = f"query($id: ID!) {{ node(id: $id) {{ ... on ScheduledReply {{ {REPLY} }} }} }}"
        response = await self.agents.execute(self.agents.bruno, query, id=reply["id"])
        node: dict[str, Any] = response["data"]["node"]
        return node

    async def run(self, after: timedelta = timedelta()) -> int:
        """Run the job after some time."""
        self.clock.advance(after)
        return await send_due(self.action())

    async def bodies(self) -> list[str]:
        """The messages that staff have posted."""
        messages = Message.filter(from_staff=True).order_by("id")
        return [message.body for message in await messages]

    async def told(self, viewer: Viewer) -> list[EventKind]:
        """What an agent was told about scheduled replies."""
        events = Event.filter(stream=agent_stream(viewer.user_id or 0)).order_by("sequence")
        kinds = (event.kind for event in await events)
        return [kind for kind in kinds if kind.startswith("SCHEDULED_REPLY")]

    async def upload(self, viewer: Viewer, name: str) -> str:
        at = self.clock.now()
        file = await File.create(
            key=f"{name}-0123456789",
            uploader=viewer.user,
            name=name,
            content_type="application/pdf",
            size=3,
            created_at=at,
            uploaded_at=at,
            cleared_at=at,
        )
        return encode("File", file.pk)


@pytest.fixture
def schedule(agents: Agents, services: Services, clock: MovableClock) -> Schedule:
    return Schedule(agents, services, clock)


async def test_p6_2_a_scheduled_reply_is_sent_at_its_time_as_its_author(
    schedule: Schedule, agents: Agents
) -> None:
    file_id = await schedule.upload(agents.alice, "devis.pdf")
    before = await schedule.bodies()
    reply = await schedule.scheduled("Voici le devis", fileIds=[file_id])
    assert reply["author"] == {"name": "Alice"}
    assert [each["body"] for each in await schedule.listed()] == ["Voici le devis"]
    # Neither customers nor those who follow the ticket notice.
    assert await schedule.listed(agents.dataset.paul.owner) == []
    assert await schedule.run(timedelta(minutes=59)) == 0
    assert await schedule.bodies() == before
    assert await schedule.run(timedelta(minutes=1)) == 1
    sent = await schedule.read(reply)
    assert (sent["state"], sent["problem"]) == ("SENT", None)
    assert sent["message"] == {"body": "Voici le devis", "author": {"name": "Alice"}}
    assert sent["files"] == []
    message = await Message.filter(from_staff=True).order_by("-id").first()
    assert message
    assert [file.name for file in await File.filter(message_id=message.pk)] == ["devis.pdf"]
    event = await Event.get(message_id=message.pk, stream=f"ticket:{message.ticket_id}")
    assert event.actor_id == agents.alice.user_id
    ticket = await Ticket.get(pk=message.ticket_id)
    assert (ticket.status, ticket.assignee_id) == ("OPEN", agents.alice.user_id)
    assert await schedule.run(timedelta(days=2)) == 0
    assert await schedule.listed() == []


async def test_p6_2_a_reply_is_sent_once_whoever_runs_and_whenever_they_are_killed(
    schedule: Schedule, agents: Agents
) -> None:
    """Each run is stopped one step later than the previous one, until one completes."""
    before = await schedule.bodies()
    await schedule.scheduled("Une fois")
    schedule.clock.advance(timedelta(hours=1))
    steps = 0
    while True:
        run = asyncio.ensure_future(send_due(schedule.action()))
        for _ in range(steps):
            await asyncio.sleep(0)
        if run.done():
            break
        run.cancel()
        await asyncio.wait([run])
        steps += 1 + steps // 8
    await asyncio.gather(*(send_due(schedule.action()) for _ in range(3)))
    assert await schedule.bodies() == [*before, "Une fois"]
    await schedule.scheduled("Aussi une fois")
    schedule.clock.advance(timedelta(hours=1))
    await asyncio.gather(*(send_due(schedule.action()) for _ in range(5)))
    assert await schedule.bodies() == [*before, "Une fois", "Aussi une fois"]
    assert await schedule.told(agents.alice) == []


async def test_p6_2_a_draft_is_scheduled_and_later_drafts_stay(
    schedule: Schedule, agents: Agents
) -> None:
    await save(agents, agents.alice, "Depuis mon brouillon", 0)
    payload = await schedule.create(None, draftVersion=2)
    assert payload["userErrors"][0]["code"] == "DRAFT_CHANGED"
    fields: dict[str, Any] = {
        "draftVersion": 1,
        "idempotencyKey": "draft",
        "sendAt": "2026-11-24T08:00:00Z",
    }
    reply = await schedule.scheduled(None, **fields)
    assert reply["body"] == "Depuis mon brouillon"
    assert await Draft.filter(user_id=agents.alice.user_id).count() == 0
    repeat = await schedule.scheduled(None, **fields)
    assert repeat == reply
    # What she writes meanwhile is another answer, and she hasn't read what came in between.
    await save(agents, agents.alice, "Une autre réponse", 0)
    await schedule.run(timedelta(days=1))
    assert (await schedule.read(reply))["state"] == "SENT"
    assert (await Draft.get(user_id=agents.alice.user_id)).body == "Une autre réponse"
    assert not await TicketPosition.filter(user_id=agents.alice.user_id, read_sequence__gt=0)
    await Draft.filter(user_id=agents.alice.user_id).update(is_note=True)
    payload = await schedule.create(None, draftVersion=1)
    assert payload["userErrors"][0]["field"] == ["input", "draftVersion"]


async def test_p6_2_agents_edit_send_and_cancel_scheduled_replies(
    schedule: Schedule, agents: Agents
) -> None:
    first, second, third = [await schedule.scheduled(f"Réponse {n}") for n in range(3)]
    new_time = (schedule.clock.now() + timedelta(hours=3)).isoformat()
    payload = await schedule.change(
        agents.alice,
        "scheduledReplyUpdate",
        scheduledReplyId=first["id"],
        body="Réponse corrigée",
        sendAt=new_time,
        holdWhenOvertaken=False,
    )
    edited = payload["scheduledReply"]
    assert (edited["body"], edited["sendAt"]) == ("Réponse corrigée", new_time)
    assert edited["holdWhenOvertaken"] is False
    # Only the author writes in their own name. A supervisor may send or cancel.
    for viewer in (agents.bruno, agents.sonia):
        payload = await schedule.change(
            viewer, "scheduledReplyUpdate", scheduledReplyId=second["id"], body="x"
        )
        assert payload["userErrors"][0]["code"] == "NOT_AUTHOR"
    payload = await schedule.change(
        agents.bruno, "scheduledReplyCancel", scheduledReplyId=second["id"]
    )
    assert payload["userErrors"][0]["code"] == "NOT_AUTHOR"
    for _ in range(2):
        payload = await schedule.change(
            agents.sonia, "scheduledReplyCancel", scheduledReplyId=second["id"]
        )
        assert payload["scheduledReply"]["state"] == "CANCELED"
        response = await agents.execute(agents.sonia, SEND, i={"scheduledReplyId": third["id"]})
        message = response["data"]["scheduledReplySend"]["message"]
        assert message == {"body": "Réponse 2", "author": {"name": "Alice"}}
    for name in ("scheduledReplyUpdate", "scheduledReplyCancel"):
        payload = await schedule.change(agents.alice, name, scheduledReplyId=third["id"])
        assert payload["userErrors"][0]["code"] == "REPLY_SETTLED"
    assert [each["body"] for each in await schedule.listed()] == ["Réponse corrigée"]
    before = await schedule.bodies()
    await schedule.run(timedelta(hours=2))
    assert await schedule.bodies() == before
    await schedule.run(timedelta(hours=1))
    assert await schedule.bodies() == [*before, "Réponse corrigée"]


async def close(schedule: Schedule) -> None:
    await schedule.agents.change(schedule.agents.bruno, "ticketMove", status="CLOSED")


async def merge_into_another(schedule: Schedule) -> None:
    original = await Ticket.get(pk=(decode(schedule.agents.ticket_id) or ("", 0))[1])
    paul = schedule.agents.dataset.paul
    action = schedule.action()
    async with action.transaction() as tx:
        other = await Ticket.open(
            tx,
            paul.account,
            await User.get(pk=original.requester_id),
            subject="Le même",
            channel=original.channel,
            category=original.category,
        )
    await merge(action, original, other)


async def dismiss(schedule: Schedule) -> None:
    await User.filter(pk=schedule.agents.alice.user_id).update(staff=None)


async def change_role(schedule: Schedule) -> None:
    await User.filter(pk=schedule.agents.alice.user_id).update(staff=Staff.ANALYST)


async def infect(schedule: Schedule) -> None:
    await File.filter(name="devis.pdf").update(infected_at=schedule.clock.now(), cleared_at=None)


@pytest.mark.parametrize(
    ("happens", "problem"),
    [
        (close, "TICKET_CLOSED"),
        (merge_into_another, "TICKET_MERGED"),
        (dismiss, "AUTHOR_LEFT"),
        (change_role, "AUTHOR_LEFT"),
        (infect, "FILE_REFUSED"),
    ],
)
async def test_p6_2_a_reply_that_may_not_be_posted_any_more_stays_and_agents_are_told_why(
    schedule: Schedule,
    agents: Agents,
    happens: Callable[[Schedule], Awaitable[None]],
    problem: str,
) -> None:
    file_id = await schedule.upload(agents.alice, "devis.pdf")
    before = await schedule.bodies()
    reply = await schedule.scheduled("Voici le devis", fileIds=[file_id])
    await happens(schedule)
    for _ in range(2):  # a repeat tells nobody again
        await schedule.run(timedelta(hours=1))
    assert await schedule.bodies() == before
    stored = await schedule.read(reply)
    assert (stored["state"], stored["problem"]) == ("NOT_SENT", problem)
    assert (stored["body"], stored["files"]) == ("Voici le devis", [{"name": "devis.pdf"}])
    not_sent = EventKind.SCHEDULED_REPLY_NOT_SENT
    assert await schedule.told(agents.alice) == [not_sent]
    assert await schedule.told(agents.sonia) == [not_sent]
    assert await schedule.told(agents.bruno) == []
    # Who hasn't settled it by then is told by email, once.
    told = await recipients_and_subjects("replies_not_sent")
    reader = agents.sonia if problem == "AUTHOR_LEFT" else agents.alice
    assert reader.user
    assert told == [(reader.user.email, "Une réponse programmée n’a pas été envoyée")]
    inbox = await Event.get(stream=INBOX, kind=not_sent)
    assert inbox.actor_id is None
    # The text isn't lost: it can be sent all the same, where a reply is posted now.
    payload = (await agents.execute(agents.sonia, SEND, i={"scheduledReplyId": reply["id"]}))[
        "data"
    ]["scheduledReplySend"]
    if problem in ("TICKET_CLOSED", "TICKET_MERGED"):
        assert payload["message"]["body"] == "Voici le devis"
        assert payload["ticket"]["id"] != agents.ticket_id
        assert (await schedule.read(reply))["state"] == "SENT"
    else:
        code = {"AUTHOR_LEFT": "NOT_ACTIVE", "FILE_REFUSED": "FILE_REFUSED"}[problem]
        assert payload["userErrors"] == [{"code": code}]


async def test_p6_2_one_email_tells_of_all_replies_that_were_not_sent_and_are_not_settled(
    schedule: Schedule, agents: Agents
) -> None:
    replies = [await schedule.scheduled(f"Réponse {number}") for number in range(3)]
    await agents.change(agents.sonia, "ticketClose")
    await schedule.run(timedelta(hours=1))
    assert await recipients_and_subjects("replies_not_sent") == []
    await agents.execute(agents.alice, SEND, i={"scheduledReplyId": replies[0]["id"]})
    for _ in range(2):
        await schedule.run(EMAIL_DELAY)
    [(_, subject)] = await recipients_and_subjects("replies_not_sent")
    assert subject == "2 réponses programmées n’ont pas été envoyées"


@pytest.mark.parametrize("is_held", [True, False])
async def test_p6_2_a_customer_who_writes_in_between_holds_a_reply_back_if_wanted(
    schedule: Schedule, agents: Agents, is_held: bool
) -> None:
    before = await schedule.bodies()
    reply = await schedule.scheduled("Relancez le serveur", holdWhenOvertaken=is_held)
    schedule.clock.advance(timedelta(minutes=10))
    at = schedule.clock.now()
    for text in ("C’est réglé !", "Merci quand même"):
        await agents.answer(agents.dataset.paul.owner, text)
    for _ in range(2):
        await schedule.run()
    overtaken = await schedule.read(reply)
    assert datetime.fromisoformat(overtaken["overtakenAt"]) == at
    assert overtaken["state"] == ("HELD" if is_held else "WAITING")
    assert await schedule.told(agents.alice) == [EventKind.SCHEDULED_REPLY_OVERTAKEN]
    await schedule.run(timedelta(hours=1))
    if not is_held:
        assert await schedule.bodies() == [*before, "Relancez le serveur"]
        return
    assert await schedule.bodies() == before
    # Edited after the customer's messages, it waits again.
    payload = await schedule.change(
        agents.alice, "scheduledReplyUpdate", scheduledReplyId=reply["id"]
    )
    assert payload["userErrors"][0]["field"] == ["input", "sendAt"]  # its time has passed
    payload = await schedule.change(
        agents.alice,
        "scheduledReplyUpdate",
        scheduledReplyId=reply["id"],
        sendAt=schedule.in_an_hour(),
    )
    assert payload["scheduledReply"]["state"] == "WAITING"
    await schedule.run(timedelta(hours=1))
    assert await schedule.bodies() == [*before, "Relancez le serveur"]


async def test_p6_2_a_message_at_the_last_moment_holds_a_reply_back(
    schedule: Schedule, agents: Agents
) -> None:
    """This holds even if the job hasn't noticed the message before."""
    before = await schedule.bodies()
    reply = await schedule.scheduled("Relancez le serveur")
    schedule.clock.advance(timedelta(hours=1))
    await agents.answer(agents.dataset.paul.owner, "C’est réglé !")
    await schedule.run()
    assert (await schedule.read(reply))["state"] == "HELD"
    assert await schedule.bodies() == before
    await schedule.run(timedelta(hours=1))
    assert await schedule.bodies() == before


async def test_p6_2_a_time_outside_of_the_opening_hours_is_told_with_the_next_opening(
    schedule: Schedule, agents: Agents
) -> None:
    async def preview(at: str | None) -> dict[str, Any]:
        response = await agents.execute(agents.alice, PREVIEW, id=agents.ticket_id, at=at)
        result: dict[str, Any] = response["data"]["scheduledReplyPreview"]
        return result

    assert await preview("2026-11-24T10:00:00+01:00") == {
        "sendAt": "2026-11-24T09:00:00+00:00",
        "isOpen": True,
        "opensAt": None,
        "timeZone": "Europe/Paris",
    }
    outside = await preview("2026-12-24T18:00:00+01:00")  # after Christmas comes a weekend
    assert (outside["isOpen"], outside["opensAt"]) == (False, "2026-12-28T08:00:00+00:00")
    assert (await preview(None))["sendAt"] == "2026-11-24T08:00:00+00:00"
    for at in ("2026-01-01T00:00:00Z", "2999-12-31T23:00:00Z"):  # would be refused
        response = await agents.execute(agents.alice, PREVIEW, id=agents.ticket_id, at=at)
        assert response["errors"][0]["extensions"]["field"] == ["sendAt"]
    # It isn't refused.
    reply = await schedule.scheduled("Bonne soirée", sendAt="2026-12-24T18:00:00+01:00")
    assert reply["sendAt"] == "2026-12-24T17:00:00+00:00"


async def test_p6_2_a_reply_waits_for_the_opening_and_follows_the_hours(
    schedule: Schedule, agents: Agents
) -> None:
    """The clocks change on the Sunday; the Monday is closed; on the Tuesday no process runs."""
    schedule.clock.time = datetime(2027, 3, 26, 17, 30, tzinfo=UTC)  # Friday, 18:30 in Paris
    reply = await schedule.scheduled("Bonne semaine", atNextOpening=True)
    assert reply["atNextOpening"] is True
    # Easter Monday is a holiday. 9:00 in Paris is 7:00 in summer.
    assert reply["sendAt"] == "2027-03-30T07:00:00+00:00"
    closed = ClosureValues(
        datetime(2027, 3, 30, 6, tzinfo=UTC), datetime(2027, 3, 30, 10, tzinfo=UTC), "Réunion"
    )
    await add_closure(schedule.action(), await Calendar.get(is_default=True), closed, "key")
    assert await schedule.run() == 1
    assert await schedule.run() == 0
    assert (await schedule.read(reply))["sendAt"] == "2027-03-30T10:00:00+00:00"
    schedule.clock.time = datetime(2027, 3, 30, 19, 0, tzinfo=UTC)
    before = await schedule.bodies()
    await schedule.run()
    assert (await schedule.read(reply))["sendAt"] == "2027-03-31T07:00:00+00:00"
    assert await schedule.bodies() == before
    schedule.clock.time = datetime(2027, 3, 31, 7, 0, tzinfo=UTC)
    await schedule.run()
    assert await schedule.bodies() == [*before, "Bonne semaine"]


async def test_p6_2_what_cannot_be_scheduled_is_refused(schedule: Schedule, agents: Agents) -> None:
    codes = {}
    wrong_values: dict[str, dict[str, Any]] = {
        "past": {"sendAt": "2020-01-01T00:00:00Z"},
        "late": {"sendAt": "2030-01-01T00:00:00Z"},
        "both": {"sendAt": schedule.in_an_hour(), "atNextOpening": True},
        "neither": {"atNextOpening": False},
        "file of another agent": {"fileIds": [await schedule.upload(agents.bruno, "x.pdf")]},
    }
    for name, fields in wrong_values.items():
        payload = await schedule.create("Bonjour", **fields)
        codes[name] = (payload["userErrors"][0]["code"], payload["userErrors"][0]["field"][-1])
    assert codes == {
        "past": ("VALUE_INVALID", "sendAt"),
        "late": ("VALUE_INVALID", "sendAt"),
        "both": ("VALUE_INVALID", "atNextOpening"),
        "neither": ("VALUE_INVALID", "atNextOpening"),
        "file of another agent": ("FILE_REFUSED", "fileIds"),
    }
    assert await ScheduledReply.all().count() == 0
    for n in range(20):
        await schedule.scheduled(f"Réponse {n}")
    assert (await schedule.create("De trop"))["userErrors"][0]["code"] == "TOO_MANY"
    await close(schedule)
    assert (await schedule.create("x"))["userErrors"][0]["code"] == "TRANSITION_ILLEGAL"
    variables = {"ticketId": agents.ticket_id, "idempotencyKey": "k", "body": "x"}
    document = """mutation($i: ScheduledReplyCreateInput!) { scheduledReplyCreate(input: $i) {
        userErrors { code } } }"""
    response = await agents.execute(agents.dataset.paul.owner, document, i=variables)
    assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
