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
from tests.web.test_pages import assert_closed
from tests.web.web_fixtures import ENGLISH, FRENCH, Site, camille
from tests.web.web_fixtures import site as opened

if TYPE_CHECKING:
    from tests.conftest import MovableClock

GUEST, PASSWORD = "noe@fournil.example", "corneille sabot pluvier 42"
NEW = {"name": "Noé <Blin>", "password": PASSWORD}


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    async with opened(clock, tmp_path / "files") as site:
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
        email=GUEST,
        role=Role.BILLING,
        locale=Locale.FR,
        key="k",
    )
    return f"/invitation?token={await token_to(GUEST, 'invitation')}"


async def known(site: Site) -> User:
    """Noé, who already has a password."""
    password_hash = await site.services.auth.passwords.hash(PASSWORD)
    at = site.action().at
    return await User.create(
        email=GUEST, name="Noé", password_hash=password_hash, created_at=at, email_verified_at=at
    )


async def joined() -> bool:
    return await Membership.filter(user__email=GUEST).exists()


async def test_opening_the_page_changes_nothing(site: Site, link: str) -> None:
    for method in ("GET", "HEAD", "GET"):
        response = await site.client.request(method, link, headers=FRENCH)
        assert response.status_code == 200
    assert "Le Fournil d&#39;Aubry" in response.text
    assert "facturation" in response.text
    assert re.findall(r'<input name="(\w+)" type="(\w+)"', response.text) == [
        ("name", "text"),
        ("password", "password"),
    ]
    assert_closed(response)
    assert not await joined()
    assert "billing" in (await site.client.get(link, headers=ENGLISH)).text


async def test_p1_4_a_new_user_joins_through_the_page(site: Site, link: str) -> None:
    weak = await site.client.post(link, data={**NEW, "password": "noe"}, headers=FRENCH)
    assert weak.status_code == 422
    assert "trop court" in weak.text
    assert 'value="Noé &lt;Blin&gt;"' in weak.text
    assert_closed(weak)
    response = await site.client.post(link, data=NEW, headers=ENGLISH)
    assert response.status_code == 200
    assert "Welcome!" in response.text
    assert_closed(response)
    assert (await Membership.get(user__email=GUEST)).role is Role.BILLING
    for method in ("GET", "POST"):
        assert (await site.client.request(method, link)).status_code == 404


async def test_p1_4_an_existing_user_must_authenticate(site: Site, link: str) -> None:
    await known(site)
    page = await site.client.get(link, headers=FRENCH)
    assert re.findall(r'<input name="(\w+)"', page.text) == ["password"]
    wrong = await site.client.post(
        link, data={"password": "mouette phare ardoise 77"}, headers=FRENCH
    )
    assert wrong.status_code == 422
    assert "incorrect" in wrong.text
    assert not await joined()
    assert (
        "Bienvenue"
        in (await site.client.post(link, data={"password": PASSWORD}, headers=FRENCH)).text
    )
    assert await joined()


async def test_the_second_factor_is_required(site: Site, link: str) -> None:
    user = await known(site)
    auth, tokens = site.services.auth, await sessions.sign_in(user, None, False, site.action())
    secret = await enrolment.begin_totp(site.action(), auth, tokens.session, PASSWORD)
    code = pyotp.TOTP(secret).at(site.action().at)
    await enrolment.confirm_totp(site.action(), auth, tokens.session, code)
    page = await site.client.get(link)
    assert re.findall(r'<input name="(\w+)"', page.text) == ["password", "code"]
    assert (await site.client.post(link, data={"password": PASSWORD})).status_code == 422
    fresh = pyotp.TOTP(secret).at(site.action().at + timedelta(seconds=30))
    assert (
        await site.client.post(link, data={"password": PASSWORD, "code": fresh})
    ).status_code == 200
    assert await joined()


async def test_guesses_are_throttled(site: Site, link: str) -> None:
    await known(site)
    responses = [
        (await site.client.post(link, data={"password": f"guess {n}"})).status_code
        for n in range(8)
    ]
    assert responses == [422] * 6 + [429] * 2


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("spoil", ["unknown", "expired", "revoked", "missing", "garbage"])
async def test_a_damaged_link_shows_a_404_page(
    site: Site, link: str, clock: "MovableClock", method: str, spoil: str
) -> None:
    match spoil:
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
        method, link, headers=ENGLISH, data=NEW if method == "POST" else None
    )
    assert response.status_code == 404
    assert "no longer valid" in response.text
    assert_closed(response)
    assert not await joined()


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 422), (b"name=%ff%00&password=%00", 422), (b"\x00\xff=&;", 422), (b"x" * 9000, 413)],
)
async def test_an_ambiguous_answer_changes_nothing(
    site: Site, link: str, body: bytes, status: int
) -> None:
    assert (await site.client.post(link, content=body)).status_code == status
    assert not await joined()
