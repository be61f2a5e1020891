"""Throttling slows guesses down, never locks an account permanently, and uses a bounded amount of
memory.
"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.throttle import (
    EMAIL_AND_NETWORK,
    SECOND_FACTOR,
    TARGET,
    Key,
    Limit,
    Throttle,
    broad_keys,
    client_network,
    email_and_network_key,
    key,
)
from models.errors import Throttled


class FixedClock:
    """A fixed clock for tests that Hypothesis repeats."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


def sign_in_keys(email: str, peer: str) -> tuple[Key, ...]:
    return email_and_network_key(email, peer), *broad_keys(email, peer)


async def seconds_to_wait(throttle: Throttle, *keys: Key) -> int:
    """Returns 0 when the attempt was allowed, otherwise the seconds to wait."""
    try:
        await throttle.attempt(*keys)
    except Throttled as error:
        return error.retry_after
    return 0


async def test_after_five_free_attempts_waits_double_up_to_fifteen_minutes() -> None:
    """P3.5: growing delays."""
    clock = FixedClock()
    throttle = Throttle(clock)
    retry_delays = []
    for _ in range(18):
        retry_delays.append(
            await seconds_to_wait(throttle, email_and_network_key("a@b.fr", "192.0.2.1"))
        )
        if retry_delays[-1]:
            clock.time += timedelta(seconds=retry_delays[-1])
            assert (
                await seconds_to_wait(throttle, email_and_network_key("a@b.fr", "192.0.2.1")) == 0
            )
    assert retry_delays == [0] * 6 + [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


@given(st.lists(st.floats(0, 3600), max_size=80))
async def test_no_wait_exceeds_the_maximum_or_ends_late(delays: list[float]) -> None:
    clock = FixedClock()
    throttle = Throttle(clock)
    for pause in delays:
        clock.time += timedelta(seconds=pause)
        wait = await seconds_to_wait(throttle, key(SECOND_FACTOR, 1))
        assert wait <= 900
        if wait:
            clock.time += timedelta(seconds=wait)
            assert await seconds_to_wait(throttle, key(SECOND_FACTOR, 1)) == 0


@given(st.lists(st.floats(0, 900), min_size=1, max_size=200))
async def test_guesses_are_limited_regardless_of_their_timing(delays: list[float]) -> None:
    clock = FixedClock()
    throttle, started_at, guesses = Throttle(clock), clock.time, 0
    for pause in delays:
        clock.time += timedelta(seconds=pause)
        guesses += (
            await seconds_to_wait(throttle, email_and_network_key("a@b.fr", "192.0.2.1")) == 0
        )
    hours = (clock.time - started_at) / timedelta(hours=1)
    # The free attempts, the growing waits, then one every 15 minutes.
    assert guesses <= EMAIL_AND_NETWORK.free_attempts + 11 + 4 * hours


@given(st.lists(st.tuples(st.integers(1, 250), st.floats(0, 60)), max_size=150))
async def test_attacks_from_other_networks_do_not_lock_the_customer_out(
    attacks: list[tuple[int, float]],
) -> None:
    """P3.5: an attacker can't lock a customer out."""
    clock = FixedClock()
    throttle = Throttle(clock)
    for peer, pause in attacks:
        clock.time += timedelta(seconds=pause)
        await seconds_to_wait(throttle, *sign_in_keys("a@b.fr", f"192.0.2.{peer}"))
    assert await seconds_to_wait(throttle, *sign_in_keys("a@b.fr", "198.51.100.1")) == 0


async def test_during_an_attack_every_network_gets_one_guess() -> None:
    clock = FixedClock()
    throttle = Throttle(clock)
    for n in range(TARGET.free_attempts):
        assert await seconds_to_wait(throttle, *sign_in_keys("a@b.fr", f"10.0.{n}.1")) == 0
    keys = sign_in_keys("a@b.fr", "10.1.0.1")
    assert await seconds_to_wait(throttle, *keys) == 0
    first = await seconds_to_wait(throttle, *keys)
    assert first == 16
    clock.time += timedelta(seconds=first)
    assert await seconds_to_wait(throttle, *keys) == 0
    assert await seconds_to_wait(throttle, *keys) == 900
    # Others are not under attack.
    assert await seconds_to_wait(throttle, *sign_in_keys("other@b.fr", "10.1.0.1")) == 0


async def test_a_network_that_tries_many_addresses_is_throttled() -> None:
    throttle = Throttle(FixedClock())
    retry_delays = [
        await seconds_to_wait(throttle, *sign_in_keys(f"a{n}@b.fr", "192.0.2.1"))
        for n in range(150)
    ]
    assert retry_delays[:101] == [0] * 101
    assert all(retry_delays[101:])


async def test_an_attempt_that_has_to_wait_is_not_counted() -> None:
    clock = FixedClock()
    throttle = Throttle(clock)
    for _ in range(500):
        await seconds_to_wait(throttle, *sign_in_keys("a@b.fr", "192.0.2.1"))
    assert await seconds_to_wait(throttle, email_and_network_key("a@b.fr", "192.0.2.1")) == 1
    assert await seconds_to_wait(throttle, *sign_in_keys("c@b.fr", "192.0.2.1")) == 0


async def test_a_success_clears_its_counts() -> None:
    throttle = Throttle(FixedClock())
    for _ in range(1000):  # an office whose users sign in all day
        assert await seconds_to_wait(throttle, *sign_in_keys("a@b.fr", "192.0.2.1")) == 0
        await throttle.clear(email_and_network_key("a@b.fr", "192.0.2.1"))
        await throttle.undo_attempt(*broad_keys("a@b.fr", "192.0.2.1"))


async def test_counts_decrease_over_time() -> None:
    clock = FixedClock()
    throttle = Throttle(clock)
    for _ in range(6):
        await seconds_to_wait(throttle, key(EMAIL_AND_NETWORK, "a"))
    assert await seconds_to_wait(throttle, key(EMAIL_AND_NETWORK, "a")) == 1
    clock.time += timedelta(hours=6)
    assert [await seconds_to_wait(throttle, key(EMAIL_AND_NETWORK, "a")) for _ in range(7)] == [
        0
    ] * 6 + [1]


@given(st.lists(st.integers(0, 30), max_size=200))
async def test_memory_is_bounded_and_the_busiest_key_is_kept(others: list[int]) -> None:
    throttle = Throttle(FixedClock(), size=10)
    for _ in range(6):
        await seconds_to_wait(throttle, key(EMAIL_AND_NETWORK, "guesser"))
    for other in others:
        await seconds_to_wait(throttle, key(EMAIL_AND_NETWORK, other))
        await throttle.undo_attempt(key(EMAIL_AND_NETWORK, "guesser"))
        await seconds_to_wait(throttle, key(EMAIL_AND_NETWORK, "guesser"))
        assert len(throttle.__dict__["_counts"]) <= 10
    assert await seconds_to_wait(throttle, key(EMAIL_AND_NETWORK, "guesser")) == 1


async def test_a_wait_does_not_grow_when_the_clock_is_set_back() -> None:
    clock = FixedClock()
    throttle = Throttle(clock)
    keys = sign_in_keys("a@b.fr", "192.0.2.1")
    retry_delays = [await seconds_to_wait(throttle, *keys) for _ in range(7)]
    assert retry_delays == [0, 0, 0, 0, 0, 0, 1]
    clock.time -= timedelta(hours=1)
    assert await seconds_to_wait(throttle, *keys) == 1
    clock.time += timedelta(seconds=1)
    assert await seconds_to_wait(throttle, *keys) == 0
    assert await seconds_to_wait(throttle, *keys) == 2


@given(
    st.lists(st.tuples(st.sampled_from([EMAIL_AND_NETWORK, SECOND_FACTOR]), st.floats(-7200, 900)))
)
async def test_no_wait_exceeds_the_maximum_however_the_clock_moves(
    steps: list[tuple[Limit, float]],
) -> None:
    clock = FixedClock()
    throttle = Throttle(clock)
    for limit, seconds in steps:
        clock.time += timedelta(seconds=seconds)
        wait = await seconds_to_wait(throttle, key(limit, 1))
        assert wait <= 900
        clock.time += timedelta(seconds=wait)
        if wait:
            assert await seconds_to_wait(throttle, key(limit, 1)) == 0


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("testclient", "testclient"),
    ],
)
def test_an_ipv6_network_counts_as_one(peer: str, network: str) -> None:
    assert client_network(peer) == network


def test_keys_contain_no_personal_data_and_ignore_the_spelling_of_an_address() -> None:
    assert "a@b.fr" not in str(sign_in_keys("a@b.fr", "192.0.2.1"))
    assert sign_in_keys(" A@B.fr", "192.0.2.1") == sign_in_keys("a@b.fr", "192.0.2.1")
