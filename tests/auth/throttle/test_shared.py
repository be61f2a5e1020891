"""Attempts counted in Redis by several processes give the same waits as those counted in one
process.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from auth.throttle import (
    EMAIL_AND_NETWORK,
    NETWORK,
    SECOND_FACTOR,
    TARGET,
    Key,
    Limit,
    Throttle,
    broad_keys,
    email_and_network_key,
    key,
    shared,
)
from auth.throttle.shared import SharedThrottle
from bench.redis_server import RedisServer
from tests.auth.throttle.test_throttle import FixedClock, seconds_to_wait, sign_in_keys
from tests.waiting import MAX_WAIT

SECRET = "a secret key of a test, long enough"


@pytest.fixture(autouse=True)
def longer_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A longer Redis timeout, because a busy machine may answer more slowly than a sign-in would
    wait.
    """
    monkeypatch.setattr(shared, "TIMEOUT", 20.0)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture
def redis(server: RedisServer) -> RedisServer:
    server.client().flushall()
    return server


async def test_two_processes_share_their_counts(redis: RedisServer) -> None:
    """P3.5: switching to another process gives a guesser no extra attempts, and a success clears
    the count for both.
    """
    clock = FixedClock()
    one, two = (SharedThrottle(clock, redis.url, SECRET) for _ in range(2))
    guesses = [
        await seconds_to_wait(throttle, *sign_in_keys("a@b.fr", "192.0.2.1"))
        for throttle in (one, two) * 4
    ]
    assert guesses == [0, 0, 0, 0, 0, 0, 1, 1]
    await one.clear(email_and_network_key("a@b.fr", "192.0.2.1"))
    await one.undo_attempt(*broad_keys("a@b.fr", "192.0.2.1"))
    assert await seconds_to_wait(two, *sign_in_keys("a@b.fr", "192.0.2.1")) == 0
    await one.close()
    await two.close()


async def test_attempts_that_weigh_more_count_as_several(redis: RedisServer) -> None:
    """In Redis as in memory: an allowance of points, as API keys have."""
    limit = Limit("points", 100, timedelta(milliseconds=100), max_wait=timedelta(seconds=10))
    throttles = Throttle(clock := FixedClock()), SharedThrottle(clock, redis.url, SECRET)
    for throttle in throttles:
        await throttle.attempt(key(limit, "a"), weight=60)
        await throttle.attempt(key(limit, "a"), weight=60)  # its end isn't known before
        assert await seconds_to_wait(throttle, key(limit, "a")) == 10
        assert await seconds_to_wait(throttle, key(limit, "b")) == 0
    clock.time += timedelta(seconds=10)
    for throttle in throttles:
        await throttle.attempt(key(limit, "a"), weight=90)  # a hundred are back
        assert await seconds_to_wait(throttle, key(limit, "a")) == 0
        await throttle.close()


async def test_of_many_concurrent_attempts_only_the_free_ones_are_allowed(
    redis: RedisServer,
) -> None:
    throttles = [SharedThrottle(FixedClock(), redis.url, SECRET) for _ in range(4)]
    retry_delays = await asyncio.gather(
        *(seconds_to_wait(throttle, key(EMAIL_AND_NETWORK, "a")) for throttle in throttles * 25)
    )
    assert sorted(retry_delays) == [0] * 6 + [1] * 94
    for throttle in throttles:
        await throttle.close()


_LIMITS = (EMAIL_AND_NETWORK, NETWORK, TARGET, SECOND_FACTOR)
_KEYS = st.lists(
    st.builds(key, st.sampled_from(_LIMITS), st.integers(0, 1)), min_size=1, max_size=4, unique=True
)
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["attempt"] * 5 + ["clear", "undo_attempt"]),
        _KEYS,
        st.integers(0, 2_000_000_000) | st.just(0) | st.integers(-7_200_000_000, 0),
    ),
    max_size=60,
)


@given(steps=_STEPS)
@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_shared_counts_equal_those_of_one_process(
    redis: RedisServer, steps: list[tuple[str, list[Key], int]]
) -> None:
    """Any sequence of attempts, successes and pauses (in microseconds) on any keys gives the same
    waits, also when the clock is set back.
    """
    redis.client().flushall()
    clock = FixedClock()
    shared, local = SharedThrottle(clock, redis.url, SECRET), Throttle(clock)
    for step, keys, pause in steps:
        clock.time += timedelta(microseconds=pause)
        if step == "attempt":
            assert await seconds_to_wait(shared, *keys) == await seconds_to_wait(local, *keys)
        else:
            await getattr(shared, step)(*keys)
            await getattr(local, step)(*keys)
    await shared.close()


async def test_redis_holds_no_personal_data_and_every_key_expires(redis: RedisServer) -> None:
    throttle = SharedThrottle(FixedClock(), redis.url, SECRET)
    await throttle.attempt(*sign_in_keys("a@b.fr", "192.0.2.1"))
    client = redis.client()
    result = [bytes(name).decode() for name in client.keys("*")]  # type: ignore[arg-type] # its stubs know text only
    assert len(result) == 3
    subjects = {each.subject for each in sign_in_keys("a@b.fr", "192.0.2.1")}
    for name in result:
        assert name.startswith("{camcha:throttle}:")
        # A hash without a key would reveal the addresses.
        assert not any(subject in name for subject in subjects)
        assert 0 < client.pttl(name) <= 3_700_000
    await throttle.close()


@pytest.mark.parametrize("outage", ["dead", "hanging", "out of memory"])
async def test_without_redis_each_process_counts_alone(
    monkeypatch: pytest.MonkeyPatch, outage: str
) -> None:
    """Sign-ins go on and guesses stay limited. The start and the end of an outage are each logged
    once.
    """
    monkeypatch.setattr(shared, "RETRY_AFTER", 0.0)
    monkeypatch.setattr(shared, "TIMEOUT", 1.0)
    server = RedisServer()
    throttle = SharedThrottle(FixedClock(), server.url, SECRET)
    assert await seconds_to_wait(throttle, key(EMAIL_AND_NETWORK, "a")) == 0
    if outage == "dead":
        server.kill()
    elif outage == "hanging":
        server.suspend()
    else:
        server.client().config_set("maxmemory", "1")
    with capture_logs() as logged:
        retry_delays = [
            await seconds_to_wait(throttle, key(EMAIL_AND_NETWORK, "a")) for _ in range(7)
        ]
        if outage != "out of memory":  # while it still forgets counts
            await throttle.undo_attempt(key(EMAIL_AND_NETWORK, "b"))
            await throttle.clear(key(EMAIL_AND_NETWORK, "b"))
    assert retry_delays == [0] * 6 + [1]
    assert [each["event"] for each in logged if each["event"].startswith("throttle")] == [
        "throttle.unavailable"
    ]
    if outage == "dead":
        server.start()
    elif outage == "hanging":
        server.resume()
    else:
        server.client().config_set("maxmemory", "0")
    with capture_logs() as logged:
        async with asyncio.timeout(MAX_WAIT):
            while not any(each["event"] == "throttle.restored" for each in logged):
                await seconds_to_wait(throttle, key(EMAIL_AND_NETWORK, "c"))
                await asyncio.sleep(0.05)
    await throttle.close()
    server.close()


async def test_an_unresponsive_redis_is_not_retried_immediately() -> None:
    """Otherwise each sign-in would wait for the timeout."""
    server = RedisServer()
    throttle = SharedThrottle(FixedClock(), server.url, SECRET)
    server.kill()
    await seconds_to_wait(throttle, key(EMAIL_AND_NETWORK, "a"))
    server.start()
    await seconds_to_wait(throttle, key(EMAIL_AND_NETWORK, "a"))
    assert server.client().dbsize() == 0
    await throttle.close()
    server.close()


def test_a_separate_process_reads_the_counts(server: RedisServer) -> None:
    """A separate process, not only a second connection."""
    program = f"""
import asyncio
from auth.throttle.shared import SharedThrottle
from models.errors import Throttled
from tests.auth.throttle.test_throttle import FixedClock, sign_in_keys, seconds_to_wait

async def main():
    throttle = SharedThrottle(FixedClock(), {server.url!r}, {SECRET!r})
    keys = sign_in_keys("process@b.fr", "192.0.2.9")
    print("waits", [await seconds_to_wait(throttle, *keys) for _ in range(4)])
    await throttle.close()

asyncio.run(main())
"""
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert [logged.splitlines()[-1] for logged in outputs] == [
        "waits [0, 0, 0, 0]",
        "waits [0, 0, 1, 1]",
    ]
