"""A real IMAP server for tests: pymap, with a mailbox in memory."""

import asyncio
import ssl
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aioimaplib import IMAP4, IMAP4_SSL
from proxyprotocol.reader import ProxyProtocolReader
from proxyprotocol.version import ProxyProtocolVersion
from pymap.backend.dict import DictBackend
from pymap.imap import IMAPServer

USER, PASSWORD = "support", "sesame-ouvre-toi"


@dataclass
class Mailbox:
    """A mailbox, and a client of a person who puts emails there."""

    port: int
    scheme: str
    client: IMAP4

    @property
    def url(self) -> str:
        return f"{self.scheme}://{USER}:{PASSWORD}@127.0.0.1:{self.port}/INBOX"

    async def put(self, raw: bytes) -> None:
        response = await self.client.append(raw, "INBOX")
        assert response.result == "OK", response

    async def unseen(self) -> list[bytes]:
        await self.client.select("INBOX")
        response = await self.client.uid_search("UNSEEN", charset=None)
        return list(response.lines[0].split())


@asynccontextmanager
async def imap_server(
    tls: ssl.SSLContext | None = None, client_tls: ssl.SSLContext | None = None
) -> AsyncIterator[Mailbox]:
    """Runs the server."""
    args = Namespace(
        **{"host": ["127.0.0.1"], "port": "0", "debug": False, "cert": None, "key": None},
        **{"tls": False, "passlib_cfg": None, "proxy_protocol": "noop", "demo_data": False},
        **{"demo_user": USER, "demo_password": PASSWORD, "inherited_sockets": None},
    )
    backend, config = await DictBackend.init(args)
    config.apply_context()
    reader = ProxyProtocolReader(ProxyProtocolVersion.get("noop"))
    callback = reader.get_callback(IMAPServer(backend.login, config))
    server = await asyncio.start_server(callback, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    if client_tls:
        client: IMAP4 = IMAP4_SSL("127.0.0.1", port, ssl_context=client_tls)
    else:
        client = IMAP4("127.0.0.1", port)
    await client.wait_hello_from_server()
    await client.login(USER, PASSWORD)
    try:
        yield Mailbox(port, "imaps" if tls else "imap", client)
    finally:
        await client.logout()
        client.protocol.transport.close()
        server.close()
