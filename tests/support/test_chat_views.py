"""The expected wait of chats, and how often those who wait are told their place."""

import asyncio
import logging
from collections import Counter
from contextlib import aclosing
from datetime import datetime, timedelta

import pytest

from models.action import Action
from models.identity.user import Staff
from models.support.classification import Category, Channel
from models.support.live_chat import ChatState, LiveChat, positions
from models.support.team import AgentProfile
from models.support.ticket import Ticket
from realtime.hub import Hub
from support.chat_views import chat_service, chat_views, rounded_up
from support.chat_watch import ChatWatch
from support.chats import route
from tests.conftest import MovableClock
from tests.people import create_account, create_staff_viewer, create_user, make_available
from tests.schema.test_statements import statements

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def chats(db: str, action: Action) -> list[int]:
    """The tickets of 30 chats that wait, oldest first, and an agent without a free slot."""
    account, paul = await create_account(action), await create_user(action, "Paul")
    keys = []
    for number in range(30):
        async with action.transaction() as tx:
            ticket = await Ticket.open(
                tx,
                account,
                paul,
                subject=f"Chat {number}",
                channel=Channel.CHAT,
                category=Category.USAGE,
            )
        keys.append(ticket.pk)
    viewer = await create_staff_viewer(action, "Alice", Staff.AGENT)
    await make_available(viewer, action.at)
    await AgentProfile.filter(user=viewer.user).update(chat_capacity=0)
    return keys


async def test_the_expected_wait_is_the_pace_at_which_the_queue_has_moved(
    chats: list[int], action: Action
) -> None:
    async def assign(key: int, queued_at: datetime, assigned_at: datetime) -> None:
        values = {"queued_at": queued_at, "first_assigned_at": assigned_at}
        await LiveChat.filter(ticket_id=key).update(state=ChatState.ENDED, **values)

    async def waits() -> list[timedelta | None]:
        views = await chat_views(chats[5:7], action.at)
        service = await chat_service(action.at)
        return [*(view.expected_wait for view in views.values()), service.expected_wait]

    start = action.at - 50 * MINUTE
    for number in range(3):
        await assign(chats[number], start, start + number * 2 * MINUTE)
    # Two gaps say too little: five minutes for the agent.
    assert await waits() == [3 * 5 * MINUTE, 4 * 5 * MINUTE, 28 * 5 * MINUTE]
    await assign(chats[3], start, start + 6 * MINUTE)
    # Nobody waited when this one was opened.
    await assign(chats[4], start + 30 * MINUTE, start + 31 * MINUTE)
    assert await waits() == [2 * MINUTE, 4 * MINUTE, 55 * MINUTE]  # 52, rounded
    await AgentProfile.all().update(chat_capacity=2)
    assert await waits() == [0 * MINUTE, 0 * MINUTE, 24 * 2 * MINUTE]
    # One by one, places are counted in another way than in a list.
    counted = [(await positions([key]))[key] for key in chats[5:12]]
    assert counted == list((await positions(chats[5:12])).values()) == list(range(1, 8))


async def test_chats_that_only_other_agents_can_take_count_for_no_place_and_no_wait(
    chats: list[int], action: Action
) -> None:
    async def open_chat(category: Category) -> int:
        first = await Ticket.get(pk=chats[0]).select_related("account", "requester")
        async with action.transaction() as tx:
            ticket = await Ticket.open(
                tx,
                first.account,
                first.requester,
                subject="Chat",
                channel=Channel.CHAT,
                category=category,
            )
        return int(ticket.pk)

    async def seen() -> list[tuple[int | None, timedelta | None]]:
        views = await chat_views([bug, billing, usage], action.at)
        return [(view.position, view.expected_wait) for _, view in sorted(views.items())]

    await AgentProfile.all().update(skills=["USAGE", "BUG"])
    bug, billing, usage = [
        await open_chat(each) for each in (Category.BUG, Category.BILLING, Category.USAGE)
    ]
    assert await seen() == [(31, 31 * 5 * MINUTE), (32, None), (32, 32 * 5 * MINUTE)]
    bruno = await create_staff_viewer(action, "Bruno", Staff.AGENT)
    await make_available(bruno, action.at)
    await AgentProfile.filter(user=bruno.user).update(chat_capacity=0, skills=["BILLING"])
    assert await seen() == [(31, 31 * 5 * MINUTE), (1, 5 * MINUTE), (32, 32 * 5 * MINUTE)]
    places = await positions([*chats, bug, usage, billing], categories=["BUG", "USAGE"])
    assert [places[bug], places[usage], len(places)] == [31, 32, 32]
    assert (await chat_service(action.at, Category.BILLING)).expected_wait == 2 * 5 * MINUTE
    # The pace of the others isn't that of their queue.
    for number in range(4):
        at = action.at - 50 * MINUTE + number * MINUTE
        await LiveChat.filter(ticket_id=chats[number]).update(
            state=ChatState.ENDED, queued_at=action.at - 60 * MINUTE, first_assigned_at=at
        )
    assert await seen() == [(27, 27 * MINUTE), (1, 5 * MINUTE), (28, 28 * MINUTE)]
    # Somebody who can take any chat takes the oldest.
    carla = await create_staff_viewer(action, "Carla", Staff.AGENT)
    await make_available(carla, action.at)
    await AgentProfile.filter(user=carla.user).update(chat_capacity=0)
    assert await seen() == [(27, 27 * MINUTE), (28, 28 * MINUTE), (29, 29 * MINUTE)]


async def test_a_run_takes_as_many_statements_however_many_wait(
    chats: list[int], action: Action, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    """This covers the router while nobody is free, and the updates for those who watch."""
    hub = Hub()

    async def count(watched: int) -> int:
        watch = ChatWatch(hub, clock)
        keys = [f"chat:{key}" for key in chats[-watched:]]
        with hub.listen(*keys), caplog.at_level(logging.DEBUG, "tortoise.db_client"):
            statements(caplog)
            assert await route(action) == 0
            await watch.refresh()
            return len(statements(caplog))

    many = await count(30)
    for number in range(10):
        viewer = await create_staff_viewer(action, f"Agent{number}", Staff.AGENT)
        await make_available(viewer, action.at)
    await AgentProfile.all().update(chat_capacity=0)
    assert await count(30) == many
    await LiveChat.filter(ticket_id__in=chats[:20]).update(state=ChatState.ENDED)
    assert await count(5) == many


async def test_places_far_back_are_told_less_often(chats: list[int], clock: MovableClock) -> None:
    hub, seconds = Hub(), [0.0]
    watch = ChatWatch(hub, clock, lambda: seconds[0])

    async def allow() -> None:
        """Everybody may watch."""

    async def pass_time(duration: float) -> None:
        seconds[0] += duration
        await watch.refresh()

    async with (
        aclosing(watch.watch_chat(chats[10], allow)) as near,
        aclosing(watch.watch_chat(chats[29], allow)) as far,
    ):
        assert [(await anext(each)).position for each in (near, far)] == [11, 30]
        next_near, next_far = (asyncio.create_task(anext(each)) for each in (near, far))
        await pass_time(0)
        await LiveChat.filter(ticket_id=chats[0]).update(state=ChatState.ENDED)
        await pass_time(0.1)
        assert (await next_near).position == 10
        await LiveChat.filter(ticket_id=chats[1]).update(state=ChatState.ENDED)
        await pass_time(0.1)
        assert not next_far.done()
        await pass_time(0.4)
        assert (await next_far).position == 28
        # Whatever else happens is told at once.
        last = asyncio.create_task(anext(far))
        await LiveChat.filter(ticket_id=chats[29]).update(state=ChatState.ACTIVE, since=clock.now())
        await pass_time(0)
        assert (await last).state is ChatState.ACTIVE


@pytest.mark.parametrize(
    ("number", "rounded"),
    [
        (0, 0),
        (7, 7),
        (99, 99),
        (100, 100),
        (101, 110),
        (991, 1_000),
        (8_999, 9_000),
        (9_001, 9_100),
    ],
)
def test_numbers_of_more_than_two_digits_are_rounded_up(number: int, rounded: int) -> None:
    assert rounded_up(number) == rounded


async def test_p5_5_one_chat_less_is_told_to_those_near_it_and_to_few_far_back(
    chats: list[int], action: Action, clock: MovableClock
) -> None:
    """The first of 500 chats gets an agent: those of the next 99 are told, and 40 whose rounded
    place has changed, the further back the later.
    """
    first = await Ticket.get(pk=chats[0])
    columns = {name: getattr(first, name) for name in ("account_id", "requester_id", "subject")}
    columns |= {"channel": Channel.CHAT, "category": Category.USAGE, "opened_on": action.day}
    columns |= {"created_at": action.at, "updated_at": action.at}
    await Ticket.bulk_create([Ticket(**columns) for _ in range(470)])
    keys = [ticket.pk for ticket in await Ticket.all().order_by("id")]
    waiting = {"state": ChatState.WAITING, "category": Category.USAGE, "queued_at": action.at}
    waiting["since"] = action.at
    await LiveChat.bulk_create([LiveChat(ticket_id=key, **waiting) for key in keys[30:]])
    hub, seconds, told = Hub(), [0.0], Counter[str]()
    watch = ChatWatch(hub, clock, lambda: seconds[0])
    with hub.listen(*(f"chat:{key}" for key in keys)):
        await watch.refresh()
        hub.add_observer(lambda key: told.update([key]))
        await LiveChat.filter(ticket_id=keys[0]).update(state=ChatState.ACTIVE, since=clock.now())
        await watch.refresh()
        assert len(told) == 20  # the one who has an agent, and those who were before place 21
        for _ in range(30):
            seconds[0] += 1
            await watch.refresh()
    assert set(told.values()) == {1}
    assert len(told) == 100 + 40


async def test_a_chat_without_a_category_of_its_own_has_its_place_and_finds_an_agent(
    chats: list[int], action: Action
) -> None:
    """A process of the former release has opened it."""
    oldest = LiveChat.filter(ticket_id=chats[0])
    await oldest.update(category=None)
    await AgentProfile.all().update(skills=["BUG"], chat_capacity=1)
    assert await route(action) == 0
    await AgentProfile.all().update(skills=["USAGE"])
    assert await positions(chats[:2], categories=["USAGE"]) == {chats[0]: 1, chats[1]: 2}
    assert await route(action) == 1
    chat = await oldest.get()
    assert (chat.state, chat.category) == (ChatState.ACTIVE, Category.USAGE)
