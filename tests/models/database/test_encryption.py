"""How the URL of a PostgreSQL database says whether connections are encrypted, tried with asyncpg
and a server that answers the beginning of a connection.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from models.database.connection import encryption_of, postgres_parameters
from models.database.problems import database_problem
from operations.backup.postgres import _variables
from tests.schema.support.push_server import write_certificate

# What a server answers to a client that asks for a database that it doesn't have.
_ERROR = b"SFATAL\0VFATAL\0C3D000\0Mdatabase does not exist\0\0"
UNKNOWN_DATABASE = b"E" + (len(_ERROR) + 4).to_bytes(4, "big") + _ERROR
SSL_REQUEST = (80877103).to_bytes(4, "big")


@asynccontextmanager
async def postgres_server(context: ssl.SSLContext | None) -> AsyncIterator[int]:
    """A server that encrypts connections if the client asks, when there is a context, and then has
    no database. Yields its port.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            length = int.from_bytes(await reader.readexactly(4), "big")
            if await reader.readexactly(length - 4) == SSL_REQUEST:
                writer.write(b"S" if context else b"N")
                await writer.drain()
                if context:
                    await writer.start_tls(context)
                length = int.from_bytes(await reader.readexactly(4), "big")
                await reader.readexactly(length - 4)
            writer.write(UNKNOWN_DATABASE)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):  # the client doesn't trust the certificate
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def problem(port: int, parameters: str, host: str = "127.0.0.1") -> str:
    """What is told about the database with these parameters in its URL."""
    url = f"postgres://camcha:hunter2@{host}:{port}/camcha?{parameters}"
    return await database_problem(url) or ""


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    """The certificate of a server on localhost, which its own authority has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*write_certificate(tmp_path))
    return context


async def test_each_mode_encrypts_and_verifies_what_it_says(
    context: ssl.SSLContext, tmp_path: Path
) -> None:
    authority = f"sslrootcert={tmp_path / 'certificate.pem'}"
    async with postgres_server(context) as port:
        for parameters in (
            "ssl=disable",
            "ssl=prefer",
            "ssl=require",
            "sslmode=require",
            f"ssl=verify-ca&{authority}",
        ):
            assert "does not exist" in await problem(port, parameters), parameters
        assert "does not exist" in await problem(
            port, f"sslmode=verify-full&{authority}", "localhost"
        )
        for parameters in ("ssl=verify-ca", "ssl=verify-full", f"ssl=verify-full&{authority}"):
            assert "isn't trusted" in await problem(port, parameters), parameters
    async with postgres_server(None) as port:
        for parameters in ("", "ssl=disable", "ssl=prefer"):
            assert "does not exist" in await problem(port, parameters), parameters
        for parameters in ("ssl=require", "ssl=verify-full"):
            assert "doesn't encrypt connections" in await problem(port, parameters), parameters


@pytest.mark.parametrize(
    ("parameters", "is_certain", "mode"),
    [
        ("", False, None),
        ("ssl=prefer", False, "prefer"),
        ("sslmode=require", True, "require"),
        ("ssl=verify-full", True, "verify-full"),
        ("ssl=true", True, "verify-full"),
    ],
)
def test_postgresqls_programs_encrypt_as_the_server_does(
    parameters: str, is_certain: bool, mode: str | None
) -> None:
    url = f"postgres://camcha@db.example/camcha?{parameters}"
    assert encryption_of(url).is_certain is is_certain
    variables = _variables(url, {})
    assert variables.get("PGSSLMODE") == mode
    assert ("PGSSLROOTCERT" in variables) is (mode == "verify-full")


def test_a_socket_is_named_as_a_parameter_or_as_the_host() -> None:
    expected = postgres_parameters("postgres://camcha:x@/camcha?host=/run/Sockets&port=5544")
    for url in (
        "postgresql://camcha:x@%2Frun%2FSockets:5544/camcha",
        "postgres://camcha:x@%2frun%2FSockets/camcha?port=5544",
    ):
        parameters = postgres_parameters(url)
        assert {**parameters, "port": int(parameters["port"])} == {**expected, "port": 5544}
