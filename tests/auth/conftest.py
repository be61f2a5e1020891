"""Named people, a guard whose hashes are counted, and the statements sent."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pyotp
import pytest

from auth.enrolment import Change, begin_totp, confirm_totp
from auth.guard import Guard
from auth.sessions import Tokens, sign_in
from models.account import Account, Membership, Role
from models.act import Act, Transaction
from models.user import Staff, User

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus

PASSWORD = "corneille sabot pluvier 42"


@pytest.fixture
def now(clock: "MovableClock", bus: "RecordingBus") -> Callable[[], Act]:
    """Something done by nobody in particular, whatever time it is when called."""
    return lambda: Act(None, clock.now(), bus)


@pytest.fixture
async def guard(clock: "MovableClock") -> AsyncIterator[Guard]:
    guard = replace(Guard.of("a secret key of a test, long enough", clock), even_seconds=0)
    yield guard
    guard.passwords.close()


@pytest.fixture
def password() -> str:
    return PASSWORD


@pytest.fixture
async def owner(db: str, guard: Guard, act: Act) -> User:
    """Camille, who owns a bakery, her address verified."""
    user = await User.create(
        email="camille@fournil.example", name="Camille Aubry", password_hash=await guard.passwords.hash(PASSWORD),
        created_at=act.at, email_verified_at=act.at,
    )  # fmt: skip
    account = await Account.create(legal_name="Le Fournil d'Aubry", siren="404833048", created_at=act.at)
    await Membership.create(user=user, account=account, role=Role.OWNER, created_at=act.at)
    return user


@pytest.fixture
async def agent(db: str, guard: Guard, act: Act) -> User:
    """Amadou, who answers customers."""
    return await User.create(
        email="amadou@camcha.example", name="Amadou Diop", password_hash=await guard.passwords.hash(PASSWORD),
        created_at=act.at, email_verified_at=act.at, staff=Staff.AGENT,
    )  # fmt: skip


@pytest.fixture
def enrolled(
    guard: Guard, now: Callable[[], Act], password: str
) -> "Callable[[User], Awaitable[tuple[str, list[str], Tokens]]]":
    """Sets the second factor up, as the person would: the seed, the recovery codes and the session it was done in."""

    async def enrol(user: User) -> tuple[str, list[str], Tokens]:
        tokens = await sign_in(user, None, False, now())
        secret = await begin_totp(now(), guard, tokens.session, password)
        made = await confirm_totp(now(), guard, tokens.session, unnoticed, code_of(secret, now()))
        await user.refresh_from_db()
        return secret, made.recovery_codes or [], tokens

    return enrol


async def unnoticed(tx: Transaction, user: User, change: Change) -> None:
    """Stands where a letter would be written."""


def code_of(secret: str, act: Act, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(int(act.at.timestamp()), counter_offset=steps)


@pytest.fixture
def statements(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The SQL sent since the test began."""
    caplog.set_level(logging.DEBUG, logger="tortoise.db_client")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "tortoise.db_client"]
