"""User input is never logged: every operation of the schema is sent to a real server, and its whole
log is searched.

P4.1: no secret and no personal data in logs.
"""

import asyncio
import json
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
from models.action import Action
from models.billing.offer import Offer, Price
from models.clock import SystemClock
from models.content.policy import Policy, PolicyKind
from models.database.connection import connect, disconnect
from models.database.sql import execute
from models.identity.user import Staff, User
from realtime.hub import Hub
from resolvers.ids import encode
from tests.patience import PATIENCE
from tests.people import create_staff
from tests.story.generated import CARD, EMAIL, MARK, SORTS, TEXT, Operation, operations
from tests.story.server_fixtures import Client, Server, http_client, running

PASSWORD = f"{MARK} corneille sabot pluvier 42"
ADDRESS = "203.0.113.77"
SECRET = re.compile(r"(token|secret|uri|url)$", re.I)
BROKEN = (
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
    asked: int = 0

    def learn(self, value: Any, name: str = "") -> None:
        """Collects a secret from a response."""
        if isinstance(value, dict):
            for key, below in value.items():
                self.learn(below, key)
        elif isinstance(value, list):
            for below in value:
                self.learn(below, name)
        elif isinstance(value, str) and (SECRET.search(name) or name == "recoveryCodes"):
            self.secrets.add(value)

    async def post(self, token: str | None, payload: Any, **headers: str) -> Any:
        """Sends one request over HTTP."""
        sent_headers = {"X-Forwarded-For": ADDRESS, "Content-Type": "application/json"} | headers
        if token:
            sent_headers["Authorization"] = f"Bearer {token}"
        content = payload if isinstance(payload, bytes) else _json(payload)
        response = await self.http.post("/graphql", content=content, headers=sent_headers)
        self.asked += 1
        return orjson.loads(response.content) if response.content else None

    def dial(self) -> connect_socket:
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
async def talk(catalogue_url: str, tmp_path: Path) -> AsyncIterator[LoggingServer]:
    server = Server(catalogue_url, tmp_path, program=Path(__file__).with_name("talkative.py"))
    with running(server):
        async with http_client(base_url=server.url) as http:
            yield LoggingServer(server, http)


@pytest.fixture
async def people(talk: LoggingServer) -> AsyncIterator[dict[str, User]]:
    """One user of each kind, created directly in the server's database."""
    await connect(talk.server.database_url)
    action = Action(None, SystemClock().now(), Hub())
    yield {
        role.value.lower(): await create_staff(
            action, f"{MARK} {role}", role, email=f"{MARK}.{role.value}@leak.example"
        )
        for role in Staff
    }
    await disconnect()


async def token(talk: LoggingServer, user: User) -> str:
    """A new access token of this user."""
    account = await Account.get_or_none(memberships__user_id=user.pk)
    tokens = await sessions.sign_in(
        user, account, user.staff is not None, Action(None, SystemClock().now(), Hub())
    )
    talk.secrets |= {tokens.access, tokens.refresh}
    return tokens.access


async def tokens(talk: LoggingServer, people: dict[str, User]) -> list[str | None]:
    """No token, and a token of each user."""
    return [None, *[await token(talk, user) for user in people.values()]]


async def test_user_input_is_never_logged(talk: LoggingServer, people: dict[str, User]) -> None:
    people["customer"] = await a_customer_signs_up_and_goes_in(talk)
    staying: list[Operation] = []
    leaving: list[Operation] = []
    for operation in operations(talk.valid):
        (leaving if operation.name == "sessionSignOut" else staying).append(operation)
    await everything_is_asked(talk, await tokens(talk, people), staying)
    for operation in leaving:
        await everything_is_asked(talk, await tokens(talk, people), [operation])
    await what_is_no_operation_is_sent(talk)
    assert "email.delivered" in talk.server.log
    assert talk.leaks() == []
    await everything_breaks(talk, await tokens(talk, people), staying[:: len(SORTS)])
    assert talk.asked > 1_000


async def everything_breaks(
    talk: LoggingServer, bearers: list[str | None], valid: list[Operation]
) -> None:
    """Internal errors are logged by type and location, without their message, which may quote user
    input.
    """
    before = len(talk.server.log)
    for table in BROKEN:
        await execute(f"ALTER TABLE {table} RENAME TO {table}_{MARK}")
    await everything_is_asked(talk, bearers, valid)
    assert talk.server.log[before:].count("Internal error") > 20
    assert talk.leaks() == []


async def a_customer_signs_up_and_goes_in(talk: LoggingServer) -> User:
    """Signs up and in with real emails and codes, and collects every secret."""
    client, server = Client(talk.server), talk.server
    form = {
        "email": EMAIL,
        "password": PASSWORD,
        "name": f"{MARK} Name",
        "legalName": f"{MARK} Legal",
        "siren": "404833048",
    }
    await client.do("accountSignUp", "AccountSignUpInput", form, "accepted")
    await client.attempt(
        "sessionSignIn",
        "SessionSignInInput",
        {"email": EMAIL, "password": "zqx wrong"},
        "user { id }",
    )
    body = (await server.email(EMAIL)).get_body(("plain",))
    assert body
    link = re.search(r"https?://\S+/verify\?token=(\S+)", body.get_content())
    assert link
    talk.secrets.add(link[1])
    async with http_client() as browser:
        await browser.get(link[0])
        await browser.post(link[0])
    await client.do("emailVerify", "EmailVerifyInput", {"token": link[1]}, "verified")
    given = {"email": EMAIL, "password": PASSWORD}
    session = await client.do(
        "sessionSignIn", "SessionSignInInput", given, "session { accessToken refreshToken }"
    )
    client.token = session["session"]["accessToken"]
    await second_factor(talk, client)
    await shopping(talk, client, session)
    return await User.get(email=EMAIL)


async def second_factor(talk: LoggingServer, client: Client) -> None:
    seed = await client.do(
        "totpSetUp", "TotpSetUpInput", {"password": PASSWORD}, "secret provisioningUri"
    )
    code = pyotp.TOTP(seed["secret"]).now()
    codes = await client.do("totpConfirm", "TotpConfirmInput", {"code": code}, "recoveryCodes")
    given = {"email": EMAIL, "password": PASSWORD, "code": codes["recoveryCodes"][0]}
    again = await client.do(
        "sessionSignIn", "SessionSignInInput", given, "session { accessToken refreshToken }"
    )
    talk.learn([seed, codes, again])
    talk.valid["code"] = codes["recoveryCodes"][1]


async def drafted(client: Client, given: dict[str, Any]) -> str:
    return str(
        (await client.do("purchaseDraft", "PurchaseDraftInput", given, "purchase { id }"))[
            "purchase"
        ]["id"]
    )


async def a_payment_waits(client: Client, purchase: str) -> str:
    address = {"street": f"{MARK} street", "postalCode": "75001", "city": f"{MARK} city"}
    where = {"purchaseId": purchase, "billingAddress": address}
    await client.do(
        "purchaseConfirmBilling", "PurchaseConfirmBillingInput", where, "purchase { id }"
    )
    paying = {
        "purchaseId": purchase,
        "paymentMethod": "pm_sandbox_success",
        "idempotencyKey": f"{MARK} pay",
    }
    paid = await client.do(
        "purchasePay", "PurchasePayInput", paying, "payment { id confirmationUrl }"
    )
    return str(paid["payment"]["id"])


async def shopping(talk: LoggingServer, client: Client, session: dict[str, Any]) -> None:
    """Creates data for valid operations to find."""
    refreshed = await client.do(
        "sessionRefresh",
        "SessionRefreshInput",
        {"refreshToken": session["session"]["refreshToken"]},
        "session { accessToken refreshToken }",
    )
    client.token = refreshed["session"]["accessToken"]
    price, offer = await Price.filter(valid_until=None).first(), await Offer.first()
    assert price
    assert offer
    draft = {"priceId": encode("Price", price.pk), "idempotencyKey": f"{MARK} one"}
    payment = await a_payment_waits(client, await drafted(client, draft))
    purchase = await drafted(client, {**draft, "idempotencyKey": f"{MARK} other"})
    opening = {"subject": TEXT, "body": TEXT, "idempotencyKey": f"{MARK} two", "channel": "CHAT"}
    ticket = (await client.do("ticketOpen", "TicketOpenInput", opening, "ticket { id }"))["ticket"][
        "id"
    ]
    file = {"name": f"{MARK}.txt", "contentType": "text/plain", "size": 3}
    announced = await client.do("fileAnnounce", "FileAnnounceInput", file, "file { id } uploadUrl")
    async with http_client() as http:
        await http.put(announced["uploadUrl"], content=MARK.encode())
    talk.learn([session, refreshed, announced])
    talk.valid |= {
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
        "orderNumber": CARD,
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


async def everything_is_asked(
    talk: LoggingServer, bearers: list[str | None], asked: list[Operation]
) -> None:
    """Sends each operation as every user: over HTTP for every second user, over a websocket for the
    others.
    """
    for number, bearer in enumerate(bearers):
        over_socket = []
        for place, operation in enumerate(asked, number):
            if place % 2 or operation.root == "subscription":
                over_socket.append(operation)
            else:
                talk.learn(
                    await talk.post(
                        bearer, {"query": operation.query, "variables": operation.variables}
                    )
                )
        for start in range(0, len(over_socket), 60):
            await over_a_socket(talk, bearer, over_socket[start : start + 60])


async def over_a_socket(talk: LoggingServer, bearer: str | None, asked: list[Operation]) -> None:
    """Sends all operations concurrently over one websocket."""
    waiting = {
        f"{MARK} {number}" for number, each in enumerate(asked) if each.root != "subscription"
    }
    async with talk.dial() as socket, asyncio.timeout(PATIENCE):
        payload = {"authorization": f"Bearer {bearer}"} if bearer else {}
        with suppress(ConnectionClosed):  # one of them signs out
            await socket.send(_json({"type": "connection_init", "payload": payload}).decode())
            for number, each in enumerate(asked):
                asking = {"query": each.query, "variables": each.variables}
                await socket.send(
                    _json(
                        {"id": f"{MARK} {number}", "type": "subscribe", "payload": asking}
                    ).decode()
                )
                talk.asked += 1
            while waiting:
                message = orjson.loads(await socket.recv())
                talk.learn(message)
                waiting -= (
                    {message.get("id")} if message["type"] in ("complete", "error") else set()
                )


async def what_is_no_operation_is_sent(talk: LoggingServer) -> None:
    """Sends invalid tokens, bodies, frames and addresses, each with marks."""
    queries: list[Any] = [{"query": each} for each in (TEXT, f'{{ {MARK}(a: "{TEXT}") }}')]
    headers = {"Accept-Language": TEXT, "Origin": f"https://{MARK}.example", "Content-Type": TEXT}
    for payload in (TEXT.encode(), b"\xff" + TEXT.encode(), {TEXT: TEXT}, [TEXT], *queries):
        await talk.post(None, payload)
        for name, value in headers.items():
            await talk.post(None, payload, **{name: value})
    assert await talk.post(f"{MARK}-token", {"query": "{ viewer { locale } }"})
    async with http_client(base_url=talk.server.url, follow_redirects=True) as http:
        for path in (
            "/downloads/zqx",
            "/verify?token=zqx",
            "/zqx",
            "/graphql?query=%7Bzqx%7D",
            "/sandbox/bank/zqx",
        ):
            await http.get(path, headers={"X-Forwarded-For": ADDRESS, "Cookie": TEXT})
        await http.put("/uploads/zqx", content=TEXT)
    await nonsense(talk)


async def nonsense(talk: LoggingServer) -> None:
    """Sends bytes that aren't HTTP, and invalid websocket messages."""
    reader, writer = await asyncio.open_connection("127.0.0.1", talk.server.port)
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
        async with talk.dial() as socket:
            await socket.send(frame if frame == TEXT else _json(frame).decode())
            await asyncio.wait_for(socket.wait_closed(), PATIENCE)


def test_the_search_detects_a_leak(tmp_path: Path) -> None:
    """Checks that the search detects a leak."""
    server = Server("sqlite://x", tmp_path)
    (tmp_path / "log").write_text(f"fine\n{MARK.upper()} leaked\ntoken cam_at_1\n{ADDRESS}\n")
    assert len(LoggingServer(server, http_client(), {"cam_at_1"}).leaks()) == 3
