"""Who uses the deployment: companies with one member each, and an agent, already signed in."""

from dataclasses import dataclass
from datetime import timedelta

from auth import sessions
from models.accounts.account import Account, Membership, Role
from models.action import Action
from models.billing.offer import Interval, Price
from models.clock import SystemClock
from models.database.connection import connect, disconnect
from models.global_ids import encode
from models.identity.session import Session
from models.identity.user import Staff, User
from realtime.hub import Hub
from seed import catalogue

_LASTS = timedelta(days=60)  # longer than a clock jumps
_ON_SALE = timedelta(days=30)  # prices began before a clock that jumps back


@dataclass(frozen=True)
class Person:
    """A user with an access token."""

    name: str
    token: str


@dataclass(frozen=True)
class World:
    """The users, and the price that companies buy at."""

    customers: list[Person]
    agent: Person
    price_id: str


async def create_world(database_url: str, companies: int) -> World:
    """Install the catalogue in a migrated database, and create the users."""
    await connect(database_url)
    try:
        action = Action(None, SystemClock().now(), Hub())
        await catalogue.load(action.at - _ON_SALE)
        customers = [await _create_customer(action, number) for number in range(companies)]
        agent = await _create_user(action, "agent", staff=Staff.AGENT)
        agent_token = await _sign_in(action, agent, None)
        price = await Price.filter(interval=Interval.MONTH, valid_until=None).order_by("id").first()
        assert price is not None, "the catalogue has prices"  # noqa: S101
        await Session.all().update(
            access_expires_at=action.at + _LASTS, expires_at=action.at + _LASTS
        )
        return World(customers, Person("agent", agent_token), encode("Price", price.pk))
    finally:
        await disconnect()


async def _create_customer(action: Action, number: int) -> Person:
    name = f"customer-{number}"
    user = await _create_user(action, name)
    account = await Account.create(
        legal_name=f"Company {number}",
        siren=_siren(number),
        street="3 rue du Four",
        postal_code="69001",
        city="Lyon",
        country="FR",
        created_at=action.at,
    )
    await Membership.create(user=user, account=account, role=Role.OWNER, created_at=action.at)
    return Person(name, await _sign_in(action, user, account))


async def _create_user(action: Action, name: str, staff: Staff | None = None) -> User:
    return await User.create(
        name=name,
        email=f"{name}@chaos.example",
        password_hash="-",  # nobody signs in with it  # noqa: S106
        created_at=action.at,
        email_verified_at=action.at,
        staff=staff,
    )


async def _sign_in(action: Action, user: User, account: Account | None) -> str:
    tokens = await sessions.sign_in(user, account, user.staff is not None, action)
    return tokens.access


def _siren(number: int) -> str:
    """A SIREN with a valid check digit (Luhn)."""
    digits = f"{40_000_000 + number}"
    total = 0
    for index, digit in enumerate(map(int, digits)):
        doubled = digit * 2 if index % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return f"{digits}{-total % 10}"
