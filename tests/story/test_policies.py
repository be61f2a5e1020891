"""Promise P4.4 against a real server process, on SQLite and on PostgreSQL: policies are linked
everywhere and in the settings.

Paul reads the policies and signs up with them, finds them again through the email's footer and the
contact, and is asked to accept new terms in his settings.
"""

import re
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from models.clock import SystemClock, local_date
from models.content.policy import PolicyKind
from models.database.connection import connect, disconnect
from seed.policies import PolicyContent, install
from tests.people import PASSWORD, sign_up
from tests.story.server_fixtures import Client, Server, http_client

PAUL, MARIE = "paul@boulangerie.example", "marie@quais.example"
SETTINGS_QUERY = """{ viewer {
    policies { policy { id kind version title url }
    acceptanceNeeded acceptance { acceptedAt locale channel } }
    policyAcceptances { policy { version } } } }"""
ACCEPTANCE_FIELDS = "acceptance { acceptedAt locale channel policy { version } }"


@pytest.mark.parametrize("catalogue_url", ["postgres"], indirect=True)
async def test_p4_4_policies_are_linked_everywhere_and_accepted_once(server: Server) -> None:
    texts = await paul_reads_the_policies(server)
    paul = await paul_signs_up_and_accepts_them(server, texts)
    await the_policies_are_linked_everywhere(server, texts)
    marie = await sign_up(server, MARIE, "732829320")  # by a client that predates the policies
    assert await policies_to_accept(marie) == ["PRIVACY", "TERMS"]
    assert await policies_to_accept(paul) == []
    await new_terms_are_installed(server)
    await paul_accepts_the_new_terms(paul, texts)
    assert await policies_to_accept(marie) == ["PRIVACY", "TERMS"]
    assert (await marie.data(SETTINGS_QUERY))["viewer"]["policyAcceptances"] == []


async def paul_reads_the_policies(server: Server) -> dict[str, str]:
    """Paul reads the policies anonymously, and their texts match their hashes. Returns the ids by
    kind.
    """
    anonymous = Client(server)
    result = await anonymous.data(
        "{ policies { nodes { id kind inForce sha256 fr: text(locale: FR) en: text(locale: EN) } } "
        "}"
    )
    policies = result["policies"]["nodes"]
    for each in policies:
        assert each["inForce"]
        assert sha256((each["fr"] + each["en"]).encode()).hexdigest() == each["sha256"]
    return {each["kind"]: each["id"] for each in policies}


async def paul_signs_up_and_accepts_them(server: Server, texts: dict[str, str]) -> Client:
    paul = Client(server)
    form = {
        "email": PAUL,
        "password": PASSWORD,
        "name": "Paul Meunier",
        "legalName": "Boulangerie Meunier",
        "siren": "404833048",
    }
    rejected_payload = await paul.try_mutation(
        "accountSignUp", "AccountSignUpInput", form | {"acceptedPolicyIds": ["x"]}, "accepted"
    )
    assert [(each["code"], each["field"]) for each in rejected_payload["userErrors"]] == [
        ("POLICY_NOT_IN_FORCE", ["input", "acceptedPolicyIds", "0"])
    ]
    arguments = form | {"acceptedPolicyIds": list(texts.values())}
    await paul.mutate("accountSignUp", "AccountSignUpInput", arguments, "accepted")
    link = re.search(r"https?://\S+/verify\?token=\S+", await email_text(server, PAUL))
    assert link
    async with http_client() as browser:
        page = await browser.post(link[0])
        assert (
            '<footer><a href="/policies/privacy">Politique de confidentialité</a> · ' in page.text
        )
    return await paul.sign_in(PAUL, PASSWORD)


async def email_text(server: Server, address: str) -> str:
    """The text of the first email to this address."""
    body = (await server.email(address)).get_body(("plain",))
    assert body
    return str(body.get_content()).replace("\r\n", "\n")


async def the_policies_are_linked_everywhere(server: Server, texts: dict[str, str]) -> None:
    """The email's footer, the contact, GraphiQL's page and the policy's own address."""
    footer = re.search(
        r"^Politique de confidentialité\u00a0: (\S+)$", await email_text(server, PAUL), re.M
    )
    assert footer
    html = (await server.email(PAUL)).get_body(("html",))
    assert html
    assert f'href="{footer[1]}"' in html.get_content()
    contact = (await Client(server).data("{ contact { privacyPolicyUrl termsUrl } }"))["contact"]
    assert contact == {"privacyPolicyUrl": footer[1], "termsUrl": f"{server.url}/policies/terms"}
    assert footer[1] == f"{server.url}/policies/privacy"
    async with http_client() as browser:
        french = await browser.get(footer[1])
        english = await browser.get(footer[1], headers={"Accept-Language": "en"})
        terms = await browser.get(contact["termsUrl"])
        graphiql = await browser.get(f"{server.url}/graphql", headers={"Accept": "text/html"})
    assert "<h1>Politique de confidentialité</h1>" in french.text
    assert "<h1>Privacy policy</h1>" in english.text
    assert "<h1>Conditions générales</h1>" in terms.text
    assert 'href="policies/privacy"' in graphiql.text


async def policy_statuses(client: Client) -> list[dict[str, Any]]:
    return list((await client.data(SETTINGS_QUERY))["viewer"]["policies"])


async def policies_to_accept(client: Client) -> list[str]:
    """The policies that the user's settings ask them to accept."""
    return [
        each["policy"]["kind"] for each in await policy_statuses(client) if each["acceptanceNeeded"]
    ]


async def new_terms_are_installed(server: Server) -> None:
    """Installs new terms that take effect today, while the server is running."""
    now = SystemClock().now()
    await connect(server.database_url)
    text = "# {}\n\nNouveau.\n"
    new_terms = PolicyContent(
        PolicyKind.TERMS,
        "2.0",
        local_date(now) - timedelta(days=1),
        text.format("Conditions"),
        text.format("Terms"),
    )
    await install(now, [new_terms])
    await disconnect()


async def paul_accepts_the_new_terms(paul: Client, texts: dict[str, str]) -> None:
    assert await policies_to_accept(paul) == ["TERMS"]
    _, terms = await policy_statuses(paul)
    assert (terms["policy"]["version"], terms["acceptance"]) == ("2.0", None)
    async with http_client() as browser:
        assert "Nouveau." in (await browser.get(terms["policy"]["url"])).text
    old_terms_payload = await paul.try_mutation(
        "policyAccept", "PolicyAcceptInput", {"policyId": texts["TERMS"]}, ACCEPTANCE_FIELDS
    )
    # He had already accepted it, so nothing changes.
    assert (old_terms_payload["acceptance"]["channel"], old_terms_payload["userErrors"]) == (
        "SIGN_UP",
        [],
    )
    arguments = {"policyId": terms["policy"]["id"]}
    first = await paul.mutate("policyAccept", "PolicyAcceptInput", arguments, ACCEPTANCE_FIELDS)
    assert (
        await paul.mutate("policyAccept", "PolicyAcceptInput", arguments, ACCEPTANCE_FIELDS)
        == first
    )
    assert (first["acceptance"]["locale"], first["acceptance"]["channel"]) == (
        "FR",
        "SETTINGS",
    )
    assert await policies_to_accept(paul) == []
    accept_payload = (await paul.data(SETTINGS_QUERY))["viewer"]["policyAcceptances"]
    assert [each["policy"]["version"] for each in accept_payload] == ["2.0", "1.0", "1.0"]
    log = await paul.data("{ auditEntries(first: 5) { nodes { action details { name value } } } }")
    entries = [each for each in log["auditEntries"]["nodes"] if each["action"] == "POLICY_ACCEPT"]
    assert {"name": "version", "value": "2.0"} in entries[0]["details"]
