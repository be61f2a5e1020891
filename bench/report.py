"""The tables: medians over the rounds, and how our server compares with each peer."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench.fanout import Delivered
from bench.load import Round, percentile

OURS = "camcha"


@dataclass(frozen=True)
class Line:
    """One server's figures at one operation. Shares are of one core: near 100 % it was what limited the round."""

    server: str
    rate: float  # requests or deliveries per second, the median of the rounds
    cpu: float  # microseconds of the server's processor time for each
    p50: float | None  # milliseconds, over all rounds
    p99: float | None
    server_share: float
    client_share: float
    database_share: float


@dataclass(frozen=True)
class Measured:
    """One round, with the processor time of server and database beside it, in seconds."""

    round: Round
    server_cpu: float
    database_cpu: float


def of_rounds(server: str, rounds: Sequence[Measured]) -> Line:
    """A server's line of requests."""
    latencies = [latency for each in rounds for latency in each.round.latencies]
    seconds = sum(each.round.seconds for each in rounds)
    used = sum(each.server_cpu for each in rounds)
    return Line(
        server=server,
        rate=median(each.round.rate for each in rounds),
        cpu=1e6 * used / len(latencies),
        p50=percentile(latencies, 50),
        p99=percentile(latencies, 99),
        server_share=used / seconds,
        client_share=sum(each.round.client_cpu for each in rounds) / seconds,
        database_share=sum(each.database_cpu for each in rounds) / seconds,
    )


def of_deliveries(server: str, rounds: Sequence[Delivered]) -> Line:
    """A server's line of the fan-out."""
    seconds, used = sum(each.seconds for each in rounds), sum(each.server_cpu for each in rounds)
    return Line(
        server=server,
        rate=median(each.deliveries / each.seconds for each in rounds),
        cpu=1e6 * used / sum(each.deliveries for each in rounds),
        p50=None,
        p99=None,
        server_share=used / seconds,
        client_share=sum(each.client_cpu for each in rounds) / seconds,
        database_share=0.0,
    )


HEAD = ("", "per s", "p50 ms", "p99 ms", "CPU us", "server", "client", "database", "per s", "CPU")
WIDTHS = (12, 9, 10, 10, 11, 8, 8, 9, 9, 9)


def table(title: str, lines: Sequence[Line]) -> str:
    """The lines of one operation, with our server's rate and processor time in proportion to each peer's."""
    ours = next((line for line in lines if line.server == OURS), None)
    head = "".join(word.rjust(width) for word, width in zip(HEAD, WIDTHS, strict=True))
    return "\n".join([f"\n{title}", f"{head}   <- {OURS} : it", *(_row(line, ours) for line in lines)])


def _row(line: Line, ours: Line | None) -> str:
    cells = [
        f"  {line.server}".ljust(WIDTHS[0]),
        f"{line.rate:,.0f}",
        *("" if each is None else f"{each:,.2f}" for each in (line.p50, line.p99)),
        f"{line.cpu:,.1f}",
        *(f"{share:.0%}" for share in (line.server_share, line.client_share, line.database_share)),
        *([f"{ours.rate / line.rate:.2f} x", f"{ours.cpu / line.cpu:.2f} x"] if ours and ours is not line else ["", ""]),
    ]
    return "".join(cell.rjust(width) for cell, width in zip(cells, WIDTHS, strict=True))


def as_json(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The lines for a program to read."""
    return [asdict(line) for line in lines]
