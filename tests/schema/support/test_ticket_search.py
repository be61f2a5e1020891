"""P5.2, P6.2: full-text search over tickets, messages and, for agents, notes."""

import pytest

from models.support import search_entry
from models.viewer import Viewer
from support.search import index_new
from tests.schema.support.test_assignment import Agents
from tests.schema.support.test_assignment import agents as agents
from tests.schema.support.test_inbox import reply
from tests.schema.support.test_notes import add_note

QUERY = "query($f: TicketFilter) { tickets(filter: $f) { nodes { id number } } }"


async def find(agents: Agents, viewer: Viewer, search: str) -> list[str]:
    response = await agents.execute(viewer, QUERY, f={"search": search})
    return [each["id"] for each in response["data"]["tickets"]["nodes"]]


async def test_p5_2_people_find_tickets_by_what_was_written(agents: Agents) -> None:
    paul, marie = agents.dataset.paul, agents.dataset.marie
    ticket = agents.ticket_id
    await reply(agents, paul.owner, "Mes factures d’Été ont été payées deux fois")
    await agents.answer(agents.alice, "Nous vérifions auprès de la banque")
    await add_note(agents, agents.alice, "Prélèvement en double, voir Œuvre n° 42")
    assert await index_new() > 4
    assert await index_new() == 0
    for search in (
        "facture ete",
        "FACTURÉ payé",
        "banque facture",
        "banqu",
        "été-deux",
        "paulmark",
    ):
        for viewer in (agents.bruno, paul.owner, paul.member):
            assert await find(agents, viewer, search) == [ticket], search
        assert await find(agents, marie.owner, search) == []
    # What only agents see, only they find.
    for search in ("prélèvement", "double oeuvre", "42"):
        assert await find(agents, agents.bruno, search) == [ticket]
        assert await find(agents, paul.owner, search) == []
    for search in ("", "?", "facture inconnue", '"; DROP', "z:* | !b", "NOT banque OR"):
        assert await find(agents, agents.bruno, search) == [], search
    both = await find(agents, agents.bruno, "subject")
    assert len(both) == 2


async def test_a_search_finds_words_with_and_without_punctuation(agents: Agents) -> None:
    await reply(agents, agents.dataset.paul.owner, "L’e-mail du rendez-vous, via ocs.camcha.fr")
    await add_note(agents, agents.alice, "Un email, un rendez vous, TVA intra-communautaire")
    await index_new()
    found = [agents.ticket_id]
    for search in (
        "email",
        "e-mail",
        "E-MAILS",
        "rendezvous",
        "rendez-vous",
        "rendez vous",
        "intracommunautaire",
        "intra-communautaires",
        "ocs.camcha",
        "ocscamcha",
    ):
        assert await find(agents, agents.bruno, search) == found, search
        is_public = not search.startswith("intra")
        expected = found if is_public else []
        assert await find(agents, agents.dataset.paul.owner, search) == expected, search


# All tickets are compared, a sample and then all, or a sample and then the index is read.
@pytest.mark.parametrize(("sample", "frequent"), [(1_000, 0.05), (1, 0.05), (1, 2.0)])
async def test_all_ways_to_search_find_the_same(
    agents: Agents, monkeypatch: pytest.MonkeyPatch, sample: int, frequent: float
) -> None:
    """With many tickets, PostgreSQL compares texts, or reads its index."""
    await reply(agents, agents.dataset.paul.owner, "La facture intra-communautaire")
    await index_new()
    response = await agents.execute(agents.bruno, QUERY)
    newest = max(response["data"]["tickets"]["nodes"], key=lambda each: each["number"])["id"]
    monkeypatch.setattr(search_entry, "_SAMPLE", sample)
    monkeypatch.setattr(search_entry, "_FREQUENT", frequent)
    monkeypatch.setattr(search_entry, "_NEWER", 1)
    for search in ("subject", "sub"):
        assert len(await find(agents, agents.bruno, search)) == 2
    for search in ("subject facture", "intracommunautaire", "intra-communautaire sub"):
        for viewer in (agents.bruno, agents.dataset.paul.owner):
            assert await find(agents, viewer, search) == [agents.ticket_id], search
    assert await find(agents, agents.bruno, "subject inconnu") == []
    monkeypatch.setattr(search_entry, "MAX_TICKETS", 1)
    assert await find(agents, agents.bruno, "subject") == [newest]


async def test_p6_2_a_search_finds_a_ticket_by_its_number(agents: Agents) -> None:
    response = await agents.execute(agents.alice, QUERY)
    for each in response["data"]["tickets"]["nodes"]:
        for number in (each["number"], each["number"].lower(), each["number"].split("-")[-1]):
            assert await find(agents, agents.alice, number) == [each["id"]], number
    hidden = next(
        each["number"]
        for each in response["data"]["tickets"]["nodes"]
        if each["id"] != agents.ticket_id
    )
    assert await find(agents, agents.dataset.paul.owner, hidden) == []


@pytest.mark.parametrize("search", ["x" * 201, " ".join(map(str, range(100, 111)))])
async def test_a_search_has_a_limited_length(agents: Agents, search: str) -> None:
    response = await agents.execute(agents.alice, QUERY, f={"search": search})
    assert response["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
