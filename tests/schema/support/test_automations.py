"""P6.2: automations act by themselves, only once, as their log says, and do only what people
could.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from models.accounts.account import Account
from models.action import Action
from models.audit import AuditEntry
from models.billing.offer import Offer, Segment
from models.billing.purchase import Purchase, PurchaseStatus
from models.event import INBOX, Event, EventKind
from models.identity.user import Staff, User
from models.locale import Locale
from models.operations.email import Email
from models.support.automation import AutomationRun, AutomationTimer
from models.support.classification import Priority
from models.support.message import Message
from models.support.sla_policy import SlaPolicy
from models.support.tag import TicketTag
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from models.viewer import Viewer
from realtime.delivered_positions import DeliveredPositions
from resolvers.ids import decode, encode
from support.automation_runs import run_automations
from support.reply_emails import send_due_replies
from support.sla import check_clocks
from tests.conftest import MovableClock, RecordingBus
from tests.people import create_staff_viewer
from tests.schema.billing.catalogue_fixtures import codes, mutate
from tests.schema.support.test_assignment import Agents, user_id
from tests.schema.support.test_assignment import agents as agents

VERSION = """number event delayMinutes delayInBusinessTime match
    conditions { tags contains status } exceptions { channel } actions { addTags replyFr status }"""
AUTOMATION = f"automation {{ id name position enabledAt archivedAt version {{ {VERSION} }} }}"
RUN = """event depth kinds refusals { kind reason } automation { name } version { number }
    message { body fromStaff author { name } } note { body }"""
LOG = f"""query($id: ID!) {{ node(id: $id) {{
    ... on Ticket {{ status priority tags automationRuns {{ {RUN} }} }}
    ... on Automation {{ runs {{ totalCount nodes {{ {RUN} ticket {{ id }} }} }} versions {{
        nodes {{ number author {{ name }} }} }} }} }} }}"""
RUNS = """query($id: ID!) { node(id: $id) { ... on Automation {
    all: runs { ...Tickets } refused: runs(filter: {refused: true}) { ...Tickets }
    others: runs(filter: {refused: false}) { ...Tickets } } } }
    fragment Tickets on AutomationRunConnection { totalCount nodes { ticket { id } } }"""
DRY_RUN = """query($a: ID, $d: AutomationDefinitionInput, $days: Int!) {
    automationDryRun(automationId: $a, definition: $d, days: $days) {
        matchCount refusedCount ticketCount checkedTicketCount isComplete currentState
        matches { ticket { id } happenedAt at kinds reason } } }"""
DAY = 24 * 60


class Automations:
    def __init__(self, agents: Agents, clock: MovableClock) -> None:
        self.agents, self.clock, self.execute = agents, clock, agents.execute
        self.paul, self.bus, self.number = agents.dataset.paul.owner, RecordingBus(), 0

    def action(self) -> Action:
        return Action(None, self.clock.now(), self.bus)

    async def create(self, viewer: Viewer, name: str, **definition: Any) -> dict[str, Any]:
        fields = {"name": name, "definition": definition, "enabled": True, "idempotencyKey": name}
        return await mutate(self.execute, viewer, "automationCreate", AUTOMATION, **fields)

    async def enable(self, name: str, event: str, actions: dict[str, Any], **more: Any) -> str:
        """The ID of a new automation that acts."""
        payload = await self.create(self.agents.sonia, name, event=event, actions=actions, **more)
        assert codes(payload) == []
        return str(payload["automation"]["id"])

    async def change(self, mutation: str, automation: str, **fields: Any) -> dict[str, Any]:
        fields = {"automationId": automation, **fields}
        payload = await mutate(self.execute, self.agents.sonia, mutation, AUTOMATION, **fields)
        assert codes(payload) == []
        changed: dict[str, Any] = payload["automation"]
        return changed

    async def run(self, minutes: int = 0) -> int:
        """Let time pass, and run the job."""
        self.clock.advance(timedelta(minutes=minutes))
        return await run_automations(self.action())

    async def open(self, subject: str = "Facture", body: str = "Bonjour", **fields: Any) -> str:
        """The ID of a new ticket of Paul's."""
        self.number += 1
        fields = {"channel": "WEB", "category": "USAGE", **fields}
        payload = await mutate(
            self.execute,
            self.paul,
            "ticketOpen",
            "ticket { id }",
            subject=subject,
            body=body,
            idempotencyKey=f"open {self.number}",
            **fields,
        )
        return str(payload["ticket"]["id"])

    async def reply(self, viewer: Viewer, ticket: str, body: str = "Merci") -> None:
        self.number += 1
        fields = {"ticketId": ticket, "body": body, "clientMessageId": f"reply {self.number}"}
        await mutate(self.execute, viewer, "ticketReply", "message { id }", **fields)

    async def move(self, ticket: str, status: str) -> None:
        fields = {"ticketId": ticket, "status": status}
        payload = await mutate(self.execute, self.agents.alice, "ticketMove", "", **fields)
        assert codes(payload) == []

    async def log(self, row_id: str, viewer: Viewer | None = None) -> dict[str, Any]:
        response = await self.execute(viewer or self.agents.alice, LOG, id=row_id)
        log: dict[str, Any] = response["data"]["node"]
        return log

    async def runs(self, automation: str) -> dict[str, list[str]]:
        """The tickets of an automation's runs, of those that were refused, and of the others."""
        response = await self.execute(self.agents.alice, RUNS, id=automation)
        found = response["data"]["node"]
        assert all(each["totalCount"] == len(each["nodes"]) for each in found.values())
        return {
            name: [run["ticket"]["id"] for run in each["nodes"]] for name, each in found.items()
        }

    async def reasons(self, ticket: str) -> list[Any]:
        """The reasons for which each run in a ticket was refused."""
        runs = (await self.log(ticket))["automationRuns"]
        return [[each["reason"] for each in run["refusals"]] for run in runs]

    async def dry_run(self, days: int = 30, **definition: Any) -> dict[str, Any]:
        variables = {"d": {"actions": {"addTags": ["x"]}, **definition}, "days": days}
        response = await self.execute(self.agents.sonia, DRY_RUN, **variables)
        result: dict[str, Any] = response["data"]["automationDryRun"]
        return result


@pytest.fixture
def automations(agents: Agents, clock: MovableClock) -> Automations:
    return Automations(agents, clock)


async def test_p6_2_an_automation_acts_once_for_each_event_and_its_log_says_so(
    automations: Automations,
) -> None:
    agents = automations.agents
    before = await automations.open()
    conditions = {"contains": ["n'ai pas reçu mes facture"]}
    actions = {"addTags": ["Facture"], "replyFr": "Bonjour {customer.name}, nous regardons."}
    automation = await automations.enable(
        "Factures", "TICKET_OPENED", actions, conditions=conditions
    )
    assert await automations.run(1) == 0  # only what happens from then on
    other, body = await automations.open("Autre"), "Je n’ai pas RECU mes factures !"
    ticket = await automations.open("Aide", body)
    assert [await automations.run(1) for _ in range(3)] == [1, 0, 0]
    log = await automations.log(ticket)
    name = automations.paul.user and automations.paul.user.name
    message = {
        "body": f"Bonjour {name}, nous regardons.",
        "fromStaff": True,
        "author": {"name": "Service automatique"},
    }
    run = {
        "event": "TICKET_OPENED",
        "depth": 0,
        "kinds": ["REPLY", "TAGS"],
        "refusals": [],
        "automation": {"name": "Factures"},
        "version": {"number": 1},
        "message": message,
        "note": None,
    }
    assert (log["tags"], log["automationRuns"]) == (["facture"], [run])
    # Readers of English see the author's name in English, wherever it appears.
    reader = replace(agents.alice, locale=Locale.EN)
    author = (await automations.log(ticket, reader))["automationRuns"][0]["message"]["author"]
    assert author == {"name": "Automation"}
    assert (await automations.log(automation))["runs"] == {
        "totalCount": 1,
        "nodes": [run | {"ticket": {"id": ticket}}],
    }
    for untouched in (before, other):
        assert (await automations.log(untouched))["automationRuns"] == []
    # Nobody did it; the customer still waits, and gets the message by email.
    row = await Ticket.get(pk=(decode(ticket) or ("", 0))[1])
    assert (row.status, row.assignee_id, row.first_response_at) == (TicketStatus.NEW, None, None)
    assert row.reply_awaited_since
    [entry] = await AuditEntry.filter(action="automation.run")
    assert (entry.actor_id, entry.account_id) == (None, None)
    assert [event.actor_id for event in await Event.filter(message__body=message["body"])] == [
        None,
        None,
    ]
    await send_due_replies(automations.action(), DeliveredPositions(), timedelta(minutes=-1))
    assert await Email.filter(template__startswith="ticket_replies").count() == 1
    await automations.reply(automations.paul, ticket, body)  # which opens nothing
    assert await automations.run(1) == 0
    # Customers learn nothing but what happened to their ticket.
    assert (await automations.log(ticket, automations.paul))["automationRuns"] == []
    assert await automations.log(automation, automations.paul) is None
    for query in ("{ automations { totalCount } }", "{ automationDryRun { matchCount } }"):
        response = await agents.execute(automations.paul, query)
        assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_p6_2_supervisors_and_operators_manage_automations_in_versions(
    automations: Automations, action: Action
) -> None:
    agents = automations.agents
    omar = await create_staff_viewer(action, "Omar", Staff.OPERATOR)
    tag: dict[str, Any] = {"event": "TICKET_OPENED", "actions": {"addTags": ["un"]}}
    first = (await automations.create(agents.sonia, "Un", **tag))["automation"]
    assert (await automations.create(agents.sonia, "Un", **tag))["automation"] == first  # a repeat
    second = (await automations.create(omar, "Deux", **tag))["automation"]
    assert (first["position"], second["position"]) == (1, 2)
    assert codes(await automations.create(omar, "DEUX", **tag)) == [("NAME_TAKEN", "name")]
    document = """mutation($i: AutomationCreateInput!) { automationCreate(input: $i) {
        automation { id } } }"""
    fields = {"name": "x", "definition": tag, "idempotencyKey": "x"}
    response = await agents.execute(agents.alice, document, i=fields)
    assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    definition = {
        "event": "CUSTOMER_REPLIED",
        "delayMinutes": 30,
        "delayInBusinessTime": True,
        "match": "ANY",
        "conditions": {"tags": ["Urgent"], "contains": ["panne"], "status": ["NEW"]},
        "exceptions": {"channel": ["CHAT"]},
        "actions": {"status": "OPEN"},
    }
    changes = {"name": "Un", "definition": definition}
    for _ in range(2):  # a repeat changes nothing
        changed = await automations.change("automationUpdate", first["id"], **changes)
    assert changed["version"] == {
        **definition,
        "number": 2,
        "conditions": definition["conditions"] | {"tags": ["urgent"]},  # type: ignore[operator] # a dictionary
        "actions": {"addTags": [], "replyFr": None, "status": "OPEN"},
    }
    versions = (await automations.log(first["id"]))["versions"]["nodes"]
    assert versions == [{"number": n, "author": {"name": "Sonia"}} for n in (2, 1)]
    await automations.change("automationMove", second["id"], position=1)
    listed = await agents.execute(agents.alice, "{ automations { nodes { name position } } }")
    assert listed["data"]["automations"]["nodes"] == [
        {"name": "Deux", "position": 1},
        {"name": "Un", "position": 2},
    ]
    await automations.change("automationSetEnabled", second["id"], enabled=False)
    await automations.open()
    assert await automations.run(1) == 0
    await automations.change("automationSetEnabled", second["id"], enabled=True)
    assert await automations.run(1) == 0  # nothing that happened meanwhile
    assert (await automations.change("automationArchive", second["id"]))["enabledAt"] is None
    await automations.create(omar, "Deux", **tag | {"actions": {"note": "n"}})
    archived = {"automationId": second["id"], "enabled": True}
    payload = await mutate(agents.execute, omar, "automationSetEnabled", "", **archived)
    assert codes(payload) == [("NOT_ACTIVE", "automationId")]


async def test_p6_2_each_condition_counts_and_a_dry_run_writes_nothing(
    automations: Automations,
) -> None:
    agents = automations.agents
    team = (await agents.create_team(agents.sonia, name="Niveau 2"))["team"]["id"]
    ticket = await automations.open("Journal bloqué", "L'Éléphant est tombé du camion.")
    key = (decode(ticket) or ("", 0))[1]
    await Ticket.filter(pk=key).update(
        priority=Priority.HIGH,
        team_id=(decode(team) or ("", 0))[1],
        assignee_id=agents.alice.user_id,
    )
    await TicketTag.create(ticket_id=key, tag="vip")
    await Purchase.filter(account_id=agents.dataset.paul.account.pk).update(
        status=PurchaseStatus.ACTIVE
    )
    purchase = await Purchase.filter(account_id=agents.dataset.paul.account.pk).select_related(
        "price"
    )
    offer = encode("Offer", purchase[0].price.offer_id)
    other_team = (await agents.create_team(agents.sonia, name="Niveau 3"))["team"]["id"]
    other_offer = encode(
        "Offer", (await Offer.create(slug="autre", segment=Segment.TPE, texts={})).pk
    )
    await User.filter(pk=automations.paul.user_id).update(locale="en")
    await Account.filter(pk=agents.dataset.paul.account.pk).update(country="BE")
    conditions: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"channel": ["WEB", "CHAT"]}, {"channel": ["EMAIL"]}),
        ({"category": ["USAGE"]}, {"category": ["BUG"]}),
        ({"status": ["NEW"]}, {"status": ["OPEN"]}),
        ({"priority": ["HIGH"]}, {"priority": ["LOW"]}),
        ({"tags": ["x", "VIP"]}, {"tags": ["x"]}),
        ({"teamIds": [team]}, {"teamIds": [other_team]}),
        ({"assigneeIds": [user_id(agents.alice)]}, {"assigneeIds": [user_id(agents.bruno)]}),
        ({"assigned": True}, {"assigned": False}),
        ({"replyAwaited": True}, {"replyAwaited": False}),
        ({"legalRequest": False}, {"legalRequest": True}),
        ({"contains": ["x", "elephants est tombe"]}, {"contains": ["tombé éléphant", "bloqué l'"]}),
        ({"locale": ["EN"]}, {"locale": ["FR"]}),
        ({"organization": ["COMPANY"]}, {"organization": ["ASSOCIATION"]}),
        ({"country": ["BE"]}, {"country": ["FR"]}),
        ({"offerIds": [offer]}, {"offerIds": [other_offer]}),
    ]
    is_open = await automations.dry_run(
        event="TICKET_OPENED", conditions={"withinOpeningHours": True, "contains": ["éléphant"]}
    )
    assert is_open["matchCount"] in (0, 1)
    hours = {"withinOpeningHours": bool(is_open["matchCount"])}
    conditions.append((hours, {"withinOpeningHours": not is_open["matchCount"]}))
    counts = [await model.all().count() for model in (Event, AuditEntry, TicketTag, AutomationRun)]
    only = {"contains": ["éléphant"]}  # no other ticket
    for met, unmet in conditions:
        for given, expected in (
            ({"conditions": only | met}, 1),
            ({"conditions": only | unmet}, 0),
            ({"conditions": only, "exceptions": met}, 0),
            ({"conditions": only, "exceptions": unmet}, 1),
            ({"conditions": met | unmet | {"status": ["CLOSED"]}, "match": "ANY"}, None),
        ):
            result = await automations.dry_run(event="TICKET_OPENED", **given)
            found = [match["ticket"]["id"] for match in result["matches"]]
            if expected is not None:
                assert found == [ticket] * expected, given
    result = await automations.dry_run(
        event="TICKET_OPENED",
        match="ANY",
        conditions={"contains": ["éléphant"], "tags": ["nobody"]},
    )
    assert result["ticketCount"] == 1
    assert result["currentState"] == ["tags"]
    assert result["isComplete"]
    assert counts == [
        await model.all().count() for model in (Event, AuditEntry, TicketTag, AutomationRun)
    ]
    bad = {
        "event": "SLA_BREACHED",
        "delayMinutes": 5,
        "conditions": {
            "tags": [" "],
            "contains": ["!", "x" * 200],
            "country": ["ZZ"],
            "teamIds": [team, encode("Team", 9_999)],
            "offerIds": ["x"],
            "assigneeIds": [user_id(automations.paul)],  # no member of staff
            "channel": [],  # nothing would meet it
        },
        "exceptions": {"assigneeIds": ["x"] * 21},
        "actions": {"replyFr": "{agent.name}", "assignToViewer": True},
    }
    response = await automations.execute(agents.sonia, DRY_RUN, d=bad, days=1)
    errors = response["errors"][0]["extensions"]["errors"]
    assert {".".join(error["field"][1:]) for error in errors} == {
        "delayMinutes",
        "conditions.tags.0",
        "conditions.contains.0",
        "conditions.contains.1",
        "conditions.country.0",
        "conditions.teamIds.1",
        "conditions.offerIds.0",
        "conditions.assigneeIds.0",
        "conditions.channel",
        "exceptions.assigneeIds",
        "actions.replyFr",
        "actions.assignToViewer",
    }
    response = await automations.execute(agents.sonia, DRY_RUN, d=None, days=91)
    assert response["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_p6_2_an_automation_with_a_delay_acts_unless_something_newer_has_happened(
    automations: Automations, clock: MovableClock
) -> None:
    agents = automations.agents
    clock.time = datetime.fromisoformat("2026-12-04T15:00+00:00")  # a Friday, 16:00 in Paris
    reminder = {"replyFr": "Avez-vous lu notre réponse ?", "addTags": ["relance"]}
    await automations.enable(
        "Relance",
        "AGENT_REPLIED",
        reminder,
        delayMinutes=4 * 60,
        delayInBusinessTime=True,
        conditions={"status": ["PENDING"]},
    )
    await automations.enable("Attente", "CUSTOMER_REPLIED", {"priority": "HIGH"}, delayMinutes=60)
    silent, answered, reopened = [await automations.open() for _ in range(3)]
    for ticket in (silent, answered, reopened):
        await automations.reply(agents.alice, ticket)
        await automations.move(ticket, "PENDING")
    assert await automations.run() == 0
    assert await AutomationTimer.all().count() == 3
    await automations.reply(automations.paul, answered)
    await automations.move(reopened, "OPEN")
    assert await automations.run(59) == 0
    assert await automations.run(1) == 1  # Paul has waited for an hour
    assert (await automations.log(answered))["priority"] == "HIGH"
    assert await automations.run(2 * DAY) == 0  # a weekend, of which no hour counts
    assert await automations.run(60) == 0
    clock.time = datetime.fromisoformat("2026-12-07T12:00+00:00")
    assert await automations.run() == 1
    assert (await automations.log(silent))["tags"] == ["relance"]
    assert await automations.run(7 * DAY) == 0
    for ticket in (answered, reopened):
        assert "relance" not in (await automations.log(ticket))["tags"]
    assert await AutomationTimer.all().count() == 0
    # The same from the past, without the automation.
    result = await automations.dry_run(
        event="AGENT_REPLIED",
        delayMinutes=4 * 60,
        delayInBusinessTime=True,
        conditions={"status": ["PENDING"], "contains": ["facture"]},
    )
    assert [match["ticket"]["id"] for match in result["matches"]] == [silent]


async def test_p6_2_a_changed_or_disabled_automation_drops_what_it_waits_for(
    automations: Automations,
) -> None:
    delayed = {"event": "TICKET_OPENED", "delayMinutes": 60, "actions": {"addTags": ["tard"]}}
    await automations.run(1)
    ids = [
        await automations.enable(name, "TICKET_OPENED", {"addTags": ["tard"]}, delayMinutes=60)
        for name in ("Délai", "Arrêt", "Texte")
    ]
    assert await automations.run(1) == 0
    ticket = await automations.open()
    assert await automations.run(1) == 0
    later = {"name": "Délai", "definition": delayed | {"delayMinutes": 90}}
    await automations.change("automationUpdate", ids[0], **later)
    await automations.change("automationSetEnabled", ids[1], enabled=False)
    other = {"name": "Texte", "definition": delayed | {"actions": {"addTags": ["autre"]}}}
    await automations.change("automationUpdate", ids[2], **other)
    await automations.change("automationSetEnabled", ids[1], enabled=True)
    assert await automations.run(100) == 1
    log = await automations.log(ticket)
    assert log["tags"] == ["autre"]
    assert [run["version"]["number"] for run in log["automationRuns"]] == [2]


async def test_p6_2_automations_never_do_what_a_person_couldnt(automations: Automations) -> None:
    agents = automations.agents
    closing = {"status": "CLOSED", "replyFr": "C’est fait.", "addTags": ["clos"]}
    automation = await automations.enable("Clôture", "AGENT_REPLIED", closing)
    legal = await automations.open(category="SECURITY")
    await automations.reply(agents.alice, legal)
    plain = await automations.open()
    await automations.reply(agents.alice, plain)
    assert await automations.run(1) == 2
    # Runs that a process of an older release has logged are found as well.
    await AutomationRun.all().update(is_refused=None)
    another = await automations.open("Autre", category="SECURITY")
    await automations.reply(agents.alice, another)
    assert await automations.run(1) == 1
    runs = await automations.runs(automation)
    assert runs == {"all": [another, plain, legal], "refused": [another, legal], "others": [plain]}
    log = await automations.log(legal)
    assert (log["status"], log["tags"]) == ("OPEN", [])  # nothing, rather than a half
    assert await automations.reasons(legal) == [["LEGAL_REQUEST"]]
    assert log["automationRuns"][0]["message"] is None
    key = (decode(legal) or ("", 0))[1]  # whoever looks at the ticket is told
    assert await Event.exists(stream=INBOX, kind=EventKind.TICKET_UPDATED, ticket_id=key)
    assert (await automations.log(plain))["status"] == "CLOSED"
    result = await automations.dry_run(
        event="AGENT_REPLIED", actions=closing, conditions={"contains": ["facture"]}
    )
    assert (result["matchCount"], result["refusedCount"]) == (2, 1)
    await automations.change("automationArchive", automation)
    # An agent who has left, and a team that is archived.
    team = (await agents.create_team(agents.sonia, name="Niveau 2"))["team"]["id"]
    assignment = {"assigneeId": user_id(agents.bruno), "teamId": team}
    await automations.enable("Niveau 2", "CUSTOMER_REPLIED", assignment)
    await mutate(automations.execute, agents.sonia, "teamArchive", "", teamId=team)
    await User.filter(pk=agents.bruno.user_id).update(staff=Staff.ANALYST)
    await automations.reply(automations.paul, legal)
    assert await automations.run() == 1
    assert (await automations.reasons(legal))[1:] == [["TEAM_ARCHIVED", "AGENT_LEFT"]]


async def test_p6_2_chains_end_and_customers_get_few_messages(automations: Automations) -> None:
    await automations.enable(
        "Pong", "STATUS_CHANGED", {"status": "OPEN"}, conditions={"status": ["PENDING"]}
    )
    await automations.enable(
        "Ping", "STATUS_CHANGED", {"status": "PENDING"}, conditions={"status": ["OPEN"]}
    )
    await automations.enable("Accusé", "CUSTOMER_REPLIED", {"replyFr": "Bien reçu."})
    ticket = await automations.open()
    await automations.move(ticket, "OPEN")
    assert [await automations.run() for _ in range(4)] == [1, 1, 0, 0]
    assert [run["depth"] for run in (await automations.log(ticket))["automationRuns"]] == [0, 1]
    await automations.move(ticket, "ON_HOLD")
    for _ in range(4):
        await automations.reply(automations.paul, ticket)
    while await automations.run():
        pass
    refusals = (await automations.reasons(ticket))[2:]
    assert refusals == [[], [], ["MESSAGE_LIMIT"], ["MESSAGE_LIMIT"]]
    assert await Message.filter(body="Bien reçu.").count() == 2
    others = [await automations.open() for _ in range(4)]
    for other in others:
        await automations.reply(automations.paul, other)
    await automations.run()
    assert await Message.filter(body="Bien reçu.").count() == 5  # to Paul, in all of his tickets
    automations.clock.advance(timedelta(days=1))
    await automations.reply(automations.paul, ticket)
    await automations.run()
    assert await Message.filter(body="Bien reçu.").count() == 6


async def test_p6_2_a_long_chain_is_cut(automations: Automations) -> None:
    statuses = ["OPEN", "PENDING", "ON_HOLD", "PENDING", "OPEN", "ON_HOLD"]
    steps = list(enumerate(pairwise(statuses)))
    for number, (before, after) in reversed(steps):  # so that none follows for the same event
        await automations.enable(
            f"Étape {number}",
            "STATUS_CHANGED",
            {"status": after, "addTags": [f"n{number}"], "removeTags": [f"n{number - 1}"]},
            conditions={"status": [before]} | ({"tags": [f"n{number - 1}"]} if number else {}),
        )
    ticket = await automations.open()
    await automations.move(ticket, "OPEN")
    while await automations.run():
        pass
    assert await automations.reasons(ticket) == [[], [], [], [], ["CHAIN_LIMIT", "CHAIN_LIMIT"]]
    assert (await automations.log(ticket))["tags"] == ["n3"]


async def test_p6_2_a_missed_target_starts_an_automation(
    automations: Automations, clock: MovableClock
) -> None:
    clock.time = datetime.fromisoformat("2026-12-01T09:00+00:00")
    await check_clocks(automations.action())  # those of other tickets
    await SlaPolicy.all().update(first_response_minutes=60)
    await automations.enable("Retard", "SLA_BREACHED", {"priority": "URGENT", "note": "En retard"})
    ticket = await automations.open()
    for minutes, count in ((50, 0), (20, 1), (60, 0)):
        clock.advance(timedelta(minutes=minutes))
        await check_clocks(automations.action())
        assert await automations.run() == count
    log = await automations.log(ticket)
    assert log["priority"] == "URGENT"
    assert log["automationRuns"][0]["note"] == {"body": "En retard"}
    only = {"contains": ["facture"]}
    result = await automations.dry_run(event="SLA_BREACHED", conditions=only)
    assert [match["ticket"]["id"] for match in result["matches"]] == [ticket]
