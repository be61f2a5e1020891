"""Account security over HTTP and websockets against a real server process, on SQLite and on
PostgreSQL.

A user signs in on two devices, ends one session, resets the password and changes the email address.
Websockets close with their session, and the log contains no secret. Promises P1.3, P4.3.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
import pyotp
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from realtime.close_codes import CloseCode
from tests.people import PASSWORD, sign_up
from tests.story.server_fixtures import Client, Server, http_client
from tests.waiting import MAX_WAIT

PAUL, NEW_ADDRESS = "paul@boulangerie.example", "paul@meunier.example"
NEW_PASSWORD = "mouette phare ardoise 77"
SESSIONS_QUERY = "{ viewer { user { email } sessions { id device current } } }"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.mark.parametrize("catalogue_url", ["sqlite"], indirect=True)
async def test_the_story(server: Server) -> None:
    secrets = [PASSWORD, NEW_PASSWORD]
    paul = await sign_up(server, PAUL)
    await ending_a_session_closes_its_websocket(paul)
    await changing_the_password_closes_other_websockets(paul)
    secrets += await resetting_the_password_closes_every_websocket(server, paul)
    secrets += await changing_the_email_address(
        server, await Client(server).sign_in(PAUL, NEW_PASSWORD)
    )
    secrets += await a_reset_keeps_the_second_factor(server)
    assert "email.delivered" in server.log
    assert [
        each for each in [*secrets, PAUL, NEW_ADDRESS, "cam_", "Firefox"] if each in server.log
    ] == []


@asynccontextmanager
async def open_socket(client: Client) -> AsyncIterator[ClientConnection]:
    """A websocket that subscribes to the events of the account."""
    url = client.server.url.replace("http", "ws") + "/graphql"
    async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")]) as websocket:
        init = {"type": "connection_init", "payload": {"authorization": f"Bearer {client.token}"}}
        await websocket.send(orjson.dumps(init).decode())
        assert orjson.loads(await websocket.recv())["type"] == "connection_ack"
        subscription = {"query": "subscription { accountEvents { kind } }"}
        await websocket.send(
            orjson.dumps({"id": "1", "type": "subscribe", "payload": subscription}).decode()
        )
        yield websocket


async def assert_closes(websocket: ClientConnection) -> None:
    """Waits until the websocket is closed. Nothing is delivered until then, but a ping or a refusal
    of the subscription, which may begin after its session has ended.
    """
    kinds = set()
    async with asyncio.timeout(MAX_WAIT):
        with suppress(ConnectionClosed):
            while True:
                kinds.add(orjson.loads(await websocket.recv())["type"])
    assert kinds <= {"ping", "error"}
    assert websocket.close_code == CloseCode.UNAUTHORIZED


async def assert_stays_open(websocket: ClientConnection) -> None:
    """Asserts that the websocket still answers."""
    await (await websocket.ping())


async def ending_a_session_closes_its_websocket(paul: Client) -> None:
    """P4.3: the list identifies the devices, and an ended session is refused at once, over HTTP
    too.
    """
    phone = await sign_in_with_user_agent(paul.server, PAUL, PASSWORD, FIREFOX)
    result = (await paul.data(SESSIONS_QUERY))["viewer"]["sessions"]
    assert [(each["device"], each["current"]) for each in result] == [
        ("Firefox, Linux", False),
        ("python-httpx", True),
    ]
    async with open_socket(phone) as other_socket, open_socket(paul) as own_socket:
        await paul.mutate("sessionEnd", "SessionEndInput", {"sessionId": result[0]["id"]}, "ended")
        await assert_closes(other_socket)
        await assert_stays_open(own_socket)
    assert (await phone.execute(SESSIONS_QUERY))["errors"][0]["extensions"][
        "code"
    ] == "UNAUTHENTICATED"
    tablet = await Client(paul.server).sign_in(PAUL, PASSWORD)
    async with open_socket(tablet) as other_socket:
        assert (await paul.data("mutation { sessionEndOthers { ended } }"))["sessionEndOthers"][
            "ended"
        ] == 1
        await assert_closes(other_socket)


async def sign_in_with_user_agent(
    server: Server, email: str, password: str, user_agent: str
) -> Client:
    document = (
        "mutation($i: SessionSignInInput!) { sessionSignIn(input: $i) { session { accessToken } } }"
    )
    arguments = {"query": document, "variables": {"i": {"email": email, "password": password}}}
    async with http_client(base_url=server.url, headers={"User-Agent": user_agent}) as http:
        response = (await http.post("/graphql", json=arguments)).json()
    return Client(server, response["data"]["sessionSignIn"]["session"]["accessToken"])


async def changing_the_password_closes_other_websockets(paul: Client) -> None:
    other = await Client(paul.server).sign_in(PAUL, PASSWORD)
    async with open_socket(other) as other_socket, open_socket(paul) as own_socket:
        arguments = {"currentPassword": PASSWORD, "newPassword": f"{NEW_PASSWORD} bis"}
        await paul.mutate("passwordChange", "PasswordChangeInput", arguments, "changed")
        await assert_closes(other_socket)
        await assert_stays_open(own_socket)


async def wait_for_link(server: Server, email: str, page: str, number: int = 1) -> str:
    """The link to a page in the n-th email to this address that contains one."""
    async with asyncio.timeout(MAX_WAIT):
        while True:
            texts = [each.get_body(("plain",)).get_content() for each in server.emails(email)]  # type: ignore[union-attr]
            links = re.findall(rf"{server.url}/{page}\?token=\S+", "\n".join(texts))
            if len(links) >= number:
                return str(links[number - 1])
            await asyncio.sleep(0.1)


async def resetting_the_password_closes_every_websocket(server: Server, paul: Client) -> list[str]:
    """Through the page that the email links to. Every websocket closes, including the requester's.
    Returns the secrets.
    """
    anonymous = Client(server)
    for email in ("nobody@boulangerie.example", PAUL):
        payload = await anonymous.mutate(
            "passwordRequestReset", "PasswordRequestResetInput", {"email": email}, "accepted"
        )
        assert payload["accepted"] is True
    link = await wait_for_link(server, PAUL, "reset")
    async with open_socket(paul) as own_socket, http_client() as browser:
        assert (await browser.get(link)).status_code == 200
        assert (await browser.post(link, data={"password": NEW_PASSWORD})).status_code == 200
        await assert_closes(own_socket)
        assert (await browser.post(link, data={"password": NEW_PASSWORD})).status_code == 404
    async with asyncio.timeout(MAX_WAIT):  # one from the previous change, one from this one
        while [str(email["Subject"]) for email in server.emails(PAUL)].count(
            "Votre mot de passe a été modifié"
        ) < 2:
            await asyncio.sleep(0.1)
    assert server.emails("nobody@boulangerie.example") == []
    return [link.rpartition("=")[2]]


async def changing_the_email_address(server: Server, paul: Client) -> list[str]:
    """P1.3: both addresses confirm, and the other device is signed out. Returns the secrets."""
    refused_payload = await paul.try_mutation(
        "emailRequestChange",
        "EmailRequestChangeInput",
        {"email": NEW_ADDRESS, "idempotencyKey": "move"},
        "accepted",
    )
    assert [error["code"] for error in refused_payload["userErrors"]] == ["STEP_UP_REQUIRED"]
    await paul.mutate(
        "sessionStepUp", "SessionStepUpInput", {"password": NEW_PASSWORD}, "stepUpExpiresAt"
    )
    await paul.mutate(
        "emailRequestChange",
        "EmailRequestChangeInput",
        {"email": NEW_ADDRESS, "idempotencyKey": "move"},
        "accepted",
    )
    links = [await wait_for_link(server, email, "email") for email in (NEW_ADDRESS, PAUL)]
    other = await Client(server).sign_in(PAUL, NEW_PASSWORD)
    async with (
        open_socket(other) as other_socket,
        open_socket(paul) as own_socket,
        http_client() as browser,
    ):
        assert (await browser.post(links[0])).status_code == 200
        assert (await paul.data(SESSIONS_QUERY))["viewer"]["user"]["email"] == PAUL
        assert (await browser.post(links[1])).status_code == 200
        await assert_closes(other_socket)
        await assert_stays_open(own_socket)
    assert (await paul.data(SESSIONS_QUERY))["viewer"]["user"]["email"] == NEW_ADDRESS
    return [link.rpartition("=")[2] for link in links]


async def a_reset_keeps_the_second_factor(server: Server) -> list[str]:
    """P4.3: the reset email is no substitute for a one-time code or recovery code. Returns the
    secrets.
    """
    paul = await Client(server).sign_in(NEW_ADDRESS, NEW_PASSWORD)
    secret = (
        await paul.mutate("totpSetUp", "TotpSetUpInput", {"password": NEW_PASSWORD}, "secret")
    )["secret"]
    confirm_payload = await paul.mutate(
        "totpConfirm", "TotpConfirmInput", {"code": pyotp.TOTP(secret).now()}, "recoveryCodes"
    )
    codes = confirm_payload["recoveryCodes"]
    await paul.mutate(
        "passwordRequestReset", "PasswordRequestResetInput", {"email": NEW_ADDRESS}, "accepted"
    )
    token = (await wait_for_link(server, NEW_ADDRESS, "reset")).rpartition("=")[2]
    arguments: dict[str, Any] = {"token": token, "password": PASSWORD}
    refused_payload = await paul.try_mutation(
        "passwordReset", "PasswordResetInput", arguments, "reset"
    )
    assert [error["code"] for error in refused_payload["userErrors"]] == ["SECOND_FACTOR_REQUIRED"]
    await paul.mutate(
        "passwordReset", "PasswordResetInput", arguments | {"code": codes[0]}, "reset"
    )
    sign_in = {"email": NEW_ADDRESS, "password": PASSWORD}
    without_code = await Client(server).try_mutation(
        "sessionSignIn", "SessionSignInInput", sign_in, "session { accessToken }"
    )
    assert [error["code"] for error in without_code["userErrors"]] == ["SECOND_FACTOR_REQUIRED"]
    return [token, secret, *codes]
