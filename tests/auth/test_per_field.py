"""Each executed field counts as one attempt, whether it comes through an alias, a fragment, a batch
or a websocket.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import create_app
from settings import read_settings
from tests.conftest import MovableClock
from tests.people import PASSWORD, sign_up
from tests.story.server_fixtures import Client, Server, http_client
from tests.uvicorn_thread import serve_in_thread

PAUL = "paul@boulangerie.example"
FREE_ATTEMPTS = (
    6  # attempts under auth/throttle/__init__.py's EMAIL_AND_NETWORK before the first wait
)
SIGN_IN = 'sessionSignIn(input: {email: "%s", password: "%s"}) { userErrors { code } }'


@pytest.fixture
def server(database_url: str, tmp_path: Path, clock: MovableClock) -> Iterator[Server]:
    """A server whose clock stands still, so that no wait expires on a slow machine."""
    server = Server(database_url, tmp_path)
    settings = {
        name: value for name, value in server.environment.items() if name.startswith("CAMCHA_")
    }
    with serve_in_thread(
        create_app(read_settings(settings), clock), lifespan="on", port=server.port
    ):
        yield server


def codes(answer: dict[str, Any]) -> list[str]:
    """The outcome of each attempt."""
    result_codes = [
        each["userErrors"][0]["code"] for each in (answer.get("data") or {}).values() if each
    ]
    return result_codes + [error["extensions"]["code"] for error in answer.get("errors", [])]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_p3_5_aliases_fragments_batches_and_websockets_gain_no_attempts(
    server: Server,
) -> None:
    await sign_up(server, PAUL)
    await asyncio.gather(
        *(
            guess_until_throttled(server, send_attempts)
            for send_attempts in (aliases, fragments, websocket)
        )
    )
    assert (await batch(server)).status_code == 400  # there is no such user
    assert (
        await Client(server).sign_in(PAUL, PASSWORD)
    ).token  # an address without guesses has no wait


async def guess_until_throttled(
    server: Server, send_attempts: Callable[[Server, str], Awaitable[list[str]]]
) -> None:
    """Guesses a password until the server asks to wait."""
    attempt_codes: list[str] = []
    while "RATE_LIMITED" not in attempt_codes:
        attempt_codes += await send_attempts(
            server, f"{send_attempts.__name__}@boulangerie.example"
        )
    assert attempt_codes.count("CREDENTIALS_INVALID") == FREE_ATTEMPTS, (
        send_attempts,
        attempt_codes,
    )


async def aliases(server: Server, email: str) -> list[str]:
    """Three attempts as aliases in one operation."""
    fields = " ".join(f"a{n}: {SIGN_IN % (email, n)}" for n in range(3))
    return codes(await Client(server).execute(f"mutation {{ {fields} }}"))


async def fragments(server: Server, email: str) -> list[str]:
    """Three attempts spread over fragments."""
    parts = " ".join(
        f"fragment f{n} on Mutation {{ a{n}: {SIGN_IN % (email, n)} }}" for n in range(3)
    )
    return codes(await Client(server).execute(f"mutation {{ ...f0 ...f1 ...f2 }} {parts}"))


async def websocket(server: Server, email: str) -> list[str]:
    """Three concurrent attempts over one websocket."""
    attempt_codes = []
    async with Client(server).socket() as websocket:
        subscriptions = [
            await websocket.subscribe(f"mutation {{ {SIGN_IN % (email, n)} }}") for n in range(3)
        ]
        for each in subscriptions:
            attempt_codes += codes((await each.queue.get())["payload"])
    return attempt_codes


async def batch(server: Server) -> httpx.Response:
    """Several operations in one request."""
    queries = [{"query": f"mutation {{ {SIGN_IN % (PAUL, n)} }}"} for n in range(10)]
    async with http_client(base_url=server.url) as http:
        return await http.post(
            "/graphql", json=queries, headers={"Accept": "application/graphql-response+json"}
        )
