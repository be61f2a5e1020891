"""The page that an invitation's email links to."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyotp
import pytest

from accounts.invitations import send
from auth import sessions
from auth.factors import enrolment
from models.accounts.account import Membership, Role
from models.accounts.invitation import Invitation
from models.action import Action
from models.identity.user import User
from models.locale import Locale
from tests.outbox import token_to
from tests.people import PASSWORD, create_user
from tests.web.test_pages import assert_locked_down
from tests.web.web_fixtures import ENGLISH, FRENCH, Site, camille, open_site

if TYPE_CHECKING:
    from tests.conftest import MovableClock

INVITED_EMAIL = "noe@fournil.example"
NEW_USER_FORM = {"name": "Noé <Blin>", "password": PASSWORD}


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(clock, tmp_path / "files") as site:
        yield site


@pytest.fixture
async def link(site: Site) -> str:
    """The link in the email to Noé, whom Camille invites."""
    viewer = await camille(site.action())
    assert viewer.account
    action = Action(viewer.user, site.action().at, site.services.hub)
    await send(
        action,
        site.services.auth,
        viewer.account.pk,
        email=INVITED_EMAIL,
        role=Role.BILLING,
        locale=Locale.FR,
        key="k",
    )
    return f"/invitation?token={await token_to(INVITED_EMAIL, 'invitation')}"


async def create_existing_user(site: Site) -> User:
    """Noé, who already has a password."""
    password_hash = await site.services.auth.passwords.hash(PASSWORD)
    return await create_user(site.action(), "Noé", email=INVITED_EMAIL, password_hash=password_hash)


async def has_joined() -> bool:
    return await Membership.filter(user__email=INVITED_EMAIL).exists()


async def test_opening_the_page_changes_nothing(site: Site, link: str) -> None:
    for method in ("GET", "HEAD", "GET"):
        response = await site.client.request(method, link, headers=FRENCH)
        assert response.status_code == 200
    assert "Le Fournil d&#39;Aubry" in response.text
    assert "facturation" in response.text
    assert "Camille Aubry vous invite à rejoindre cette entreprise" in response.text
    username = f'type="email" autocomplete="username" value="{INVITED_EMAIL}" required readonly'
    assert username in response.text
    assert re.findall(r'<input name="(\w+)" type="(\w+)"', response.text) == [
        ("name", "text"),
        ("username", "email"),
        ("password", "password"),
    ]
    assert_locked_down(response)
    assert not await has_joined()
    assert "billing" in (await site.client.get(link, headers=ENGLISH)).text


async def test_p1_4_a_new_user_joins_through_the_page(site: Site, link: str) -> None:
    response = await site.client.post(
        link, data={**NEW_USER_FORM, "password": "noe"}, headers=FRENCH
    )
    assert response.status_code == 422
    assert "trop court" in response.text
    assert 'value="Noé &lt;Blin&gt;"' in response.text
    assert_locked_down(response)
    response = await site.client.post(link, data=NEW_USER_FORM, headers=ENGLISH)
    assert response.status_code == 200
    assert "Welcome!" in response.text
    assert_locked_down(response)
    assert (await Membership.get(user__email=INVITED_EMAIL)).role is Role.BILLING
    for method in ("GET", "POST"):
        assert (await site.client.request(method, link)).status_code == 404


async def test_p1_4_an_existing_user_must_authenticate(site: Site, link: str) -> None:
    await create_existing_user(site)
    page = await site.client.get(link, headers=FRENCH)
    assert re.findall(r'<input name="(\w+)"', page.text) == ["username", "password"]
    response = await site.client.post(
        link, data={"password": "mouette phare ardoise 77"}, headers=FRENCH
    )
    assert response.status_code == 422
    assert "incorrect" in response.text
    assert not await has_joined()
    assert (
        "Bienvenue"
        in (await site.client.post(link, data={"password": PASSWORD}, headers=FRENCH)).text
    )
    assert await has_joined()


async def test_the_second_factor_is_required(site: Site, link: str) -> None:
    user = await create_existing_user(site)
    auth, tokens = site.services.auth, await sessions.sign_in(user, None, False, site.action())
    secret = await enrolment.begin_totp(site.action(), auth, tokens.session, PASSWORD)
    code = pyotp.TOTP(secret).at(site.action().at)
    await enrolment.confirm_totp(site.action(), auth, tokens.session, code)
    page = await site.client.get(link)
    assert re.findall(r'<input name="(\w+)"', page.text) == ["username", "password", "code"]
    assert (await site.client.post(link, data={"password": PASSWORD})).status_code == 422
    next_code = pyotp.TOTP(secret).at(site.action().at + timedelta(seconds=30))
    assert (
        await site.client.post(link, data={"password": PASSWORD, "code": next_code})
    ).status_code == 200
    assert await has_joined()


async def test_guesses_are_throttled(site: Site, link: str) -> None:
    await create_existing_user(site)
    responses = [
        (await site.client.post(link, data={"password": f"guess {n}"})).status_code
        for n in range(8)
    ]
    assert responses == [422] * 6 + [429] * 2


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("damaged_part", ["unknown", "expired", "revoked", "missing", "garbage"])
async def test_a_damaged_link_shows_a_404_page(
    site: Site, link: str, clock: "MovableClock", method: str, damaged_part: str
) -> None:
    match damaged_part:
        case "unknown":
            link = "/invitation?token=cam_in_unknown"
        case "expired":
            clock.advance(timedelta(days=7))
        case "revoked":
            await Invitation.all().update(revoked_at=clock.now())
        case "missing":
            link = "/invitation"
        case "garbage":
            link = "/invitation?token=%00%ff%F0%9F%92%A5.." + "x" * 3000
    response = await site.client.request(
        method, link, headers=ENGLISH, data=NEW_USER_FORM if method == "POST" else None
    )
    assert response.status_code == 404
    assert "no longer valid" in response.text
    assert_locked_down(response)
    assert not await has_joined()


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 422), (b"name=%ff%00&password=%00", 422), (b"\x00\xff=&;", 422), (b"x" * 9000, 413)],
)
async def test_a_malformed_form_changes_nothing(
    site: Site, link: str, body: bytes, status: int
) -> None:
    assert (await site.client.post(link, content=body)).status_code == status
    assert not await has_joined()
