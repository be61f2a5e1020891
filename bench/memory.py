"""The memory of an idle subscription: resident memory of our server before and after a thousand of
them.
"""

import asyncio
from collections.abc import Sequence

from bench.fan_out import SubscriberGroup
from bench.processes import cpu_seconds, resident_kib
from bench.servers import Server

WARM_UP_SUBSCRIPTIONS = 200
# those that a browser sends with a websocket's handshake, except Origin, which is added below
BROWSER_HEADERS = (
    "Pragma: no-cache",
    "Cache-Control: no-cache",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/138.0.0.0 Safari/537.36",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: fr-FR,fr;q=0.9,en-US;q=0.8,en;q=0.7",
    "Cookie: _ga=GA1.1.1234567890.1767225600; theme=dark; consent=necessary%2Cstatistics",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
)


async def memory_per_subscription(server: Server, subscriptions: int, tickets: int) -> float:
    """KiB per subscription. Each has a socket and a ticket of its own; 200 others have warmed the
    server up before.
    """
    headers = (f"Origin: http://127.0.0.1:{server.port}", *BROWSER_HEADERS)
    keys = [1 + n % tickets for n in range(WARM_UP_SUBSCRIPTIONS + subscriptions)]
    async with SubscriberGroup(server, headers).subscribe(keys[:WARM_UP_SUBSCRIPTIONS]) as group:
        await wait_until_idle(server)
        before = resident_kib(server.pid)
        async with group.subscribe(keys[WARM_UP_SUBSCRIPTIONS:]):
            await wait_until_idle(server)
            return (resident_kib(server.pid) - before) / subscriptions


async def wait_until_idle(server: Server, seconds: float = 1.0) -> None:
    """Wait until the server uses little processor time in two consecutive periods, for a minute at
    most.
    """
    readings: Sequence[float] = []
    for _ in range(60):
        before = cpu_seconds(server.pid)
        await asyncio.sleep(seconds)
        readings = [*readings, cpu_seconds(server.pid) - before][-2:]
        if len(readings) == 2 and max(readings) < 0.1 * seconds:
            return
