"""Tickets: the order of messages, claims and statuses, also of concurrent requests."""

import asyncio

import pytest

from models.action import Action
from models.errors import Refusal, message_for
from models.event import Event, EventKind, last_sequence_of, ticket_stream
from models.identity.user import Staff, User
from models.locale import Locale
from models.support.classification import Category, Channel
from models.support.message import Message
from models.support.ticket import Ticket
from models.support.ticket_status import TRANSITIONS, TicketStatus
from support.assignment import claim
from tests.people import create_account, create_staff, create_user
from tests.waiting import wait_for_lock_waiters


@pytest.fixture
async def paul(action: Action) -> User:
    return await create_user(action, "Paul", email="paul@example.fr")


@pytest.fixture
async def alice(action: Action) -> User:
    return await create_staff(action, "Alice", Staff.AGENT)


@pytest.fixture
async def chat(db: str, action: Action, paul: User) -> Ticket:
    account = await create_account(action, "Paul SARL")
    async with action.transaction() as tx:
        return await Ticket.open(
            tx, account, paul, subject="Aide", channel=Channel.CHAT, category=Category.USAGE
        )


async def test_concurrent_messages_get_a_sequence_without_gaps(
    chat: Ticket, action: Action, paul: User, alice: User
) -> None:
    authors = [paul, alice] * 20
    await asyncio.gather(
        *(chat.reply(action, author, f"bonjour {n}", f"id-{n}") for n, author in enumerate(authors))
    )
    events = await Event.since(ticket_stream(chat.pk), 0, 1000)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert await last_sequence_of(ticket_stream(chat.pk)) == len(events)
    assert sum(event.kind is EventKind.MESSAGE_POSTED for event in events) == 40


async def test_a_message_sent_twice_concurrently_is_stored_once(
    chat: Ticket, action: Action, paul: User
) -> None:
    sent = await asyncio.gather(*(chat.reply(action, paul, "bonjour", "same") for _ in range(5)))
    assert len({message.pk for message in sent}) == 1
    assert await Message.all().count() == 1


async def test_of_two_concurrent_claims_one_succeeds(
    chat: Ticket, action: Action, alice: User
) -> None:
    bob = await create_staff(action, "Bob", Staff.AGENT)
    claims = await asyncio.gather(
        claim(action, chat, alice), claim(action, chat, bob), return_exceptions=True
    )
    refusals = [each for each in claims if isinstance(each, Refusal)]
    assert [refusal.code for refusal in refusals] == ["ALREADY_CLAIMED"]
    ticket = await Ticket.get(pk=chat.pk).select_related("assignee")
    assert ticket.assignee
    expected = f"{ticket.assignee.name} has already taken this ticket."
    assert message_for(refusals[0], Locale.EN) == expected
    assert ticket.status is TicketStatus.OPEN


async def test_a_reply_after_closing_starts_one_linked_follow_up(
    chat: Ticket, action: Action, paul: User
) -> None:
    await chat.transition_to(action, TicketStatus.CLOSED)
    first = await chat.reply(action, paul, "encore moi", "a")
    repeated_message = await chat.reply(action, paul, "encore moi", "a")
    second = await chat.reply(action, paul, "et ceci", "b")
    assert first.pk == repeated_message.pk
    assert first.ticket_id == second.ticket_id != chat.pk
    assert (await Ticket.get(pk=first.ticket_id)).follows_id == chat.pk


async def test_a_reply_never_lands_in_a_follow_up_that_is_closed_meanwhile(
    db: str, chat: Ticket, action: Action, paul: User
) -> None:
    await chat.transition_to(action, TicketStatus.CLOSED)
    follow_up = await Ticket.get(pk=(await chat.reply(action, paul, "encore moi", "a")).ticket_id)
    is_locked, may_close = asyncio.Event(), asyncio.Event()

    async def close() -> None:
        async with action.transaction() as tx:
            ticket = await tx.lock(Ticket, follow_up.pk)
            is_locked.set()
            await may_close.wait()
            await ticket.apply_transition(tx, TicketStatus.CLOSED)

    close_task = asyncio.create_task(close())
    await is_locked.wait()
    reply_task = asyncio.create_task(chat.reply(action, paul, "et ceci", "b"))
    await wait_for_lock_waiters(db)
    may_close.set()
    await close_task
    message = await reply_task
    assert message.ticket_id not in (chat.pk, follow_up.pk)
    assert (await Ticket.get(pk=message.ticket_id)).status is TicketStatus.NEW


async def test_an_invalid_transition_is_refused_with_the_allowed_ones(
    chat: Ticket, action: Action
) -> None:
    await chat.transition_to(action, TicketStatus.SOLVED)
    with pytest.raises(Refusal, match="TRANSITION_ILLEGAL") as solved:
        await chat.transition_to(action, TicketStatus.PENDING)
    french, english = (message_for(solved.value, locale) for locale in (Locale.FR, Locale.EN))
    assert french == "Cette demande est résolue. Elle peut seulement devenir ouverte ou close."
    assert english == "This ticket is solved. It can only become open or closed."
    await chat.transition_to(action, TicketStatus.CLOSED)
    with pytest.raises(Refusal, match="TRANSITION_ILLEGAL") as closed:
        await chat.transition_to(action, TicketStatus.OPEN)
    assert "ne peut plus être modifiée" in message_for(closed.value, Locale.FR)


def test_customers_never_see_internal_statuses_in_errors() -> None:
    """Customers can only close a ticket, which every status allows, so no message
    mentions ON_HOLD.
    """
    assert all(
        TicketStatus.CLOSED in TRANSITIONS[status]
        for status in TicketStatus
        if status is not TicketStatus.CLOSED
    )


async def test_a_customers_reply_reopens_a_solved_ticket(
    chat: Ticket, action: Action, paul: User
) -> None:
    await chat.transition_to(action, TicketStatus.SOLVED)
    await chat.reply(action, paul, "toujours pas", "a")
    assert (await Ticket.get(pk=chat.pk)).status is TicketStatus.OPEN
