"""`bin/bench chats`: many open subscriptions in one process. How much memory each one takes, how
long a message then takes to reach a chat, and whether a subscriber who stops reading changes that.

The subscriptions are to tickets in which nothing happens. Messages are posted to another chat,
whose subscriber measures the time from the request to the arrival. The subscriber who stops reading
has subscribed to the same chat, so everything that the subscriber gets is written to that one, too.
"""

from bench.data import Sizes
from bench.fan_out import SubscriberGroup
from bench.load import percentile
from bench.memory import BROWSER_HEADERS, wait_until_idle
from bench.processes import resident_kib
from bench.servers import Server
from bench.sign_in import Chat

TICKET = 4  # a chat


async def measure_chats(server: Server, sizes: Sizes, subscriptions: int, seconds: float) -> None:
    """Print the memory and the times."""
    headers = (f"Origin: http://127.0.0.1:{server.port}", *BROWSER_HEADERS)
    other_tickets = [5 + n % (sizes.tickets - 4) for n in range(subscriptions)]
    print("ms until a message arrives              p50      p99   maximum   messages")
    async with Chat(server).open(TICKET) as chat:
        await chat.post_messages(2.0)  # warms up
        _print_times("1 subscription", await chat.post_messages(seconds))
        await wait_until_idle(server)
        before = resident_kib(server.pid)
        async with SubscriberGroup(server, headers).subscribe(other_tickets):
            await wait_until_idle(server)
            memory = (resident_kib(server.pid) - before) / subscriptions
            _print_times(f"{subscriptions:,} more", await chat.post_messages(seconds))
            async with SubscriberGroup(server, headers).subscribe([TICKET]) as group:
                group.subscribers[0].stop_reading()
                _print_times("and a reader who stops", await chat.post_messages(seconds))
                after = resident_kib(server.pid)
    print(f"{memory:.1f} KiB resident per subscription; {after / 1024:.0f} MiB in all", flush=True)


def _print_times(name: str, latencies: list[float]) -> None:
    figures = "".join(f"{percentile(latencies, nth):9.2f}" for nth in (50, 99))
    print(f"{name:34}{figures}{1e3 * max(latencies):10.2f}{len(latencies):11}", flush=True)
