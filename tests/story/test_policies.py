"""Promise P4.4 against a real server process, on SQLite and on PostgreSQL: policies are linked
everywhere and in the settings.

Paul reads the policies and signs up with them, finds them again through the email's footer and the
contact, and is asked to accept new terms in his settings.
"""

import re
from datetime import timedelta
from hashlib import sha256
from typing import Any

from models.clock import SystemClock, local_date
from models.content.policy import PolicyKind
from models.database.connection import connect, disconnect
from seed.policies import PolicyContent, install
from tests.people import PASSWORD, sign_up
from tests.story.server_fixtures import Client, Server, http_client

PAUL, MARIE = "paul@boulangerie.example", "marie@quais.example"
SETTINGS = """{ viewer {
    policies { policy { id kind version title url }
    acceptanceNeeded acceptance { acceptedAt locale channel } }
    policyAcceptances { policy { version } } } }"""
NOTED = "acceptance { acceptedAt locale channel policy { version } }"


async def test_p4_4_policies_are_linked_everywhere_and_accepted_once(server: Server) -> None:
    texts = await paul_reads_what_is_in_force(server)
    paul = await paul_signs_up_with_them(server, texts)
    await everything_leads_to_the_policy(server, texts)
    marie = await sign_up(server, MARIE, "732829320")  # by a client that predates the policies
    assert await asked(marie) == ["PRIVACY", "TERMS"]
    assert await asked(paul) == []
    await new_terms_come_into_force(server)
    await paul_is_asked_and_accepts(paul, texts)
    assert await asked(marie) == ["PRIVACY", "TERMS"]
    assert (await marie.data(SETTINGS))["viewer"]["policyAcceptances"] == []


async def paul_reads_what_is_in_force(server: Server) -> dict[str, str]:
    """Paul reads the policies anonymously, and their texts match their hashes. Returns the ids by
    kind.
    """
    stranger = Client(server)
    result = await stranger.data(
        "{ policies { nodes { id kind inForce sha256 fr: text(locale: FR) en: text(locale: EN) } } "
        "}"
    )
    policies = result["policies"]["nodes"]
    for each in policies:
        assert each["inForce"]
        assert sha256((each["fr"] + each["en"]).encode()).hexdigest() == each["sha256"]
    return {each["kind"]: each["id"] for each in policies}


async def paul_signs_up_with_them(server: Server, texts: dict[str, str]) -> Client:
    paul = Client(server)
    form = {
        "email": PAUL,
        "password": PASSWORD,
        "name": "Paul Meunier",
        "legalName": "Boulangerie Meunier",
        "siren": "404833048",
    }
    stale = await paul.attempt(
        "accountSignUp", "AccountSignUpInput", form | {"acceptedPolicyIds": ["x"]}, "accepted"
    )
    assert [(each["code"], each["field"]) for each in stale["userErrors"]] == [
        ("POLICY_NOT_IN_FORCE", ["input", "acceptedPolicyIds", "0"])
    ]
    given = form | {"acceptedPolicyIds": list(texts.values())}
    await paul.do("accountSignUp", "AccountSignUpInput", given, "accepted")
    link = re.search(r"https?://\S+/verify\?token=\S+", await words(server, PAUL))
    assert link
    async with http_client() as browser:
        page = await browser.post(link[0])
        assert (
            '<footer><a href="/policies/privacy">Politique de confidentialité</a> · ' in page.text
        )
    return await paul.sign_in(PAUL, PASSWORD)


async def words(server: Server, address: str) -> str:
    """The text of the first email to this address."""
    body = (await server.email(address)).get_body(("plain",))
    assert body
    return str(body.get_content()).replace("\r\n", "\n")


async def everything_leads_to_the_policy(server: Server, texts: dict[str, str]) -> None:
    """The email's footer, the contact, GraphiQL's page and the policy's own address."""
    footer = re.search(
        r"^Politique de confidentialité\u00a0: (\S+)$", await words(server, PAUL), re.M
    )
    assert footer
    html = (await server.email(PAUL)).get_body(("html",))
    assert html
    assert f'<a href="{footer[1]}"' in html.get_content()
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


async def standings(who: Client) -> list[dict[str, Any]]:
    return list((await who.data(SETTINGS))["viewer"]["policies"])


async def asked(who: Client) -> list[str]:
    """The policies that the user's settings ask them to accept."""
    return [each["policy"]["kind"] for each in await standings(who) if each["acceptanceNeeded"]]


async def new_terms_come_into_force(server: Server) -> None:
    """Installs new terms that take effect today, while the server is running."""
    now = SystemClock().now()
    await connect(server.database_url)
    text = "# {}\n\nNouveau.\n"
    coming = PolicyContent(
        PolicyKind.TERMS,
        "2.0",
        local_date(now) - timedelta(days=1),
        text.format("Conditions"),
        text.format("Terms"),
    )
    await install(now, [coming])
    await disconnect()


async def paul_is_asked_and_accepts(paul: Client, texts: dict[str, str]) -> None:
    assert await asked(paul) == ["TERMS"]
    _, terms = await standings(paul)
    assert (terms["policy"]["version"], terms["acceptance"]) == ("2.0", None)
    async with http_client() as browser:
        assert "Nouveau." in (await browser.get(terms["policy"]["url"])).text
    old = await paul.attempt(
        "policyAccept", "PolicyAcceptInput", {"policyId": texts["TERMS"]}, NOTED
    )
    # He had already accepted it, so nothing changes.
    assert (old["acceptance"]["channel"], old["userErrors"]) == ("SIGN_UP", [])
    given = {"policyId": terms["policy"]["id"]}
    first = await paul.do("policyAccept", "PolicyAcceptInput", given, NOTED)
    assert await paul.do("policyAccept", "PolicyAcceptInput", given, NOTED) == first
    assert (first["acceptance"]["locale"], first["acceptance"]["channel"]) == ("FR", "SETTINGS")
    assert await asked(paul) == []
    accepted = (await paul.data(SETTINGS))["viewer"]["policyAcceptances"]
    assert [each["policy"]["version"] for each in accepted] == ["2.0", "1.0", "1.0"]
    log = await paul.data("{ auditEntries(first: 5) { nodes { action details { name value } } } }")
    entries = [each for each in log["auditEntries"]["nodes"] if each["action"] == "POLICY_ACCEPT"]
    assert {"name": "version", "value": "2.0"} in entries[0]["details"]
