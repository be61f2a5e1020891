"""P5.1: calls that a telephone system reports by its signed webhook."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import pytest

from auth.webhook_signatures import secret_bytes, signed_headers
from models.accounts.account import Account, AccountStatus, Membership, Role
from models.event import INBOX, Event
from models.identity.user import Staff, User
from models.support.call import Call
from models.support.message import Message
from models.support.phone_number import PhoneNumber
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from operations.retention import delete_due
from support.calls import CallTarget, link_call
from support.telephone import SignedWebhook
from tests.people import add_member, create_account, create_staff, create_user
from tests.web.web_fixtures import Site, open_site
from web.webhooks import MAX_BODY_BYTES

if TYPE_CHECKING:
    from tests.conftest import MovableClock

PATH = "/webhooks/telephone"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NUMBER = "+33142685300"


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    system = SignedWebhook(SECRET)
    async with open_site(clock, tmp_path, telephone_system=system) as opened_site:
        yield opened_site


def report(site: Site, key: str, **fields: Any) -> dict[str, Any]:
    now = site.services.clock.now()
    data = {
        "id": key,
        "direction": "inbound",
        "from": "01 42 68 53 00",
        "to": "+33186995700",
        "startedAt": (now - timedelta(minutes=2)).isoformat(),
        "endedAt": now.isoformat(),
        **fields,
    }
    return {"type": "call.ended", "data": data}


async def post(
    site: Site, content: Any, at: datetime | None = None, secret: str = SECRET, **headers: str
) -> tuple[int, str]:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    signed = signed_headers(secret_bytes(secret), "msg_1", at or datetime.now(UTC), body)
    response: httpx.Response = await site.client.post(PATH, content=body, headers=signed | headers)
    return response.status_code, response.json()["code"]


async def create_customer(site: Site) -> tuple[Account, User]:
    """Camille's company, which has a known phone number."""
    action = site.action()
    user, account = await create_user(action), await create_account(action)
    await add_member(action, account, user, Role.OWNER)
    await PhoneNumber.create(user=user, number=NUMBER, created_at=action.at)
    return account, user


async def test_p5_1_calls_of_known_customers_get_into_their_tickets(site: Site) -> None:
    account, camille = await create_customer(site)
    alice = await create_staff(site.action(), "Alice", Staff.AGENT)
    for code in ("STORED", "KNOWN"):  # it is sent again
        assert await post(site, report(site, "1")) == (200, code)
    ticket = await Ticket.get()
    assert (ticket.account_id, ticket.requester_id) == (account.pk, camille.pk)
    assert (ticket.channel, ticket.status) == ("PHONE", "NEW")
    assert ticket.subject.startswith("Appel manqué")
    assert ticket.reply_awaited_since == site.action().at
    assert await Event.filter(stream=INBOX, kind="REPLY_AWAITED").exists()
    # Alice calls back, first in vain.
    back = {"direction": "outbound", "from": "+33186995700", "to": NUMBER}
    back |= {"agentEmail": "Alice@camcha.example"}
    assert await post(site, report(site, "2", **back)) == (200, "STORED")
    now = site.services.clock.now().isoformat()
    spoken = {"startedAt": now, "answeredAt": now}
    assert await post(site, report(site, "3", **back | spoken)) == (200, "STORED")
    ticket = await Ticket.get()
    assert (ticket.status, ticket.assignee_id) == ("OPEN", alice.pk)
    assert ticket.reply_awaited_since is None
    assert [m.author_id for m in await Message.all().order_by("id")] == [
        camille.pk,
        alice.pk,
        alice.pk,
    ]
    # From a ticket, the telephone system says which one it is.
    await PhoneNumber.all().delete()
    from_ticket = {"ticketNumber": ticket.number}
    assert await post(site, report(site, "4", **back | from_ticket)) == (200, "STORED")
    assert await Call.filter(ticket_id=ticket.pk).count() == 4


async def test_p5_1_calls_of_others_wait_for_an_agent(site: Site, clock: "MovableClock") -> None:
    account, camille = await create_customer(site)
    alice = await create_staff(site.action(), "Alice", Staff.AGENT)
    now = site.services.clock.now()
    unknown: list[dict[str, Any]] = [
        {"from": "anonymous"},
        {"from": "+32 2 555 12 12"},
        {"answeredAt": now.isoformat(), "agentEmail": "nobody@camcha.example"},  # by whom?
        {"voicemail": True, "from": "3900"},
    ]
    for number, fields in enumerate(unknown):
        assert await post(site, report(site, f"{number}", **fields)) == (200, "STORED")
    # Two people have this number.
    other = await create_user(site.action(), "Denis Roche")
    await add_member(site.action(), account, other)
    await PhoneNumber.create(user=other, number=NUMBER, created_at=now)
    assert await post(site, report(site, "ambiguous")) == (200, "STORED")
    calls = await Call.all().order_by("id")
    assert [call.ticket_id for call in calls] == [None] * 5
    assert [call.number for call in calls] == [None, "+3225551212", NUMBER, None, NUMBER]
    assert calls[3].outcome == "VOICEMAIL"
    assert await Event.filter(stream=INBOX, kind="CALL_UNMATCHED").count() == 5
    target = CallTarget(None, account, other)
    for _ in range(2):
        linked = await link_call(site.action(), alice, calls[1], target, saves_number=True)
    ticket = await Ticket.get()
    assert (linked.ticket_id, ticket.requester_id) == (ticket.pk, other.pk)
    assert await PhoneNumber.filter(user_id=other.pk, number="+3225551212").exists()
    # A company's number leads to the member who has owned it for the longest time.
    await PhoneNumber.all().delete()
    await PhoneNumber.create(account=account, number=NUMBER, created_at=now)
    assert await post(site, report(site, "company")) == (200, "STORED")
    assert (await Ticket.all().order_by("-id").first()).requester_id == camille.pk  # type: ignore[union-attr]
    clock.advance(timedelta(days=366))
    assert (await delete_due(clock.now()))["phone_call"] == 4
    assert await Call.all().count() == 2


async def test_a_report_is_refused_unless_it_is_signed_recent_and_readable(site: Site) -> None:
    good = report(site, "1")
    other = "whsec_" + base64.b64encode(bytes(32)).decode()
    wrong = (400, "SIGNATURE_INVALID")
    assert await post(site, good, secret=other) == wrong
    for minutes in (-6, 6):  # a replay, and a time that can't be
        at = datetime.now(UTC) + timedelta(minutes=minutes)
        assert await post(site, good, at) == wrong
    for headers in (
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "x" * 13},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,é"},
        {"webhook-signature": "v2,AAAA v1"},
    ):
        encoded = {name: value.encode("latin-1") for name, value in headers.items()}
        assert await post(site, good, **encoded) == wrong  # type: ignore[arg-type]
    times = {"startedAt": "2026-11-23T09:00:00+01:00", "endedAt": "2026-11-23T08:00:01Z"}
    for fields in (
        {"id": ""},
        {"id": 7},
        {"id": "x" * 121},
        {"id": "\x00"},
        {"direction": "sideways"},
        {"startedAt": "yesterday"},
        {"startedAt": "2026-11-23T08:00:00"},  # of which zone?
        {"endedAt": "2026-11-20T08:00:00Z"},
        times | {"answeredAt": "2026-11-23T07:59:00Z"},
        {"agentEmail": 1},
        {"from": 1},
    ):
        assert await post(site, report(site, "2", **fields)) == (400, "UNREADABLE"), fields
    for content in (
        b"",
        b"[]",
        b"{",
        b'{"type": "call.ended"}',
        b'{"type": "call.ended", "data": 1}',
    ):
        expected = (200, "IGNORED") if content == b"[]" else (400, "UNREADABLE")
        assert await post(site, content) == expected
    assert await post(site, {"type": "call.ringing"}) == (200, "IGNORED")
    assert await post(site, b"x" * (MAX_BODY_BYTES + 1)) == (413, "TOO_LARGE")
    assert await Call.all().count() == 0
    assert await post(site, good) == (200, "STORED")
    assert await post(site, report(site, "1", **times)) == (409, "CHANGED")
    assert await Call.all().count() == 1


async def test_a_call_is_stored_whatever_number_or_ticket_it_names(site: Site) -> None:
    """Numbers of 17 digits and more are possible in some countries, and longer than E.164 allows.
    Nobody can write in the closed ticket of a company that was deleted.
    """
    await create_customer(site)
    assert await post(site, report(site, "1")) == (200, "STORED")
    ticket = await Ticket.get()
    await Ticket.all().update(status=TicketStatus.CLOSED)
    await Account.all().update(status=AccountStatus.ERASED)
    await Membership.all().delete()
    unknown: list[dict[str, Any]] = [
        {"ticketNumber": ticket.number},
        {"from": "+49 1111111 11111111"},
        {"from": "+62 11111111111111111"},
    ]
    for number, fields in enumerate(unknown, 2):
        assert await post(site, report(site, f"{number}", **fields)) == (200, "STORED"), fields
    calls = await Call.all().order_by("id")
    assert [call.ticket_id for call in calls] == [ticket.pk, None, None, None]
    assert [call.number for call in calls] == [NUMBER, NUMBER, None, None]
    assert await Event.filter(stream=INBOX, kind="CALL_UNMATCHED").count() == 3


async def test_a_call_in_the_future_is_refused(site: Site) -> None:
    """The telephone system sends its local time as UTC. Otherwise a first response would seem to
    precede the request.
    """
    now = site.services.clock.now()
    for hours, answer in ((2, (400, "UNREADABLE")), (0.05, (200, "STORED"))):
        at = (now + timedelta(hours=hours)).isoformat()
        fields = {"startedAt": at, "answeredAt": at, "endedAt": at}
        assert await post(site, report(site, f"{hours}", **fields)) == answer
    far = "9999-12-31T23:59:00-23:59"
    times = {"startedAt": far, "endedAt": far}
    assert await post(site, report(site, "far", **times)) == (400, "UNREADABLE")


async def test_calls_that_are_reported_at_once_get_into_one_ticket(site: Site) -> None:
    """This happens when the telephone system repeats a report that failed."""
    await create_customer(site)
    answers = await asyncio.gather(*(post(site, report(site, f"{n}")) for n in range(4)))
    assert answers == [(200, "STORED")] * 4
    assert await Ticket.all().count() == 1
    assert await Message.all().count() == 4
