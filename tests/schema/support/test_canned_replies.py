"""P6.2: agents answer with texts that they use repeatedly."""

from typing import Any

import pytest

from models.accounts.account import Account
from models.action import Action
from models.identity.user import User
from models.support.canned_reply import CannedReply
from models.viewer import Viewer
from resolvers.ids import encode
from tests.schema.content.test_feedback import TEXTS, create_article
from tests.schema.support.test_assignment import Agents, user_id
from tests.schema.support.test_assignment import agents as agents
from tests.schema.support.test_inbox import reply

REPLY = "id shortcut name bodyFr bodyEn viewerCanChange owner { name } team { name }"
LIST = """query($s: String) { cannedReplies(search: $s) {
    totalCount nodes { shortcut viewerCanChange } } }"""
RENDERED = """query($r: ID!, $t: ID!, $l: Locale) {
    renderedReply(cannedReplyId: $r, ticketId: $t, locale: $l) { body locale } }"""


class Replies:
    """The canned replies of Alice, of Bruno, of a team, and of everyone."""

    def __init__(self, agents: Agents) -> None:
        self.agents = agents

    async def change(self, viewer: Viewer, mutation: str, **fields: Any) -> dict[str, Any]:
        kind = f"{mutation[0].upper()}{mutation[1:]}Input"
        entity = "deleted" if mutation == "cannedReplyDelete" else f"cannedReply {{ {REPLY} }}"
        query = f"""mutation($i: {kind}!) {{ {mutation}(input: $i) {{
            {entity} userErrors {{ code message field }} }} }}"""
        response = await self.agents.execute(viewer, query, i=fields)
        result: dict[str, Any] = response["data"][mutation] or response["errors"][0]["extensions"]
        return result

    async def create(self, viewer: Viewer, shortcut: str, **fields: Any) -> dict[str, Any]:
        fields = {"name": f"Nom de {shortcut}", "bodyFr": "Bonjour", **fields}
        return await self.change(
            viewer,
            "cannedReplyCreate",
            shortcut=shortcut,
            idempotencyKey=f"{shortcut} {fields}"[:64],
            **fields,
        )

    async def find(self, viewer: Viewer, search: str | None = None) -> dict[str, bool]:
        """The shortcuts that a search finds, and whether the viewer may change each."""
        response = await self.agents.execute(viewer, LIST, s=search)
        found = response["data"]["cannedReplies"]
        assert found["totalCount"] == len(found["nodes"])
        return {each["shortcut"]: each["viewerCanChange"] for each in found["nodes"]}

    async def render(self, viewer: Viewer, reply_id: str, locale: str | None = None) -> Any:
        variables = {"r": reply_id, "t": self.agents.ticket_id, "l": locale}
        response = await self.agents.execute(viewer, RENDERED, **variables)
        return response["data"]["renderedReply"]


@pytest.fixture
def replies(agents: Agents) -> Replies:
    return Replies(agents)


async def test_p6_2_replies_belong_to_one_agent_a_team_or_all(replies: Replies) -> None:
    agents = replies.agents
    alice, bruno, sonia = agents.alice, agents.bruno, agents.sonia
    payload = await agents.create_team(sonia, name="Facturation", memberIds=[user_id(alice)])
    team = payload["team"]["id"]
    own = await replies.create(alice, "/Merci")
    assert own["cannedReply"] == {
        "id": own["cannedReply"]["id"],
        "shortcut": "merci",
        "name": "Nom de /Merci",
        "bodyFr": "Bonjour",
        "bodyEn": None,
        "viewerCanChange": True,
        "owner": {"name": "Alice"},
        "team": None,
    }
    assert (await replies.create(alice, "/Merci"))["cannedReply"] == own["cannedReply"]  # a repeat
    await replies.create(bruno, "merci")  # his own
    [error] = (await replies.create(alice, "merci", name="Autre"))["userErrors"]
    assert (error["code"], error["field"]) == ("NAME_TAKEN", ["input", "shortcut"])
    shared = await replies.create(alice, "avoir", teamId=team)
    assert shared["cannedReply"]["team"] == {"name": "Facturation"}
    assert (await replies.create(bruno, "avoir-2", teamId=team))["code"] == "FORBIDDEN"
    assert (await replies.create(alice, "tous", personal=False))["code"] == "FORBIDDEN"
    await replies.create(sonia, "tous", personal=False, name="Réouverture du compte")
    assert await replies.find(alice) == {"avoir": True, "merci": True, "tous": False}
    assert await replies.find(bruno) == {"merci": True, "tous": False}
    assert await replies.find(sonia) == {"avoir": True, "tous": True}
    for search, found in (
        ("/me", {"merci"}),
        ("compte reouv", {"tous"}),
        ("nom de", {"avoir", "merci"}),
    ):
        assert set(await replies.find(alice, search)) == found, search
    assert await replies.find(alice, "%") == await replies.find(alice)
    # Whoever uses a reply may not be among those who change it.
    [everyone] = await CannedReply.filter(shortcut="tous")
    fields = {"cannedReplyId": encode("CannedReply", everyone.pk), "shortcut": "x", "name": "x"}
    refused = await replies.change(alice, "cannedReplyUpdate", **fields, bodyFr="x")
    assert refused["code"] == "FORBIDDEN"
    changed = await replies.change(sonia, "cannedReplyUpdate", **fields, bodyEn="Hello")
    assert changed["cannedReply"]["bodyFr"] is None
    reply_id = {"cannedReplyId": shared["cannedReply"]["id"]}
    assert (await replies.change(bruno, "cannedReplyDelete", **reply_id))["userErrors"][0][
        "code"
    ] == "NOT_FOUND"
    assert (await replies.change(alice, "cannedReplyDelete", **reply_id))["deleted"] is True
    assert await replies.find(alice) == {"merci": True, "x": False}
    response = await agents.execute(agents.dataset.paul.owner, LIST)
    assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_p6_2_variables_are_filled_in_on_the_server(replies: Replies) -> None:
    agents = replies.agents
    paul = agents.dataset.paul
    created = await replies.create(
        agents.alice,
        "salut",
        bodyFr="Bonjour { customer.name } ({company.name}), {ticket.number} : {a: 1} "
        "{ticket.subject}\n{agent.name}",
        bodyEn="Hello {customer.name}",
    )
    reply_id = created["cannedReply"]["id"]
    # What people are called is text, even if it looks like a variable.
    await User.filter(pk=paul.owner.user_id).update(name="{agent.name} <b>")
    await Account.filter(pk=paul.account.pk).update(trade_name="Chez Paul")
    query = "query($id: ID!) { node(id: $id) { ... on Ticket { number subject } } }"
    ticket = (await agents.execute(agents.alice, query, id=agents.ticket_id))["data"]["node"]
    assert await replies.render(agents.alice, reply_id) == {
        "body": f"Bonjour {{agent.name}} <b> (Chez Paul), {ticket['number']} : {{a: 1}} "
        f"{ticket['subject']}\nAlice",
        "locale": "FR",
    }
    english = {"body": "Hello {agent.name} <b>", "locale": "EN"}
    assert await replies.render(agents.alice, reply_id, "EN") == english
    await User.filter(pk=paul.owner.user_id).update(locale="en")
    assert await replies.render(agents.alice, reply_id) == english
    assert await replies.render(agents.bruno, reply_id) is None  # Alice's own
    payload = await replies.create(
        agents.alice,
        "faux",
        bodyFr="{customer.nom} {foo} {customer.nom}",
        bodyEn="{agent.name} {b.c}",
    )
    french, english_error = payload["userErrors"]
    assert (french["code"], french["field"]) == ("VARIABLE_UNKNOWN", ["input", "bodyFr"])
    assert "{customer.nom}, {foo}." in french["message"]
    assert "{b.c}." in english_error["message"]


async def test_p5_7_agents_are_suggested_articles_that_may_answer_a_ticket(
    agents: Agents, action: Action
) -> None:
    for slug in TEXTS:
        await create_article(action, slug)
    query = "query($id: ID!) { node(id: $id) { ... on Ticket { suggestedArticles { slug } } } }"
    await reply(agents, agents.dataset.paul.owner, "Comment activer le second facteur ?")
    for viewer, slugs in ((agents.alice, ["second-factor"]), (agents.dataset.paul.owner, [])):
        node = (await agents.execute(viewer, query, id=agents.ticket_id))["data"]["node"]
        assert [each["slug"] for each in node["suggestedArticles"]] == slugs
