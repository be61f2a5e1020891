"""What an idle subscription holds: resident memory of our server before and after a thousand of them."""

import asyncio
from collections.abc import Sequence

from bench.fanout import Room
from bench.processes import cpu, resident
from bench.servers import Server

WARM = 200
HEADERS = (  # what a browser sends with a websocket's handshake; the origin is added
    "Pragma: no-cache",
    "Cache-Control: no-cache",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: fr-FR,fr;q=0.9,en-US;q=0.8,en;q=0.7",
    "Cookie: _ga=GA1.1.1234567890.1767225600; theme=dark; consent=necessary%2Cstatistics",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
)


async def per_subscription(server: Server, idle: int, tickets: int) -> float:
    """KiB of each of `idle` subscriptions, on sockets and to tickets of their own, after the first 200 warmed the server."""
    headers = (f"Origin: http://127.0.0.1:{server.port}", *HEADERS)
    chosen = [1 + n % tickets for n in range(WARM + idle)]
    async with Room(server, headers).joined(chosen[:WARM]) as room:
        await quiet(server)
        before = resident(server.pid)
        async with room.joined(chosen[WARM:]):
            await quiet(server)
            return (resident(server.pid) - before) / idle


async def quiet(server: Server, seconds: float = 1.0) -> None:
    """Wait until the server has nothing left to do: two calm spans in a row, a minute at most."""
    calm: Sequence[float] = []
    for _ in range(60):
        before = cpu(server.pid)
        await asyncio.sleep(seconds)
        calm = [*calm, cpu(server.pid) - before][-2:]
        if len(calm) == 2 and max(calm) < 0.1 * seconds:
            return
