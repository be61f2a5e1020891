"""The printed tables: medians over the rounds, and our server compared with each of the others."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench.fan_out import FanOutRound
from bench.load import LoadRound, percentile

OWN_SERVER = "camcha"


@dataclass(frozen=True)
class Figures:
    """One server's figures for one operation. Shares are of one core: whatever is near 100 % was
    the bottleneck.
    """

    server: str
    rate: float  # requests or deliveries per second, the median of the rounds
    cpu: float  # microseconds of the server's processor time for each
    p50: float | None  # milliseconds, over all rounds
    p99: float | None
    server_share: float
    client_share: float
    database_share: float


@dataclass(frozen=True)
class MeasuredRound:
    """One round, with the seconds of processor time that the server and the database used
    meanwhile.
    """

    round: LoadRound
    server_cpu: float
    database_cpu: float


def request_figures(server: str, rounds: Sequence[MeasuredRound]) -> Figures:
    """A server's figures for requests."""
    latencies = [latency for each in rounds for latency in each.round.latencies]
    seconds = sum(each.round.seconds for each in rounds)
    server_cpu = sum(each.server_cpu for each in rounds)
    return Figures(
        server=server,
        rate=median(each.round.rate for each in rounds),
        cpu=1e6 * server_cpu / len(latencies),
        p50=percentile(latencies, 50),
        p99=percentile(latencies, 99),
        server_share=server_cpu / seconds,
        client_share=sum(each.round.client_cpu for each in rounds) / seconds,
        database_share=sum(each.database_cpu for each in rounds) / seconds,
    )


def delivery_figures(server: str, rounds: Sequence[FanOutRound]) -> Figures:
    """A server's figures for the fan-out."""
    seconds = sum(each.seconds for each in rounds)
    server_cpu = sum(each.server_cpu for each in rounds)
    return Figures(
        server=server,
        rate=median(each.deliveries / each.seconds for each in rounds),
        cpu=1e6 * server_cpu / sum(each.deliveries for each in rounds),
        p50=None,
        p99=None,
        server_share=server_cpu / seconds,
        client_share=sum(each.client_cpu for each in rounds) / seconds,
        database_share=0.0,
    )


TABLE_HEADER = (
    "",
    "per s",
    "p50 ms",
    "p99 ms",
    "CPU us",
    "server",
    "client",
    "database",
    "per s",
    "CPU",
)
COLUMN_WIDTHS = (12, 9, 10, 10, 11, 8, 8, 9, 9, 9)


def table(title: str, all_figures: Sequence[Figures]) -> str:
    """The figures for one operation, with the ratios of our server's rate and processor time to
    each other server's.
    """
    own_figures = next((figures for figures in all_figures if figures.server == OWN_SERVER), None)
    header = "".join(
        word.rjust(width) for word, width in zip(TABLE_HEADER, COLUMN_WIDTHS, strict=True)
    )
    rows = [_row(figures, own_figures) for figures in all_figures]
    return "\n".join([f"\n{title}", f"{header}   <- ratio of {OWN_SERVER} to this server", *rows])


def _row(figures: Figures, own_figures: Figures | None) -> str:
    reference = own_figures if own_figures is not figures else None
    cells = [
        f"  {figures.server}".ljust(COLUMN_WIDTHS[0]),
        f"{figures.rate:,.0f}",
        *("" if each is None else f"{each:,.2f}" for each in (figures.p50, figures.p99)),
        f"{figures.cpu:,.1f}",
        *(
            f"{share:.0%}"
            for share in (figures.server_share, figures.client_share, figures.database_share)
        ),
        *(
            [f"{reference.rate / figures.rate:.2f} x", f"{reference.cpu / figures.cpu:.2f} x"]
            if reference
            else ["", ""]
        ),
    ]
    return "".join(cell.rjust(width) for cell, width in zip(cells, COLUMN_WIDTHS, strict=True))


def as_json(all_figures: Sequence[Figures]) -> list[dict[str, Any]]:
    """The figures for a program to read."""
    return [asdict(figures) for figures in all_figures]
