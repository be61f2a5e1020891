"""P4.1: a person's data is given to them and erased, and so is a company with its API keys,
although the server is killed in the middle: over HTTP, on PostgreSQL.

A lock on the ledger of consents, which all three read, stops them in the middle.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import asyncpg
import httpx
import orjson
import pytest

from tests.people import PASSWORD, StaffUser, hire, sign_up
from tests.story.server_fixtures import Client, Server, http_client
from tests.story.test_api_keys import create_key, step_up
from tests.story.test_people import accept_invitation, token_of
from tests.waiting import driver_url, wait_for_lock_waiters

PAUL, NOE, OMAR = "paul@boulangerie.example", "noe@elsewhere.example", "omar@camcha.example"
REQUESTS = "{ dataRequests(pending: true) { nodes { id kind user { id name } } } }"
ERASURES = "{ erasures { nodes { finishedAt removedCounts { kind count } } } }"
CARRIED_OUT = "dataRequest { decision carriedOutAt results { kind count } }"


@pytest.mark.parametrize("catalogue_url", ["postgres"], indirect=True)
async def test_p4_1_requests_are_carried_through_although_the_server_is_killed(
    server: Server,
) -> None:
    paul = await sign_up(server, PAUL)
    await step_up(paul)
    system, _ = await create_key(paul, "CRM", "READ_SUPPORT")
    noe = await noe_leaves_the_company(server, paul)
    request_id = await noe_requests_erasure(noe)
    omar = await hire(server, OMAR, "OPERATOR")
    operator = await omar.sign_in(server)
    [pending] = (await operator.data(REQUESTS))["dataRequests"]["nodes"]
    assert (pending["id"], pending["user"]["name"]) == (request_id, "Noé Blin")
    url = (await noe.data("mutation { personalDataExport { url } }"))["personalDataExport"]["url"]
    await schedule_erasure(server)

    async with consents_locked(server):
        await server.kill_and_restart()  # so that the worker begins with the erasure
        await omar.step_up(operator)
        stopped = [
            asyncio.create_task(download(url)),
            asyncio.create_task(carry_out(operator, request_id)),
        ]
        await wait_for_lock_waiters(server.database_url, 3)
        server.kill()
        answers = await asyncio.gather(*stopped, return_exceptions=True)
        assert [isinstance(each, httpx.TransportError) for each in answers] == [True, True]
    await asyncio.to_thread(server.start)

    await archive_is_complete(url)
    await noe_is_erased_once(server, omar, operator, noe, request_id)
    await company_is_erased_once(server, operator, paul, system)
    await nothing_names_them(server)


async def noe_leaves_the_company(server: Server, paul: Client) -> Client:
    """Noé was a member of Paul's company. He belongs to none when he signs in again."""
    await paul.mutate(
        "invitationSend",
        "InvitationSendInput",
        {"email": NOE, "role": "MEMBER", "idempotencyKey": "noe"},
        "invitation { id }",
    )
    noe = Client(server)
    await accept_invitation(noe, await token_of(server, NOE), name="Noé Blin", password=PASSWORD)
    await noe.sign_in(NOE, PASSWORD)
    left = await noe.data("mutation { accountLeave { left userErrors { code } } }")
    assert left["accountLeave"] == {"left": True, "userErrors": []}
    await noe.sign_in(NOE, PASSWORD)
    assert (await noe.data("{ viewer { account { id } } }"))["viewer"]["account"] is None
    await step_up(noe)
    return noe


async def noe_requests_erasure(noe: Client) -> str:
    values = {"kind": "ERASURE", "details": "Effacez-moi.", "idempotencyKey": "1"}
    fields = "dataRequest { id kind deadlineAt }"
    made = await noe.mutate("dataRequestMake", "DataRequestMakeInput", values, fields)
    assert made == await noe.mutate("dataRequestMake", "DataRequestMakeInput", values, fields)
    return str(made["dataRequest"]["id"])


async def schedule_erasure(server: Server) -> None:
    """Schedules the erasure of Paul's company, as an agent does, whose grace period has ended."""
    await execute(
        server,
        "INSERT INTO erasure (account_id, requested_at, deadline, scheduled_at, due_at,"
        " invoices_kept, removed_counts)"
        " SELECT id, now(), current_date, now(), now(), 0, '{}' FROM account",
    )


async def execute(server: Server, statement: str) -> list[Any]:
    connection = await asyncpg.connect(driver_url(server.database_url))
    try:
        return list(await connection.fetch(statement))
    finally:
        await connection.close()


@asynccontextmanager
async def consents_locked(server: Server) -> AsyncIterator[None]:
    connection = await asyncpg.connect(driver_url(server.database_url))
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE consent_change IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


async def download(url: str) -> bytes:
    async with http_client() as http:
        response = await http.get(url)
        assert response.status_code == 200
        return response.content


async def carry_out(operator: Client, request_id: str) -> dict[str, Any]:
    values = {"dataRequestId": request_id, "answer": "C’est fait."}
    return await operator.mutate(
        "dataRequestCarryOut", "DataRequestCarryOutInput", values, CARRIED_OUT
    )


async def archive_is_complete(url: str) -> None:
    with ZipFile(BytesIO(await download(url))) as archive:
        assert archive.testzip() is None
        [profile] = orjson.loads(archive.read("profile.json"))
        assert (profile["name"], profile["email"]) == ("Noé Blin", NOE)
        tables = orjson.loads(archive.read("about.json"))["tables"]
        assert {f"{name}.json" for name in tables} <= {*archive.namelist()}


async def noe_is_erased_once(
    server: Server, omar: StaffUser, operator: Client, noe: Client, request_id: str
) -> None:
    await omar.step_up(operator)
    first = await carry_out(operator, request_id)
    assert first["dataRequest"]["decision"] == "GRANTED"
    assert await carry_out(operator, request_id) == first
    assert "errors" in await noe.execute("{ viewer { user { email } } }")
    refused = await Client(server).try_mutation(
        "sessionSignIn",
        "SessionSignInInput",
        {"email": NOE, "password": PASSWORD},
        "session { accessToken }",
    )
    assert refused["userErrors"][0]["code"] == "CREDENTIALS_INVALID"
    await email_once(server, NOE, "C’est fait.")


async def company_is_erased_once(
    server: Server, operator: Client, paul: Client, system: Client
) -> None:
    """The worker continues where it was killed."""
    async with asyncio.timeout(120):
        while not (erasure := (await operator.data(ERASURES))["erasures"]["nodes"][0])[
            "finishedAt"
        ]:
            await asyncio.sleep(0.05)
    counts = {each["kind"]: each["count"] for each in erasure["removedCounts"]}
    assert (counts["people"], counts["service accounts"]) == (1, 1)
    for client in (paul, system):
        response = await client.execute("{ tickets { nodes { id } } }")
        assert response["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    entries = await execute(
        server,
        "SELECT action, count(*) FROM audit_entry"
        " WHERE action IN ('account.erase', 'data_request.carry_out') GROUP BY 1 ORDER BY 1",
    )
    assert [tuple(entry) for entry in entries] == [
        ("account.erase", 1),
        ("data_request.carry_out", 1),
    ]
    await email_once(server, PAUL, "effacé")


async def email_once(server: Server, address: str, text: str) -> None:
    """Waits for the email that says this, of which there must be one."""
    async with asyncio.timeout(120):
        while True:
            bodies = [email.get_body(("plain",)) for email in server.emails(address)]
            found = [body for body in bodies if body and text in body.get_content()]
            if found:
                break
            await asyncio.sleep(0.05)
    assert len(found) == 1


async def nothing_names_them(server: Server) -> None:
    """No row of any table has a name, an address, the company or its key."""
    tables = await execute(
        server, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    )
    async with asyncio.timeout(120):
        while await execute(server, "SELECT 1 FROM email WHERE next_attempt_at IS NOT NULL"):
            await asyncio.sleep(0.05)
    for (table,) in tables:
        rows = str(await execute(server, f'SELECT * FROM "{table}"')).lower()  # noqa: S608 - of PostgreSQL
        for mark in (PAUL, NOE, "meunier", "noé blin", "crm"):
            assert mark not in rows, (table, mark)
