"""`bin/bench invoices`: how many invoices are issued a second, by one process and by two, and
whether chat messages wait for them.

Each process issues invoices of many companies, ten at a time, as a billing run does: number, frozen
content and XML, lines, period, receivable, ledger, event, audit log and the request for a document.
Documents are made by other processes afterwards and are not part of it.
"""

import asyncio
import gc
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import IO

import billing
from bench.load import percentile
from bench.servers import BenchmarkError, Server
from bench.sign_in import Chat
from billing.invoicing import DraftLine, InvoiceDraft, InvoiceRequest, finalise, prepare
from billing.seller import seller
from models.action import Action
from models.billing.billing_profile import BillingProfile
from models.billing.ledger import LedgerLine
from models.billing.periods import Period
from models.billing.purchase import Purchase
from models.database.connection import connect, disconnect
from models.database.workload import Workload, assign_workload
from operations.invoice_numbering import numbering_errors
from realtime.hub import Hub

CONCURRENCY = 10
PROCESSES = (1, 2)
_FIRST_INDEX = 1_000  # after the periods of the data


async def measure_invoices(server: Server, url: str, seconds: float, rounds: int) -> None:
    """Print the rates, and how long chat messages take to arrive meanwhile."""
    gc.collect()
    gc.freeze()  # collecting the objects that filled the database would delay this client
    latencies: dict[str, list[float]] = {"idle": []}
    async with Chat(server).open(4) as chat:
        await chat.post_messages(2.0)
        for number in range(rounds):
            latencies["idle"] += await chat.post_messages(seconds)
            for processes in PROCESSES:
                name = f"{processes} process{'es' * (processes > 1)}"
                issued, posted = await _measure_round(chat, url, seconds, processes, number)
                latencies.setdefault(name, []).extend(posted)
                print(f"{name:14}{issued / seconds:8.0f} invoices a second", flush=True)
    print("\nms until a message arrives      p50      p99   maximum   messages")
    for name, values in latencies.items():
        percentiles = "".join(f"{percentile(values, nth):9.2f}" for nth in (50, 99))
        print(f"{name:26}{percentiles}{1e3 * max(values):10.2f}{len(values):11}")
    await _verify(url)


async def _measure_round(
    chat: Chat, url: str, seconds: float, processes: int, number: int
) -> tuple[int, list[float]]:
    """The number of invoices that this many processes issued, and the latencies of the chat
    messages meanwhile.
    """
    workers = [
        subprocess.Popen(  # noqa: ASYNC220 - it only starts
            [sys.executable, "-m", "bench.invoices", url, str(seconds), f"{number}{processes}{n}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(processes)
    ]
    for worker in workers:
        await asyncio.to_thread(_stdout(worker).readline)  # until it is ready
    for worker in workers:
        if worker.stdin:
            worker.stdin.write("go\n")
            worker.stdin.flush()
    latencies = await chat.post_messages(seconds)
    issued = [int(await asyncio.to_thread(_stdout(worker).readline) or 0) for worker in workers]
    for worker in workers:
        worker.communicate()
    return sum(issued), latencies


def _stdout(worker: "subprocess.Popen[str]") -> IO[str]:
    if worker.stdout is None:
        raise BenchmarkError("a process without pipes")
    return worker.stdout


async def _verify(url: str) -> None:
    """Raise BenchmarkError when a number is missing or out of order, or the ledger doesn't
    balance.
    """
    await connect(url)
    try:
        errors = await numbering_errors()
        lines = await LedgerLine.all().values_list("debit_cents", "credit_cents")
    finally:
        await disconnect()
    if errors or sum(debit for debit, _ in lines) != sum(credit for _, credit in lines):
        raise BenchmarkError("; ".join(errors) or "the ledger doesn't balance")
    print("All numbers are whole and in order, and the ledger balances.")


async def issue_invoices(url: str, seconds: float, run: str) -> None:
    """Issue invoices for a time, and print how many."""
    await connect(url)
    assign_workload(Workload.JOBS)
    drafts = await _drafts(CONCURRENCY, run)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    gc.freeze()
    end, numbers = time.perf_counter() + seconds, count(_FIRST_INDEX + 100_000 * int(run))
    issued = await asyncio.gather(*(_issue_until(end, draft, numbers) for draft in drafts))
    print(sum(issued), flush=True)
    await disconnect()


async def _drafts(number: int, run: str) -> Sequence[InvoiceDraft]:
    """Drafts for purchases of different companies. No two processes share a company."""
    terms = seller(Path(billing.__file__).with_name("seller.toml"))
    skipped = number * (int(run) % 10)
    purchases = await Purchase.all().order_by("id").offset(skipped).limit(number)
    line = DraftLine(label="Essentiel", unit_net_cents=2_900, vat_basis_points=2_000, unit="MON")
    return [
        await prepare(
            terms,
            InvoiceRequest(
                profile=await BillingProfile.get(pk=purchase.billing_profile_id or 0),
                lines=[line],
                on=date(2026, 12, 1),
                purchase_id=purchase.pk,
            ),
            trial=False,
        )
        for purchase in purchases
    ]


async def _issue_until(end: float, draft: InvoiceDraft, numbers: "count[int]") -> int:
    hub, issued = Hub(), 0
    while time.perf_counter() < end:
        index = next(numbers)
        period = Period(index, date(2026, 12, 1), date(2027, 1, 1))
        async with Action(None, datetime.now(UTC), hub).transaction() as tx:
            await finalise(tx, replace(draft, period=period))
        issued += 1
    return issued


if __name__ == "__main__":
    asyncio.run(issue_invoices(sys.argv[1], float(sys.argv[2]), sys.argv[3]))
