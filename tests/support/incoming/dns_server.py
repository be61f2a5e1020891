"""A real DNS server for tests, which answers questions for TXT records."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, records: dict[str, str]) -> None:
        self._records = records

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        name = query.question[0].name.to_text().rstrip(".")
        if name not in self._records:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        else:
            text = self._records[name]
            parts = " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))
            answer.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "TXT", parts))
        self._transport.sendto(answer.to_wire(), address)


@asynccontextmanager
async def dns_server(records: dict[str, str]) -> AsyncIterator[dns.resolver.Resolver]:
    """Runs the server. Yields a resolver that queries it."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Protocol(records), local_addr=("127.0.0.1", 0)
    )
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = transport.get_extra_info("sockname")[1]
    try:
        yield resolver
    finally:
        transport.close()
