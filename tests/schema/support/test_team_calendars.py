"""P5.6: a team may answer in hours of its own, which everything about its tickets follows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.support.agent_presence import AgentPresence
from models.support.automation import AutomationVersion
from models.support.calendar import Calendar
from models.support.classification import Category, Channel
from models.support.live_chat import ChatState, LiveChat
from models.support.opening_hours import HolidayCalendar
from models.support.team import AgentProfile, ChatAvailability
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode
from support.automation_runs import due_time
from support.chat_deferral import defer_due
from support.chat_options import ChatOptions
from support.chat_views import ChatServiceStatus, chat_service
from support.sla import check_clocks
from tests.conftest import MovableClock
from tests.schema.support.test_assignment import Agents, user_id
from tests.schema.support.test_assignment import agents as agents
from tests.schema.support.test_scheduled_replies import PREVIEW, Schedule

SET_CALENDAR = """mutation($i: TeamSetCalendarInput!) { teamSetCalendar(input: $i) {
    team { calendar { name } } userErrors { code field } } }"""
DUE = """query($id: ID!) { node(id: $id) { ... on Ticket {
    slaClocks { measure dueAt } } } }"""
SERVICE = """query($id: ID!) { contact { chat(teamId: $id) {
    status openingHours closesAt } } }"""
EVENING = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)  # Monday, 21:00 in Paris
MORNING = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


class Teams:
    """The team for bugs, which answers until midnight, and the one for offers."""

    def __init__(self, agents: Agents, services: Services, clock: MovableClock) -> None:
        self.agents, self.services, self.clock = agents, services, clock
        self.schedule = Schedule(agents, services, clock)
        self.ids: dict[str, str] = {}

    async def prepare(self) -> None:
        week = [[[960, 1440]]] * 7  # from 16:00 on
        self.calendar = await Calendar.create(
            name="Soirée",
            time_zone="Europe/Paris",
            week=week,
            holidays=HolidayCalendar.NONE,
            created_at=self.clock.now(),
        )
        for name, category in (("Technique", "BUG"), ("Ventes", "OFFERS")):
            members = [user_id(self.agents.bruno)]
            payload = await self.agents.create_team(
                self.agents.sonia, name=name, categories=[category], memberIds=members
            )
            self.ids[name] = payload["team"]["id"]
        await self.set_calendar("Technique", self.calendar)

    async def set_calendar(self, name: str, calendar: Calendar | None) -> dict[str, Any]:
        calendar_id = encode("Calendar", calendar.pk) if calendar else None
        variables = {"teamId": self.ids[name], "calendarId": calendar_id}
        response = await self.agents.execute(self.agents.sonia, SET_CALENDAR, i=variables)
        payload: dict[str, Any] = response["data"]["teamSetCalendar"]
        assert payload["userErrors"] == []
        team: dict[str, Any] = payload["team"]
        return team

    async def open(self, category: Category, channel: Channel = Channel.WEB) -> Ticket:
        """Open a ticket of Paul's company, on which `agents` acts from now on."""
        paul = self.agents.dataset.paul
        assert paul.owner.user
        async with self.schedule.action().transaction() as tx:
            ticket = await Ticket.open(
                tx,
                paul.account,
                paul.owner.user,
                is_live=None,
                subject="Aide",
                channel=channel,
                category=category,
            )
        self.agents.ticket_id = encode("Ticket", ticket.pk)
        return ticket

    async def first_response_due_at(self) -> str:
        """When the first response is due."""
        response = await self.agents.execute(self.agents.bruno, DUE, id=self.agents.ticket_id)
        clocks = response["data"]["node"]["slaClocks"]
        (clock,) = [each for each in clocks if each["measure"] == "FIRST_RESPONSE"]
        return str(clock["dueAt"])


@pytest.fixture
async def teams(agents: Agents, services: Services, clock: MovableClock) -> Teams:
    teams = Teams(agents, services, clock)
    await teams.prepare()
    return teams


async def let_answer_chats(viewer: Viewer, until: datetime) -> None:
    await AgentProfile.create(user_id=viewer.user_id, chat_availability=ChatAvailability.AVAILABLE)
    await AgentPresence.create(user_id=viewer.user_id, process="p", expires_at=until)


async def test_p5_6_supervisors_choose_the_calendar_of_a_team(teams: Teams) -> None:
    for _ in range(2):
        team = await teams.set_calendar("Ventes", teams.calendar)
        assert team["calendar"] == {"name": "Soirée"}
    assert (await teams.set_calendar("Ventes", None))["calendar"] is None
    variables = {"teamId": teams.ids["Ventes"]}
    response = await teams.agents.execute(teams.agents.alice, SET_CALENDAR, i=variables)
    assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_p5_6_deadlines_follow_the_team_and_its_calendar(teams: Teams) -> None:
    """The first response to a request is due after 18 hours of business time."""
    teams.clock.time = EVENING
    await teams.open(Category.BUG)
    # Three hours, eight, and seven.
    assert await teams.first_response_due_at() == "2026-11-25T22:00:00+00:00"
    # After an hour 17 are left, which the other team has in two days.
    teams.clock.advance(timedelta(hours=1))
    await teams.agents.change(teams.agents.bruno, "ticketTransfer", teamId=teams.ids["Ventes"])
    assert await teams.first_response_due_at() == "2026-11-25T16:00:00+00:00"
    # The job follows another calendar of the team since it was chosen, whenever it runs.
    await teams.set_calendar("Ventes", teams.calendar)
    teams.clock.advance(timedelta(minutes=20))
    await check_clocks(teams.schedule.action())
    assert await check_clocks(teams.schedule.action()) == 0
    assert await teams.first_response_due_at() == "2026-11-25T22:00:00+00:00"


async def test_p5_6_chats_are_answered_in_the_hours_of_their_team(teams: Teams) -> None:
    async def state(ticket: Ticket) -> ChatState:
        return (await LiveChat.get(ticket_id=ticket.pk)).state

    await let_answer_chats(teams.agents.bruno, MORNING + timedelta(days=1))
    waiting, deferred = ChatState.WAITING, ChatState.DEFERRED
    for at, bug, other in ((EVENING, waiting, deferred), (MORNING, deferred, waiting)):
        teams.clock.time = at
        for category, expected in ((Category.BUG, bug), (Category.OFFERS, other)):
            ticket = await teams.open(category, Channel.CHAT)
            assert await state(ticket) is expected
            service = await chat_service(at, category)
            assert (service.status is ChatServiceStatus.CLOSED) == (expected is deferred)
    # Agents see that of a team, whatever the category; nobody else knows the teams.
    teams.clock.time = EVENING
    variables = {"id": teams.ids["Technique"]}
    chat = (await teams.agents.execute(teams.agents.alice, SERVICE, **variables))["data"]["contact"]
    assert chat["chat"] == {
        "status": "ANSWERED",
        "openingHours": "tous les jours, de 16\xa0h à 24\xa0h, heure de Paris",
        "closesAt": "2026-11-23T23:00:00+00:00",
    }
    variables = {"id": teams.ids["Ventes"]}
    chat = (await teams.agents.execute(teams.agents.alice, SERVICE, **variables))["data"]["contact"]
    assert (chat["chat"]["status"], chat["chat"]["closesAt"]) == ("CLOSED", None)
    refused = await teams.agents.execute(teams.agents.dataset.paul.owner, SERVICE, **variables)
    assert refused["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    # Once no agent is left, chats wait on during the hours of their team only.
    await AgentPresence.all().delete()
    options = ChatOptions(wait_seconds=1_000_000)
    for at, remaining in ((MORNING, [Category.OFFERS]), (EVENING + timedelta(days=1), [])):
        teams.clock.time = at
        await defer_due(teams.schedule.action(), options)
        categories = [Category.BUG, Category.OFFERS]
        chats = LiveChat.filter(state=waiting, ticket__category__in=categories)
        left = [chat.ticket.category for chat in await chats.select_related("ticket")]
        assert left == remaining


async def test_p5_6_replies_at_the_next_opening_follow_the_team(teams: Teams) -> None:
    teams.clock.time = MORNING
    await teams.open(Category.BUG)
    response = await teams.agents.execute(
        teams.agents.alice, PREVIEW, id=teams.agents.ticket_id, at="2026-11-24T11:00:00Z"
    )
    preview = response["data"]["scheduledReplyPreview"]
    assert (preview["isOpen"], preview["opensAt"]) == (False, "2026-11-24T15:00:00+00:00")
    reply = await teams.schedule.scheduled("Bonjour", atNextOpening=True)
    assert reply["sendAt"] == "2026-11-24T15:00:00+00:00"
    await teams.agents.change(teams.agents.bruno, "ticketTransfer", teamId=teams.ids["Ventes"])
    assert await teams.schedule.run() == 1
    # It was scheduled when the hours of this team had already begun.
    assert (await teams.schedule.read(reply))["sendAt"] == "2026-11-25T08:00:00+00:00"
    await teams.set_calendar("Ventes", teams.calendar)
    assert await teams.schedule.run() == 1
    assert (await teams.schedule.read(reply))["sendAt"] == "2026-11-24T15:00:00+00:00"


async def test_p5_6_automations_wait_by_the_hours_of_the_team(teams: Teams) -> None:
    """The team for bugs answers until midnight, the other one from nine to six."""
    version = AutomationVersion(delay_minutes=60, is_delay_business_time=True)
    bug = await teams.open(Category.BUG)
    assert await due_time(version, bug, EVENING) == EVENING + timedelta(hours=1)
    other = await teams.open(Category.USAGE)
    assert await due_time(version, other, EVENING) == datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
