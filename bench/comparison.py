"""Checks, before anything is measured, that all servers give the same responses and store the
same rows."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import asyncpg
import orjson

from bench.data import Sizes
from bench.load import Client
from bench.operations import OPERATIONS, reply
from bench.servers import BenchmarkError, Server
from models.event import ticket_stream

SAMPLE_SIZE = 10
STORED_ROWS_QUERY = """SELECT m.sequence, m.body, m.from_staff, m.author_id, m.client_message_id,
    m.origin_id = t.id AS origin,
  e.kind, e.actor_id, e.ticket_id = t.id AS ticket, e.at = m.at AS at,
  t.updated_at = m.at AS updated,
  t.reply_awaited_since, s.last_sequence
FROM ticket t JOIN message m ON m.ticket_id = t.id JOIN event e ON e.message_id = m.id
AND e.stream = $2
JOIN stream s ON s.key = $2 WHERE t.id = $1 ORDER BY m.sequence DESC LIMIT 1"""

Responses = list[tuple[str, Any]]  # requests and responses


async def compare_responses(servers: Sequence[Server], url: str, sizes: Sizes) -> int:
    """Returns how many responses were compared. Raises BenchmarkError at the first difference."""
    count = 0
    for get_responses in (_queries, _mutations):  # all servers read before the first one writes
        expected: dict[str, tuple[str, Any]] = {}
        for number, server in enumerate(servers):
            for request, response in await get_responses(server, sizes, url, number):
                first_server, first_response = expected.setdefault(request, (server.name, response))
                if response != first_response:
                    difference = _difference(first_response, response)
                    raise BenchmarkError(
                        f"{server.name} and {first_server} respond differently to {request}:\n"
                        f"{difference}"
                    )
                count += 1
    return count


async def _queries(server: Server, sizes: Sizes, url: str, number: int) -> Responses:
    async with Client.connect(server) as client:
        return [(body.decode(), await client.execute(body)) for body in _sample(sizes)]


def _sample(sizes: Sizes) -> Iterator[bytes]:
    for name in ("Q1", "Q2", "Q3", "Q4"):
        yield from dict.fromkeys(islice(OPERATIONS[name].bodies(sizes, "sample"), SAMPLE_SIZE))


async def _mutations(server: Server, sizes: Sizes, url: str, number: int) -> Responses:
    """The responses together with the stored rows. Each server replies to tickets of its own, which
    are alike.
    """
    connection = await asyncpg.connect(url)
    try:
        async with Client.connect(server) as client:
            first_ticket = sizes.tickets - number * SAMPLE_SIZE
            return [
                await _reply(client, connection, first_ticket - n, f"sample-{n}") for n in range(3)
            ]
    finally:
        await connection.close()


async def _reply(client: Client, connection: Any, ticket: int, key: str) -> tuple[str, Any]:
    response = await client.execute(OPERATIONS["M1"].body(reply(ticket, key)))
    stored_row = await connection.fetchrow(STORED_ROWS_QUERY, ticket, ticket_stream(ticket))
    return f"M1, {key}", [response, dict(stored_row) if stored_row else None]


def _difference(expected: Any, response: Any) -> str:
    """Both responses, around the first difference."""
    texts = [
        orjson.dumps(each, option=orjson.OPT_INDENT_2).decode() for each in (expected, response)
    ]
    position = next(
        (n for n, pair in enumerate(zip(*texts, strict=False)) if pair[0] != pair[1]), 0
    )
    return "\n---\n".join(text[max(0, position - 200) : position + 200] for text in texts)
