"""The mail server of the suite: it counts how often each message arrived, by its Message-ID."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from typing import Any

from aiosmtpd.smtp import SMTP


class MailServer:
    """Accepts every message. While `loses_answers` is set, it accepts a message and closes the
    connection instead of saying so: then the sender can't know, and sends it again.
    """

    def __init__(self) -> None:
        self.port = 0
        self.loses_answers = False
        self.arrivals: Counter[str] = Counter()  # by Message-ID

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        """Accept a client."""
        session.host_name = hostname
        return responses

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Accept a message."""
        self.arrivals[str(message_from_bytes(envelope.content)["Message-ID"])] += 1
        if self.loses_answers:
            server.transport.abort()
        return "250 OK"

    @property
    def repeated(self) -> int:
        """How many messages arrived more than once."""
        return sum(count > 1 for count in self.arrivals.values())

    @asynccontextmanager
    async def running(self) -> AsyncIterator["MailServer"]:
        """Listen on a free port of this machine."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(self), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self
