"""Turns by person, shares, and limits of the queue for connections."""

import asyncio
from random import Random

import pytest

from models.database.fair_queue import FairQueue
from models.errors import ServiceUnavailable
from tests.waiting import MAX_WAIT


async def enter(queue: FairQueue, person: str | None, order: list[str | None]) -> None:
    admission = await queue.enter(person, transaction=False)
    order.append(person)
    await asyncio.sleep(0)
    queue.leave(admission)


async def test_people_are_admitted_in_turn() -> None:
    queue = FairQueue(1, share=1, transactions=1, wait=MAX_WAIT)
    order: list[str | None] = []
    first = await queue.enter("a", transaction=False)
    tasks = [
        asyncio.create_task(enter(queue, person, order))
        for person in ["a", "a", "a", "b", "b", "c", None]
    ]
    await asyncio.sleep(0)
    queue.leave(first)
    await asyncio.gather(*tasks)
    assert order == ["a", "b", "c", None, "a", "b", "a"]


async def test_each_person_has_a_limited_share() -> None:
    queue = FairQueue(4, share=2, transactions=3, wait=MAX_WAIT)
    admissions = [await queue.enter("a", transaction=False) for _ in range(2)]
    order: list[str | None] = []
    waiting_task = asyncio.create_task(enter(queue, "a", order))
    await asyncio.sleep(0)
    await enter(queue, "b", order)
    assert order == ["b"]
    queue.leave(admissions[0])
    await waiting_task
    assert order == ["b", "a"]


async def test_a_read_does_not_wait_behind_a_transaction_of_the_same_person() -> None:
    """The server's own jobs read and write at the same time."""
    for person in ("a", None):
        queue = FairQueue(3, share=3, transactions=1, wait=MAX_WAIT)
        transaction = await queue.enter(person, transaction=True)
        reads = [await queue.enter("b", transaction=False) for _ in range(2)]
        waiting = asyncio.create_task(queue.enter(person, transaction=True))
        read = asyncio.create_task(queue.enter(person, transaction=False))
        await asyncio.sleep(0)
        queue.leave(reads[0])
        async with asyncio.timeout(MAX_WAIT):
            await read
        assert not waiting.done()
        queue.leave(transaction)
        await waiting


async def test_a_request_that_waits_too_long_is_refused_and_removed() -> None:
    queue = FairQueue(1, share=1, transactions=1, wait=0.01)
    admissions = await queue.enter("a", transaction=False)
    with pytest.raises(ServiceUnavailable):
        await queue.enter("b", transaction=False)
    assert not queue._waiting
    queue.leave(admissions)
    queue.leave(await queue.enter("b", transaction=False))


@pytest.mark.parametrize("seed", range(20))
async def test_random_use_never_exceeds_the_limits_and_ends_at_zero(seed: int) -> None:
    random, size, share, transactions = Random(seed), 4, 2, 3
    queue = FairQueue(size, share=share, transactions=transactions, wait=MAX_WAIT)
    users: list[tuple[str | None, bool]] = []

    async def use_connection() -> None:
        person, transaction = random.choice([None, "a", "b"]), random.random() < 0.5
        admission = await queue.enter(person, transaction=transaction)
        users.append(admission)
        assert len(users) <= size
        assert sum(in_transaction for _, in_transaction in users) <= transactions
        assert max(sum(user == name for user, _ in users) for name in "ab") <= share
        try:
            for _ in range(random.randrange(4)):
                await asyncio.sleep(0)
        finally:
            users.remove(admission)
            queue.leave(admission)

    tasks = [asyncio.create_task(use_connection()) for _ in range(60)]
    for task in random.sample(tasks, 20):
        await asyncio.sleep(0)
        task.cancel()
    async with asyncio.timeout(MAX_WAIT):
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(end is None or isinstance(end, asyncio.CancelledError) for end in ended), ended
    assert (queue._used, queue._used_by_transactions, queue._waiting) == (0, 0, {})
    assert not queue._used_by_person
