"""P5.3: the status board as a page and as an Atom feed, for whoever has the link."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from models.action import Action
from models.support.classification import Category, Channel
from models.support.status_board import StatusBoard
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from support.status_board import take_snapshot
from tests.web.web_fixtures import ENGLISH, FRENCH, Site, camille, open_site

if TYPE_CHECKING:
    from tests.conftest import MovableClock

ATOM = {"a": "http://www.w3.org/2005/Atom"}
# The elements of RFC 4287 that we use, with what it requires of each (sections 3.3, 4.1 and 4.2).
ATOM_SCHEMA = """
<grammar xmlns="http://relaxng.org/ns/structure/1.0" ns="http://www.w3.org/2005/Atom"
    datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes">
  <start><element name="feed">
    <attribute name="xml:lang"><data type="language"/></attribute>
    <interleave>
      <ref name="common"/>
      <element name="author"><element name="name"><ref name="text"/></element></element>
      <zeroOrMore><element name="entry"><interleave>
        <ref name="common"/>
        <element name="published"><ref name="time"/></element>
        <element name="summary"><ref name="text"/></element>
      </interleave></element></zeroOrMore>
    </interleave>
  </element></start>
  <define name="common"><interleave>
    <element name="id"><data type="anyURI"/></element>
    <element name="title"><ref name="text"/></element>
    <element name="updated"><ref name="time"/></element>
    <oneOrMore><element name="link">
      <attribute name="href"><data type="anyURI"/></attribute>
      <choice>
        <group>
          <attribute name="rel"><value>self</value></attribute>
          <attribute name="type"><value>application/atom+xml</value></attribute>
        </group>
        <group>
          <attribute name="rel"><value>alternate</value></attribute>
          <attribute name="type"><value>text/html</value></attribute>
        </group>
      </choice>
    </element></oneOrMore>
  </interleave></define>
  <define name="text"><data type="string"><param name="minLength">1</param></data></define>
  <define name="time"><data type="dateTime"><param name="pattern">.*Z</param></data></define>
</grammar>"""


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(clock, tmp_path / "files") as site:
        yield site


@pytest.fixture
async def tickets(site: Site, clock: "MovableClock") -> list[Ticket]:
    """Camille's tickets in two snapshots: two are open, one is solved in the second."""
    viewer = await camille(site.action())
    tickets = [
        await open_ticket(site.action(), viewer.account, viewer.user, category)
        for category in (Category.BUG, Category.USAGE, Category.BILLING)
    ]
    assert await take_snapshot(site.action())
    clock.advance(timedelta(days=1))
    await tickets[1].transition_to(site.action(), TicketStatus.PENDING)
    await tickets[2].transition_to(site.action(), TicketStatus.SOLVED)
    clock.advance(timedelta(seconds=1))
    assert await take_snapshot(site.action())
    return tickets


async def open_ticket(action: Action, account: object, user: object, category: Category) -> Ticket:
    async with action.transaction() as tx:
        return await Ticket.open(
            tx,
            account,  # type: ignore[arg-type] # Camille's
            user,  # type: ignore[arg-type] # Camille
            subject="Confidentiel",
            channel=Channel.WEB,
            category=category,
        )


def texts(feed: etree._Element, xpath: str) -> list[str]:
    found = feed.xpath(xpath, namespaces=ATOM)
    assert isinstance(found, list)
    return [str(each) for each in found]


async def path() -> str:
    return f"/board/{(await StatusBoard.get()).token}"


async def test_p5_3_the_page_shows_the_board_and_its_history(
    site: Site, tickets: list[Ticket]
) -> None:
    board = await path()
    response = await site.client.get(board, headers=FRENCH)
    assert response.status_code == 200
    page = re.sub(r"<style>.*</style>", "", response.text, flags=re.DOTALL).replace("\u2060", "")
    assert "Situation au 24 novembre 2026 à 10" in page
    assert re.findall(r"CAM-2026-\d+", page) == [tickets[index].number for index in (1, 0, 2)]
    assert re.findall(r'class="status \w+">([^<]+)<', page) == [
        "En attente de votre réponse",
        "Reçue",
        "Résolue",
    ]
    for personal in ("Camille", "Fournil", "Confidentiel", "fournil.example"):
        assert personal not in page
    assert f'<link rel="alternate" type="application/atom+xml" href="{board}/feed">' in page
    earlier = await site.client.get(f"{board}?day=2026-11-23", headers=ENGLISH)
    assert re.findall(r'class="status \w+">([^<]+)<', earlier.text) == ["Received"] * 3
    assert "Next: 24 November 2026" in earlier.text
    for headers in (response.headers, earlier.headers):
        assert headers["x-robots-tag"] == "noindex, nofollow"
        assert headers["cache-control"] == "private, no-cache"
        assert headers["referrer-policy"] == "no-referrer"
    directions = await site.client.get("/board", headers=FRENCH)
    assert "Vous trouverez son lien dans votre espace client" in directions.text


async def test_p5_3_the_feed_is_valid_atom_with_an_entry_for_each_change(
    site: Site, tickets: list[Ticket], clock: "MovableClock"
) -> None:
    board = await path()
    response = await site.client.get(f"{board}/feed", headers=FRENCH)
    assert response.headers["content-type"] == "application/atom+xml; charset=utf-8"
    feed = etree.fromstring(response.content)
    etree.RelaxNG(etree.fromstring(ATOM_SCHEMA)).assertValid(feed)
    assert texts(feed, "//a:link[@rel='self']/@href") == [f"https://camcha.example{board}/feed"]
    ids = texts(feed, "//a:id/text()")
    assert len(ids) == len(set(ids)) == 6
    titles = texts(feed, "//a:entry/a:title/text()")
    assert titles == [
        f"{tickets[index].number}\N{NO-BREAK SPACE}: {status}"
        for index, status in [
            (2, "Résolue"),
            (1, "En attente de votre réponse"),
            (2, "Reçue"),
            (1, "Reçue"),
            (0, "Reçue"),
        ]
    ]
    updated = texts(feed, "//a:updated/text()")
    assert updated == ["2026-11-24T09:00:01Z"] * 3 + ["2026-11-23T09:00:00Z"] * 3
    links = texts(feed, "//a:link[@rel='alternate']/@href")
    assert len(links) == 6
    for link in links:
        assert (await site.client.get(link)).status_code == 200
    assert "Camille" not in response.text

    # Changes before the 30 days that the feed covers aren't repeated.
    clock.advance(timedelta(days=30))
    assert await take_snapshot(site.action())
    later = etree.fromstring((await site.client.get(f"{board}/feed")).content)
    assert texts(later, "//a:entry/a:title/text()") == titles[:2]


@pytest.mark.parametrize("part", ["", "?day=2026-11-23", "/feed"])
async def test_readers_keep_what_has_not_changed(
    site: Site, tickets: list[Ticket], part: str, clock: "MovableClock"
) -> None:
    url = f"{await path()}{part}"
    response = await site.client.get(url)
    assert response.headers["last-modified"] == "Tue, 24 Nov 2026 09:00:01 GMT"
    known = [
        {"If-None-Match": response.headers["etag"]},
        {"If-Modified-Since": response.headers["last-modified"]},
    ]
    for headers in known:
        unchanged = await site.client.get(url, headers=headers)
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert unchanged.headers["etag"] == response.headers["etag"]
    stale = [
        {"If-None-Match": '"other"', "If-Modified-Since": response.headers["last-modified"]},
        {"If-Modified-Since": "Tue, 24 Nov 2026 09:00:00 GMT"},
        {"If-Modified-Since": "yesterday"},
        {"If-Modified-Since": "Tue, 24 Nov 99999999999999999999 09:00:00 GMT"},
        {"If-Modified-Since": "Tue, 24 Nov 2026 09:00:00 +99999999999999"},
        {"If-None-Match": response.headers["etag"], "Accept-Language": "en"},
    ]
    for headers in stale:
        assert (await site.client.get(url, headers=headers)).status_code == 200
    if "day" not in part:
        clock.advance(timedelta(days=1))
        assert await take_snapshot(site.action())
        for headers in known:
            assert (await site.client.get(url, headers=headers)).status_code == 200


async def test_links_that_lead_nowhere_are_404_and_all_visits_are_throttled(
    site: Site, tickets: list[Ticket]
) -> None:
    board = await path()
    paths = ["/board/x", f"{board}x", f"/board/{'é' * 32}", "/board/%00", f"{board}?day=2026-11-22"]
    paths += [f"{board}?day=tomorrow", f"{board}?day=", "/board/x/feed", f"{board}x/feed"]
    for url in paths:
        status = 200 if url.endswith("day=") else 404
        response = await site.client.get(url)
        assert response.status_code == status, url
        assert "token" not in response.text
    statuses = [(await site.client.get(board)).status_code for _ in range(120)]
    assert set(statuses) == {200, 429}
    throttled = await site.client.get(f"{board}/feed")
    assert throttled.status_code == 429
    assert int(throttled.headers["retry-after"]) > 0
    await StatusBoard.all().update(token=None)
    assert (await site.client.get("/board")).status_code == 200
