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


async def test_few_sign_ins_run_at_once_and_all_run_in_order() -> None:
    sign_in_queue, inside, most, came = SignInQueue(concurrency=2, max_waiting=100), 0, 0, []

    async def come(number: int) -> None:
        nonlocal inside, most
        async with sign_in_queue.slot():
            inside += 1
            most = max(most, inside)
            came.append(number)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*map(come, range(50)))
    assert (came, most) == (list(range(50)), 2)


async def test_a_full_queue_asks_to_retry_later() -> None:
    sign_in_queue, leave = SignInQueue(concurrency=1, max_waiting=1), asyncio.Event()

    async def come() -> None:
        async with sign_in_queue.slot():
            await leave.wait()

    both = [asyncio.create_task(come()) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Throttled):
        await come()
    leave.set()
    await asyncio.gather(*both)
    await come()  # the queue is free again


async def test_a_cancelled_or_failed_sign_in_frees_its_place() -> None:
    sign_in_queue = SignInQueue(concurrency=1, max_waiting=1)

    async def fail() -> None:
        async with sign_in_queue.slot():
            raise LookupError

    for _ in range(5):
        with pytest.raises(LookupError):
            await fail()
    async with sign_in_queue.slot():
        waiting = asyncio.create_task(fail())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    with pytest.raises(LookupError):
        await fail()


async def test_a_sign_in_refused_by_the_queue_is_not_counted(
    auth: AuthServices, owner: User, new_action: Callable[[], Action]
) -> None:
    """Otherwise a flood of other sign-ins would eventually make the user wait for minutes."""
    full = replace(auth, sign_in_queue=SignInQueue(concurrency=1, max_waiting=-1))
    for _ in range(20):
        with pytest.raises(Throttled):
            await authenticate(
                new_action(),
                full,
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
