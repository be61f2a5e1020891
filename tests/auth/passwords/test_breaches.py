"""Passwords known from breaches are refused. The breach service never receives a password, and its
outages block no one.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from accounts.registration import sign_up
from auth.passwords import Passwords
from auth.passwords.breaches import BreachChecker
from auth.services import AuthServices
from auth.throttle import NEW_PASSWORD
from models.action import Action
from models.errors import Refusal, Throttled, message_for
from models.locale import Locale

LEAKED_PASSWORD = "corneille sabot pluvier 42"
LEAKED_PASSWORD_HASH = hashlib.sha1(LEAKED_PASSWORD.encode()).hexdigest().upper()  # noqa: S324 - the protocol's
OTHER_LINES = b"".join(b"%035X:%d\r\n" % (each, each % 3) for each in range(900))


def hash_line(count: int) -> bytes:
    return f"{LEAKED_PASSWORD_HASH[5:]}:{count}\r\n".encode()


def answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body


@asynccontextmanager
async def serve_breaches(
    reply: Callable[[], bytes | None],
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A breach service on a port of its own that answers each request with `reply`, or never
    answers when `reply` is None.
    """
    requests: list[bytes] = []
    server_closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        if (content := reply()) is None:
            await server_closed.wait()
        else:
            writer.write(content)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/range/", requests
        server_closed.set()


@asynccontextmanager
async def passwords(url: str, seconds: float = 5) -> AsyncIterator[Passwords]:
    checker = Passwords(breaches=BreachChecker(url, seconds))
    yield checker
    checker.close()


async def test_p4_3_a_leaked_password_is_refused_with_an_explanation() -> None:
    async with (
        serve_breaches(lambda: answer(OTHER_LINES + hash_line(7) + OTHER_LINES)) as (url, requests),
        passwords(url) as checker,
    ):
        with pytest.raises(Refusal, match="PASSWORD_WEAK") as refused:
            await checker.require_strong(LEAKED_PASSWORD, field="newPassword")
        await checker.require_strong("another sabot pluvier 43")
    assert refused.value.field == ("input", "newPassword")
    assert "data breach" in message_for(refused.value, Locale.EN)
    assert "fuite de données" in message_for(refused.value, Locale.FR)
    assert requests[0].startswith(b"GET /range/%s HTTP/1.1" % LEAKED_PASSWORD_HASH[:5].encode())


async def test_the_service_receives_five_digits_and_a_request_for_padding() -> None:
    async with (
        serve_breaches(lambda: answer(OTHER_LINES)) as (url, requests),
        passwords(url) as checker,
    ):
        await checker.require_strong(LEAKED_PASSWORD)
        with pytest.raises(Refusal, match="PASSWORD_WEAK"):
            await checker.require_strong("short")
    [request] = requests  # weak passwords are not sent to the service
    assert b"add-padding: true" in request.lower()
    assert LEAKED_PASSWORD_HASH[:6].encode() not in request.upper()
    assert LEAKED_PASSWORD.encode() not in request


async def test_padding_is_ignored() -> None:
    async with (
        serve_breaches(lambda: answer(OTHER_LINES + hash_line(0))) as (url, _),
        passwords(url) as checker,
    ):
        with capture_logs() as logged:
            await checker.require_strong(LEAKED_PASSWORD)
    assert logged == []


@pytest.mark.parametrize(
    "reply",
    [
        None,
        b"",
        b"SSH-2.0-x\r\n",
        answer(hash_line(7), b"500 Internal Server Error"),
        answer(hash_line(7), b"302 Found"),
        answer(b""),
        answer(b"<html>" + hash_line(7)),
        answer(b"\xff\x00" * 100),
        answer(hash_line(7)[:-3] + "\u00b2\r\n".encode()),
        answer(OTHER_LINES * 10 + hash_line(7)),
        answer(hash_line(7))[:-9],
    ],
)
async def test_a_failing_service_blocks_no_one_and_is_logged(reply: bytes | None) -> None:
    async with serve_breaches(lambda: reply) as (url, requests), passwords(url, 0.5) as checker:
        with capture_logs() as logged:
            await checker.require_strong(LEAKED_PASSWORD)
    assert [each["event"] for each in logged] == ["breaches.unavailable"]
    assert LEAKED_PASSWORD_HASH[5:] not in str(logged)
    assert len(requests) == 1


async def test_an_unavailable_service_blocks_no_one() -> None:
    async with serve_breaches(lambda: None) as (url, _):
        pass
    async with passwords(url) as checker:
        with capture_logs() as logged:
            await checker.require_strong(LEAKED_PASSWORD)
    assert [each["event"] for each in logged] == ["breaches.unavailable"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # it counts requests only
@pytest.mark.usefixtures("db")
async def test_a_flood_of_sign_ups_does_not_reach_the_service(
    auth: AuthServices, new_action: Callable[[], Action]
) -> None:
    """Each network gets a few free attempts and then has to wait. Weak or breached passwords don't
    count as failed sign-ins.
    """

    async def outcome(network: str, password: str = LEAKED_PASSWORD) -> str:
        try:
            await sign_up(
                new_action(),
                replace(auth, passwords=checker),
                email="camille@fournil.example",
                password=password,
                name="Camille",
                legal_name="Fournil",
                siren="404833048",
                locale=Locale.FR,
                client_address=network,
            )
        except (Refusal, Throttled) as error:
            return error.code
        return "in"

    async with (
        serve_breaches(lambda: answer(hash_line(7))) as (url, requests),
        passwords(url) as checker,
    ):
        outcomes = [await outcome("192.0.2.7") for _ in range(NEW_PASSWORD.free_attempts + 20)]
        assert (
            outcomes == ["PASSWORD_WEAK"] * (NEW_PASSWORD.free_attempts + 1) + ["RATE_LIMITED"] * 19
        )
        assert len(requests) == NEW_PASSWORD.free_attempts + 1
        assert await outcome("198.51.100.7", "short") == "PASSWORD_WEAK"
        assert await outcome("198.51.100.7", "another sabot pluvier 43") == "in"
