"""Following a ticket with Python's gql: see docs/clients.md. Needs gql[websockets]."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from gql import gql
from gql.client import ReconnectingAsyncClientSession
from gql.transport.exceptions import TransportConnectionFailed

EVENTS = """subscription ($ticketId: ID!, $after: BigInt!) {
  ticketEvents(ticketId: $ticketId, after: $after) {
    sequence kind message { body clientMessageId }
  }
}"""


async def ticket_events(
    session: ReconnectingAsyncClientSession,
    access_token: Callable[[], Awaitable[str]],
    ticket_id: str,
    after: int = 0,
) -> AsyncIterator[dict[str, Any]]:
    """Yield the events of a ticket after the event `after`. None is lost or repeated when the
    connection breaks.

    gql opens a connection again by itself, but ends the subscriptions of the previous one.
    `session` is the result of `client.connect_async(reconnecting=True)`, and `access_token` returns
    a token that is valid.
    """
    request = gql(EVENTS)
    while True:
        request.variable_values = {"ticketId": ticket_id, "after": after}
        try:
            async for data in session.subscribe(request):
                after = data["ticketEvents"]["sequence"]
                yield data["ticketEvents"]
            return
        except TransportConnectionFailed:
            authorization = f"Bearer {await access_token()}"
            session.transport.init_payload = {"authorization": authorization}
            await asyncio.sleep(1)
