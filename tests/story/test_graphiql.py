"""GraphiQL with a real account in a real browser, on a server that is no demonstration."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import create_engine
from engine import Params, RequestError
from tests.conftest import database_copy
from tests.people import PASSWORD, sign_up
from tests.story.server_fixtures import Server, serve_catalogue
from tests.waiting import MAX_WAIT
from web import graphiql

PAUL = "paul@boulangerie.example"
FOLDER = Path(__file__).parent


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server for all tests of this module."""
    folder = tmp_path_factory.mktemp("server")
    with (
        database_copy(request, request.param, folder, catalogue=True) as url,
        serve_catalogue(url, folder) as running_server,
    ):
        yield running_server


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
async def test_a_person_uses_graphiql_with_an_account(server: Server) -> None:
    """The session is in cookies: no script sees it, tabs share it, the page renews it."""
    await sign_up(server, PAUL)
    address = f"http://localhost:{server.url.rpartition(':')[2]}/graphql"
    screenshots = [os.environ["CAMCHA_SCREENSHOT"]] if "CAMCHA_SCREENSHOT" in os.environ else []
    command = ["node", str(FOLDER / "graphiql.mjs"), address, PAUL, PASSWORD, *screenshots]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    output, errors = await asyncio.wait_for(process.communicate(), MAX_WAIT)
    assert process.returncode == 0, errors.decode()
    seen: dict[str, Any] = json.loads(output)
    assert "failure" not in seen, seen
    assert seen["schemaOfStrangers"] == 0
    assert seen["hint"] == "Connectez-vous pour voir le schéma."
    assert seen["refused"] == "Adresse e-mail ou mot de passe incorrect."
    assert (seen["scripts"], seen["otherTab"], seen["afterExpiry"]) == ("", PAUL, PAUL)
    assert seen["cost"]["requested"] > 0
    assert seen["cost"]["told"]
    assert [body for body in seen["events"] if body] == ["Bonjour", "Il y a quelqu’un ?"]
    assert (seen["cookies"], seen["nobody"], seen["byPasskey"]) == ([], None, PAUL)
    assert seen["narrow"] == {"overflow": False, "widths": [True, True]}
    # Strangers may not see the schema, for which the page asks.
    refused = "Failed to load resource: the server responded with a status of 400 (Bad Request)"
    assert set(seen["console"]) <= {refused}
    assert "cam_" not in server.log


def test_the_pages_own_operations_are_trusted_documents(tmp_path: Path) -> None:
    """Otherwise no one could sign in with CAMCHA_TRUSTED_DOCUMENTS_ONLY."""
    manifest = tmp_path / "documents.json"
    manifest.write_text(json.dumps({"offers": "{ offers { nodes { id } } }"}))
    engine = create_engine(manifest)
    assert len(graphiql.operations()) == 6
    inputs = {"SignIn": {"email": "x", "password": "x"}, "SignInWithPasskey": {"passkey": "x"}}
    for name, text in graphiql.operations().items():
        variables = {"input": inputs[name]} if name in inputs else {}
        engine.prepare(Params(text, variables=variables), trusted_only=True)
    with pytest.raises(RequestError):
        engine.prepare(Params("{ viewer { locale } }"), trusted_only=True)
