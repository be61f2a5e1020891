"""Several processes: a customer and an agent of one chat who are connected to two servers, and
jobs that run in a process of their own, and the metrics of both.
"""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import httpx
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bench.redis_server import RedisServer
from tests.forked import ROOT, ForkedProcess
from tests.otlp_collector import Collector, running_collector
from tests.people import hire, sign_up
from tests.story.server_fixtures import (
    Client,
    Server,
    free_port,
    http_client,
    run_server,
)
from tests.waiting import MAX_WAIT, driver_url

EVENTS = """subscription($id: ID!, $after: BigInt) { ticketEvents(ticketId: $id, after: $after) {
    sequence kind message { body } } }"""
LIVE_CHAT = "subscription($id: ID!) { ticketChat(ticketId: $id) { state } }"
TYPING = "subscription($id: ID!) { ticketTyping(ticketId: $id) { typing } }"


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.close()


async def reply(client: Client, chat: str, body: str) -> None:
    message = {"ticketId": chat, "body": body, "clientMessageId": body}
    await client.mutate("ticketReply", "TicketReplyInput", message, "message { sequence }")


async def see_typing(writer: Client, watcher: Client, chat: str) -> None:
    """Types until the other person sees it, because typing isn't stored anywhere."""
    async with watcher.socket() as socket, asyncio.timeout(MAX_WAIT):
        seen = await socket.subscribe(TYPING, id=chat)
        while True:
            await writer.mutate("ticketTyping", "TicketTypingInput", {"ticketId": chat}, "sent")
            with suppress(TimeoutError):
                assert (await seen.next(0.5))["typing"]
                return


async def answer_day_and_night(database_url: str) -> None:
    connection = await asyncpg.connect(driver_url(database_url))
    try:
        week = orjson.dumps([[[0, 1_440]]] * 7).decode()
        await connection.execute("UPDATE calendar SET week = $1, holidays = 'NONE'", week)
    finally:
        await connection.close()


async def be_routed(customer: Client, agent: Client) -> None:
    """Waits until an agent of one process gets the chat of a customer of another one by routing."""
    async with customer.socket() as browser, agent.socket() as laptop:
        service = await browser.subscribe("subscription { chatService { status } }")
        assigned = await laptop.subscribe("subscription { agentEvents { kind ticket { id } } }")
        availability = {"availability": "AVAILABLE"}
        kind = "AgentSetChatAvailabilityInput"
        await agent.mutate("agentSetChatAvailability", kind, availability, "agent { isPresent }")
        while (await service.next())["status"] != "ANSWERED":
            pass
        chat = await customer.open_chat(2)
        live = await browser.subscribe(LIVE_CHAT, id=chat)
        while (await live.next())["state"] != "ACTIVE":
            pass
        assert (await assigned.until("TICKET_ASSIGNED"))["ticket"]["id"] == chat


@pytest.mark.parametrize("catalogue_url", ["postgres"], indirect=True)
async def test_p5_5_a_chat_goes_on_across_processes_with_and_without_redis(
    catalogue_url: str, redis: RedisServer, tmp_path: Path
) -> None:
    (tmp_path / "second").mkdir()
    await answer_day_and_night(catalogue_url)
    first = Server(catalogue_url, tmp_path, redis_url=redis.url)
    second = Server(catalogue_url, tmp_path / "second", redis_url=redis.url)
    with run_server(first):
        customer = await sign_up(first, "paul@boulangerie.example")
        staff = await hire(first, "alice@camcha.example", "AGENT")
        chat = await customer.open_chat()
        with run_server(second):  # whose jobs would have sent the emails of the sign-up
            agent = await staff.sign_in(second)
            async with customer.socket() as socket:
                events = await socket.subscribe(EVENTS, id=chat, after=0)
                await see_typing(agent, customer, chat)
                await reply(agent, chat, "Bonjour")
                redis.kill()
                await reply(agent, chat, "Redis est absent")
                redis.start()
                await see_typing(customer, agent, chat)
                await reply(agent, chat, "Redis est revenu")
                sequences, bodies = [], []
                while "Redis est revenu" not in bodies:
                    event = await events.next()
                    sequences.append(int(event["sequence"]))
                    bodies += [event["message"]["body"]] if event["message"] else []
            await be_routed(customer, agent)
    assert sequences == list(range(1, len(sequences) + 1))
    assert bodies[1:] == ["Bonjour", "Redis est absent", "Redis est revenu"]


EMAIL_RUNS = 'camcha_job_runs_total{job_name="emails",result="ok"}'


async def read_metrics(server: Server, http: httpx.AsyncClient) -> dict[str, float]:
    """The samples by their names and labels."""
    response = await http.get(f"http://127.0.0.1:{server.metrics_port}/metrics")
    return {
        sample.name
        + (
            "{"
            + ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            + "}"
            if sample.labels
            else ""
        ): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def served_processes(server: Server) -> list[int]:
    """The processes that a server has started itself and that run now."""
    assert server.process
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return [int(pid) for pid in children.read_text().split()]


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def wait_for(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(MAX_WAIT):
        while not condition():
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("catalogue_url", ["postgres"], indirect=True)
async def test_p6_4_several_processes_share_a_port_and_replace_one_that_dies(
    catalogue_url: str, tmp_path: Path
) -> None:
    server = Server(catalogue_url, tmp_path, options=("--processes", "2"))
    with run_server(server):
        before = served_processes(server)
        assert len(before) == 2
        await wait_for(lambda: "server.listening" in server.log)
        os.kill(before[0], signal.SIGKILL)  # the one that runs the jobs
        await wait_for(lambda: len(set(served_processes(server)) | {*before}) == 3)
        # The jobs of the new one send the email.
        await sign_up(server, "paul@boulangerie.example")
        assert server.log.count("server.process_ended") == 1
        after = served_processes(server)
    assert server.process
    assert server.process.returncode == 0
    assert not any(map(is_running, after))
    assert "Traceback" not in server.log


CALLER, CALLERS_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACED = "query Traced($first: Int!) { offers(first: $first) { nodes { prices { id } } } }"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as collector:
        yield collector


async def call_within_trace(server: Server, http: httpx.AsyncClient) -> None:
    """Calls as a server whose own trace is to be continued."""
    headers = {"traceparent": f"00-{CALLER}-{CALLERS_SPAN}-01"}
    body = {"query": TRACED, "variables": {"first": 7}}
    response = await http.post(f"{server.url}/graphql", json=body, headers=headers)
    assert "errors" not in response.json()


@pytest.mark.parametrize("catalogue_url", ["postgres"], indirect=True)
async def test_p6_4_jobs_run_in_a_process_of_their_own(
    catalogue_url: str, tmp_path: Path, collector: Collector
) -> None:
    for name in ("web", "worker"):
        (tmp_path / name).mkdir()
    seeing = {
        "CAMCHA_TRACES": collector.url,
        "CAMCHA_TRACE_CALLERS": "127.0.0.0/8",
        "CAMCHA_SLOW_OPERATION_MS": "1",
    }
    web, worker = (
        Server(catalogue_url, tmp_path / name, metrics_port=free_port(), variables=seeing)
        for name in ("web", "worker")
    )
    web.options, worker.port = ("--no-worker",), web.port  # the same address
    with run_server(web):
        log = worker.folder / "log"
        process = ForkedProcess(["work"], cwd=ROOT, env=worker.environment, stdout=log, stderr=log)
        try:
            paul = await sign_up(worker, "paul@boulangerie.example")
            await paul.data("query Mine { viewer { user { id } } }")
            await Client(web).data("query Strange { offers { nodes { id } } }")
            await Client(web).execute("query Wrong { paul }")
            async with paul.socket(), http_client() as http:
                counted, jobs_run = await read_metrics(web, http), await read_metrics(worker, http)
                async with asyncio.timeout(MAX_WAIT):
                    while EMAIL_RUNS not in jobs_run:  # an email arrives before its run ends
                        await asyncio.sleep(0.05)
                        jobs_run = await read_metrics(worker, http)
                await call_within_trace(web, http)
        finally:
            process.send_signal(signal.SIGTERM)
            status = await asyncio.to_thread(process.wait, MAX_WAIT)
    assert (status, web.emails("@")) == (0, [])
    assert counted['camcha_operations_total{code="OK",kind="query",operation="Mine"}'] == 1
    assert counted['camcha_operations_total{code="OK",kind="query",operation="other"}'] == 1
    assert counted['camcha_operations_refused_total{code="BAD_USER_INPUT"}'] == 1
    assert counted['camcha_operation_duration_seconds_count{kind="query"}'] == 2
    assert counted["camcha_websockets"] == 1
    assert EMAIL_RUNS not in counted
    assert jobs_run[EMAIL_RUNS] >= 1
    assert jobs_run['camcha_job_last_success_timestamp_seconds{job_name="emails"}'] > 1e9
    assert jobs_run["camcha_emails_waiting"] >= 0
    assert "Traceback" not in worker.log
    verify_traces(collector)
    # Whoever signs in waits for the hash of a password.
    slow = [json.loads(line) for line in web.log.splitlines() if "operation.slow" in line]
    assert "mutation" in {each["kind"] for each in slow}
    assert all(each["milliseconds"] >= 1 for each in slow)
    assert all(each["document"].startswith("sha256:") for each in slow)
    logged = {"level", "logger", "timestamp", "kind", "operation", "document", "cost"}
    assert {*slow[0]} == {*logged, "event", "milliseconds"}


def verify_traces(collector: Collector) -> None:
    """A request's trace continues the caller's down to the statements, a run of a job has the
    emails that it sent, and no span holds anything about a person.
    """
    request = collector.trace(bytes.fromhex(CALLER))
    path = ["POST /graphql", "query Traced", "Offer.prices", "SELECT price"]
    parents = [request[name].parent_span_id for name in path]
    assert parents == [
        bytes.fromhex(CALLERS_SPAN),
        *(request[name].span_id for name in path[:-1]),
    ]
    (run, *_) = collector.named("job emails")
    sent = {name for name in collector.trace(run.trace_id) if name.startswith("email ")}
    assert sent
    assert not run.parent_span_id
    # The email's own span is linked to that of the request that stored it.
    signed_up = {each.trace_id for each in collector.spans if each.name == "INSERT email"}
    (email, *_) = [each for each in collector.spans if each.name in sent]
    assert {link.trace_id for link in email.links} <= signed_up
    assert email.links
    assert not collector.named("job ticket search")  # they found nothing to index
    texts = str(collector.spans)
    assert "paul" not in texts
    assert "boulangerie" not in texts
