"""P4.4: the policies as web pages, which every other page links to."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from accounts.invitations import send
from models.accounts.account import Role
from models.action import Action
from models.clock import local_date
from models.content.policy import AcceptanceChannel, Policy, PolicyAcceptance, PolicyKind
from models.identity.user import User
from models.locale import Locale
from seed.policies import PolicyContent, install, read_policies
from tests.outbox import token_to
from tests.web.web_fixtures import ENGLISH, FRENCH, Site, camille, open_site

if TYPE_CHECKING:
    from tests.conftest import MovableClock

PRIVACY, TERMS = "/policies/privacy", "/policies/terms"
HOSTILE = '<script>alert(1)</script> [x](javascript:alert(1)) "><img src=x onerror=alert(1)>'


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    await install(clock.now(), read_policies())
    async with open_site(clock, tmp_path / "files") as site:
        yield site


def next_version(clock: "MovableClock", text: str = "Nouveau") -> PolicyContent:
    """Creates a version of the terms that takes effect in a month."""
    day = local_date(clock.now()) + timedelta(days=30)
    return PolicyContent(
        PolicyKind.TERMS, "2.0", day, f"# {text}\n\n{text}\n", f"# {text}\n\n{text}\n"
    )


@pytest.mark.parametrize(
    ("path", "headers", "title", "expected"),
    [
        (
            PRIVACY,
            FRENCH,
            "Politique de confidentialité",
            "Version 1.0, en vigueur depuis le 1er janvier 2026.",
        ),
        (PRIVACY, ENGLISH, "Privacy policy", "Version 1.0, in force since 1 January 2026."),
        (PRIVACY, {}, "Politique de confidentialité", "en vigueur"),
        (f"{PRIVACY}?locale=en", FRENCH, "Privacy policy", "in force"),
        (f"{PRIVACY}?locale=FR&version=1.0", ENGLISH, "Politique de confidentialité", "en vigueur"),
        (f"{PRIVACY}?locale=de", ENGLISH, "Privacy policy", "in force"),
        (TERMS, FRENCH, "Conditions générales", "en vigueur"),
        (TERMS, ENGLISH, "Terms and conditions", "in force"),
    ],
)
async def test_p4_4_the_policies_are_available_in_french_and_english(
    site: Site, path: str, headers: dict[str, str], title: str, expected: str
) -> None:
    response = await site.client.get(path, headers=headers)
    assert response.status_code == 200
    locale = "fr" if title[0] in "C" or "confidentialité" in title else "en"
    assert f'<html lang="{locale}">' in response.text
    assert response.headers["content-language"] == locale
    assert re.findall(r"<h1>(.*)</h1>", response.text) == [title]
    assert f"<title>{title} – CAMCHA</title>" in response.text
    assert expected in response.text
    kind = PolicyKind.PRIVACY if path.startswith(PRIVACY) else PolicyKind.TERMS
    assert f"SHA-256 {(await Policy.get(kind=kind)).sha256}" in response.text
    assert (await site.client.head(path, headers=headers)).status_code == 200


async def test_the_page_loads_no_resources_and_runs_no_scripts(site: Site) -> None:
    response = await site.client.get(PRIVACY)
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "x-robots-tag" not in response.headers
    assert not re.search(r"src\s*=|style=|<script|\son\w+=", response.text)


async def test_an_unchanged_page_is_not_sent_again(site: Site, clock: "MovableClock") -> None:
    first = await site.client.get(TERMS, headers=FRENCH)
    etag = first.headers["etag"]
    assert etag == f'"{sha256(first.content).hexdigest()}"'
    for condition in (etag, f'"x", W/{etag}'):
        response = await site.client.get(TERMS, headers={**FRENCH, "If-None-Match": condition})
        assert (response.status_code, response.content, response.headers["etag"]) == (
            304,
            b"",
            etag,
        )
    assert (
        await site.client.get(TERMS, headers={**ENGLISH, "If-None-Match": etag})
    ).status_code == 200
    await install(clock.now(), [next_version(clock)])
    clock.advance(timedelta(days=30))
    assert (
        await site.client.get(TERMS, headers={**FRENCH, "If-None-Match": etag})
    ).status_code == 200


async def test_p4_4_all_versions_stay_readable(site: Site, clock: "MovableClock") -> None:
    await install(clock.now(), [next_version(clock)])
    page = await site.client.get(f"{TERMS}?version=2.0", headers=FRENCH)
    assert "Version 2.0, qui entrera en vigueur le 23 décembre 2026." in page.text
    assert "Version 1.0, en vigueur" in (await site.client.get(TERMS, headers=FRENCH)).text
    clock.time = datetime(2026, 12, 22, 22, 59, tzinfo=UTC)  # a minute before midnight in Paris
    assert "Version 1.0, en vigueur" in (await site.client.get(TERMS, headers=FRENCH)).text
    clock.advance(timedelta(minutes=1))
    page = await site.client.get(TERMS, headers=ENGLISH)
    assert "Version 2.0, in force since 23 December 2026." in page.text
    link = re.search(r'<li><a href="([^"]+)">Version 1\.0 of 1 January 2026</a></li>', page.text)
    assert link
    old_page = await site.client.get(link[1].replace("&amp;", "&"), headers=FRENCH)
    assert "and since replaced." in old_page.text


UNKNOWN_POLICIES = [
    "/policies/cookies",
    "/policies/PRIVACY",
    *(f"{TERMS}?version={text}" for text in ("9", "%00", "1" * 99)),
]


@pytest.mark.parametrize("path", UNKNOWN_POLICIES)
async def test_an_unknown_policy_shows_a_404_page(site: Site, path: str) -> None:
    response = await site.client.get(path, headers=FRENCH)
    assert response.status_code == 404
    assert (
        f'<footer><a href="{PRIVACY}">Politique de confidentialité</a> · <a href="' in response.text
    )


async def test_without_policies_the_page_is_a_404(
    db: str, clock: "MovableClock", tmp_path: Path
) -> None:
    async with open_site(clock, tmp_path / "files") as site:
        assert (await site.client.get(PRIVACY)).status_code == 404


async def test_p4_4_hostile_text_is_escaped(site: Site, clock: "MovableClock") -> None:
    await install(clock.now(), [next_version(clock, HOSTILE)])
    for locale in ("fr", "en"):
        page = (await site.client.get(f"{TERMS}?version=2.0&locale={locale}")).text
        assert page.count("<script") == page.count("<img") == 0
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert 'href="javascript' not in page


async def send_invitation(site: Site) -> str:
    """The link in an email to Noé, a new user."""
    viewer = await camille(site.action())
    assert viewer.account
    action = Action(viewer.user, site.action().at, site.services.hub)
    arguments = {
        "email": "noe@fournil.example",
        "role": Role.BILLING,
        "locale": Locale.FR,
        "key": "k",
    }
    await send(action, site.services.auth, viewer.account.pk, **arguments)  # type: ignore[arg-type] # each of its own kind
    return f"/invitation?token={await token_to('noe@fournil.example', 'invitation')}"


async def test_p4_4_accepting_an_invitation_accepts_the_policies_on_its_page(
    site: Site, clock: "MovableClock"
) -> None:
    link = await send_invitation(site)
    page = (await site.client.get(link, headers=ENGLISH)).text
    links = re.findall(r'<a href="([^"]+)" target="_blank" rel="noopener">', page)
    assert links == [f"{PRIVACY}?version=1.0", f"{TERMS}?version=1.0"]
    texts = re.search(r'<input name="texts" type="hidden" value="([\d ]+)">', page)
    assert texts
    form = {"name": "Noé", "password": "corneille sabot pluvier 42", "texts": texts[1]}
    assert (await site.client.post(link, data=form, headers=ENGLISH)).status_code == 200
    noe = await User.get(email="noe@fournil.example")
    acceptances = await PolicyAcceptance.all().order_by("policy_id")
    assert [(each.user_id, each.locale, each.channel) for each in acceptances] == [
        (noe.pk, Locale.EN, AcceptanceChannel.INVITATION)
    ] * 2
    policies_in_force = await Policy.in_force(date(2026, 11, 23))
    assert {each.policy_id for each in acceptances} == {
        policy.pk for policy in policies_in_force.values()
    }


async def test_p4_4_a_policy_replaced_while_the_page_is_open_is_shown_again(
    site: Site, clock: "MovableClock"
) -> None:
    link = await send_invitation(site)
    texts = re.search(
        r'name="texts" type="hidden" value="([\d ]+)"', (await site.client.get(link)).text
    )
    assert texts
    await install(
        clock.now(),
        [
            PolicyContent(
                PolicyKind.TERMS, "2.0", local_date(clock.now()), "# T\n\nx\n", "# T\n\nx\n"
            )
        ],
    )
    form = {"name": "Noé", "password": "corneille sabot pluvier 42", "texts": texts[1]}
    for data in (form, form | {"texts": "9" * 4000}, form | {"texts": "x"}):
        response = await site.client.post(link, data=data, headers=FRENCH)
        assert response.status_code == 422
        assert "Cette version n’est pas en vigueur" in response.text
        assert f"{TERMS}?version=2.0" in response.text
    assert not await User.filter(email="noe@fournil.example").exists()


async def test_p4_4_the_footer_keeps_the_requested_language(site: Site) -> None:
    page = (await site.client.get(f"{PRIVACY}?locale=en", headers=FRENCH)).text
    for address, label in ((PRIVACY, "Privacy policy"), (TERMS, "Terms and conditions")):
        assert f'<a href="{address}?locale=en">{label}</a>' in page
