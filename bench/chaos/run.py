"""Causing one fault after the other under load, and checking after each what must hold."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from bench.chaos.clients import Acknowledged, Load
from bench.chaos.deployment import Deployment
from bench.chaos.faults import FAULTS
from bench.chaos.invariants import DRAIN_SECONDS, broken_rules, connected, drain, make_due


@dataclass
class Outcome:
    """What a fault did: the requests that had to be repeated, the emails that arrived twice, and
    the seconds from its end to the first message that was begun after it and acknowledged, and
    received by every reader of its ticket. `skipped` is why there was no such fault.
    """

    name: str
    acknowledged: int = 0
    repeated: int = 0
    repeated_emails: int = 0
    recovered: float | None = None
    received: float | None = None
    broken: list[str] = field(default_factory=list)
    skipped: str | None = None


async def cause_faults(
    deployment: Deployment,
    load: Load,
    names: Sequence[str],
    seconds: float,
    *,
    renews: bool = True,
) -> AsyncGenerator[Outcome, None]:
    """Cause these faults, each for some seconds, and yield what each of them did. With `renews`,
    which needs frequent jobs, the purchases so far are due for renewal when a fault begins.
    """
    for name in names:
        if reason := FAULTS[name].needs(deployment):
            yield Outcome(name, skipped=reason)
        else:
            yield await _cause(deployment, load, name, seconds, renews=renews)


async def _cause(
    deployment: Deployment, load: Load, name: str, seconds: float, *, renews: bool
) -> Outcome:
    fault, outcome = FAULTS[name], Outcome(name)
    acknowledged, failures = len(load.acknowledged), load.failures.total()
    repeated_emails = deployment.mail.repeated
    load.resume()
    if renews:
        async with connected(deployment.database_url):
            await make_due(deployment.now)
    await asyncio.sleep(seconds / 2)
    async with fault.cause(deployment, seconds):
        ended_at = time.monotonic()
    await _measure_recovery(load, ended_at, outcome)
    await asyncio.sleep(seconds / 2)
    if not await load.pause(DRAIN_SECONDS):
        outcome.broken.append("requests are not acknowledged any more")
    async with connected(deployment.database_url):
        outcome.broken += await drain(deployment)
        outcome.broken += await broken_rules(deployment, load)
    load.problems.clear()
    outcome.acknowledged = len(load.acknowledged) - acknowledged
    outcome.repeated = load.failures.total() - failures
    outcome.repeated_emails = deployment.mail.repeated - repeated_emails
    if outcome.repeated_emails and not fault.repeats_emails:
        outcome.broken.append(f"{outcome.repeated_emails} emails arrived twice")
    return outcome


async def _measure_recovery(load: Load, ended_at: float, outcome: Outcome) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DRAIN_SECONDS
    while loop.time() < deadline and (outcome.recovered is None or outcome.received is None):
        outcome.recovered = outcome.recovered or _first(load, ended_at)
        outcome.received = outcome.received or _first_received(load, ended_at)
        await asyncio.sleep(0.02)
    if outcome.recovered is None:
        outcome.broken.append("no message was acknowledged any more")
    elif outcome.received is None:
        outcome.broken.append("no message was received any more")


def _messages_since(load: Load, ended_at: float) -> list[Acknowledged]:
    return [
        each for each in load.acknowledged if each.name == "message" and each.began_at >= ended_at
    ]


def _first(load: Load, ended_at: float) -> float | None:
    times = [each.ended_at - ended_at for each in _messages_since(load, ended_at)]
    return min(times, default=None)


def _first_received(load: Load, ended_at: float) -> float | None:
    """When the first message was received by all readers of its ticket."""
    times = []
    for each in _messages_since(load, ended_at):
        received = [
            reader.received_at.get(each.key)
            for reader in load.readers
            if reader.ticket == each.ticket
        ]
        if received and None not in received:
            times.append(max(at for at in received if at is not None) - ended_at)
    return min(times, default=None)


def table(outcomes: Sequence[Outcome]) -> str:
    """The outcomes as lines of text."""
    width = max(map(len, FAULTS))
    lines = [
        f"{'fault':<{width}} {'requests':>9} {'repeated':>9} {'recovered':>10} {'received':>9}"
        f" {'emails twice':>13}   result"
    ]
    for each in outcomes:
        if each.skipped:
            lines.append(f"{each.name:<{width}} {'':>54}   skipped: {each.skipped}")
            continue
        result = "; ".join(each.broken) if each.broken else "ok"
        lines.append(
            f"{each.name:<{width}} {each.acknowledged:>9} {each.repeated:>9}"
            f" {_seconds(each.recovered):>10} {_seconds(each.received):>9}"
            f" {each.repeated_emails:>13}   {'BROKEN: ' if each.broken else ''}{result}"
        )
    return "\n".join(lines)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
