"""Fill a demonstration with people who can sign in, and with six months of history.

The history is not written into tables directly. It is replayed in order through the same functions
that customers and agents use, each with the date of its day, so streams, metrics and invoice
numbers are exactly as they would have become.
"""

import asyncio
import tomllib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from tortoise.expressions import F
from tortoise.transactions import in_transaction

from auth.factors import totp
from auth.services import AuthServices
from billing import checkout
from billing.checkout import CheckoutServices
from billing.document_requests import render_due
from models.accounts.account import Account, Membership, Role
from models.action import Action, Bus
from models.billing.offer import Interval, Price
from models.clock import PARIS, local_date
from models.identity.user import User
from models.operations.email import Email
from models.support.ticket import Category, Channel, Ticket, TicketStatus
from seed import catalogue, policies
from seed.content import offers
from seed.people import Person, people

HISTORY_AGE = timedelta(days=365)
_HISTORY = Path(__file__).with_name("history.toml")


@dataclass(frozen=True)
class Replay:
    """The context of the history: when it ends, who takes part, and the services that payments
    need.
    """

    now: datetime
    bus: Bus
    checkout_services: CheckoutServices
    users: dict[str, User]

    def at(self, days_ago: int, hour: time, minutes: int = 0) -> datetime:
        """Return a time on a past day, given as an hour in Europe/Paris."""
        day = local_date(self.now) - timedelta(days=days_ago)
        return datetime.combine(day, hour, PARIS) + timedelta(minutes=minutes)

    def action(self, actor: User, at: datetime) -> Action:
        return Action(actor, at, self.bus)


async def load(
    now: datetime,
    bus: Bus,
    auth: AuthServices,
    checkout_services: CheckoutServices,
    texts: Path = policies.FOLDER,
) -> bool:
    """Fill an empty database with the catalogue, people and their history. In one with users only
    update the policies.

    Returns whether the database was filled.
    """
    if await User.exists():
        await policies.install(now, policies.read_policies(texts))
        return False
    await catalogue.install_offers(now - HISTORY_AGE, offers())
    await catalogue.load(now, texts, demonstration=True)
    users = await _create_users(people(), now - HISTORY_AGE, auth)
    await _replay(Replay(now, bus, checkout_services, users))
    # These emails are old.
    await Email.filter(sent_at=None).update(sent_at=F("created_at"), next_attempt_at=None)
    await Ticket.all().update(reply_email_pending_since=None)
    return True


async def _create_users(people: list[Person], at: datetime, auth: AuthServices) -> dict[str, User]:
    hashes = await asyncio.gather(*(auth.passwords.hash(person.password) for person in people))
    async with in_transaction():
        return {
            person.email: await _create_user(person, password_hash, at, auth)
            for person, password_hash in zip(people, hashes, strict=True)
        }


async def _create_user(
    person: Person, password_hash: str, at: datetime, auth: AuthServices
) -> User:
    user = await User.create(
        email=person.email,
        name=person.name,
        staff=person.staff,
        password_hash=password_hash,
        created_at=at,
        email_verified_at=at,
        second_factor_at=at if person.totp_secret else None,
    )
    if person.totp_secret:
        await totp.store_app(user, auth.secret_box.encrypt(person.totp_secret), at)
    if person.company:
        account = await Account.create(**vars(person.company), created_at=at)
        await Membership.create(user=user, account=account, role=Role.OWNER, created_at=at)
    return user


async def _replay(replay: Replay) -> None:
    for step in _steps(replay):
        await step()


def _steps(replay: Replay) -> list[Callable[[], Awaitable[None]]]:
    """Return the steps of the history, oldest first."""
    history = tomllib.loads(_HISTORY.read_text("utf-8"))
    dated_steps: list[tuple[datetime, Callable[[], Awaitable[None]]]] = [
        (replay.at(entry["days_ago"], entry["at"]), partial(function, replay, entry))
        for function, entries in ((_buy, history["purchases"]), (_open_ticket, history["tickets"]))
        for entry in entries
    ]
    return [step for _, step in sorted(dated_steps, key=lambda pair: pair[0])]


async def _buy(replay: Replay, entry: dict[str, Any]) -> None:
    buyer = replay.users[entry["customer"]]
    at = partial(replay.at, entry["days_ago"], entry["at"])
    price = await Price.get(offer__slug=entry["offer"], interval=Interval(entry["interval"]))
    key = f"demonstration-{entry['days_ago']}"
    purchase = await checkout.draft(
        replay.action(buyer, at()), await _company_of(buyer), buyer, price, key
    )
    purchase = await purchase.confirm_billing(replay.action(buyer, at(2)))
    if entry.get("declined_first"):
        await checkout.pay(
            replay.action(buyer, at(3)),
            replay.checkout_services,
            purchase,
            "pm_sandbox_declined",
            f"{key}-declined",
        )
    await checkout.pay(
        replay.action(buyer, at(5)), replay.checkout_services, purchase, "pm_sandbox_success", key
    )
    await render_due(replay.action(buyer, at(6)), replay.checkout_services.signer)


async def _company_of(user: User) -> Account:
    return await Account.get(memberships__user_id=user.pk)


async def _open_ticket(replay: Replay, entry: dict[str, Any]) -> None:
    customer, staff = replay.users[entry["customer"]], replay.users.get(entry.get("staff", ""))
    at = partial(replay.at, entry["days_ago"], entry["at"])
    ticket = await _first_message(replay.action(customer, at()), customer, entry)
    for number, (minutes, speaker, text) in enumerate(entry["said"][1:], 1):
        author = customer if speaker == "customer" or staff is None else staff
        if staff and number == 1:
            await ticket.claim(replay.action(staff, at(minutes)), staff)
        await ticket.reply(
            replay.action(author, at(minutes)), author, text, f"demonstration-{number}"
        )
    if staff:
        await ticket.transition_to(
            replay.action(staff, at(entry["said"][-1][0] + 1)), TicketStatus(entry["status"])
        )


async def _first_message(action: Action, customer: User, entry: dict[str, Any]) -> Ticket:
    subject = entry["subject"]
    channel = Channel(entry["channel"])
    category = Category(entry["category"])
    company = await _company_of(customer)
    async with action.transaction() as tx:
        ticket = await Ticket.open(
            tx, company, customer, subject=subject, channel=channel, category=category
        )
        await ticket.post(tx, customer, entry["said"][0][2], "demonstration-0")
    return ticket
