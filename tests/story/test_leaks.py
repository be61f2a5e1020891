"""User input is never logged: every operation of the schema is sent to a real server, and its whole
log is searched.

P4.1: no secret and no personal data in logs.
"""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import pyotp
import pytest
from websockets.asyncio.client import connect as connect_socket
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from auth import sessions
from models.accounts.account import Account
from models.accounts.service_account import ApiKey, ApiKeyScope
from models.action import Action
from models.billing.offer import Offer, Price
from models.clock import SystemClock
from models.content.policy import Policy, PolicyKind
from models.database.connection import connect, disconnect, sqlite_path
from models.database.sql import execute
from models.identity.user import Staff, User
from realtime.hub import Hub
from resolvers.ids import encode
from tests.people import create_api_key, create_staff
from tests.story.generated import CARD, EMAIL, MARK, TEXT, VARIANTS, Operation, operations
from tests.story.server_fixtures import Client, Server, http_client, run_server
from tests.waiting import MAX_WAIT

PASSWORD = f"{MARK} corneille sabot pluvier 42"
ADDRESS = "203.0.113.77"
SECRET = re.compile(r"(token|secret|uri|url)$", re.I)
REFUSALS = {"UNAUTHENTICATED", "FORBIDDEN"}
IS_LONG = "CAMCHA_CASES" in os.environ  # `bin/check --long`
RENAMED_TABLES = (
    "ticket",
    "offer",
    "price",
    "article",
    "purchase",
    "payment",
    "invoice",
    "stream",
    "audit_chain",
    "file",
    "email",
)


@dataclass
class LoggingServer:
    """A server that logs everything it can, and the texts that its log must not contain."""

    server: Server
    http: httpx.AsyncClient
    secrets: set[str] = field(default_factory=set)
    valid: dict[str, Any] = field(default_factory=dict)
    api_key: str | None = None  # of the customer's company
    request_count: int = 0
    allowed: dict[str, int] = field(default_factory=dict)  # one of the users of each operation

    def collect_secrets(self, value: Any, name: str = "") -> None:
        """Collects a secret from a response."""
        if isinstance(value, dict):
            for key, nested in value.items():
                self.collect_secrets(nested, key)
        elif isinstance(value, list):
            for nested in value:
                self.collect_secrets(nested, name)
        elif isinstance(value, str) and (SECRET.search(name) or name == "recoveryCodes"):
            self.secrets.add(value)

    async def post(self, token: str | None, payload: Any, **headers: str) -> Any:
        """Sends one request over HTTP."""
        sent_headers = {"X-Forwarded-For": ADDRESS, "Content-Type": "application/json"} | headers
        if token:
            sent_headers["Authorization"] = f"Bearer {token}"
        content = payload if isinstance(payload, bytes) else _json(payload)
        response = await self.http.post("/graphql", content=content, headers=sent_headers)
        self.request_count += 1
        return orjson.loads(response.content) if response.content else None

    def record(self, operation: Operation, number: int, response: Any) -> None:
        """Collects the secrets of a response, and whether the user with this number may execute the
        operation.
        """
        self.collect_secrets(response)
        codes = {each.get("extensions", {}).get("code") for each in response.get("errors", [])}
        if operation.variant == "valid" and not codes & REFUSALS:
            self.allowed.setdefault(operation.name, number)

    def connect(self) -> connect_socket:
        """A websocket on which nothing has been sent."""
        url = self.server.url.replace("http", "ws") + "/graphql"
        return connect_socket(
            url, subprotocols=[Subprotocol("graphql-transport-ws")], max_queue=1024
        )

    def leaks(self) -> list[str]:
        """The collected secrets and marks that the log contains."""
        log = self.server.log.lower()
        forbidden_texts = {MARK, CARD, CARD.replace(" ", ""), ADDRESS, *self.secrets}
        return [
            line
            for line in log.splitlines()
            if any(each.lower() in line for each in forbidden_texts)
        ]


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()  # orjson can't encode lone surrogates


@pytest.fixture
async def logging_server(catalogue_url: str, tmp_path: Path) -> AsyncIterator[LoggingServer]:
    server = Server(catalogue_url, tmp_path, is_verbose=True)
    with run_server(server):
        async with http_client(base_url=server.url) as http:
            yield LoggingServer(server, http)


@pytest.fixture
async def people(logging_server: LoggingServer) -> AsyncIterator[dict[str, User]]:
    """One user of each kind, created directly in the server's database."""
    await connect(logging_server.server.database_url)
    action = Action(None, SystemClock().now(), Hub())
    yield {
        role.value.lower(): await create_staff(
            action, f"{MARK} {role}", role, email=f"{MARK}.{role.value}@leak.example"
        )
        for role in Staff
    }
    await disconnect()


async def token(logging_server: LoggingServer, user: User) -> str:
    """A new access token of this user."""
    account = await Account.get_or_none(memberships__user_id=user.pk)
    tokens = await sessions.sign_in(
        user, account, user.staff is not None, Action(None, SystemClock().now(), Hub())
    )
    logging_server.secrets |= {tokens.access, tokens.refresh}
    return tokens.access


async def tokens(logging_server: LoggingServer, people: dict[str, User]) -> list[str | None]:
    """No token, a token of each staff user, an API key, and last a token of the customer."""
    *of_staff, of_customer = [await token(logging_server, user) for user in people.values()]
    return [None, *of_staff, logging_server.api_key, of_customer]


async def test_user_input_is_never_logged(
    logging_server: LoggingServer, people: dict[str, User]
) -> None:
    people["customer"] = await sign_up_customer(logging_server)
    account = await Account.get(memberships__user_id=people["customer"].pk)
    action = Action(None, SystemClock().now(), Hub())
    logging_server.api_key = await create_api_key(action, account, *ApiKeyScope)
    logging_server.secrets.add(logging_server.api_key)
    signed_in_operations: list[Operation] = []
    sign_out_operations: list[Operation] = []
    for operation in operations(logging_server.valid):
        (
            sign_out_operations if operation.name == "sessionSignOut" else signed_in_operations
        ).append(operation)
    await execute_all(logging_server, await tokens(logging_server, people), signed_in_operations)
    for operation in sign_out_operations:
        await execute_all(logging_server, await tokens(logging_server, people), [operation])
    await send_invalid_requests(logging_server)
    assert "email.delivered" in logging_server.server.log
    assert logging_server.leaks() == []
    assert await ApiKey.filter(last_used_at__not_isnull=True).exists()
    await break_every_table(
        logging_server, await tokens(logging_server, people), signed_in_operations[:: len(VARIANTS)]
    )
    assert logging_server.request_count > 1_000


async def break_every_table(
    logging_server: LoggingServer, access_tokens: list[str | None], valid: list[Operation]
) -> None:
    """Internal errors are logged by type and location, without their message, which may quote user
    input. Each operation is sent as one user who may execute it, or as the customer.
    """
    before, customer = len(logging_server.server.log), len(access_tokens) - 1
    for table in RENAMED_TABLES:
        await execute(f"ALTER TABLE {table} RENAME TO {table}_{MARK}")
    for number, access_token in enumerate(access_tokens):
        chosen = [
            each for each in valid if logging_server.allowed.get(each.name, customer) == number
        ]
        await execute_as(logging_server, number, access_token, chosen)
    assert logging_server.server.log[before:].count("Internal error") > 20
    assert logging_server.leaks() == []


async def sign_up_customer(logging_server: LoggingServer) -> User:
    """Signs up and in with real emails and codes, and collects every secret."""
    client, server = Client(logging_server.server), logging_server.server
    form = {
        "email": EMAIL,
        "password": PASSWORD,
        "name": f"{MARK} Name",
        "legalName": f"{MARK} Legal",
        "siren": "404833048",
    }
    await client.mutate("accountSignUp", "AccountSignUpInput", form, "accepted")
    await client.try_mutation(
        "sessionSignIn",
        "SessionSignInInput",
        {"email": EMAIL, "password": "zqx wrong"},
        "user { id }",
    )
    body = (await server.email(EMAIL)).get_body(("plain",))
    assert body
    link = re.search(r"https?://\S+/verify\?token=(\S+)", body.get_content())
    assert link
    logging_server.secrets.add(link[1])
    async with http_client() as browser:
        await browser.get(link[0])
        await browser.post(link[0])
    await client.mutate("emailVerify", "EmailVerifyInput", {"token": link[1]}, "verified")
    arguments = {"email": EMAIL, "password": PASSWORD}
    session = await client.mutate(
        "sessionSignIn", "SessionSignInInput", arguments, "session { accessToken refreshToken }"
    )
    client.token = session["session"]["accessToken"]
    await second_factor(logging_server, client)
    await create_data(logging_server, client, session)
    return await User.get(email=EMAIL)


async def second_factor(logging_server: LoggingServer, client: Client) -> None:
    seed = await client.mutate(
        "totpSetUp", "TotpSetUpInput", {"password": PASSWORD}, "secret provisioningUri"
    )
    code = pyotp.TOTP(seed["secret"]).now()
    codes = await client.mutate("totpConfirm", "TotpConfirmInput", {"code": code}, "recoveryCodes")
    arguments = {"email": EMAIL, "password": PASSWORD, "code": codes["recoveryCodes"][0]}
    repeated_payload = await client.mutate(
        "sessionSignIn", "SessionSignInInput", arguments, "session { accessToken refreshToken }"
    )
    logging_server.collect_secrets([seed, codes, repeated_payload])
    logging_server.valid["code"] = codes["recoveryCodes"][1]


async def draft_purchase(client: Client, arguments: dict[str, Any]) -> str:
    return str(
        (await client.mutate("purchaseDraft", "PurchaseDraftInput", arguments, "purchase { id }"))[
            "purchase"
        ]["id"]
    )


async def create_payment(client: Client, purchase: str) -> str:
    address = {"street": f"{MARK} street", "postalCode": "75001", "city": f"{MARK} city"}
    billing = {"purchaseId": purchase, "billingAddress": address}
    await client.mutate(
        "purchaseConfirmBilling", "PurchaseConfirmBillingInput", billing, "purchase { id }"
    )
    payment_input = {
        "purchaseId": purchase,
        "paymentMethod": "pm_sandbox_success",
        "idempotencyKey": f"{MARK} pay",
    }
    payment = await client.mutate(
        "purchasePay", "PurchasePayInput", payment_input, "payment { id confirmationUrl }"
    )
    return str(payment["payment"]["id"])


async def create_data(
    logging_server: LoggingServer, client: Client, session: dict[str, Any]
) -> None:
    """Creates data for valid operations to find."""
    refreshed_session = await client.mutate(
        "sessionRefresh",
        "SessionRefreshInput",
        {"refreshToken": session["session"]["refreshToken"]},
        "session { accessToken refreshToken }",
    )
    client.token = refreshed_session["session"]["accessToken"]
    price, offer = await Price.filter(valid_until=None).first(), await Offer.first()
    assert price
    assert offer
    draft = {"priceId": encode("Price", price.pk), "idempotencyKey": f"{MARK} one"}
    payment = await create_payment(client, await draft_purchase(client, draft))
    purchase = await draft_purchase(client, {**draft, "idempotencyKey": f"{MARK} other"})
    ticket_input = {
        "subject": TEXT,
        "body": TEXT,
        "idempotencyKey": f"{MARK} two",
        "channel": "CHAT",
    }
    ticket = (await client.mutate("ticketOpen", "TicketOpenInput", ticket_input, "ticket { id }"))[
        "ticket"
    ]["id"]
    file = {"name": f"{MARK}.txt", "contentType": "text/plain", "size": 3}
    announcement = await client.mutate(
        "fileAnnounce", "FileAnnounceInput", file, "file { id } uploadUrl"
    )
    async with http_client() as http:
        await http.put(announcement["uploadUrl"], content=MARK.encode())
    logging_server.collect_secrets([session, refreshed_session, announcement])
    logging_server.valid |= {
        "email": EMAIL,
        "password": PASSWORD,
        "name": f"{MARK}.txt",
        "legalName": f"{MARK} Legal",
        "siren": "732 829 320",
        "locale": "EN",
        "priceId": draft["priceId"],
        "purchaseId": purchase,
        "ticketId": ticket,
        "id": ticket,
        "ids": [ticket],
        "country": "FR",
        "postalCode": "75001",
        "street": f"{MARK} street",
        "city": f"{MARK} city",
        "orderNumber": f"{MARK} order",
        "paymentMethod": "pm_sandbox_success",
        "contentType": "text/plain",
        "status": "OPEN",
        "slug": offer.slug,
        "subject": TEXT,
        "body": TEXT,
        "search": MARK,
        "first": 3,
        "fileIds": [],
        "paymentId": payment,
        "policyId": encode("Policy", (await Policy.get(kind=PolicyKind.TERMS)).pk),
        "clientMessageId": f"{MARK} three",
        "idempotencyKey": f"{MARK} four",
    }


async def execute_all(
    logging_server: LoggingServer, access_tokens: list[str | None], operation_list: list[Operation]
) -> None:
    """Sends each valid operation as the customer, the last user, on one of the databases and as one
    or two other users, and the invalid ones of every second operation as one user. With
    `bin/check --long`, sends all as every user.
    """
    offset = 0 if sqlite_path(logging_server.server.database_url) else 1
    customer = len(access_tokens) - 1
    for number, access_token in enumerate(access_tokens):
        chosen = []
        for index, operation in enumerate(operation_list, number):
            turn = index + index // len(VARIANTS)  # another user's for the next operation
            share = 24 if operation.variant != "valid" else 2 if number == customer else 6
            if turn % share == offset * share // 2 or IS_LONG:
                chosen.append(operation)
        await execute_as(logging_server, number, access_token, chosen)


async def execute_as(
    logging_server: LoggingServer,
    number: int,
    access_token: str | None,
    operation_list: list[Operation],
) -> None:
    """Sends operations as the user with this number, every second one over a websocket."""
    websocket_operations = []
    for index, operation in enumerate(operation_list, number):
        if index % 2 or operation.root == "subscription":
            websocket_operations.append(operation)
            continue
        request = {"query": operation.query, "variables": operation.variables}
        response = await logging_server.post(access_token, request)
        logging_server.record(operation, number, response)
    for start in range(0, len(websocket_operations), 60):
        await execute_over_websocket(
            logging_server, number, access_token, websocket_operations[start : start + 60]
        )


async def execute_over_websocket(
    logging_server: LoggingServer,
    number: int,
    access_token: str | None,
    operation_list: list[Operation],
) -> None:
    """Sends all operations concurrently over one websocket."""
    by_id = {f"{MARK} {index}": each for index, each in enumerate(operation_list)}
    unfinished_ids = {key for key, each in by_id.items() if each.root != "subscription"}
    async with logging_server.connect() as socket, asyncio.timeout(MAX_WAIT):
        payload = {"authorization": f"Bearer {access_token}"} if access_token else {}
        with suppress(ConnectionClosed):  # one of them signs out
            await socket.send(_json({"type": "connection_init", "payload": payload}).decode())
            for key, each in by_id.items():
                request = {"query": each.query, "variables": each.variables}
                message = {"id": key, "type": "subscribe", "payload": request}
                await socket.send(_json(message).decode())
                logging_server.request_count += 1
            while unfinished_ids:
                message = orjson.loads(await socket.recv())
                logging_server.collect_secrets(message)
                if message["type"] in ("complete", "error"):
                    unfinished_ids -= {message.get("id")}
                elif message["type"] == "next":
                    logging_server.record(by_id[message["id"]], number, message["payload"])


async def send_invalid_requests(logging_server: LoggingServer) -> None:
    """Sends invalid tokens, bodies, frames and addresses, each with marks."""
    queries: list[Any] = [{"query": each} for each in (TEXT, f'{{ {MARK}(a: "{TEXT}") }}')]
    headers = {"Accept-Language": TEXT, "Origin": f"https://{MARK}.example", "Content-Type": TEXT}
    for payload in (TEXT.encode(), b"\xff" + TEXT.encode(), {TEXT: TEXT}, [TEXT], *queries):
        await logging_server.post(None, payload)
        for name, value in headers.items():
            await logging_server.post(None, payload, **{name: value})
    for invalid in (f"{MARK}-token", f"cam_sk_{MARK:0<8}_{MARK:0<43}"):
        assert await logging_server.post(invalid, {"query": "{ viewer { locale } }"})
    async with http_client(base_url=logging_server.server.url, follow_redirects=True) as http:
        for path in (
            "/downloads/zqx",
            "/verify?token=zqx",
            "/zqx",
            "/graphql?query=%7Bzqx%7D",
            "/sandbox/bank/zqx",
        ):
            await http.get(path, headers={"X-Forwarded-For": ADDRESS, "Cookie": TEXT})
        await http.put("/uploads/zqx", content=TEXT)
    await send_invalid_bytes(logging_server)


async def send_invalid_bytes(logging_server: LoggingServer) -> None:
    """Sends bytes that aren't HTTP, and invalid websocket messages."""
    reader, writer = await asyncio.open_connection("127.0.0.1", logging_server.server.port)
    writer.write(f"{MARK} /{MARK} NONSENSE\r\n{MARK}: {TEXT}\r\n\r\n".encode())
    await reader.read()
    writer.close()
    await writer.wait_closed()
    frames: tuple[Any, ...] = (
        TEXT,
        {"type": MARK},
        {"type": "connection_init", "payload": {"authorization": MARK}},
        {"id": MARK, "type": "subscribe", "payload": {"query": TEXT}},
    )
    for frame in frames:
        async with logging_server.connect() as socket:
            await socket.send(frame if frame == TEXT else _json(frame).decode())
            await asyncio.wait_for(socket.wait_closed(), MAX_WAIT)


def test_the_search_detects_a_leak(tmp_path: Path) -> None:
    """Checks that the search detects a leak."""
    server = Server("sqlite://x", tmp_path)
    (tmp_path / "log").write_text(f"fine\n{MARK.upper()} leaked\ntoken cam_at_1\n{ADDRESS}\n")
    assert len(LoggingServer(server, http_client(), {"cam_at_1"}).leaks()) == 3
