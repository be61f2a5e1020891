"""The limits of tickets and messages: an ordinary day stays below them, a script soon
exceeds them.
"""

from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta

import pytest

from auth.throttle import Key, Throttle, shared
from auth.throttle.activity import ActivityLimits
from auth.throttle.shared import SharedThrottle
from bench.redis_server import RedisServer
from models.identity.user import Staff, User
from tests.auth.throttle.test_throttle import FixedClock, seconds_to_wait

SECRET = "a secret key of a test, long enough"
LIMITS = ActivityLimits()
PAUL, MARIE = User(id=1), User(id=2)
ALICE = User(id=3, staff=Staff.AGENT)


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.close()


async def free_attempts(throttle: Throttle, *keys: Key) -> int:
    """How many attempts succeed at once."""
    count = 0
    while await seconds_to_wait(throttle, *keys) == 0:
        count += 1
    return count


async def test_a_busy_day_is_not_limited() -> None:
    """Eight hours of chat: a customer writes every three seconds, an agent every second to several
    of them, and a ticket is opened every five minutes.
    """
    clock = FixedClock()
    throttle = Throttle(clock)
    for second in range(8 * 3_600):
        clock.time += timedelta(seconds=1)
        await throttle.attempt(*LIMITS.message_keys(ALICE, None))
        if second % 3 == 0:
            await throttle.attempt(*LIMITS.message_keys(PAUL, 1))
        if second % 300 == 0:
            await throttle.attempt(*LIMITS.ticket_keys(PAUL, 1))


async def test_a_script_is_limited_and_the_longest_wait_is_bounded() -> None:
    clock = FixedClock()
    throttle = Throttle(clock)
    assert await free_attempts(throttle, *LIMITS.ticket_keys(PAUL, 1)) == LIMITS.tickets + 1
    assert await free_attempts(throttle, *LIMITS.message_keys(PAUL, 1)) == LIMITS.messages + 1
    for keys, max_wait in (
        (LIMITS.ticket_keys(PAUL, 1), 600),
        (LIMITS.message_keys(PAUL, 1), 30),
    ):
        await free_attempts(throttle, *keys)
        retry_delays = []
        for _ in range(20):
            retry_delays.append(await seconds_to_wait(throttle, *keys))
            clock.time += timedelta(seconds=retry_delays[-1])
        assert 0 < max(retry_delays) <= max_wait


async def test_two_processes_share_the_allowance(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "TIMEOUT", 20.0)
    redis.client().flushall()
    clock = FixedClock()
    one, two = (SharedThrottle(clock, redis.url, SECRET) for _ in range(2))
    limits = ActivityLimits(messages=5, messages_per_company=8)
    paul, marie = limits.message_keys(PAUL, 1), limits.message_keys(MARIE, 1)
    retry_delays = [await seconds_to_wait(throttle, *paul) for throttle in (one, two) * 3]
    assert retry_delays == [0] * 6
    assert [await seconds_to_wait(throttle, *paul) for throttle in (one, two)] == [1, 1]
    # A colleague has an allowance of her own, within the company's.
    assert [await seconds_to_wait(throttle, *marie) for throttle in (one, two) * 2] == [0, 0, 0, 1]
    assert await seconds_to_wait(two, *limits.message_keys(MARIE, 2)) == 0
    await one.close()
    await two.close()


def test_each_limit_is_a_whole_number() -> None:
    assert all(type(each.default) is int for each in fields(ActivityLimits))
