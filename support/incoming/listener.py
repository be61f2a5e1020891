"""Receives emails by LMTP or SMTP. A sender is told that an email was accepted once it is stored.

Only emails for our own address are accepted, and nothing is passed on. When the store or the
database is unavailable, the sender is asked to try again later, as every mail server does for days.
"""

import asyncio
import ssl
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP

from mail.reply_address import ReplyAddresses
from models.support.incoming_email import IncomingEmailSource
from storage.store import Store
from support.incoming.options import ListenerOptions
from support.incoming.storing import Envelope, store_email

_STORE_TIMEOUT = 60
_IDLE_SECONDS = 120
_MAX_CONNECTIONS = 100
_MAX_RECIPIENTS = 100
_ACCEPTED = "250 2.0.0 Accepted"
_TRY_AGAIN = "451 4.3.0 Temporarily unavailable, try again later"

log = structlog.stdlib.get_logger()


class MailListener:
    """Listens for emails until it is closed."""

    def __init__(
        self,
        options: ListenerOptions,
        store: Store,
        addresses: ReplyAddresses,
        now: Callable[[], datetime],
        max_bytes: int,
    ) -> None:
        self._options, self._max_bytes = options, max_bytes
        self._handler = _Handler(options, store, addresses, now)
        self._connections: set[Any] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen. Returns the port. Raises OSError when the address is in use."""
        loop = asyncio.get_running_loop()
        # Several processes of one machine share the port.
        self._server = await loop.create_server(
            self._protocol, self._options.host, self._options.port, reuse_port=True
        )
        return int(self._server.sockets[0].getsockname()[1])

    def _protocol(self) -> asyncio.Protocol:
        kind = _LmtpConnection if self._options.is_lmtp else _Connection
        tls: ssl.SSLContext | None = self._options.tls
        return kind(
            self._connections,
            self._handler,
            data_size_limit=self._max_bytes,
            enable_SMTPUTF8=True,
            decode_data=False,
            hostname="camcha",
            ident="CAMCHA",
            tls_context=tls,
            timeout=_IDLE_SECONDS,
            loop=asyncio.get_running_loop(),
        )

    async def close(self) -> None:
        """Stop. Emails that are being stored are finished or sent again by their sender."""
        if self._server:
            self._server.close()
            for connection in [*self._connections]:
                connection.transport.close()
            await self._server.wait_closed()


class _Connection(SMTP):
    """One connection, of which there are at most a hundred at once."""

    def __init__(self, connections: set[Any], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._connections = connections

    def connection_made(self, transport: Any) -> None:
        if len(self._connections) >= _MAX_CONNECTIONS and self not in self._connections:
            transport.write(b"421 4.3.2 Too many connections\r\n")
            transport.close()
            return
        self._connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self in self._connections:
            self._connections.discard(self)
            super().connection_lost(error)


class _LmtpConnection(_Connection, LMTP):
    pass


class _Handler:
    """What happens at each command (aiosmtpd calls methods by their names)."""

    def __init__(
        self,
        options: ListenerOptions,
        store: Store,
        addresses: ReplyAddresses,
        now: Callable[[], datetime],
    ) -> None:
        self._is_lmtp = options.is_lmtp
        self._store, self._addresses, self._now = store, addresses, now

    async def handle_RCPT(
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Accept our own address only."""
        if not self._addresses.is_own(address):
            return "550 5.1.1 No such mailbox"
        if len(envelope.rcpt_tos) >= _MAX_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        """Store the email. LMTP has one answer for each recipient."""
        answer = await self._answer(envelope)
        return "\r\n".join([answer] * (len(envelope.rcpt_tos) if self._is_lmtp else 1))

    async def _answer(self, envelope: Any) -> str:
        source = IncomingEmailSource.LMTP if self._is_lmtp else IncomingEmailSource.SMTP
        headers = Envelope(envelope.mail_from or "", envelope.rcpt_tos).headers
        try:
            async with asyncio.timeout(_STORE_TIMEOUT):
                await store_email(self._store, self._now(), source, headers + envelope.content)
        except Exception as error:  # the sender tries again
            log.error("incoming_email.not_stored", error=type(error).__name__, exc_info=error)
            return _TRY_AGAIN
        return _ACCEPTED
