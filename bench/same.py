"""Before anything is measured: every server gives the same answers, and stores the same rows."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import asyncpg
import orjson

from bench.data import Sizes
from bench.load import Asker
from bench.operations import OPERATIONS, reply
from bench.servers import Failed, Server
from models.event import ticket_stream

SAMPLE = 10
STORED = """SELECT m.sequence, m.body, m.from_staff, m.author_id, m.client_message_id, m.origin_id = t.id AS origin,
  e.kind, e.actor_id, e.ticket_id = t.id AS ticket, e.at = m.at AS at, t.updated_at = m.at AS touched,
  t.reply_awaited_since, s.last_sequence
FROM ticket t JOIN message m ON m.ticket_id = t.id JOIN event e ON e.message_id = m.id AND e.stream = $2
JOIN stream s ON s.key = $2 WHERE t.id = $1 ORDER BY m.sequence DESC LIMIT 1"""


async def check(servers: Sequence[Server], url: str, sizes: Sizes) -> int:
    """How many answers were compared. Raises Failed at the first difference."""
    asked = 0
    for answers in (_read, _replied):  # all have read before the first one writes
        expected: dict[str, tuple[str, Any]] = {}
        for place, server in enumerate(servers):
            for question, answer in await answers(server, sizes, url, place):
                first, wanted = expected.setdefault(question, (server.name, answer))
                if answer != wanted:
                    raise Failed(f"{server.name} answers otherwise than {first} to {question}:\n{_parting(wanted, answer)}")
                asked += 1
    return asked


Answers = list[tuple[str, Any]]


async def _read(server: Server, sizes: Sizes, url: str, place: int) -> Answers:
    async with Asker.to(server) as asker:
        return [(body.decode(), await asker.ask(body)) for body in _questions(sizes)]


def _questions(sizes: Sizes) -> Iterator[bytes]:
    for name in ("Q1", "Q2", "Q3", "Q4"):
        yield from dict.fromkeys(islice(OPERATIONS[name].bodies(sizes, "sample"), SAMPLE))


async def _replied(server: Server, sizes: Sizes, url: str, place: int) -> Answers:
    """Answers, and the rows stored. Each server replies to tickets of its own, which stand alike."""
    connection = await asyncpg.connect(url)
    try:
        async with Asker.to(server) as asker:
            return [await _reply(asker, connection, sizes.tickets - place * SAMPLE - n, f"sample-{n}") for n in range(3)]
    finally:
        await connection.close()


async def _reply(asker: Asker, connection: Any, ticket: int, key: str) -> tuple[str, Any]:
    answer = await asker.ask(OPERATIONS["M1"].body(reply(ticket, key)))
    stored = await connection.fetchrow(STORED, ticket, ticket_stream(ticket))
    return f"M1, {key}", [answer, dict(stored) if stored else None]


def _parting(wanted: Any, answer: Any) -> str:
    """Both answers from a little before where they part."""
    texts = [orjson.dumps(each, option=orjson.OPT_INDENT_2).decode() for each in (wanted, answer)]
    at = next((n for n, pair in enumerate(zip(*texts, strict=False)) if pair[0] != pair[1]), 0)
    return "\n---\n".join(text[max(0, at - 200) : at + 200] for text in texts)
