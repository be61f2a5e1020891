"""Tickets: what is said in them, by whom, in which order."""

import asyncio

import pytest

from models.account import Account
from models.act import Act
from models.errors import Refusal
from models.event import Event, EventKind, head
from models.ticket import Category, Channel, Message, Ticket, TicketStatus
from models.user import Staff, User


@pytest.fixture
async def paul(act: Act) -> User:
    return await User.create(email="paul@example.fr", name="Paul", password_hash="-", created_at=act.at)


@pytest.fixture
async def alice(act: Act) -> User:
    return await User.create(
        email="alice@camcha.example", name="Alice", password_hash="-", staff=Staff.AGENT, created_at=act.at
    )


@pytest.fixture
async def chat(db: str, act: Act, paul: User) -> Ticket:
    account = await Account.create(legal_name="Paul SARL", siren="404833048", created_at=act.at)
    async with act.transaction() as tx:
        return await Ticket.open(tx, account, paul, subject="Aide", channel=Channel.CHAT, category=Category.USAGE)


async def test_messages_of_many_at_once_get_one_gap_free_sequence(chat: Ticket, act: Act, paul: User, alice: User) -> None:
    authors = [paul, alice] * 20
    await asyncio.gather(*(chat.reply(act, author, f"bonjour {n}", f"id-{n}") for n, author in enumerate(authors)))
    events = await Event.since(chat.stream, 0, 1000)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert await head(chat.stream) == len(events)
    assert sum(event.kind is EventKind.MESSAGE_POSTED for event in events) == 40


async def test_a_message_sent_twice_at_once_is_stored_once(chat: Ticket, act: Act, paul: User) -> None:
    sent = await asyncio.gather(*(chat.reply(act, paul, "bonjour", "same") for _ in range(5)))
    assert len({message.pk for message in sent}) == 1
    assert await Message.all().count() == 1


async def test_of_two_agents_claiming_at_once_one_wins(chat: Ticket, act: Act, alice: User) -> None:
    bob = await User.create(email="bob@camcha.example", name="Bob", password_hash="-", staff=Staff.AGENT, created_at=act.at)
    claims = await asyncio.gather(chat.claim(act, alice), chat.claim(act, bob), return_exceptions=True)
    lost = [claim for claim in claims if isinstance(claim, Refusal)]
    assert [refusal.code for refusal in lost] == ["ALREADY_CLAIMED"]
    stored = await Ticket.get(pk=chat.pk)
    assert stored.status is TicketStatus.OPEN


async def test_a_reply_after_closing_starts_one_linked_follow_up(chat: Ticket, act: Act, paul: User) -> None:
    await chat.move(act, TicketStatus.CLOSED)
    first = await chat.reply(act, paul, "encore moi", "a")
    again = await chat.reply(act, paul, "encore moi", "a")
    second = await chat.reply(act, paul, "et ceci", "b")
    assert first.pk == again.pk
    assert first.ticket_id == second.ticket_id != chat.pk
    assert (await Ticket.get(pk=first.ticket_id)).follows_id == chat.pk


async def test_an_illegal_move_names_the_legal_ones(chat: Ticket, act: Act) -> None:
    await chat.move(act, TicketStatus.CLOSED)
    with pytest.raises(Refusal) as refused:
        await chat.move(act, TicketStatus.OPEN)
    assert refused.value.code == "TRANSITION_ILLEGAL"


async def test_a_customers_reply_reopens_what_was_solved(chat: Ticket, act: Act, paul: User) -> None:
    await chat.move(act, TicketStatus.SOLVED)
    await chat.reply(act, paul, "toujours pas", "a")
    assert (await Ticket.get(pk=chat.pk)).status is TicketStatus.OPEN
