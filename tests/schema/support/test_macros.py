"""P6.2: agents apply macros, which do everything or nothing."""

import asyncio
from typing import Any

import pytest

from models.action import Action
from models.audit import AuditEntry
from models.event import INBOX, Event, ticket_stream
from models.identity.user import Staff, User
from models.support.classification import Category
from models.support.file import File
from models.support.macro import MacroUse
from models.support.message import Message
from models.support.note import Note
from models.support.team import Team
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.ids import decode, encode
from tests.people import create_staff_viewer
from tests.schema.billing.catalogue_fixtures import codes, mutate
from tests.schema.support.test_assignment import Agents, user_id
from tests.schema.support.test_assignment import agents as agents

ACTIONS = """replyFr replyEn note priority addTags removeTags teamId assigneeId assignToViewer
    category status snoozeMinutes"""
MACRO = (
    f"macro {{ id name viewerCanChange owner {{ name }} team {{ name }} actions {{ {ACTIONS} }} }}"
)
NOTHING = dict.fromkeys(ACTIONS.split()) | {
    "addTags": [],
    "removeTags": [],
    "assignToViewer": False,
}
USE = """macroUse { id kinds macro { name } user { name } message { body author { name } }
    note { body } ticket { status priority tags team { name } assignee { name } snoozedUntil } }"""
TIMELINE = """query($id: ID!) { node(id: $id) { ... on Ticket {
    macroUses { kinds macro { name } user { name } } } } }"""


class Macros:
    def __init__(self, agents: Agents) -> None:
        self.agents, self.execute = agents, agents.execute
        self.ticket_id = agents.ticket_id

    async def create(self, viewer: Viewer, name: str, **fields: Any) -> dict[str, Any]:
        fields = {"name": name, "idempotencyKey": name, **fields}
        return await mutate(self.execute, viewer, "macroCreate", MACRO, **fields)

    async def shared(self, **actions: Any) -> str:
        """The ID of a macro of all agents."""
        payload = await self.create(
            self.agents.sonia, f"{actions}"[:60], personal=False, actions=actions
        )
        assert codes(payload) == []
        return str(payload["macro"]["id"])

    async def apply(self, viewer: Viewer, macro_id: str, key: str = "k") -> dict[str, Any]:
        fields = {"macroId": macro_id, "ticketId": self.ticket_id, "idempotencyKey": key}
        return await mutate(self.execute, viewer, "macroApply", USE, **fields)

    async def names(self, viewer: Viewer) -> list[str]:
        response = await self.execute(viewer, "{ macros { totalCount nodes { name } } }")
        found = response["data"]["macros"]
        assert found["totalCount"] == len(found["nodes"])
        return [each["name"] for each in found["nodes"]]

    async def state(self) -> list[Any]:
        """Everything that a macro could change."""
        key = (decode(self.ticket_id) or ("", 0))[1]
        ticket = await Ticket.get(pk=key)
        return [
            dict(vars(ticket)),
            await Message.filter(ticket_id=key).count(),
            await Note.filter(ticket_id=key).count(),
            await MacroUse.all().count(),
            await Event.filter(stream__in=[INBOX, ticket_stream(key)]).count(),
            await AuditEntry.all().count(),
        ]


@pytest.fixture
def macros(agents: Agents) -> Macros:
    return Macros(agents)


async def test_p6_2_a_macro_does_all_of_its_actions_as_the_agent(macros: Macros) -> None:
    agents, paul = macros.agents, macros.agents.dataset.paul
    team = (await agents.create_team(agents.sonia, name="Facturation"))["team"]["id"]
    actions = {
        "replyFr": "Bonjour {customer.name}, votre avoir arrive.\n{agent.name}",
        "replyEn": "Hello {customer.name}",
        "note": "Avoir promis pour {ticket.number}",
        "priority": "HIGH",
        "addTags": ["Avoir", "avoir"],
        "removeTags": ["vip"],
        "teamId": team,
        "status": "PENDING",
        "snoozeMinutes": 60,
    }
    await agents.change(agents.alice, "ticketUpdate", addTags=["vip", "export"])
    for _ in range(2):  # a repeat returns the same
        payload = await macros.create(agents.sonia, "Avoir", personal=False, actions=actions)
    assert payload["macro"]["actions"] == NOTHING | actions | {"addTags": ["avoir"]}
    assert payload["macro"]["owner"] is None
    macro = payload["macro"]["id"]
    key = (decode(macros.ticket_id) or ("", 0))[1]
    number, events = (await Ticket.get(pk=key)).number, await Event.all().count()
    use = (await macros.apply(agents.alice, macro))["macroUse"]
    ticket = use["ticket"]
    assert ticket.pop("snoozedUntil")
    assert ticket == {
        "status": "PENDING",
        "priority": "HIGH",
        "tags": ["avoir", "export"],
        "team": {"name": "Facturation"},
        "assignee": None,  # any member of the team can claim it
    }
    name = paul.owner.user and paul.owner.user.name
    assert use["message"] == {
        "body": f"Bonjour {name}, votre avoir arrive.\nAlice",
        "author": {"name": "Alice"},
    }
    assert use["note"] == {"body": f"Avoir promis pour {number}"}
    assert use["kinds"] == ["REPLY", "ASSIGN", "STATUS", "PRIORITY", "TAGS", "NOTE", "SNOOZE"]
    # Everything is the agent's, and the log names the macro.
    assert {each.actor_id for each in (await Event.all().order_by("id"))[events:]} == {
        agents.alice.user_id
    }
    entries = await AuditEntry.filter(actor_id=agents.alice.user_id).order_by("-id").limit(4)
    assert [entry.action for entry in entries] == [
        "ticket.classify",
        "ticket.move",
        "ticket.transfer",
        "macro.apply",
    ]
    assert f'"macro":{(decode(macro) or ("", 0))[1]}' in entries[-1].details
    # A repeat does nothing more; the key belongs to this macro and ticket.
    before = await macros.state()
    assert (await macros.apply(agents.alice, macro))["macroUse"]["id"] == use["id"]
    other = await macros.shared(note="x")
    assert codes(await macros.apply(agents.alice, other)) == [
        ("IDEMPOTENCY_MISMATCH", "idempotencyKey")
    ]
    before[-1] += 1  # the other macro
    assert await macros.state() == before
    uses = [{"kinds": use["kinds"], "macro": {"name": "Avoir"}, "user": {"name": "Alice"}}]
    for viewer, seen in ((agents.bruno, uses), (paul.owner, [])):
        response = await agents.execute(viewer, TIMELINE, id=macros.ticket_id)
        assert response["data"]["node"] == {"macroUses": seen}
    response = await agents.execute(paul.owner, "{ macros { totalCount } }")
    assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_p6_2_a_reply_by_macro_takes_the_ticket_and_speaks_the_customers_language(
    macros: Macros,
) -> None:
    agents = macros.agents
    macro = await macros.shared(replyFr="Bonjour", replyEn="Hello {customer.name}")
    await User.filter(pk=agents.dataset.paul.owner.user_id).update(locale="en")
    use = (await macros.apply(agents.alice, macro))["macroUse"]
    assert use["message"]["body"].startswith("Hello ")
    assert (use["ticket"]["status"], use["ticket"]["assignee"]) == ("OPEN", {"name": "Alice"})
    assert (await Ticket.get(pk=(decode(macros.ticket_id) or ("", 0))[1])).first_response_at
    french = await macros.shared(replyFr="Seulement en français", assignToViewer=True)
    use = (await macros.apply(agents.alice, french, "2"))["macroUse"]
    assert use["message"]["body"] == "Seulement en français"
    # Somebody else's ticket is answered, but not taken away from them.
    use = (await macros.apply(agents.bruno, macro, "3"))["macroUse"]
    assert use["ticket"]["assignee"] == {"name": "Alice"}
    payload = await macros.apply(agents.bruno, french, "4")
    assert codes(payload) == [("NOT_ASSIGNED", "ticketId")]
    assert (await macros.apply(agents.sonia, french, "5"))["macroUse"]["ticket"]["assignee"] == {
        "name": "Sonia"
    }


async def test_p6_2_a_macro_that_cant_do_everything_does_nothing_and_says_all_that_is_wrong(
    macros: Macros, action: Action
) -> None:
    agents = macros.agents
    team = (await agents.create_team(agents.sonia, name="Niveau 2"))["team"]["id"]
    carole = await create_staff_viewer(action, "Carole", Staff.AGENT)
    macro = await macros.shared(
        replyFr="Au revoir {company.name}",
        note="Fermé",
        addTags=["fini"],
        teamId=team,
        assigneeId=user_id(carole),
        status="CLOSED",
    )
    key = (decode(macros.ticket_id) or ("", 0))[1]
    before = await macros.state()
    payload = await macros.apply(agents.alice, macro)
    assert codes(payload) == [("VALUE_INVALID", "macroId")]  # Carole isn't in the team
    await Team.filter(name="Niveau 2").update(archived_at=action.at)
    await User.filter(pk=carole.user_id).update(staff=Staff.ANALYST)
    await Ticket.filter(pk=key).update(deadline_at=action.at, category=Category.SECURITY)
    before = await macros.state()
    payload = await macros.apply(agents.alice, macro)
    assert payload["macroUse"] is None
    assert codes(payload) == [
        ("NOT_FOUND", "macroId"),
        ("NOT_FOUND", "macroId"),
        ("TRANSITION_ILLEGAL", "ticketId"),
    ]
    assert [error["message"] for error in payload["userErrors"]] == [
        "L’équipe de cette macro a été archivée.",
        "L’agent de cette macro ne répond plus aux clients.",
        "Il s’agit d’une demande légale. Clôturez-la séparément, en indiquant un motif.",
    ]
    assert await macros.state() == before
    # The same key works once it is possible.
    await Ticket.filter(pk=key).update(deadline_at=None, category=Category.USAGE)
    closing = await macros.shared(replyFr="Au revoir", status="CLOSED")
    assert codes(await macros.apply(agents.alice, closing)) == []
    payload = await macros.apply(agents.alice, closing, "again")
    assert codes(payload) == [("TRANSITION_ILLEGAL", "ticketId")]
    handing = await macros.shared(replyFr="Au revoir", assignToViewer=True, snoozeMinutes=5)
    payload = await macros.apply(agents.alice, handing, "hand")
    assert codes(payload) == [("TRANSITION_ILLEGAL", "ticketId")]  # once for three actions
    sorting = await macros.shared(addTags=["plus tard"], note="Relire")
    assert codes(await macros.apply(agents.alice, sorting, "sort")) == []


async def test_p6_2_macros_belong_to_one_agent_or_all_and_are_archived(
    macros: Macros, action: Action
) -> None:
    agents = macros.agents
    alice, bruno, sonia = agents.alice, agents.bruno, agents.sonia
    omar = await create_staff_viewer(action, "Omar", Staff.OPERATOR)
    own = (await macros.create(alice, "Merci", actions={"replyFr": "Merci"}))["macro"]
    assert (own["owner"], own["viewerCanChange"]) == ({"name": "Alice"}, True)
    await macros.create(bruno, "Merci", actions={"replyFr": "Merci"})  # his own
    taken = await macros.create(
        alice, "Merci", actions={"replyFr": "Merci"}, idempotencyKey="other"
    )
    assert codes(taken) == [("NAME_TAKEN", "name")]
    operators = {"personal": False, "actions": {"note": "n"}}
    shared = (await macros.create(omar, "Relance", **operators))["macro"]["id"]
    for viewer, names in (
        (alice, ["Merci", "Relance"]),
        (sonia, ["Relance"]),
        (omar, ["Relance"]),
    ):
        assert await macros.names(viewer) == names
    forbidden = "mutation($i: MacroCreateInput!) { macroCreate(input: $i) { macro { id } } }"
    for viewer, personal in ((alice, False), (omar, True)):
        fields = {"name": "x", "actions": {"note": "n"}, "personal": personal}
        response = await macros.execute(viewer, forbidden, i={**fields, "idempotencyKey": "x"})
        assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    changed = await mutate(
        macros.execute,
        sonia,
        "macroUpdate",
        MACRO,
        macroId=shared,
        name="Relance 2",
        actions={"addTags": ["relance"]},
    )
    assert changed["macro"]["actions"] == NOTHING | {"addTags": ["relance"]}
    hidden = {"macroId": own["id"], "name": "x", "actions": {"note": "n"}}
    payload = await mutate(macros.execute, bruno, "macroUpdate", MACRO, **hidden)
    assert codes(payload) == [("NOT_FOUND", "macroId")]
    assert codes(await macros.apply(bruno, own["id"])) == [("NOT_FOUND", "macroId")]
    await mutate(macros.execute, alice, "macroArchive", MACRO, macroId=own["id"])
    assert codes(await macros.apply(alice, own["id"])) == [("NOT_ACTIVE", "macroId")]
    payload = await mutate(macros.execute, alice, "macroUpdate", MACRO, **hidden)
    assert codes(payload) == [("NOT_ACTIVE", "macroId")]
    assert await macros.names(alice) == ["Relance 2"]
    assert (
        codes(await macros.create(alice, "Merci", actions={"note": "n"}, idempotencyKey="n")) == []
    )


async def test_p6_2_macros_of_a_team_are_for_its_members(macros: Macros, action: Action) -> None:
    agents = macros.agents
    omar = await create_staff_viewer(action, "Omar", Staff.OPERATOR)
    members = {"memberIds": [user_id(agents.bruno)], "categories": ["BILLING"]}
    team = (await agents.create_team(agents.sonia, name="Facturation", **members))["team"]["id"]
    fields = {"personal": False, "teamId": team, "actions": {"category": "BILLING"}}
    macro = (await macros.create(agents.sonia, "Avoir", **fields))["macro"]
    assert (macro["owner"], macro["team"]) == (None, {"name": "Facturation"})
    for viewer, is_seen in (
        (agents.alice, False),
        (agents.bruno, True),
        (agents.sonia, True),
        (omar, True),
    ):
        assert await macros.names(viewer) == ["Avoir"] * is_seen
    # Names are unique in the team.
    taken = await macros.create(omar, "Avoir", **fields, idempotencyKey="2")
    assert codes(taken) == [("NAME_TAKEN", "name")]
    assert codes(await macros.create(agents.alice, "Avoir", actions={"note": "n"})) == []
    wrong = {"teamId": team, "actions": {"category": "SECURITY"}, "idempotencyKey": "3"}
    assert codes(await macros.create(agents.bruno, "Faux", **wrong)) == [
        ("CATEGORY_FIXED", "actions.category"),
        ("VALUE_INVALID", "teamId"),
    ]
    assert codes(await macros.apply(agents.alice, macro["id"])) == [("NOT_FOUND", "macroId")]
    use = (await macros.apply(agents.bruno, macro["id"]))["macroUse"]
    # Nobody had the ticket, so it goes where its new category is answered.
    assert (use["kinds"], use["ticket"]["team"]) == (["CATEGORY"], {"name": "Facturation"})
    ticket = Ticket.filter(pk=(decode(macros.ticket_id) or ("", 0))[1])
    assert (await ticket.get()).category is Category.BILLING
    await ticket.update(category=Category.BUG, deadline_at=action.at)
    payload = await macros.apply(agents.bruno, macro["id"], "2")
    assert codes(payload) == [("CATEGORY_FIXED", "ticketId")]


FILES = """query($id: ID!) { node(id: $id) { ... on Ticket { messages(last: 1) { nodes {
    files { id name size status } } } } ... on Macro { files { id name } } } }"""


async def test_p6_2_each_message_of_a_macro_has_copies_of_its_files(
    macros: Macros, action: Action
) -> None:
    agents, paul = macros.agents, macros.agents.dataset.paul
    alice, bruno, sonia = agents.alice, agents.bruno, agents.sonia

    async def upload(viewer: Viewer, name: str) -> str:
        file = await File.create(
            key=f"stored {name}",
            uploader=viewer.user,
            name=name,
            content_type="application/pdf",
            size=3,
            created_at=action.at,
            uploaded_at=action.at,
            cleared_at=action.at,
        )
        return encode("File", file.pk)

    async def node(viewer: Viewer, row_id: str) -> Any:
        return (await macros.execute(viewer, FILES, id=row_id))["data"]["node"]

    async def update(viewer: Viewer, **fields: Any) -> dict[str, Any]:
        fields = {"macroId": macro, "name": "Guide", "actions": reply} | fields
        return await mutate(macros.execute, viewer, "macroUpdate", MACRO, **fields)

    guide, other = await upload(sonia, "guide.pdf"), await upload(sonia, "tarifs.pdf")
    reply, shared = {"replyFr": "Voici le guide."}, {"personal": False, "fileIds": [guide]}
    for fields in (
        {"actions": {"note": "n"}, **shared},  # no message to attach it to
        {"actions": {"replyFr": "x"}, "fileIds": [await upload(bruno, "de-bruno.pdf")]},
    ):
        viewer = sonia if "personal" in fields else alice
        code = "VALUE_INVALID" if viewer is sonia else "FILE_REFUSED"
        assert codes(await macros.create(viewer, "Faux", **fields)) == [(code, "fileIds")]
    for _ in range(2):  # a repeat returns the same
        macro = (await macros.create(sonia, "Guide", actions=reply, **shared))["macro"]["id"]
    assert (await node(bruno, macro))["files"] == [{"id": guide, "name": "guide.pdf"}]
    use = (await macros.apply(alice, macro))["macroUse"]
    assert use["message"]["body"] == "Voici le guide."
    await macros.apply(bruno, macro, "again")
    for viewer in (alice, paul.owner):
        [message] = (await node(viewer, macros.ticket_id))["messages"]["nodes"]
        [copy] = message["files"]
        assert copy == {"id": copy["id"], "name": "guide.pdf", "size": 3, "status": "AVAILABLE"}
    assert await File.filter(content_key="stored guide.pdf").count() == 2
    # Customers see the copies in their tickets, not the macro's own file.
    exists = "query($id: ID!) { node(id: $id) { id } }"
    for viewer, file_id, is_seen in (
        (paul.owner, copy["id"], True),
        (agents.dataset.marie.owner, copy["id"], False),
        (paul.owner, guide, False),
        (bruno, guide, True),
    ):
        response = await macros.execute(viewer, exists, id=file_id)
        assert (response["data"]["node"] is not None) is is_seen
    # Whoever changes the macro keeps its files, takes them out, or adds their own.
    assert codes(await update(sonia, name="Guides")) == []
    assert codes(await update(sonia, actions={"note": "n"})) == [("VALUE_INVALID", "fileIds")]
    assert codes(await update(sonia, fileIds=[guide, other])) == []
    assert codes(await update(sonia, fileIds=[other])) == []
    assert [each["name"] for each in (await node(bruno, macro))["files"]] == ["tarifs.pdf"]
    assert codes(await update(sonia, fileIds=[copy["id"]])) == [("FILE_REFUSED", "fileIds")]
    await File.filter(name="tarifs.pdf").update(infected_at=action.at)
    assert codes(await macros.apply(alice, macro, "virus")) == [("FILE_REFUSED", "macroId")]
    # A personal macro's files are its owner's alone.
    own: dict[str, Any] = {"actions": reply, "fileIds": [await upload(alice, "moi.pdf")]}
    assert codes(await macros.create(alice, "Moi", **own)) == []
    for viewer, is_seen in ((alice, True), (bruno, False), (sonia, False)):
        response = await macros.execute(viewer, exists, id=own["fileIds"][0])
        assert (response["data"]["node"] is not None) is is_seen
    await mutate(macros.execute, sonia, "macroArchive", MACRO, macroId=macro)
    assert (await node(sonia, macro))["files"] == []


async def test_p6_2_a_macro_that_is_applied_at_once_twice_is_applied_once(macros: Macros) -> None:
    macro = await macros.shared(replyFr="Une fois", addTags=["une"])
    payloads = await asyncio.gather(*(macros.apply(macros.agents.alice, macro) for _ in range(4)))
    assert len({payload["macroUse"]["id"] for payload in payloads}) == 1
    assert await Message.filter(body="Une fois").count() == 1
