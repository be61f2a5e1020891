"""All servers give the same responses, on a small amount of data, and a server that doesn't is
detected.
"""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from bench.comparison import compare_responses
from bench.data import TINY
from bench.fan_out import fan_out
from bench.load import load
from bench.operations import OPERATIONS
from bench.servers import COMMANDS, BenchmarkError, install_node_packages, running_servers
from models.database.connection import connect, disconnect
from operations.invoice_numbering import numbering_errors
from tests.bench.fake_servers import altering_proxy, running_fake_server


@pytest.mark.long  # it starts a server of each peer, which takes half a minute
async def test_all_servers_give_the_same_responses_and_deliver_events(
    database_url: str, tmp_path: Path
) -> None:
    await asyncio.to_thread(install_node_packages)
    async with running_servers(list(COMMANDS), database_url, TINY, tmp_path, None) as servers:
        assert await compare_responses(servers, database_url, TINY) == len(COMMANDS) * 14
        for server in servers:
            round_ = await fan_out(server, 4, 10, 0.1, f"F-{server.name}")
            assert round_.deliveries > 0
            assert round_.deliveries % 10 == 0
            assert (
                await load(server, OPERATIONS["M1"].bodies(TINY, server.name), 0.1, connections=2)
            ).latencies


async def test_a_different_response_is_detected(database_url: str, tmp_path: Path) -> None:
    async with (
        running_servers(["baseline"], database_url, TINY, tmp_path, None) as (baseline,),
        running_fake_server(altering_proxy(baseline, b"Essentiel", b"essentiel"), "proxy") as proxy,
    ):
        with pytest.raises(BenchmarkError, match=r"proxy and baseline respond differently to .*Q1"):
            await compare_responses([baseline, proxy], database_url, TINY)


async def test_the_data_is_consistent(database_url: str) -> None:
    await connect(database_url)
    try:
        assert await numbering_errors() == []
    finally:
        await disconnect()
    connection = await asyncpg.connect(database_url)
    try:
        assert not await connection.fetch(
            "SELECT key FROM stream s LEFT JOIN event e ON e.stream = s.key GROUP BY key, "
            "last_sequence HAVING count(e.id) != last_sequence OR max(e.sequence) != last_sequence"
        )
        assert not await connection.fetch(
            "SELECT i.id FROM invoice i JOIN invoice_line l ON l.invoice_id = i.id GROUP BY i.id "
            "HAVING sum(l.net_cents) != i.net_cents OR i.net_cents + i.vat_cents != i.gross_cents"
        )
    finally:
        await connection.close()
