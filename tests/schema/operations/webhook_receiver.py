"""A receiver of webhooks on a port of its own, which verifies what it gets with the library that
Standard Webhooks publish, and answers what a test wants.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


@dataclass
class Request:
    """One request that was received."""

    headers: dict[str, str]
    body: str

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def content(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    def is_signed_with(self, secret: str) -> bool:
        try:
            Webhook(secret).verify(self.body, self.headers)
        except WebhookVerificationError:
            return False
        return True


class Receiver:
    """What was received. `answers` are the statuses and headers of the next answers. It doesn't
    answer while `is_open` isn't set.
    """

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[Request] = []
        self.answers: deque[tuple[int, dict[str, str]]] = deque()
        self.status = 204  # of all others
        self.waiting = self.max_waiting = 0
        self.is_open = asyncio.Event()
        self.is_open.set()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/hooks"

    def take(self) -> list[Request]:
        """What was received since the last call."""
        requests, self.requests = self.requests, []
        return requests

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            request, *lines = head.decode().strip().split("\r\n")
            headers = {name.lower(): value for name, value in (x.split(": ", 1) for x in lines)}
            body = await reader.readexactly(int(headers["content-length"]))
            assert request == "POST /hooks HTTP/1.1"
            self.requests.append(Request(headers, body.decode()))
            self.waiting += 1
            self.max_waiting = max(self.waiting, self.max_waiting)
            await self.is_open.wait()
            self.waiting -= 1
            status, answer = self.answers.popleft() if self.answers else (self.status, {})
            lines = [f"HTTP/1.1 {status} Status", "Content-Length: 0", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in answer.items()]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serve_receiver() -> AsyncIterator[Receiver]:
    """Run a receiver."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1")
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.is_open.set()
        server.close()
