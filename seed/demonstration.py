"""What a demonstration is filled with: people to sign in as, and a past that they can look at.

The past is not written into tables. It is lived again, in order, through the same verbs that customers and agents use, each
with the date of its day: so streams, measures and invoice numbers are what they would have become.
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

from auth import totp
from auth.services import AuthServices
from billing import checkout
from billing.checkout import CheckoutServices
from models.account import Account, Membership, Role
from models.action import Action, Bus
from models.clock import PARIS, local_date
from models.letter import Letter
from models.offer import Interval, Price
from models.ticket import Category, Channel, Ticket, TicketStatus
from models.user import User
from seed import catalogue, policies
from seed.content import offers
from seed.people import Person, people

OPENED = timedelta(days=365)
_HISTORY = Path(__file__).with_name("history.toml")


@dataclass(frozen=True)
class Stage:
    """Where the past is played: when it ends, who is in it, and what paying needs."""

    now: datetime
    bus: Bus
    checkout_services: CheckoutServices
    cast: dict[str, User]

    def at(self, days_ago: int, hour: time, minutes: int = 0) -> datetime:
        """A moment of a past day, by its hour in Europe/Paris."""
        day = local_date(self.now) - timedelta(days=days_ago)
        return datetime.combine(day, hour, PARIS) + timedelta(minutes=minutes)

    def action(self, actor: User, at: datetime) -> Action:
        return Action(actor, at, self.bus)


async def load(
    now: datetime, bus: Bus, auth: AuthServices, checkout_services: CheckoutServices, texts: Path = policies.FOLDER
) -> bool:
    """Fill an empty database with the catalogue, people and their past; of one with users only the policies are
    brought up to date.

    Returns whether it was filled.
    """
    if await User.exists():
        await policies.install(now, policies.written(texts))
        return False
    await catalogue.sell(now - OPENED, offers())
    await catalogue.load(now, texts)
    cast = await _admitted(people(), now - OPENED, auth)
    await _replayed(Stage(now, bus, checkout_services, cast))
    await Letter.filter(sent_at=None).update(sent_at=F("created_at"), next_attempt_at=None)  # that mail is long read
    return True


async def _admitted(people: list[Person], at: datetime, auth: AuthServices) -> dict[str, User]:
    hashes = await asyncio.gather(*(auth.passwords.hash(person.password) for person in people))
    async with in_transaction():
        return {
            person.email: await _admit(person, password_hash, at, auth)
            for person, password_hash in zip(people, hashes, strict=True)
        }


async def _admit(person: Person, password_hash: str, at: datetime, auth: AuthServices) -> User:
    user = await User.create(
        email=person.email, name=person.name, staff=person.staff, password_hash=password_hash, created_at=at,
        email_verified_at=at, second_factor_at=at if person.seed else None,
    )  # fmt: skip
    if person.seed:
        await totp.enrolled(user, auth.secret_box.seal(person.seed), at)
    if person.company:
        account = await Account.create(**vars(person.company), created_at=at)
        await Membership.create(user=user, account=account, role=Role.OWNER, created_at=at)
    return user


async def _replayed(stage: Stage) -> None:
    for chapter in _chapters(stage):
        await chapter()


def _chapters(stage: Stage) -> list[Callable[[], Awaitable[None]]]:
    """What happened, the oldest first."""
    history = tomllib.loads(_HISTORY.read_text("utf-8"))
    dated: list[tuple[datetime, Callable[[], Awaitable[None]]]] = [
        (stage.at(told["days_ago"], told["at"]), partial(story, stage, told))
        for story, stories in ((_bought, history["purchases"]), (_helped, history["tickets"]))
        for told in stories
    ]
    return [chapter for _, chapter in sorted(dated, key=lambda pair: pair[0])]


async def _bought(stage: Stage, told: dict[str, Any]) -> None:
    buyer = stage.cast[told["customer"]]
    at = partial(stage.at, told["days_ago"], told["at"])
    price = await Price.get(offer__slug=told["offer"], interval=Interval(told["interval"]))
    key = f"demonstration-{told['days_ago']}"
    purchase = await checkout.draft(stage.action(buyer, at()), await _company(buyer), buyer, price, key)
    purchase = await purchase.confirm_billing(stage.action(buyer, at(2)), {})
    if told.get("declined_first"):
        await checkout.pay(
            stage.action(buyer, at(3)), stage.checkout_services, purchase, "pm_sandbox_declined", f"{key}-declined"
        )
    await checkout.pay(stage.action(buyer, at(5)), stage.checkout_services, purchase, "pm_sandbox_success", key)


async def _company(user: User) -> Account:
    return await Account.get(memberships__user_id=user.pk)


async def _helped(stage: Stage, told: dict[str, Any]) -> None:
    customer, staff = stage.cast[told["customer"]], stage.cast.get(told.get("staff", ""))
    at = partial(stage.at, told["days_ago"], told["at"])
    ticket = await _asked(stage.action(customer, at()), customer, told)
    for number, (minutes, who, text) in enumerate(told["said"][1:], 1):
        author = customer if who == "customer" or staff is None else staff
        if staff and number == 1:
            await ticket.claim(stage.action(staff, at(minutes)), staff)
        await ticket.reply(stage.action(author, at(minutes)), author, text, f"demonstration-{number}")
    if staff:
        await ticket.move(stage.action(staff, at(told["said"][-1][0] + 1)), TicketStatus(told["status"]))


async def _asked(action: Action, customer: User, told: dict[str, Any]) -> Ticket:
    subject, channel, category = told["subject"], Channel(told["channel"]), Category(told["category"])
    company = await _company(customer)
    async with action.transaction() as tx:
        ticket = await Ticket.open(tx, company, customer, subject=subject, channel=channel, category=category)
        await ticket.post(tx, customer, told["said"][0][2], "demonstration-0")
    return ticket
