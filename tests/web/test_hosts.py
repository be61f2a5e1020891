"""The Host header determines neither the target of a redirect nor, when hosts are configured, which
pages may call the server.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from app import create_app
from settings import read_settings
from tests.story.server_fixtures import Server
from tests.uvicorn_thread import serve_in_thread
from web.hosts import HostCheck

OTHER_HOST = "evil.example"
BODY = b'{"query": "{ __typename }"}'


@pytest.fixture
def server(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(database_url, tmp_path)
    settings = {
        name: value for name, value in server.environment.items() if name.startswith("CAMCHA_")
    } | getattr(request, "param", {})
    with serve_in_thread(create_app(read_settings(settings)), lifespan="on", port=server.port):
        yield server


with_host = pytest.mark.parametrize("server", [{"CAMCHA_ALLOWED_HOSTS": "camcha"}], indirect=True)


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url) as client:
        yield client


async def answer(server: Server, head: str, body: bytes = b"") -> str:
    """The answer to the bytes of one request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    lines = f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"{lines}Content-Type: application/json\r\n\r\n".encode() + body)
    text = (await asyncio.wait_for(reader.read(), 60)).decode()
    writer.close()
    return text


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/graphql/", "/graphql"),
        ("/graphql/?query=%7Ba%7D&b=%C3%A9", "/graphql?query=%7Ba%7D&b=%C3%A9"),
        ("/graphql//", "/graphql"),
        ("//graphql/", "/graphql"),
        ("/policies/privacy/", "/policies/privacy"),
    ],
)
async def test_redirects_stay_on_the_host(
    client: httpx.AsyncClient, path: str, location: str
) -> None:
    url = str(client.base_url).rstrip("/") + path
    for headers in (
        {},
        {"host": OTHER_HOST},
        {"x-forwarded-host": OTHER_HOST},
        {"origin": "https://e.fr"},
    ):
        response = await client.get(url, headers=headers)
        assert (response.status_code, response.headers["location"]) == (307, location)


@pytest.mark.parametrize("path", ["/nothing/", "//evil.example/", "//evil.example//", "/\\evil/"])
async def test_other_paths_are_not_found(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(str(client.base_url).rstrip("/") + path)
    assert response.status_code == 404
    assert "location" not in response.headers


async def test_a_request_names_one_host(server: Server) -> None:
    for path in ("/graphql", "/graphql/", "/healthz", "/policies/privacy"):
        for hosts in (
            "Host: a.example\r\nHost: a.example\r\n",
            "Host: 127.0.0.1\r\nhost: b.example\r\n",
            "Host: a.example\r\nX-A: 1\r\nX-A: 2\r\nHOST: b.example\r\n",
            "Host: a.example, b.example\r\n",
            "Host: a.example/path\r\n",
            "Host: user@a.example\r\n",
            "Host: \r\n",
            "",
        ):
            text = await answer(server, f"POST {path} HTTP/1.1\r\n{hosts}", BODY)
            assert text.startswith("HTTP/1.1 400 "), hosts
    headers = "Host: a.example\r\nX-A: 1\r\nX-A: 2\r\n"
    assert "200" in (await answer(server, f"POST /graphql HTTP/1.1\r\n{headers}", BODY))[:13]
    assert "200" in (await answer(server, "POST /graphql HTTP/1.0\r\n", BODY))[:13]


@with_host
async def test_other_hosts_are_refused_when_hosts_are_configured(
    server: Server, client: httpx.AsyncClient
) -> None:
    port = urlsplit(server.url).port
    allowed = ["127.0.0.1", f"camcha:{port}", "CAMCHA.", f"localhost:{port}", "[::1]", "10.0.0.7:1"]
    for host in [
        *allowed,
        OTHER_HOST,
        "camcha.evil.example",
        "evilcamcha",
        "127.0.0.1.evil.example",
    ]:
        for path in ("/graphql", "/policies/privacy"):
            response = await client.get(path, params={"query": "{a}"}, headers={"host": host})
            refused = "Host header" in response.text
            assert refused is (host not in allowed), (host, path)
            assert response.status_code == 400 or not refused
        assert (await client.get("/healthz", headers={"host": host})).status_code == 200
    with pytest.raises(InvalidStatus) as handshake:
        await open_socket(server, OTHER_HOST)
    assert handshake.value.response.status_code == 400


async def open_socket(server: Server, host: str) -> None:
    url = f"ws://{host}:{server.port}/graphql"
    subprotocols = [Subprotocol("graphql-transport-ws")]
    async with connect(url, host="127.0.0.1", subprotocols=subprotocols, proxy=None):
        pass


def test_the_host_check_matches_names_and_addresses() -> None:
    check = HostCheck(frozenset({"camcha"}))
    for host, accepted in ((b"camcha:", True), (b"[::1]:80", True), (b"[camcha]", False)):
        scope = {"path": "/", "http_version": "1.1", "headers": [(b"host", host)]}
        assert check.accepts(scope) is accepted, host


@pytest.mark.parametrize("authorization", [5, True, False, 0, [], ["Bearer x"], {}, {"a": 1}, 1.5])
async def test_an_authorization_that_is_not_a_string_closes_with_4401(
    server: Server, authorization: object
) -> None:
    for name in ("authorization", "Authorization"):
        subprotocols = [Subprotocol("graphql-transport-ws")]
        async with connect(
            f"ws://127.0.0.1:{server.port}/graphql", subprotocols=subprotocols
        ) as ws:
            init = {"type": "connection_init", "payload": {name: authorization}}
            await ws.send(orjson.dumps(init).decode())
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(ws.recv(), 60)
        assert closed.value.rcvd
        assert closed.value.rcvd.code == 4401


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_people_get_a_page_for_an_address_that_does_not_exist(
    client: httpx.AsyncClient,
) -> None:
    """In their language, with the way to the customer space. Programs get a line."""
    for path in ("/nope", "/verify/nope", "/verify//nope/"):
        page = await client.get(path, headers={"Accept": "text/html,*/*", "Accept-Language": "fr"})
        assert (page.status_code, page.headers["content-language"]) == (404, "fr"), path
        assert "Cette page n’existe pas" in page.text
        assert 'href="/"' in page.text
        line = await client.get(path)
        assert (line.status_code, line.text) == (404, "Not Found"), path
