"""The page where a customer rates a ticket: the links of the email choose a score, the button
rates.
"""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from auth.tokens import Purpose
from models.accounts.account import Membership
from models.identity.user import Staff, User
from models.operations.email import Email
from models.support.classification import Category, Channel
from models.support.rating import TicketRating
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from support.ratings import request_ratings
from tests.people import create_staff
from tests.web.test_pages import assert_locked_down
from tests.web.web_fixtures import ENGLISH, FRENCH, Site, camille, open_site

if TYPE_CHECKING:
    from tests.conftest import MovableClock


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(clock, tmp_path / "files") as site:
        yield site


@pytest.fixture
async def links(site: Site, clock: "MovableClock") -> list[str]:
    """The links in the email to Camille, whose ticket Alice has solved: from 5 to 1."""
    viewer, action = await camille(site.action()), site.action()
    assert viewer.account
    assert viewer.user
    await User.filter(pk=viewer.user_id).update(email_verified_at=action.at)
    alice = await create_staff(action, "Alice", Staff.AGENT, second_factor_at=action.at)
    async with action.transaction() as tx:
        ticket = await Ticket.open(
            tx,
            viewer.account,
            viewer.user,
            subject="L’export <b>échoue</b>",
            channel=Channel.WEB,
            category=Category.BUG,
        )
    await ticket.reply(action, alice, "C’est réparé.", "1")
    await ticket.transition_to(action, TicketStatus.SOLVED)
    clock.advance(timedelta(hours=1))
    assert await request_ratings(site.action(), site.services.auth.signer) == 1
    email = await Email.get(template="rating_request.fr")
    html_links = [unescape(link) for link in re.findall(r'href="camcha:(/rate[^"]+)"', email.html)]
    assert html_links == re.findall(r"camcha:(/rate\S+)", email.text)
    return html_links


async def rating() -> tuple[Any, ...]:
    row = await TicketRating.get().select_related("rater")
    return row.score, row.comment, row.rater and row.rater.name


async def test_a_link_chooses_a_score_and_only_the_button_rates(
    site: Site, links: list[str], clock: "MovableClock"
) -> None:
    assert [link[-8:] for link in links] == [f"&score={score}" for score in (5, 4, 3, 2, 1)]
    for link in links:  # a mail scanner follows all of them
        for method in ("HEAD", "GET"):
            response = await site.client.request(method, link, headers=FRENCH)
            assert response.status_code == 200
        assert re.findall(r'value="(\d)" required checked', response.text) == [link[-1]]
        assert_locked_down(response)
    assert "Êtes-vous satisfait de notre support\N{NARROW NO-BREAK SPACE}?" in response.text
    assert "L’export &lt;b&gt;échoue&lt;/b&gt;" in response.text
    assert await rating() == (None, None, None)

    form = {"score": "4", "comment": "Réponse claire. ", "outcome": "rate"}
    for _ in range(2):
        response = await site.client.post(links[0], data=form, headers=FRENCH)
        assert "Merci pour votre évaluation" in response.text
        assert "4 – Satisfait" in response.text
        assert_locked_down(response)
    assert await rating() == (4, "Réponse claire.", "Camille Aubry")
    page = (await site.client.get(links[0].partition("&")[0], headers=ENGLISH)).text
    assert re.findall(r'value="(\d)" required checked', page) == ["4"]
    assert "Réponse claire.</textarea>" in page
    response = await site.client.post(links[0], data={"score": "5", "comment": ""})
    assert await rating() == (5, None, "Camille Aubry")

    clock.advance(timedelta(days=7))
    for method in ("GET", "POST"):
        response = await site.client.request(method, links[4], data={"score": "1"}, headers=ENGLISH)
        assert response.status_code == 422
        assert "could be rated until" in response.text
        assert "<button" not in response.text
    assert await rating() == (5, None, "Camille Aubry")


async def test_a_form_with_an_error_is_shown_again(site: Site, links: list[str]) -> None:
    faulty_forms = [
        ({}, "from 1 to 5"),
        ({"score": "6"}, "from 1 to 5"),
        ({"score": "٣"}, "from 1 to 5"),
        ({"score": "3", "comment": "\u200b"}, "can’t be blank"),
        ({"score": "3", "comment": "x" * 2_001}, "2,000"),
    ]
    for form, message in faulty_forms:
        response = await site.client.post(links[0], data=form, headers=ENGLISH)
        assert response.status_code == 422
        assert message in response.text
    assert await rating() == (None, None, None)


async def test_other_links_rate_nothing(
    site: Site, links: list[str], clock: "MovableClock"
) -> None:
    token = links[0].partition("&")[0]
    row = await Membership.get()
    other_purpose = site.sign(Purpose.DOWNLOAD, ticket=1, user=row.user_id)
    unknown = site.sign(Purpose.TICKET_RATING, ticket=10**9, user=row.user_id)
    paths = ["/rate", f"{token[:-1]}!", f"/rate?token={other_purpose}", f"/rate?token={unknown}"]
    for path in paths:
        for method in ("GET", "POST"):
            response = await site.client.request(method, path, data={"score": "3"})
            assert response.status_code == 404
    assert (await site.client.post(links[0], data={"comment": "x" * 40_000})).status_code == 413
    await row.delete()  # Camille leaves the company
    for method in ("GET", "POST"):
        response = await site.client.request(method, links[0], data={"score": "3"})
        assert response.status_code == 404
    assert await rating() == (None, None, None)
