"""Subscribing without a websocket."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from engine import Engine, Operation


async def subscribe(
    engine: Engine, operation: Operation, new_context: Callable[[], Any]
) -> AsyncGenerator[dict[str, Any], None]:
    """The responses to a subscription, each in a context of its own. Raises `RequestError` when it
    can't start.
    """
    context = new_context()
    source = await engine.create_source_stream(operation, context)
    async with aclosing(
        engine.response_stream(operation, source, context, new_context)
    ) as responses:
        async for response in responses:
            yield response
