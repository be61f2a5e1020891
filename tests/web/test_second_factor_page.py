"""The page where the first operator sets up an authenticator app."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from auth import sessions
from auth.authentication import authenticate
from auth.passwords import change
from models.identity.session import Session
from models.identity.user import Staff, User
from tests.auth.conftest import code_of
from tests.outbox import token_to
from tests.people import create_staff, viewer_of
from tests.web.test_pages import assert_locked_down
from tests.web.web_fixtures import ENGLISH, FRENCH, Site, open_site

if TYPE_CHECKING:
    from tests.conftest import MovableClock

PASSWORD, NEW_PASSWORD = "corneille sabot pluvier 42", "mouette phare ardoise 77"


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(clock, tmp_path / "files") as site:
        yield site


@pytest.fixture
async def operator(site: Site) -> User:
    """Omar, an operator without a second factor."""
    password_hash = await site.services.auth.passwords.hash(PASSWORD)
    return await create_staff(
        site.action(), "Omar Diop", Staff.OPERATOR, password_hash=password_hash
    )


async def send(site: Site, **form: str) -> httpx.Response:
    return await site.client.post("/second-factor", data=form, headers=ENGLISH)


def secret_of(page: str) -> str:
    (secret,) = re.findall(r'<p class="figure">((?:[A-Z2-7]{4} ?){8})</p>', page)
    return str(secret).replace(" ", "")


async def test_an_operator_sets_up_the_second_factor(
    site: Site, operator: User, clock: "MovableClock"
) -> None:
    assert_locked_down(await site.client.get("/second-factor", headers=FRENCH))
    page = await send(site, email=operator.email, password=PASSWORD)
    assert page.status_code == 200
    assert_locked_down(page)
    assert "<svg" in page.text
    cookie = page.headers["set-cookie"]
    assert all(each in cookie for each in ("HttpOnly", "Path=/second-factor", "SameSite=strict"))
    assert "Secure" in cookie
    secret = secret_of(page.text)
    refused_response = await send(site, code="000000")
    assert (refused_response.status_code, secret_of(refused_response.text)) == (422, secret)
    done = await send(site, code=code_of(secret, site.action()))
    assert done.status_code == 200
    recovery_codes = re.findall(r"<code>([^<]+)</code>", done.text)
    assert len(recovery_codes) == 10
    assert "customer space" not in done.text
    assert await Session.filter(ended_at=None).count() == 0
    await operator.refresh_from_db()
    assert operator.second_factor
    user = await authenticate(
        site.action(),
        site.services.auth,
        email=operator.email,
        password=PASSWORD,
        code=recovery_codes[0],
        peer="::1",
    )
    tokens = await sessions.sign_in(user, None, True, site.action())
    assert (await viewer_of(tokens.access, clock.now())).staff is Staff.OPERATOR
    repeated_response = await send(site, email=operator.email, password=PASSWORD)
    assert repeated_response.status_code == 422
    assert "already has a second factor" in repeated_response.text


async def test_staff_who_chose_a_password_are_led_to_the_page(site: Site, operator: User) -> None:
    action = site.action()
    await change.request_reset(action, site.services.auth, email=operator.email, peer="192.0.2.7")
    link = f"/reset?token={await token_to(operator.email, 'reset')}"
    page = await site.client.post(link, data={"password": NEW_PASSWORD}, headers=ENGLISH)
    assert page.status_code == 200
    assert '<a href="/second-factor">Set up a second factor</a>' in page.text


async def test_a_wrong_password_shows_nothing(site: Site, operator: User) -> None:
    page = await send(site, email=operator.email, password="wrong")
    assert page.status_code == 422
    assert "<svg" not in page.text
    assert "set-cookie" not in page.headers


async def test_the_code_needs_a_sign_in_that_has_not_expired(
    site: Site, operator: User, clock: "MovableClock"
) -> None:
    assert (await send(site, code="123456")).status_code == 403
    page = await send(site, email=operator.email, password=PASSWORD)
    clock.advance(timedelta(minutes=16))
    code = code_of(secret_of(page.text), site.action())
    assert (await send(site, code=code)).status_code == 403
    await operator.refresh_from_db()
    assert not operator.second_factor
