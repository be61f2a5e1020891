"""Announcements between the processes of an installation, through Redis.

A process publishes what it announces, and the others repeat it to their listeners, so that a
subscription learns within milliseconds of an event that another process has stored. Who is typing
is published too, because it is stored nowhere.

Redis only makes this faster: the database stays the truth. What is published while Redis is
unavailable, or while a process reconnects, is lost, and the hub's sweep finds the events a second
later. Announcements of the same moment are one message. The start and the end of an outage are each
logged once.
"""

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import orjson
import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from realtime.hub import Hub
from realtime.presence import Presence, Typing

RETRY_SECONDS = 1.0
PING_SECONDS = 5.0  # a connection that doesn't answer a ping for as long is replaced
MAX_PENDING = 10_000  # keys, while Redis is slow; the sweep finds what belongs to the others

log = structlog.stdlib.get_logger()


class Relay:
    """The relay of one process, through the Redis at `url` (redis://, rediss://, unix://).
    Processes with the same `secret` belong together.
    """

    def __init__(self, url: str, secret: str, hub: Hub, presence: Presence) -> None:
        self._url, self._hub, self._presence = url, hub, presence
        name = hashlib.sha256(b"camcha relay" + secret.encode()).hexdigest()[:32]
        self.channel = f"camcha:{name}"
        self._sender = os.urandom(8).hex()
        self._keys: dict[str, None] = {}
        self._typing: dict[tuple[int, int], bool] = {}
        self._is_pending = asyncio.Event()
        self._unavailable: set[str] = set()
        hub.relay, presence.relay = self.announce, self.announce_typing

    def announce(self, keys: Iterable[str]) -> None:
        """Publish these keys soon."""
        for key in keys:
            if len(self._keys) < MAX_PENDING:
                self._keys[key] = None
        self._is_pending.set()

    def announce_typing(self, state: Typing) -> None:
        """Publish soon whether a person is typing."""
        if len(self._typing) < MAX_PENDING:
            self._typing[state.ticket_id, state.user_id] = state.typing
        self._is_pending.set()

    async def run(self) -> None:
        """Publish and receive until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeat("publish", self._publish_all))
            group.create_task(self._repeat("subscribe", self._receive_all))

    async def _repeat(self, name: str, work: Callable[[Redis], Awaitable[None]]) -> None:
        while True:
            try:
                # With `socket_timeout`, a write would use `asyncio.wait_for`, which in Python 3.11
                # loses a cancellation that arrives when the write is done.
                async with Redis.from_url(
                    self._url, socket_timeout=None, socket_connect_timeout=PING_SECONDS
                ) as redis:
                    await work(redis)
            except (RedisError, OSError) as error:  # TimeoutError is an OSError
                self._set_unavailable(name, error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _publish_all(self, redis: Redis) -> None:
        while True:
            await self._is_pending.wait()
            self._is_pending.clear()
            message = orjson.dumps([self._sender, list(self._keys), self._take_typing()])
            self._keys.clear()
            async with asyncio.timeout(PING_SECONDS):
                await redis.publish(self.channel, message)
            self._set_available("publish")

    def _take_typing(self) -> list[tuple[int, int, bool]]:
        states = [(ticket, user, typing) for (ticket, user), typing in self._typing.items()]
        self._typing.clear()
        return states

    async def _receive_all(self, redis: Redis) -> None:
        async with redis.pubsub() as subscription:
            await subscription.subscribe(self.channel)
            while True:
                message = await _next_message(subscription)
                self._set_available("subscribe")
                if message["type"] == "message":
                    self._receive(message["data"])

    def _receive(self, data: bytes) -> None:
        try:
            sender, keys, states = orjson.loads(data)
            if sender != self._sender:
                self._hub.notify(map(str, keys))
                for ticket_id, user_id, typing in states:
                    self._presence.receive_typing(int(ticket_id), int(user_id), bool(typing))
        except (ValueError, TypeError):
            log.warning("relay.message_invalid")

    def _set_unavailable(self, name: str, error: Exception) -> None:
        if name not in self._unavailable:
            self._unavailable.add(name)
            log.error("relay.unavailable", connection=name, error=type(error).__name__)

    def _set_available(self, name: str) -> None:
        if name in self._unavailable:
            self._unavailable.discard(name)
            log.info("relay.available", connection=name)


async def _next_message(subscription: PubSub) -> dict[str, Any]:
    """The next message. Raises TimeoutError when the connection doesn't answer a ping."""
    for _ in range(2):
        if message := await subscription.get_message(timeout=PING_SECONDS):
            return dict(message)
        await subscription.ping()
    raise TimeoutError
