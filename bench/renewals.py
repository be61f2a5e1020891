"""`bin/bench renewals`: how long a billing run with thousands of due purchases takes, whether its
memory stays flat, and whether it bills and emails each purchase exactly once even if it is killed.

The run is one process on the benchmark's PostgreSQL server, with the sandbox as its provider. It
does what the jobs of the server do: charges, issues and posts each renewal, and afterwards makes
the documents and their emails.
"""

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

import billing
from auth.tokens import Signer
from bench.database import Database
from bench.processes import cpu_seconds, resident_kib
from bench.servers import BenchmarkError
from billing.charging import reconcile
from billing.checkout_services import CheckoutServices
from billing.document_requests import render_due
from billing.gateways.sandbox import Sandbox
from billing.renewals import bill_due_periods
from billing.seller import seller
from models.action import Action
from models.billing.periods import months_after
from models.clock import local_date
from models.database.connection import connect, disconnect
from models.database.workload import Workload, assign_workload
from operations.invoice_numbering import numbering_errors
from realtime.hub import Hub

BILL, FINISH = "bill", "finish"
_SAMPLE_SECONDS = 0.2
# After a process was killed, what it had begun is taken up when its lease has ended.
_LEASES = timedelta(minutes=10)
_RENDERERS = 2


@dataclass(frozen=True)
class Run:
    """What a billing run took: seconds, the processor time of the run and of the database, and the
    resident memory of the run, in KiB, at even intervals.
    """

    seconds: float
    cpu: float
    database_cpu: float
    memory: Sequence[int]


async def measure_renewals(database: Database, purchases: int, kills: int) -> None:
    """Print how long a run takes, and verify what is left after runs that were killed."""
    due = await _insert_due_purchases(database.url, purchases)
    run = await _measure_run(database)
    await _verify(database.url, due, is_mailed=False)
    middle = run.memory[len(run.memory) // 2]
    print(
        f"{purchases:,} periods billed in {run.seconds:.1f} s: "
        f"{purchases / run.seconds:.0f} a second\n"
        f"processor time of one: {1e3 * run.cpu / purchases:.1f} ms, and "
        f"{1e3 * run.database_cpu / purchases:.1f} ms of the database\n"
        f"resident memory: {run.memory[0] >> 10} MiB when it begins, {middle >> 10} MiB in the "
        f"middle, {run.memory[-1] >> 10} MiB at the end",
        flush=True,
    )
    if not kills:
        return
    due = await _insert_due_purchases(database.url, purchases)
    await _kill_again_and_again(database.url, kills, run.seconds)
    await _verify(database.url, due, is_mailed=True)
    print(f"Killed {kills} times: each period was billed once, and each invoice mailed once.")


async def _insert_due_purchases(url: str, count: int) -> range:
    """Store purchases of all companies that are due today, each paid by its company's card. Returns
    their keys.
    """
    anchor = months_after(local_date(datetime.now(UTC)), -1)
    connection = await asyncpg.connect(url)
    try:
        accounts = await connection.fetchval("SELECT count(*) FROM account")
        last = await connection.fetchval("SELECT max(id) FROM purchase")
        await connection.execute(
            "INSERT INTO purchase (account_id, buyer_id, price_id, billing_profile_id, quantity, "
            "cancel_at_period_end, status, anchor, next_period_index, bills_on, created_at, "
            "activated_at) SELECT 1 + n % $1, 1 + n % $1, 1, 1 + n % $1, 1, false, 'ACTIVE', $2, "
            "1, $3, now(), now() FROM generate_series(1, $4) AS n",
            accounts,
            anchor,
            months_after(anchor, 1),
            count,
        )
        await connection.execute(
            "INSERT INTO payment_method (account_id, provider, token, kind, status, is_default, "
            "created_at) SELECT id, 'sandbox', 'pm_sandbox_success', 'CARD', 'ACTIVE', true, now() "
            "FROM account WHERE NOT EXISTS (SELECT 1 FROM payment_method WHERE "
            "account_id = account.id)"
        )
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    return range(last + 1, last + 1 + count)


async def _measure_run(database: Database) -> Run:
    worker = _start(database.url, BILL)
    await _wait_until_ready(worker)
    start, memory = time.perf_counter(), [resident_kib(worker.pid)]
    cpu, database_cpu = cpu_seconds(worker.pid), cpu_seconds(database.pid)
    last_cpu = cpu
    while worker.poll() is None:
        await asyncio.sleep(_SAMPLE_SECONDS)
        memory.append(resident_kib(worker.pid) or memory[-1])
        last_cpu = max(last_cpu, cpu_seconds(worker.pid))
    worker.communicate()
    if worker.returncode:
        raise BenchmarkError("the billing run failed")
    return Run(
        time.perf_counter() - start,
        last_cpu - cpu,
        cpu_seconds(database.pid) - database_cpu,
        memory,
    )


async def _kill_again_and_again(url: str, kills: int, seconds: float) -> None:
    """Kill a run at random moments, start it again, and let the last one finish."""
    for _ in range(kills):
        worker = _start(url, FINISH)
        await _wait_until_ready(worker)
        await asyncio.sleep(random.uniform(0, 2 * seconds / (kills + 1)))
        with suppress(ProcessLookupError):
            worker.kill()
        worker.communicate()
    worker = _start(url, FINISH)
    await asyncio.to_thread(worker.communicate)
    if worker.returncode:
        raise BenchmarkError("the last billing run failed")


def _start(url: str, command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "bench.renewals", url, command], stdout=subprocess.PIPE, text=True
    )


async def _wait_until_ready(worker: "subprocess.Popen[str]") -> None:
    if worker.stdout is None or not await asyncio.to_thread(worker.stdout.readline):
        raise BenchmarkError("the billing run didn't start")


async def _verify(url: str, due: range, *, is_mailed: bool) -> None:
    """Raise BenchmarkError unless each of these purchases was billed, charged and emailed exactly
    once.
    """
    connection = await asyncpg.connect(url)
    try:
        found = await connection.fetchrow(_COUNTS, due.start, due.stop)
    finally:
        await connection.close()
    await connect(url)
    errors = await numbering_errors()
    await disconnect()
    names = ["purchases", "periods", "invoices", "payments", "charges", *["emails"] * is_mailed]
    errors += [
        f"of {len(due)} purchases {found[f'some_{name}']} have {name}, {found[name]} in all"
        for name in names
        if (found[name], found[f"some_{name}"]) != (len(due), len(due))
    ]
    if errors:
        raise BenchmarkError("; ".join(errors))


_COUNTS = """
WITH due AS (SELECT id, next_period_index FROM purchase WHERE id >= $1 AND id < $2),
period AS (SELECT purchase_id AS key FROM billing_period WHERE purchase_id IN (SELECT id FROM due)),
issued AS (SELECT id, purchase_id AS key FROM invoice WHERE purchase_id IN (SELECT id FROM due)),
paid AS (SELECT id, purchase_id AS key FROM payment WHERE status = 'SUCCEEDED'
  AND purchase_id IN (SELECT id FROM due)),
charge AS (SELECT paid.key FROM sandbox_charge
  JOIN paid ON sandbox_charge.key = 'camcha-payment-' || paid.id),
mailed AS (SELECT issued.key FROM email JOIN issued ON issued.id = email.invoice_id
  WHERE email.template LIKE 'invoice_issued%')
SELECT
(SELECT count(*) FROM due WHERE next_period_index = 2) AS purchases,
(SELECT count(*) FROM due WHERE next_period_index = 2) AS some_purchases,
(SELECT count(*) FROM period) AS periods,
(SELECT count(DISTINCT key) FROM period) AS some_periods,
(SELECT count(*) FROM issued) AS invoices,
(SELECT count(DISTINCT key) FROM issued) AS some_invoices,
(SELECT count(*) FROM paid) AS payments,
(SELECT count(DISTINCT key) FROM paid) AS some_payments,
(SELECT count(*) FROM charge) AS charges,
(SELECT count(DISTINCT key) FROM charge) AS some_charges,
(SELECT count(*) FROM mailed) AS emails,
(SELECT count(DISTINCT key) FROM mailed) AS some_emails
"""


async def work(url: str, command: str) -> None:
    """Bill what is due. The command FINISH also settles what an earlier process left unfinished,
    and makes the documents.
    """
    await connect(url)
    assign_workload(Workload.JOBS)
    signer = Signer("a secret key that only signs links of a benchmark")
    terms = seller(Path(billing.__file__).with_name("seller.toml"))
    services = CheckoutServices(Sandbox("https://bank.example"), terms, signer)
    print("ready", flush=True)
    action = Action(None, datetime.now(UTC), Hub())
    await bill_due_periods(action, services)
    if command == FINISH:
        later = Action(None, action.at + _LEASES, action.bus)
        while await reconcile(later, services):
            pass
        while sum(await asyncio.gather(*(render_due(later, signer) for _ in range(_RENDERERS)))):
            pass
    await disconnect()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2]))
