"""Named people, a guard whose hashes are counted, and the statements sent."""

import logging
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import pytest

from auth.guard import Guard
from models.account import Account, Membership, Role
from models.act import Act
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
    guard = Guard.of("a secret key of a test, long enough", clock)
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
def statements(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The SQL sent since the test began."""
    caplog.set_level(logging.DEBUG, logger="tortoise.db_client")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "tortoise.db_client"]
