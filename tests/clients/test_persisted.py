"""A server that accepts only trusted documents from customers, over HTTP and over a websocket."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.conftest import database_copy
from tests.forked import run
from tests.people import hire, sign_up
from tests.story.server_fixtures import ROOT, Client, Server, http_client, run_server

CATALOGUE = "query Catalogue($first: Int!) { offers(first: $first) { nodes { slug } } }"
AD_HOC = "{ viewer { user { name } } }"


def mutation(name: str, input_type: str, selection: str) -> str:
    """The document that the Client of tests/story sends."""
    return (
        f"mutation($input: {input_type}!) {{ {name}(input: $input) {{ {selection} "
        f"userErrors {{ code field message }} }} }}"
    )


TRUSTED_DOCUMENTS = {
    sha256(CATALOGUE.encode()).hexdigest(): CATALOGUE,
    "signUp": mutation("accountSignUp", "AccountSignUpInput", "accepted"),
    "setUp": mutation("totpSetUp", "TotpSetUpInput", "secret"),
    "confirm": mutation("totpConfirm", "TotpConfirmInput", "recoveryCodes"),
    "signIn": mutation(
        "sessionSignIn", "SessionSignInInput", "session { accessToken refreshToken }"
    ),
}
CATALOGUE_ID = f"sha256:{sha256(CATALOGUE.encode()).hexdigest()}"


@dataclass
class TrustedDocumentsServer(Server):
    """A server with a manifest of trusted documents."""

    @property
    def manifest(self) -> Path:
        return self.folder / "documents.json"

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {
            "CAMCHA_DOCUMENTS": str(self.manifest),
            "CAMCHA_TRUSTED_DOCUMENTS_ONLY": "true",
        }

    def failing_command(self, *arguments: str) -> tuple[int, str]:
        """Run a command that must fail. Returns its exit status and its error output."""
        result = run(arguments, cwd=ROOT, env=self.environment)
        return result.returncode, result.stderr


@pytest.fixture(scope="module")
def trusted_documents_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrustedDocumentsServer]:
    folder = tmp_path_factory.mktemp("trusting")
    (folder / "documents.json").write_bytes(orjson.dumps(TRUSTED_DOCUMENTS))
    with (
        database_copy(request, "sqlite", folder, catalogue=True) as url,
        run_server(TrustedDocumentsServer(url, folder)) as server,
    ):
        yield server


async def post(person: Client, **body: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {person.token}"} if person.token else {}
    async with http_client(base_url=person.server.url) as http:
        return dict((await http.post("/graphql", json=body, headers=headers)).json())


async def send_over_websocket(person: Client, **payload: Any) -> dict[str, Any]:
    """The response in the form that it has over HTTP."""
    async with person.socket() as websocket:
        message = await (await websocket.send(payload)).queue.get()
    return dict(message["payload"]) if message["type"] == "next" else {"errors": message["payload"]}


def codes(response: dict[str, Any]) -> list[str]:
    return [error["extensions"]["code"] for error in response.get("errors", ())]


async def test_customers_may_send_trusted_documents_only_and_staff_any(
    trusted_documents_server: TrustedDocumentsServer,
) -> None:
    server = trusted_documents_server
    anonymous, paul = Client(server), await sign_up(server, "paul@boulangerie.example")
    agent = await (await hire(server, "agent@camcha.example", "AGENT")).sign_in(server)
    apollo = {"persistedQuery": {"version": 1, "sha256Hash": sha256(AD_HOC.encode()).hexdigest()}}
    for send in (post, send_over_websocket):
        # Which also persists it, for staff.
        assert codes(await send(agent, query=AD_HOC, extensions=apollo)) == []
        assert codes(await send(agent, extensions=apollo)) == []
        for client in (anonymous, paul):
            response = await send(client, documentId=CATALOGUE_ID, variables={"first": 9})
            assert len(response["data"]["offers"]["nodes"]) == 6
            assert codes(await send(client, query=AD_HOC)) == ["DOCUMENT_NOT_TRUSTED"]
            assert codes(await send(client, query=AD_HOC, extensions=apollo)) == [
                "DOCUMENT_NOT_TRUSTED"
            ]
            assert codes(await send(client, extensions=apollo)) == ["DOCUMENT_NOT_TRUSTED"]
            assert codes(await send(client, query="{ broken")) == ["DOCUMENT_NOT_TRUSTED"]


async def test_trusted_documents_are_known_after_a_restart(
    trusted_documents_server: TrustedDocumentsServer,
) -> None:
    trusted_documents_server.stop()
    trusted_documents_server.start()
    assert (
        codes(
            await post(
                Client(trusted_documents_server), documentId=CATALOGUE_ID, variables={"first": 1}
            )
        )
        == []
    )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_server_does_not_start_with_an_invalid_manifest(
    database_url: str, tmp_path: Path
) -> None:
    server = TrustedDocumentsServer(database_url, tmp_path)
    server.manifest.write_bytes(orjson.dumps(TRUSTED_DOCUMENTS))
    assert (
        server.command("check-documents", str(server.manifest)) == "The documents can be trusted.\n"
    )
    server.manifest.write_bytes(
        orjson.dumps(TRUSTED_DOCUMENTS | {"wrong": "{ nothing }", "broken": "{ offers"})
    )
    status, output = server.failing_command("serve", "--port", "0")
    assert (status, output.count("error: CAMCHA_DOCUMENTS: ")) == (2, 2)
    status, output = server.failing_command("check-documents", str(server.manifest))
    assert (status, output.count("error: ")) == (1, 2)
    assert "error: wrong: Cannot query field 'nothing' on type 'Query'." in output
