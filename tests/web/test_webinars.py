"""P5.7: the public calendar files of webinars."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from icalendar import Calendar

from models.content.article import Article, ArticleKind
from tests.schema.content.test_feedback import create_article
from tests.web.web_fixtures import ENGLISH, FRENCH, Site, open_site

if TYPE_CHECKING:
    from tests.conftest import MovableClock


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(clock, tmp_path) as opened_site:
        yield opened_site


async def test_p5_7_anybody_can_put_a_webinar_into_their_calendar(site: Site) -> None:
    action = site.action()
    webinar = {
        "kind": ArticleKind.WEBINAR,
        "starts_at": action.at + timedelta(days=30),
        "join_url": "https://visio.example/secret",
    }
    await create_article(action, "pay", **webinar)
    for headers, title in ((FRENCH, "Payer une facture en retard"), (ENGLISH, "Late invoice")):
        response = await site.client.get("/webinars/pay.ics", headers=headers)
        assert response.headers["content-type"] == "text/calendar; charset=utf-8"
        # It may be cached for everybody, so it says what it depends on.
        assert response.headers["content-language"] == headers["Accept-Language"][:2]
        assert "Accept-Language" in response.headers["vary"]
        calendar = Calendar.from_ical(response.content)
        (event,) = calendar.events
        assert str(event["SUMMARY"]).startswith(title)
        assert (calendar["METHOD"], event["STATUS"], event.get("ATTENDEE")) == (
            "PUBLISH",
            "CONFIRMED",
            None,
        )
        assert b"secret" not in response.content
    await Article.all().update(canceled_at=action.at)
    response = await site.client.get("/webinars/pay.ics")
    assert Calendar.from_ical(response.content).events[0]["STATUS"] == "CANCELLED"
    await create_article(action, "draft", **webinar)
    await create_article(action, "members")
    await create_article(action, "undated", kind=ArticleKind.WEBINAR)
    for slug in ("draft", "members", "undated", "unknown", "%00", "x" * 101):
        assert (await site.client.get(f"/webinars/{slug}.ics")).status_code == 404
