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
from tests.web.test_pages import assert_closed
from tests.web.web_fixtures import ENGLISH, FRENCH, Site, camille
from tests.web.web_fixtures import site as opened

if TYPE_CHECKING:
    from tests.conftest import MovableClock

OLD, NEW = "corneille sabot pluvier 42", "mouette phare ardoise 77"
NEW_ADDRESS = "camille@aubry.example"


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    async with opened(clock, tmp_path / "files") as site:
        yield site


@pytest.fixture
async def owner(site: Site) -> User:
    """Camille, with a password."""
    user = (await camille(site.action())).user
    assert user
    await User.filter(pk=user.pk).update(password_hash=await site.services.auth.passwords.hash(OLD))
    await user.refresh_from_db()
    return user


@pytest.fixture
async def reset(site: Site, owner: User) -> str:
    """The link in Camille's email."""
    await change.request_reset(
        site.action(), site.services.auth, email=owner.email, peer="192.0.2.7"
    )
    return f"/reset?token={await token_to(owner.email, 'reset')}"


@pytest.fixture
async def moves(site: Site, owner: User) -> tuple[str, str]:
    """The links in the emails to Camille's new address and to her old one."""
    session = (await sessions.sign_in(owner, None, False, site.action())).session
    await step_up(site.action(), site.services.auth, session, password=OLD, code=None)
    await email_change.request(site.action(), site.services.auth, session, email=NEW_ADDRESS)
    new, old = await token_to(NEW_ADDRESS, "email"), await token_to(owner.email, "email")
    return f"/email?token={new}", f"/email?token={old}"


async def right(site: Site, owner: User, password: str) -> bool:
    return await site.services.auth.passwords.matches(
        (await User.get(pk=owner.pk)).password_hash, password
    )


async def test_p4_3_a_new_password_is_chosen_on_a_page(site: Site, owner: User, reset: str) -> None:
    """Opening the page changes nothing, and the button works once."""
    for method in ("GET", "HEAD", "GET"):
        shown = await site.client.request(method, reset, headers=FRENCH)
        assert shown.status_code == 200
    assert_closed(shown)
    assert 'type="password" autocomplete="new-password" required' in shown.text
    assert 'name="code"' not in shown.text
    assert await right(site, owner, OLD)
    saved = await site.client.post(reset, data={"password": NEW, "outcome": "set"}, headers=ENGLISH)
    assert (saved.status_code, "Your password has been saved" in saved.text) == (200, True)
    assert_closed(saved)
    assert await right(site, owner, NEW)
    assert await Email.filter(template="password_changed.fr", recipient=owner.email).count() == 1
    for method in ("GET", "POST"):
        again = await site.client.request(method, reset, headers=FRENCH)
        assert (again.status_code, "plus valable" in again.text) == (404, True)


async def test_errors_are_shown_above_the_form(site: Site, owner: User, reset: str) -> None:
    weak = await site.client.post(reset, data={"password": "<b>brief"}, headers=ENGLISH)
    assert weak.status_code == 422
    assert "This password is too" in weak.text
    assert "brief" not in weak.text
    assert_closed(weak)
    assert (await site.client.post(reset, headers=FRENCH)).status_code == 422
    assert (await site.client.post(reset, content=b"password=" + b"x" * 5_000)).status_code == 413
    assert await right(site, owner, OLD)
    longest = "".join(map(chr, Random(1).sample(range(0x1F300, 0x1F600), 128)))
    assert (await site.client.post(reset, data={"password": longest})).status_code == 200
    assert await right(site, owner, longest)


async def test_p4_3_the_page_requires_the_second_factor(
    site: Site, owner: User, reset: str, clock: "MovableClock"
) -> None:
    session = (await sessions.sign_in(owner, None, False, site.action())).session
    secret = await begin_totp(site.action(), site.services.auth, session, OLD)
    await confirm_totp(site.action(), site.services.auth, session, code_of(secret, site.action()))
    clock.advance(timedelta(minutes=1))
    assert 'autocomplete="one-time-code"' in (await site.client.get(reset)).text
    for code, status in ("", 422), ("000000", 422), (code_of(secret, site.action()), 200):
        response = await site.client.post(
            reset, data={"password": NEW, "code": code}, headers=FRENCH
        )
        assert response.status_code == status
        assert await right(site, owner, NEW if status == 200 else OLD)


async def test_guesses_of_codes_are_throttled(site: Site, owner: User, reset: str) -> None:
    session = (await sessions.sign_in(owner, None, False, site.action())).session
    secret = await begin_totp(site.action(), site.services.auth, session, OLD)
    await confirm_totp(site.action(), site.services.auth, session, code_of(secret, site.action()))
    responses = [
        await site.client.post(reset, data={"password": NEW, "code": "0"}, headers=FRENCH)
        for _ in range(8)
    ]
    assert [response.status_code for response in responses] == [422] * 6 + [429] * 2
    assert "Trop de tentatives" in responses[-1].text


@pytest.mark.parametrize("first", [0, 1])
async def test_p1_3_each_address_is_confirmed_on_a_page(
    site: Site, owner: User, moves: tuple[str, str], first: int
) -> None:
    for method in ("GET", "HEAD", "GET"):
        shown = await site.client.request(method, moves[first], headers=ENGLISH)
        assert shown.status_code == 200
    assert "camille@aubry.example" in shown.text
    assert_closed(shown)
    response = await site.client.post(moves[first], data={"outcome": "move"}, headers=ENGLISH)
    assert "Your confirmation has been recorded" in response.text
    assert (await User.get(pk=owner.pk)).email == owner.email
    assert (await site.client.post(moves[first])).status_code == 404
    done = await site.client.post(moves[1 - first], data={"outcome": "move"}, headers=FRENCH)
    assert "Votre adresse e-mail a été modifiée" in done.text
    assert (await User.get(pk=owner.pk)).email == "camille@aubry.example"
    assert await Email.filter(template="email_changed.fr", recipient=owner.email).count() == 1
    assert (await site.client.get(moves[1 - first])).status_code == 404


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
        assert_closed(response)


async def test_a_link_works_only_on_its_page_and_until_it_expires(
    site: Site, owner: User, reset: str, moves: tuple[str, str], clock: "MovableClock"
) -> None:
    assert (await site.client.get(reset.replace("/reset", "/email"))).status_code == 404
    assert (
        await site.client.post(moves[0].replace("/email", "/reset"), data={"password": NEW})
    ).status_code == 404
    assert (await site.client.post(moves[0], content=b"x" * 5_000)).status_code == 413
    clock.advance(timedelta(minutes=30))
    assert (await site.client.get(reset)).status_code == 404
    clock.advance(timedelta(hours=24))
    assert (await site.client.post(moves[0])).status_code == 404
    assert await right(site, owner, OLD)
