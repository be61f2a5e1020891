"""The real server in a process of its own, and clients that use it over HTTP and websockets."""

import asyncio
import contextlib
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import httpx
import orjson
import pyotp
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.forked import ForkedProcess, inherited_environment, run
from tests.waiting import MAX_WAIT

ROOT = Path(__file__).parents[2]
# Creating one per client takes longer than a request.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ServerT = TypeVar("ServerT", bound="Server")
SECRET_KEY = "a-key-for-tests-only-0123456789-abcdefghij"


def free_port() -> int:
    with socket.socket() as probe_socket:
        probe_socket.bind(("127.0.0.1", 0))
        return int(probe_socket.getsockname()[1])


@dataclass
class Server:
    """`python -m cli serve` on a test database, with its mail and files in a folder of its own."""

    database_url: str
    folder: Path
    port: int = field(default_factory=free_port)
    process: ForkedProcess | None = None
    is_verbose: bool = False  # logs everything that it can
    redis_url: str | None = None
    options: tuple[str, ...] = ()  # of `serve`
    stderr: Path | None = None  # instead of the log
    metrics_port: int | None = None
    variables: dict[str, str] = field(default_factory=dict)  # further settings

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return inherited_environment() | {
            "CAMCHA_DATABASE_URL": self.database_url,
            "CAMCHA_SECRET_KEY": SECRET_KEY,
            "CAMCHA_TEST_INSTALLATION": "true",
            "CAMCHA_BASE_URL": self.url,
            "CAMCHA_MAIL_URL": f"file://{self.folder / 'mail'}",
            "CAMCHA_FILES": str(self.folder / "files"),
            "CAMCHA_ANALYTICS_MIN_COMPANIES": "1",  # there are few
            # Tests write faster than people do.
            "CAMCHA_LIMIT_ACTIVITY_MESSAGES": "1000000",
            "CAMCHA_LIMIT_ACTIVITY_MESSAGES_PER_COMPANY": "1000000",
            "CAMCHA_LIMIT_ACTIVITY_MESSAGES_OF_STAFF": "1000000",
            "PYTHONUNBUFFERED": "1",
            **({"CAMCHA_REDIS_URL": self.redis_url} if self.redis_url else {}),
            **({"CAMCHA_METRICS": f"127.0.0.1:{self.metrics_port}"} if self.metrics_port else {}),
            **self.variables,
        }

    def command(self, *arguments: str) -> str:
        """Runs one of the operator's commands until it exits, and returns its output."""
        result = run(arguments, cwd=ROOT, env=self.environment)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def start(self) -> None:
        """Starts the server and waits until it is ready."""
        arguments, log = ["serve", "--port", str(self.port), *self.options], self.folder / "log"
        self.process = ForkedProcess(
            arguments,
            cwd=ROOT,
            env=self.environment,
            stdout=log,
            stderr=self.stderr or log,
            is_verbose=self.is_verbose,
        )
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Waits until the started process accepts requests."""
        assert self.process is not None
        deadline = time.monotonic() + 2 * MAX_WAIT
        with httpx.Client(base_url=self.url, verify=NO_TLS, timeout=MAX_WAIT) as http:
            while time.monotonic() < deadline and self.process.poll() is None:
                with contextlib.suppress(httpx.TransportError):
                    if http.get("/readyz").status_code == 200:
                        return
                time.sleep(0.02)
        self.process.kill()
        raise AssertionError(self.log)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def kill(self) -> None:
        """Kills the process, as a power failure would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    async def kill_and_restart(self) -> None:
        self.kill()
        await asyncio.to_thread(self.start)

    def stop(self) -> None:
        """Stops the server as an operator would."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(120)

    def emails(self, address: str) -> list[EmailMessage]:
        """The emails delivered to this address, oldest first."""
        paths = sorted(
            (self.folder / "mail").glob("*.eml"), key=lambda path: path.stat().st_mtime_ns
        )
        emails = [_read_email(path) for path in paths]
        return [email for email in emails if address in str(email["To"])]

    async def email(self, address: str, number: int = 1) -> EmailMessage:
        """Waits for the n-th email to this address."""
        async with asyncio.timeout(120):
            while len(self.emails(address)) < number:
                await asyncio.sleep(0.1)
        return self.emails(address)[number - 1]


@cache
def _read_email(path: Path) -> EmailMessage:
    email = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert isinstance(email, EmailMessage)
    return email


def http_client(**options: Any) -> httpx.AsyncClient:
    """An HTTP client with timeouts long enough for a busy machine."""
    return httpx.AsyncClient(timeout=MAX_WAIT, verify=NO_TLS, **options)


@dataclass
class Client:
    """A user with an HTTP client and a websocket."""

    server: Server
    token: str | None = None
    language: str = "fr"

    async def execute(self, query: str, **variables: Any) -> dict[str, Any]:
        """The complete response to one operation."""
        headers = {"Accept-Language": self.language} | (
            {"Authorization": f"Bearer {self.token}"} if self.token else {}
        )
        async with http_client(base_url=self.server.url) as http:
            response = await http.post(
                "/graphql", json={"query": query, "variables": variables}, headers=headers
            )
        return dict(response.json())

    async def data(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of an operation that must not fail."""
        response = await self.execute(query, **variables)
        assert "errors" not in response, response
        return dict(response["data"])

    async def mutate(
        self, name: str, kind: str, arguments: dict[str, Any], selection: str
    ) -> dict[str, Any]:
        """The payload of one mutation, which must not contain userErrors."""
        payload = await self.try_mutation(name, kind, arguments, selection)
        assert payload["userErrors"] == [], payload
        return payload

    async def try_mutation(
        self, name: str, kind: str, arguments: dict[str, Any], selection: str
    ) -> dict[str, Any]:
        """The payload of one mutation."""
        document = (
            f"mutation($input: {kind}!) "
            f"{{ {name}(input: $input) {{ {selection} userErrors {{ code field message }} }} }}"
        )
        return dict((await self.data(document, input=arguments))[name])

    async def sign_in(
        self, email: str, password: str, secret: str | None = None, **options: Any
    ) -> "Client":
        """Signs in, with a new one-time code when there is a second factor."""
        code = {"code": pyotp.TOTP(secret).now()} if secret else {}
        arguments = {"email": email, "password": password, **code, **options}
        payload = await self.mutate(
            "sessionSignIn", "SessionSignInInput", arguments, "session { accessToken refreshToken }"
        )
        self.token = payload["session"]["accessToken"]
        return self

    async def open_chat(self, number: int = 1) -> str:
        """Opens a chat and returns its id."""
        ticket = {
            "subject": f"Chat {number}",
            "body": "Bonjour",
            "channel": "CHAT",
            "idempotencyKey": f"chat-{number}",
        }
        payload = await self.mutate("ticketOpen", "TicketOpenInput", ticket, "ticket { id }")
        return str(payload["ticket"]["id"])

    @asynccontextmanager
    async def socket(self) -> AsyncIterator["WebsocketClient"]:
        """A websocket after its handshake."""
        url = self.server.url.replace("http", "ws") + "/graphql"
        async with connect(
            url, subprotocols=[Subprotocol("graphql-transport-ws")], max_queue=1024
        ) as websocket:
            payload = {"authorization": f"Bearer {self.token}"} if self.token else {}
            await websocket.send(
                orjson.dumps({"type": "connection_init", "payload": payload}).decode()
            )
            assert orjson.loads(await websocket.recv())["type"] == "connection_ack"
            websocket_client = WebsocketClient(websocket)
            reader = asyncio.create_task(websocket_client.read())
            try:
                yield websocket_client
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)


class WebsocketClient:
    """The operations of one websocket."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket
        self._numbers = count(1)
        self._queues: dict[str, asyncio.Queue[dict[str, Any]]] = {}

    async def read(self) -> None:
        async for text in self._websocket:
            message = orjson.loads(text)
            if message["type"] == "ping":
                await self._websocket.send('{"type":"pong"}')
            elif message.get("id") in self._queues:
                self._queues[message["id"]].put_nowait(message)

    async def wait_closed(self, seconds: float = 120) -> int | None:
        """Waits until the server closes the websocket, and returns the close code."""
        await asyncio.wait_for(self._websocket.wait_closed(), seconds)
        return self._websocket.close_code

    async def subscribe(self, query: str, **variables: Any) -> "SubscriptionMessages":
        """Starts a subscription."""
        return await self.send({"query": query, "variables": variables})

    async def send(self, payload: dict[str, Any]) -> "SubscriptionMessages":
        """Starts the operation in this payload."""
        key = str(next(self._numbers))
        self._queues[key] = asyncio.Queue()
        await self._websocket.send(
            orjson.dumps({"id": key, "type": "subscribe", "payload": payload}).decode()
        )
        return SubscriptionMessages(self._queues[key])


@dataclass
class SubscriptionMessages:
    """The messages received by one subscription."""

    queue: asyncio.Queue[dict[str, Any]]

    async def next(self, seconds: float = 120) -> dict[str, Any]:
        """The data of the next event."""
        message = await asyncio.wait_for(self.queue.get(), seconds)
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        (event,) = message["payload"]["data"].values()
        return dict(event)

    async def until(self, kind: str, seconds: float = 120) -> dict[str, Any]:
        """The next event of this kind."""
        while (event := await self.next(seconds))["kind"] != kind:
            pass
        return event


@contextlib.contextmanager
def run_server(server: ServerT) -> Iterator[ServerT]:
    """Starts the server and stops it at the end. Its database must be migrated."""
    server.start()
    try:
        yield server
    finally:
        server.stop()


def serve_catalogue(catalogue_url: str, folder: Path) -> contextlib.AbstractContextManager[Server]:
    """A running server on a database with the catalogue."""
    return run_server(Server(catalogue_url, folder))
