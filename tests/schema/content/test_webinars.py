"""P5.7: webinars with sign-up, a waiting list, calendar files, reminders and cancellation."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from icalendar import Calendar

from mail.message import Sender, message
from models.accounts.account import Membership
from models.action import Action
from models.clock import PARIS
from models.content.article import Article, ArticleKind
from models.content.webinar import WebinarSignUp
from models.identity.user import Staff
from models.locale import Locale
from models.operations.email import Email
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode
from support.library.calendar_files import Organizer, calendar_file
from support.library.webinars import send_notices
from tests.people import create_staff_viewer
from tests.schema.billing.catalogue_fixtures import codes, mutate
from tests.schema.content.test_feedback import create_article

if TYPE_CHECKING:
    from tests.schema.conftest import Dataset, Execute

ORGANIZER = Organizer("CAMCHA", "aide@camcha.example")
STARTS_AT = datetime(2026, 12, 14, 13, 0, tzinfo=UTC)  # 14:00 in Paris
PLAN = {
    "startsAt": STARTS_AT.isoformat(),
    "durationSeconds": 3_600,
    "capacity": 1,
    "joinUrl": "https://visio.example/seance?id=7",
}
WEBINAR = """article { startsAt endsAt canceledAt joinUrl calendarUrl
    places { capacity taken free waiting } viewerSignUp { isWaiting position } }"""
SEEN = """query($id: ID!) { node(id: $id) { ... on Article { joinUrl
    places { taken free waiting } viewerSignUp { isWaiting position }
    signUps { totalCount nodes { isWaiting position user { name } } } } } }"""


class Webinars:
    """A webinar, its editor, and how people act on it."""

    def __init__(
        self, execute: "Execute", dataset: "Dataset", editor: Viewer, article: Article
    ) -> None:
        self.execute, self.dataset, self.editor = execute, dataset, editor
        self.article, self.id = article, encode("Article", article.pk)

    async def schedule(self, **fields: Any) -> dict[str, Any]:
        fields = {"articleId": self.id} | PLAN | fields
        return await mutate(self.execute, self.editor, "webinarSchedule", WEBINAR, **fields)

    async def cancel(self) -> dict[str, Any]:
        return await mutate(self.execute, self.editor, "webinarCancel", WEBINAR, articleId=self.id)

    async def sign_up(self, viewer: Viewer) -> dict[str, Any]:
        selection = "signUp { isWaiting position }"
        return await mutate(self.execute, viewer, "webinarSignUp", selection, articleId=self.id)

    async def withdraw(self, viewer: Viewer) -> dict[str, Any]:
        return await mutate(self.execute, viewer, "webinarWithdraw", WEBINAR, articleId=self.id)

    async def seen(self, viewer: Viewer) -> dict[str, Any]:
        node: dict[str, Any] = (await self.execute(viewer, SEEN, id=self.id))["data"]["node"]
        return node


@pytest.fixture
async def webinars(execute: "Execute", dataset: "Dataset", action: Action) -> Webinars:
    editor = await create_staff_viewer(action, "Sonia", Staff.SUPERVISOR)
    article = await create_article(action, "facturation", kind=ArticleKind.WEBINAR)
    return Webinars(execute, dataset, editor, article)


async def new_emails() -> list[tuple[str, str, str | None]]:
    """The emails written since the last call: the recipient's initial, the subject, and the method
    of the calendar file.
    """
    rows = await Email.filter(template__startswith="webinar_notice.").order_by("id")
    await Email.filter(pk__in=[row.pk for row in rows]).update(template="read")
    return [
        (
            row.recipient.partition("@")[0],
            row.subject.partition("\N{NO-BREAK SPACE}:")[0],
            str(Calendar.from_ical(row.calendar)["METHOD"]) if row.calendar else None,
        )
        for row in rows
    ]


def name(viewer: Viewer) -> str:
    assert viewer.user
    return str(viewer.user.email).partition("@")[0]


async def test_p5_7_members_sign_up_wait_withdraw_and_are_reminded(
    webinars: Webinars, services: Services, action: Action
) -> None:
    owner, member, marie = (
        webinars.dataset.paul.owner,
        webinars.dataset.paul.member,
        webinars.dataset.marie.owner,
    )
    assert codes(await webinars.sign_up(owner)) == [("WEBINAR_OVER", "articleId")]  # no date yet
    scheduled = (await webinars.schedule())["article"]
    assert scheduled | {"viewerSignUp": None} == {
        "startsAt": "2026-12-14T13:00:00+00:00",
        "endsAt": "2026-12-14T14:00:00+00:00",
        "canceledAt": None,
        "joinUrl": PLAN["joinUrl"],
        "calendarUrl": f"{services.base_url}/webinars/facturation.ics",
        "places": {"capacity": 1, "taken": 0, "free": 1, "waiting": 0},
        "viewerSignUp": None,
    }
    for _ in range(2):  # a repeat changes nothing
        assert (await webinars.sign_up(owner))["signUp"] == {"isWaiting": False, "position": None}
    for position, viewer in enumerate((member, marie), 1):
        signed_up = (await webinars.sign_up(viewer))["signUp"]
        assert signed_up == {"isWaiting": True, "position": position}
    assert await new_emails() == [
        (name(owner), "Inscription confirmée", "REQUEST"),
        (name(member), "Vous êtes sur liste d’attente", None),
        (name(marie), "Vous êtes sur liste d’attente", None),
    ]
    seen = await webinars.seen(owner)
    assert seen["joinUrl"] == PLAN["joinUrl"]
    assert [each["user"]["name"] for each in seen["signUps"]["nodes"]] == [owner.user.name]  # type: ignore[union-attr]
    assert (await webinars.seen(member))["joinUrl"] is None
    assert (await webinars.seen(webinars.editor))["signUps"]["totalCount"] == 3
    assert (await webinars.seen(Viewer()))["places"] == {"taken": 1, "free": 0, "waiting": 2}

    for _ in range(2):
        await webinars.withdraw(owner)
    assert await new_emails() == [
        (name(member), "Une place s’est libérée", "REQUEST"),
        (name(owner), "Désinscription confirmée", "CANCEL"),
    ]
    assert (await webinars.seen(marie))["viewerSignUp"] == {"isWaiting": True, "position": 1}
    # A day and an hour before, once each, also when two processes work at once.
    for before, subject in (
        (timedelta(days=1, seconds=1), None),
        (timedelta(days=1), "Demain"),
        (timedelta(hours=2), None),
        (timedelta(minutes=59), "Bientôt"),
        (-timedelta(minutes=1), None),
    ):
        later = Action(None, STARTS_AT - before, services.hub)
        await asyncio.gather(*(send_notices(later, ORGANIZER) for _ in range(2)))
        assert await new_emails() == ([(name(member), subject, None)] if subject else [])


async def test_p5_7_changes_and_a_cancellation_reach_everybody_once(
    webinars: Webinars, services: Services, action: Action
) -> None:
    owner, member = webinars.dataset.paul.owner, webinars.dataset.paul.member
    await webinars.schedule()
    await webinars.sign_up(owner)
    await webinars.sign_up(member)
    await new_emails()
    await webinars.schedule()  # the same again
    assert await send_notices(action, ORGANIZER) == 0
    later = (STARTS_AT + timedelta(days=1)).isoformat()
    await webinars.schedule(startsAt=later)
    counts = await asyncio.gather(*(send_notices(action, ORGANIZER) for _ in range(2)))
    assert sum(counts) == 2
    assert await new_emails() == [
        (name(owner), "Modifié", "REQUEST"),
        (name(member), "Modifié", None),  # is waiting
    ]
    await webinars.schedule(startsAt=later, capacity=None)  # now there is room for everybody
    assert await new_emails() == [(name(member), "Une place s’est libérée", "REQUEST")]
    assert await send_notices(action, ORGANIZER) == 0
    for _ in range(2):
        canceled = (await webinars.cancel())["article"]
    assert canceled["canceledAt"]
    assert await send_notices(action, ORGANIZER) == 2
    assert await send_notices(action, ORGANIZER) == 0
    assert await new_emails() == [
        (name(owner), "Annulé", "CANCEL"),
        (name(member), "Annulé", "CANCEL"),
    ]
    assert codes(await webinars.sign_up(webinars.dataset.marie.owner)) == [
        ("WEBINAR_OVER", "articleId")
    ]
    assert codes(await webinars.schedule()) == [("WEBINAR_OVER", "articleId")]
    reminders = Action(None, STARTS_AT + timedelta(hours=1), services.hub)
    assert await send_notices(reminders, ORGANIZER) == 0


async def test_p5_7_the_calendar_file_is_valid_and_follows_changes(
    webinars: Webinars, action: Action
) -> None:
    """RFC 5545: the time in Europe/Paris, with the definition of that time zone."""
    owner = webinars.dataset.paul.owner
    await webinars.schedule(startsAt="2027-04-12T12:00:00Z")
    await webinars.sign_up(owner)
    await webinars.schedule(startsAt="2027-04-13T12:00:00Z")
    await send_notices(action, ORGANIZER)
    first, second = await Email.filter(template__startswith="webinar_notice.").order_by("id")
    for email, day, sequence in ((first, 12, 1), (second, 13, 2)):
        assert email.calendar
        assert all(len(line.encode()) <= 75 for line in email.calendar.split("\r\n"))
        calendar = Calendar.from_ical(email.calendar)
        (event,) = calendar.events
        (zone,) = calendar.timezones
        assert (event["DTSTART"].params["TZID"], zone["TZID"]) == ("Europe/Paris",) * 2
        assert event.start.isoformat() == f"2027-04-{day}T14:00:00+02:00"
        offset = zone.to_tz().utcoffset(datetime(2027, 4, day, 14))  # noqa: DTZ001 - local
        assert offset == timedelta(hours=2)
        assert event.duration == timedelta(hours=1)
        assert event["SEQUENCE"] == sequence
        assert event["LOCATION"] == PLAN["joinUrl"]
        assert str(event["ATTENDEE"]) == f"mailto:{owner.user.email}"  # type: ignore[union-attr]
        assert event["ATTENDEE"].params["RSVP"] == "FALSE"
    assert first.calendar
    assert second.calendar
    assert Calendar.from_ical(first.calendar).events[0]["UID"] == event["UID"]
    sent = message(second, Sender("CAMCHA <bonjour@camcha.example>", "https://camcha.example"))
    (attachment,) = sent.iter_attachments()
    assert attachment.get_content_type() == "text/calendar"
    assert attachment["Content-Type"].params["method"] == "REQUEST"
    assert attachment.get_content().replace("\r\n", "\n") == second.calendar.replace("\r\n", "\n")


async def test_p5_7_the_time_zone_of_calendar_files_is_that_of_paris(action: Action) -> None:
    """To the second at the changes of the clocks: RFC 5545, 3.6.5, states them in the time before
    the change.
    """
    starts_at = datetime(2027, 3, 28, 0, 30, tzinfo=UTC)
    texts: Any = {"title": "É,;\\\n" * 40, "summary": "🎉" * 100, "body": "-"}
    article = Article(
        id=7, kind=ArticleKind.WEBINAR, texts={"fr": texts}, starts_at=starts_at, duration_seconds=9
    )
    content = calendar_file(action.at, ORGANIZER, article, Locale.FR)
    assert all(len(line.encode()) <= 75 for line in content.split("\r\n"))
    calendar = Calendar.from_ical(content)
    assert calendar.events[0]["SUMMARY"] == texts["title"]
    (zone,) = calendar.timezones
    parts: Any = zone.walk()[1:]
    rules = {part.name: (part["DTSTART"].dt, part["RRULE"]["BYDAY"]) for part in parts}
    assert rules == {
        "DAYLIGHT": (datetime(1970, 3, 29, 2), ["-1SU"]),  # noqa: DTZ001 - local
        "STANDARD": (datetime(1970, 10, 25, 3), ["-1SU"]),  # noqa: DTZ001
    }
    tz = zone.to_tz()
    for month, day, hour in ((3, 28, 1), (3, 28, 3), (10, 31, 1), (10, 31, 4), (7, 1, 0)):
        local = datetime(2027, month, day, hour, 59)  # noqa: DTZ001
        assert tz.utcoffset(local) == PARIS.utcoffset(local)


async def test_a_late_reminder_says_today_and_a_place_of_somebody_erased_is_given_on(
    webinars: Webinars, services: Services
) -> None:
    owner, member = webinars.dataset.paul.owner, webinars.dataset.paul.member
    await webinars.schedule()
    await webinars.sign_up(owner)
    await webinars.sign_up(member)
    await new_emails()
    await WebinarSignUp.filter(user_id=owner.user_id).delete()  # as an erasure does
    later = Action(None, STARTS_AT - timedelta(hours=5), services.hub)
    for _ in range(2):
        await send_notices(later, ORGANIZER)
    assert await new_emails() == [
        (name(member), "Une place s’est libérée", "REQUEST"),
        (name(member), "Aujourd’hui", None),
    ]


async def test_who_leaves_their_company_loses_the_place_and_is_not_reminded(
    webinars: Webinars, services: Services
) -> None:
    owner, member = webinars.dataset.paul.owner, webinars.dataset.paul.member
    await webinars.schedule()
    await webinars.sign_up(member)
    await webinars.sign_up(owner)
    await new_emails()
    await Membership.filter(user_id=member.user_id).delete()
    later = Action(None, STARTS_AT - timedelta(hours=5), services.hub)
    await send_notices(later, ORGANIZER)
    assert await new_emails() == [
        (name(owner), "Une place s’est libérée", "REQUEST"),
        (name(owner), "Aujourd’hui", None),
    ]


async def test_nobody_is_reminded_of_an_unpublished_webinar(
    webinars: Webinars, services: Services
) -> None:
    await webinars.schedule()
    await webinars.sign_up(webinars.dataset.paul.owner)
    await new_emails()
    await Article.filter(slug="facturation").update(published_at=None)
    for hours in (5, 0.5):
        later = Action(None, STARTS_AT - timedelta(hours=hours), services.hub)
        await send_notices(later, ORGANIZER)
    assert await new_emails() == []


async def test_of_several_people_one_gets_the_last_place(webinars: Webinars) -> None:
    await webinars.schedule()
    dataset = webinars.dataset
    viewers = (dataset.paul.owner, dataset.paul.member, dataset.marie.owner, dataset.marie.member)
    await asyncio.gather(*(webinars.sign_up(viewer) for viewer in viewers))
    assert await WebinarSignUp.filter(is_waiting=False).count() == 1
    assert await WebinarSignUp.filter(is_waiting=True).count() == 3
    await asyncio.gather(*(webinars.withdraw(viewer) for viewer in viewers[:3]))
    assert [row.is_waiting for row in await WebinarSignUp.all()] == [False]


async def test_webinars_are_scheduled_in_the_future_by_editors(
    webinars: Webinars, action: Action
) -> None:
    wrong = await webinars.schedule(
        startsAt="2020-01-01T00:00:00Z", durationSeconds=59, capacity=0, joinUrl="http://x.example"
    )
    assert codes(wrong) == [
        ("VALUE_INVALID", "startsAt"),
        ("VALUE_INVALID", "durationSeconds"),
        ("VALUE_INVALID", "capacity"),
        ("VALUE_INVALID", "joinUrl"),
    ]
    for url in ("javascript:alert(1)", "https://", "https://a b", "https://[x"):
        assert codes(await webinars.schedule(joinUrl=url)) == [("VALUE_INVALID", "joinUrl")]
    guide = encode("Article", (await create_article(action, "pay")).pk)
    refused = await webinars.schedule(articleId=guide)
    assert codes(refused) == [("NOT_A_WEBINAR", "articleId")]
    document = """mutation($i: WebinarCancelInput!) { webinarCancel(input: $i) {
        userErrors { code } } }"""
    for viewer in (webinars.dataset.alice, webinars.dataset.paul.owner):
        response = await webinars.execute(viewer, document, i={"articleId": webinars.id})
        assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_who_signed_up_can_withdraw_from_a_webinar_that_is_no_longer_published(
    webinars: Webinars,
) -> None:
    owner, member = webinars.dataset.paul.owner, webinars.dataset.paul.member
    await webinars.schedule()
    for viewer in (owner, member):
        await webinars.sign_up(viewer)
    await Article.all().update(published_at=None)
    await new_emails()
    for _ in range(2):
        await webinars.withdraw(owner)
    assert await new_emails() == [
        (name(member), "Une place s’est libérée", "REQUEST"),
        (name(owner), "Désinscription confirmée", "CANCEL"),
    ]
    marie = webinars.dataset.marie.owner
    assert codes(await webinars.withdraw(marie)) == [("NOT_FOUND", "articleId")]
