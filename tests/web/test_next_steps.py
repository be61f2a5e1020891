"""No page is a dead end, and none leads a customer to the API: each says what to do next, and an
invalid link can be replaced there.
"""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from auth.throttle import unlocking
from mail.customer_space import customer_space
from models.identity.user import User
from tests.outbox import templates_to, tokens_to
from tests.web.test_pages import assert_locked_down
from tests.web.web_fixtures import ENGLISH, Site, camille, open_site

if TYPE_CHECKING:
    from tests.conftest import MovableClock

ADDRESS = "camille@fournil.example"
PAGES = ["verify", "reset", "unlock", "email", "invitation"]


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(clock, tmp_path / "files") as site:
        await camille(site.action())
        yield site


def links_to_start_page(response: httpx.Response) -> bool:
    """Whether the page has a link to the start page, and none to the API."""
    assert "graphql" not in response.text.lower()
    return bool(re.search(r'<p class="next"><a[^>]* href="/">', response.text))


async def test_the_start_page_names_support_and_not_the_api(site: Site) -> None:
    response = await site.client.get("/", headers=ENGLISH)
    assert response.status_code == 200
    seller = site.services.seller
    assert f'href="mailto:{seller.support_email}"' in response.text
    assert seller.support_phone in response.text
    assert "graphql" not in response.text.lower()


async def test_the_start_page_redirects_to_the_customer_space(
    db: str, clock: "MovableClock", tmp_path: Path
) -> None:
    space = customer_space("https://app.example.fr", "sign-in=/login")
    async with open_site(clock, tmp_path / "files", customer_space=space) as site:
        response = await site.client.get("/")
    assert (response.status_code, response.headers["location"]) == (
        303,
        "https://app.example.fr/login",
    )


@pytest.mark.parametrize("page", PAGES)
async def test_the_page_of_an_invalid_link_links_to_the_start_page(site: Site, page: str) -> None:
    response = await site.client.get(f"/{page}?token=x", headers=ENGLISH)
    assert response.status_code == 404
    assert links_to_start_page(response)


@pytest.mark.parametrize(
    ("page", "template"),
    [("verify", "verification"), ("reset", "password_reset"), ("unlock", "sign_in_unlock")],
)
async def test_a_new_link_can_be_requested_where_the_old_one_has_expired(
    site: Site, page: str, template: str
) -> None:
    if page != "verify":
        await User.filter(email=ADDRESS).update(email_verified_at=site.action().at)
    form = await site.client.get(f"/{page}?token=x", headers=ENGLISH)
    assert 'name="email"' in form.text
    assert 'autocomplete="username"' in form.text
    responses = []
    for address in (ADDRESS, "unknown@fournil.example"):
        response = await site.client.post(
            f"/{page}?token=x", data={"email": address}, headers=ENGLISH
        )
        assert response.status_code == 200
        assert links_to_start_page(response)
        assert_locked_down(response)
        responses.append(response.text.replace(address, "ADDRESS"))
    assert responses[0] == responses[1]
    assert await templates_to(ADDRESS) == [template]
    [token] = await tokens_to(ADDRESS, page)
    assert (await site.client.get(f"/{page}?token={token}")).status_code == 200
    refusal = await site.client.post(f"/{page}?token=x", data={"email": "no address"})
    assert refusal.status_code == 422


async def test_requests_for_links_are_throttled(site: Site) -> None:
    statuses = [
        (await site.client.post("/verify?token=x", data={"email": ADDRESS})).status_code
        for _ in range(8)
    ]
    assert (statuses[0], statuses[-1]) == (200, 429)


async def test_a_confirmed_address_gets_no_further_verification(site: Site) -> None:
    await User.filter(email=ADDRESS).update(email_verified_at=site.action().at)
    await site.client.post("/verify?token=x", data={"email": ADDRESS})
    assert await templates_to(ADDRESS) == []


async def test_final_pages_link_to_the_start_page(site: Site, clock: "MovableClock") -> None:
    await site.client.post("/verify?token=x", data={"email": ADDRESS})
    [token] = await tokens_to(ADDRESS, "verify")
    assert links_to_start_page(await site.client.post(f"/verify?token={token}"))
    await site.client.post("/reset?token=x", data={"email": ADDRESS})
    [token] = await tokens_to(ADDRESS, "reset")
    password = {"password": "mouette phare ardoise 77"}
    response = await site.client.post(f"/reset?token={token}", data=password)
    assert response.status_code == 200
    assert links_to_start_page(response)
    clock.advance(timedelta(minutes=1))
    await unlocking.request(
        site.action(), site.services.auth, email=ADDRESS, peer="192.0.2.7", key=None
    )
    [token] = await tokens_to(ADDRESS, "unlock")
    assert links_to_start_page(await site.client.post(f"/unlock?token={token}"))
