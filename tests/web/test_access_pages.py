"""The pages that emails about account access link to: only their button changes anything."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from auth import email_change, sessions
from auth.factors.enrolment import begin_totp, confirm_totp
from auth.passwords import change
from auth.reauthentication import step_up
from models.identity.user import User
from models.operations.email import Email
from tests.auth.conftest import code_of
from tests.outbox import token_to
from tests.web.test_pages import assert_locked_down
from tests.web.web_fixtures import ENGLISH, FRENCH, Site, camille, open_site

if TYPE_CHECKING:
    from tests.conftest import MovableClock

OLD_PASSWORD, NEW_PASSWORD = "corneille sabot pluvier 42", "mouette phare ardoise 77"
NEW_EMAIL = "camille@aubry.example"


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(clock, tmp_path / "files") as site:
        yield site


@pytest.fixture
async def owner(site: Site) -> User:
    """Camille, with a password."""
    user = (await camille(site.action())).user
    assert user
    await User.filter(pk=user.pk).update(
        password_hash=await site.services.auth.passwords.hash(OLD_PASSWORD)
    )
    await user.refresh_from_db()
    return user


@pytest.fixture
async def reset_link(site: Site, owner: User) -> str:
    """The link in Camille's email."""
    await change.request_reset(
        site.action(), site.services.auth, email=owner.email, peer="192.0.2.7"
    )
    return f"/reset?token={await token_to(owner.email, 'reset')}"


@pytest.fixture
async def confirmation_links(site: Site, owner: User) -> tuple[str, str]:
    """The links in the emails to Camille's new address and to her old one."""
    session = (await sessions.sign_in(owner, None, False, site.action())).session
    await step_up(site.action(), site.services.auth, session, password=OLD_PASSWORD, code=None)
    await email_change.request(site.action(), site.services.auth, session, email=NEW_EMAIL)
    new, old = await token_to(NEW_EMAIL, "email"), await token_to(owner.email, "email")
    return f"/email?token={new}", f"/email?token={old}"


async def password_matches(site: Site, owner: User, password: str) -> bool:
    return await site.services.auth.passwords.matches(
        (await User.get(pk=owner.pk)).password_hash, password
    )


async def test_p4_3_a_new_password_is_chosen_on_a_page(
    site: Site, owner: User, reset_link: str
) -> None:
    """Opening the page changes nothing, and the button works once."""
    for method in ("GET", "HEAD", "GET"):
        page = await site.client.request(method, reset_link, headers=FRENCH)
        assert page.status_code == 200
    assert_locked_down(page)
    assert 'type="password" autocomplete="new-password" required' in page.text
    assert f'autocomplete="username" value="{owner.email}" required readonly' in page.text
    assert 'name="code"' not in page.text
    assert await password_matches(site, owner, OLD_PASSWORD)
    response = await site.client.post(
        reset_link, data={"password": NEW_PASSWORD, "outcome": "set"}, headers=ENGLISH
    )
    assert (response.status_code, "Your password has been saved" in response.text) == (200, True)
    assert_locked_down(response)
    assert await password_matches(site, owner, NEW_PASSWORD)
    assert await Email.filter(template="password_changed.fr", recipient=owner.email).count() == 1
    for method in ("GET", "POST"):
        response = await site.client.request(method, reset_link, headers=FRENCH)
        assert (response.status_code, "plus valable" in response.text) == (404, True)


async def test_errors_are_shown_above_the_form(site: Site, owner: User, reset_link: str) -> None:
    response = await site.client.post(reset_link, data={"password": "<b>brief"}, headers=ENGLISH)
    assert response.status_code == 422
    assert "This password is too" in response.text
    assert "brief" not in response.text
    assert_locked_down(response)
    assert (await site.client.post(reset_link, headers=FRENCH)).status_code == 422
    assert (
        await site.client.post(reset_link, content=b"password=" + b"x" * 5_000)
    ).status_code == 413
    assert await password_matches(site, owner, OLD_PASSWORD)
    longest_password = "".join(map(chr, Random(1).sample(range(0x1F300, 0x1F600), 128)))
    assert (
        await site.client.post(reset_link, data={"password": longest_password})
    ).status_code == 200
    assert await password_matches(site, owner, longest_password)


async def test_p4_3_the_page_requires_the_second_factor(
    site: Site, owner: User, reset_link: str, clock: "MovableClock"
) -> None:
    session = (await sessions.sign_in(owner, None, False, site.action())).session
    secret = await begin_totp(site.action(), site.services.auth, session, OLD_PASSWORD)
    await confirm_totp(site.action(), site.services.auth, session, code_of(secret, site.action()))
    clock.advance(timedelta(minutes=1))
    assert 'autocomplete="one-time-code"' in (await site.client.get(reset_link)).text
    for code, status in ("", 422), ("000000", 422), (code_of(secret, site.action()), 200):
        response = await site.client.post(
            reset_link, data={"password": NEW_PASSWORD, "code": code}, headers=FRENCH
        )
        assert response.status_code == status
        assert await password_matches(site, owner, NEW_PASSWORD if status == 200 else OLD_PASSWORD)


async def test_guesses_of_codes_are_throttled(site: Site, owner: User, reset_link: str) -> None:
    session = (await sessions.sign_in(owner, None, False, site.action())).session
    secret = await begin_totp(site.action(), site.services.auth, session, OLD_PASSWORD)
    await confirm_totp(site.action(), site.services.auth, session, code_of(secret, site.action()))
    responses = [
        await site.client.post(
            reset_link, data={"password": NEW_PASSWORD, "code": "0"}, headers=FRENCH
        )
        for _ in range(8)
    ]
    assert [response.status_code for response in responses] == [422] * 6 + [429] * 2
    assert "Trop de tentatives" in responses[-1].text


@pytest.mark.parametrize("first", [0, 1])
async def test_p1_3_each_address_is_confirmed_on_a_page(
    site: Site, owner: User, confirmation_links: tuple[str, str], first: int
) -> None:
    for method in ("GET", "HEAD", "GET"):
        page = await site.client.request(method, confirmation_links[first], headers=ENGLISH)
        assert page.status_code == 200
    assert "camille@aubry.example" in page.text
    assert_locked_down(page)
    response = await site.client.post(
        confirmation_links[first], data={"outcome": "move"}, headers=ENGLISH
    )
    assert "Your confirmation has been recorded" in response.text
    assert (await User.get(pk=owner.pk)).email == owner.email
    assert (await site.client.post(confirmation_links[first])).status_code == 404
    response = await site.client.post(
        confirmation_links[1 - first], data={"outcome": "move"}, headers=FRENCH
    )
    assert "Votre adresse e-mail a été modifiée" in response.text
    assert (await User.get(pk=owner.pk)).email == "camille@aubry.example"
    assert await Email.filter(template="email_changed.fr", recipient=owner.email).count() == 1
    assert (await site.client.get(confirmation_links[1 - first])).status_code == 404


@pytest.mark.parametrize("page", ["/reset", "/email"])
@pytest.mark.parametrize(
    "query", ["", "?token=", "?token=cam_pr_x", "?token=%00%ff%F0%9F%92%A5.." + "x" * 3000]
)
async def test_a_damaged_link_shows_a_404_page(
    site: Site, owner: User, page: str, query: str
) -> None:
    for method in ("GET", "POST"):
        response = await site.client.request(method, page + query, headers=ENGLISH)
        assert (response.status_code, "no longer valid" in response.text) == (404, True)
        assert_locked_down(response)


async def test_a_link_works_only_on_its_page_and_until_it_expires(
    site: Site,
    owner: User,
    reset_link: str,
    confirmation_links: tuple[str, str],
    clock: "MovableClock",
) -> None:
    assert (await site.client.get(reset_link.replace("/reset", "/email"))).status_code == 404
    assert (
        await site.client.post(
            confirmation_links[0].replace("/email", "/reset"), data={"password": NEW_PASSWORD}
        )
    ).status_code == 404
    assert (await site.client.post(confirmation_links[0], content=b"x" * 5_000)).status_code == 413
    clock.advance(timedelta(minutes=30))
    assert (await site.client.get(reset_link)).status_code == 404
    clock.advance(timedelta(hours=24))
    assert (await site.client.post(confirmation_links[0])).status_code == 404
    assert await password_matches(site, owner, OLD_PASSWORD)
