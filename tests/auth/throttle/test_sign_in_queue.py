"""The sign-in queue: few sign-ins run at once, the others wait in order, and excess ones are asked
to retry later.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from auth.authentication import authenticate
from auth.services import AuthServices
from auth.throttle.sign_in_queue import SignInQueue
from models.action import Action
from models.errors import Throttled
from models.identity.user import User
from tests.people import PASSWORD


async def test_concurrent_sign_ins_are_limited_and_run_in_order() -> None:
    sign_in_queue, running, max_running, order = (
        SignInQueue(concurrency=2, max_waiting=100),
        0,
        0,
        [],
    )

    async def enter_queue(number: int) -> None:
        nonlocal running, max_running
        async with sign_in_queue.slot():
            running += 1
            max_running = max(max_running, running)
            order.append(number)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*map(enter_queue, range(50)))
    assert (order, max_running) == (list(range(50)), 2)


async def test_a_full_queue_asks_to_retry_later() -> None:
    sign_in_queue, release = SignInQueue(concurrency=1, max_waiting=1), asyncio.Event()

    async def enter_queue() -> None:
        async with sign_in_queue.slot():
            await release.wait()

    waiting_tasks = [asyncio.create_task(enter_queue()) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Throttled):
        await enter_queue()
    release.set()
    await asyncio.gather(*waiting_tasks)
    await enter_queue()  # the queue is free again


async def test_a_cancelled_or_failed_sign_in_frees_its_place() -> None:
    sign_in_queue = SignInQueue(concurrency=1, max_waiting=1)

    async def failing_sign_in() -> None:
        async with sign_in_queue.slot():
            raise LookupError

    for _ in range(5):
        with pytest.raises(LookupError):
            await failing_sign_in()
    async with sign_in_queue.slot():
        waiting_task = asyncio.create_task(failing_sign_in())
        await asyncio.sleep(0)
        waiting_task.cancel()
        await asyncio.gather(waiting_task, return_exceptions=True)
    with pytest.raises(LookupError):
        await failing_sign_in()


async def test_a_sign_in_refused_by_the_queue_is_not_counted(
    auth: AuthServices, owner: User, new_action: Callable[[], Action]
) -> None:
    """Otherwise a flood of other sign-ins would eventually make the user wait for minutes."""
    full_auth = replace(auth, sign_in_queue=SignInQueue(concurrency=1, max_waiting=-1))
    for _ in range(20):
        with pytest.raises(Throttled):
            await authenticate(
                new_action(),
                full_auth,
                email=owner.email,
                password=PASSWORD,
                code=None,
                peer="192.0.2.7",
            )
    assert (
        await authenticate(
            new_action(), auth, email=owner.email, password=PASSWORD, code=None, peer="192.0.2.7"
        )
        == owner
    )
