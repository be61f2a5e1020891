"""P4.2: the link of an email withdraws a consent, by the page's button and by that of a mail
program.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from models.audit import AuditEntry
from models.identity.user import User
from models.privacy.consent import ConsentChange, ConsentChannel, ConsentPurpose
from privacy.consents import ConsentLink, withdrawal_token
from tests.people import create_user
from tests.web.test_pages import assert_locked_down
from tests.web.web_fixtures import ENGLISH, FRENCH, Site, open_site

if TYPE_CHECKING:
    from tests.conftest import MovableClock


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(clock, tmp_path / "files") as site:
        yield site


@pytest.fixture
async def person(site: Site) -> User:
    """Somebody who agreed to two purposes."""
    user = await create_user(site.action())
    async with site.action().transaction() as tx:
        for purpose in (ConsentPurpose.NEWSLETTER, ConsentPurpose.OFFERS):
            await ConsentChange.record(tx, user, purpose, given=True, channel=ConsentChannel.WEB)
    return user


def link_of(site: Site, user: User, purpose: ConsentPurpose = ConsentPurpose.OFFERS) -> str:
    token = withdrawal_token(
        site.services.auth.signer, site.action(), ConsentLink(user.pk, purpose)
    )
    return f"/consents/withdraw?token={token}"


async def given_by(user: User) -> list[ConsentPurpose]:
    return [each for each in ConsentPurpose if await ConsentChange.is_given(user.pk, each)]


async def test_p4_2_only_the_button_of_the_page_withdraws(site: Site, person: User) -> None:
    link = link_of(site, person)
    for method in ("HEAD", "GET"):  # as mail scanners do
        response = await site.client.request(method, link, headers=FRENCH)
        assert response.status_code == 200
    assert "Nos offres" in response.text
    assert_locked_down(response)
    assert await given_by(person) == [ConsentPurpose.NEWSLETTER, ConsentPurpose.OFFERS]
    for _ in range(2):  # a repeat changes nothing
        response = await site.client.post(link, data={"outcome": "withdraw"}, headers=ENGLISH)
        assert "Your consent has been withdrawn" in response.text
    assert await given_by(person) == [ConsentPurpose.NEWSLETTER]
    last = await ConsentChange.all().order_by("-id").first()
    assert last
    assert (last.given, last.channel) == (False, ConsentChannel.EMAIL_LINK)
    [entry] = await AuditEntry.filter(action="consent.withdraw")
    assert entry.actor_id == person.pk


@pytest.mark.parametrize("is_multipart", [False, True])
async def test_p4_2_a_mail_program_withdraws_with_one_click(
    site: Site, person: User, is_multipart: bool
) -> None:
    """RFC 8058: it needs no cookies, works in either encoding, and is answered without a
    redirect.
    """
    body = {"List-Unsubscribe": "One-Click"}
    request = {"files": {name: (None, value) for name, value in body.items()}}
    response = await site.client.post(
        link_of(site, person),
        **request if is_multipart else {"data": body},
    )
    assert response.status_code == 200
    assert await given_by(person) == [ConsentPurpose.NEWSLETTER]


async def test_p4_2_other_links_withdraw_nothing(site: Site, person: User) -> None:
    link, other = link_of(site, person), await create_user(site.action(), "Zoe")
    # not the last character, of which the signature doesn't use all bits
    forged_link = f"{link[:-2]}{'A' if link[-2] != 'A' else 'B'}{link[-1]}"
    forged = [forged_link, "/consents/withdraw"]
    for each in [*forged, link_of(site, User(id=10**9))]:
        response = await site.client.post(each, headers=ENGLISH)
        assert response.status_code == 404
    await site.client.post(link_of(site, other))
    assert await given_by(person) == [ConsentPurpose.NEWSLETTER, ConsentPurpose.OFFERS]
    response = await site.client.post(link, content=b"x" * 5_000)
    assert response.status_code == 413
    assert await given_by(person) == [ConsentPurpose.NEWSLETTER, ConsentPurpose.OFFERS]
