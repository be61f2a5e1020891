"""A server that takes trusted documents only from all but staff: over HTTP and websocket, and after a restart."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.clients.people import customer
from tests.conftest import database_copy
from tests.forked import run
from tests.story.server_fixtures import ROOT, Client, Server, colleague, running

CATALOGUE = "query Catalogue($first: Int!) { offers(first: $first) { nodes { slug } } }"
AD_HOC = "{ viewer { user { name } } }"


def mutation(name: str, kind: str, selection: str) -> str:
    """The document that tests.story.house.Client sends."""
    return f"mutation($input: {kind}!) {{ {name}(input: $input) {{ {selection} userErrors {{ code field message }} }} }}"


TRUSTED = {
    sha256(CATALOGUE.encode()).hexdigest(): CATALOGUE,
    "signUp": mutation("accountSignUp", "AccountSignUpInput", "accepted"),
    "setUp": mutation("totpSetUp", "TotpSetUpInput", "secret"),
    "confirm": mutation("totpConfirm", "TotpConfirmInput", "recoveryCodes"),
    "signIn": mutation("sessionSignIn", "SessionSignInInput", "session { accessToken refreshToken }"),
}
CATALOGUE_ID = f"sha256:{sha256(CATALOGUE.encode()).hexdigest()}"


@dataclass
class Trusting(Server):
    """A server held to a manifest."""

    @property
    def manifest(self) -> Path:
        return self.folder / "documents.json"

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"CAMCHA_DOCUMENTS": str(self.manifest), "CAMCHA_TRUSTED_DOCUMENTS_ONLY": "true"}

    def refusal(self, *arguments: str) -> tuple[int, str]:
        """Run a command that must fail; its status and what it says."""
        done = run(arguments, cwd=ROOT, env=self.environment)
        return done.returncode, done.stderr


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trusting]:
    folder = tmp_path_factory.mktemp("trusting")
    (folder / "documents.json").write_bytes(orjson.dumps(TRUSTED))
    with database_copy(request, "sqlite", folder, catalogue=True) as url, running(Trusting(url, folder)) as server:
        yield server


async def post(person: Client, **body: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {person.token}"} if person.token else {}
    async with httpx.AsyncClient(base_url=person.server.url) as http:
        return dict((await http.post("/graphql", json=body, headers=headers)).json())


async def over_websocket(person: Client, **payload: Any) -> dict[str, Any]:
    """The same shape as over HTTP."""
    async with person.socket() as live:
        message = await (await live.send(payload)).queue.get()
    return dict(message["payload"]) if message["type"] == "next" else {"errors": message["payload"]}


def codes(answer: dict[str, Any]) -> list[str]:
    return [error["extensions"]["code"] for error in answer.get("errors", ())]


async def test_customers_are_held_to_the_manifest_and_staff_are_not(server: Trusting) -> None:
    nobody, somebody = Client(server), await customer(server, "paul@boulangerie.example")
    agent = await (await colleague(server, "agent@camcha.example", "AGENT")).at(server)
    apollo = {"persistedQuery": {"version": 1, "sha256Hash": sha256(AD_HOC.encode()).hexdigest()}}
    for ask in (post, over_websocket):
        assert codes(await ask(agent, query=AD_HOC, extensions=apollo)) == []  # and is kept, for staff
        assert codes(await ask(agent, extensions=apollo)) == []
        for person in (nobody, somebody):
            assert len((await ask(person, documentId=CATALOGUE_ID, variables={"first": 9}))["data"]["offers"]["nodes"]) == 6
            assert codes(await ask(person, query=AD_HOC)) == ["DOCUMENT_NOT_TRUSTED"]
            assert codes(await ask(person, query=AD_HOC, extensions=apollo)) == ["DOCUMENT_NOT_TRUSTED"]
            assert codes(await ask(person, extensions=apollo)) == ["DOCUMENT_NOT_TRUSTED"]
            assert codes(await ask(person, query="{ broken")) == ["DOCUMENT_NOT_TRUSTED"]


async def test_trusted_documents_are_there_after_a_restart(server: Trusting) -> None:
    server.stop()
    server.start()
    assert codes(await post(Client(server), documentId=CATALOGUE_ID, variables={"first": 1})) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_manifest_that_cannot_be_trusted_stops_the_start(database_url: str, tmp_path: Path) -> None:
    server = Trusting(database_url, tmp_path)
    server.manifest.write_bytes(orjson.dumps(TRUSTED))
    assert server.command("check-documents", str(server.manifest)) == "The documents can be trusted.\n"
    server.manifest.write_bytes(orjson.dumps(TRUSTED | {"wrong": "{ nothing }", "broken": "{ offers"}))
    status, said = server.refusal("serve", "--port", "0")
    assert (status, said.count("error: CAMCHA_DOCUMENTS: ")) == (2, 2)
    status, said = server.refusal("check-documents", str(server.manifest))
    assert (status, said.count("error: ")) == (1, 2)
    assert "error: wrong: Cannot query field 'nothing' on type 'Query'." in said
