"""Fixtures of the tests of auth: named users, services that count password hashes, and the SQL
statements sent.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import pyotp
import pytest

from auth.factors.enrolment import begin_totp, confirm_totp
from auth.services import AuthServices
from auth.sessions import Tokens, sign_in
from models.accounts.account import Role
from models.action import Action
from models.identity.user import Staff, User
from tests.people import PASSWORD, add_member, create_account, create_staff, create_user
from tests.quick_auth import quick_auth

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus


@pytest.fixture
def new_action(clock: "MovableClock", bus: "RecordingBus") -> Callable[[], Action]:
    """Returns an anonymous action at the current time of the clock."""
    return lambda: Action(None, clock.now(), bus)


@pytest.fixture
async def auth(clock: "MovableClock") -> AsyncIterator[AuthServices]:
    auth = quick_auth(clock)
    yield auth
    auth.passwords.close()


@pytest.fixture
def password() -> str:
    return PASSWORD


@pytest.fixture
async def owner(db: str, auth: AuthServices, action: Action) -> User:
    """Camille, who owns a bakery and whose address is verified."""
    user = await create_user(action, password_hash=await auth.passwords.hash(PASSWORD))
    await add_member(action, await create_account(action), user, Role.OWNER)
    return user


@pytest.fixture
async def agent(db: str, auth: AuthServices, action: Action) -> User:
    """Amadou, who answers customers."""
    password_hash = await auth.passwords.hash(PASSWORD)
    return await create_staff(action, "Amadou Diop", Staff.AGENT, password_hash=password_hash)


@pytest.fixture
def enrol(
    auth: AuthServices, new_action: Callable[[], Action], password: str
) -> "Callable[[User], Awaitable[tuple[str, list[str], Tokens]]]":
    """Sets up a second factor as the user would. Returns the seed, the recovery codes and the
    session.
    """

    async def set_up_totp(user: User) -> tuple[str, list[str], Tokens]:
        tokens = await sign_in(user, None, False, new_action())
        secret = await begin_totp(new_action(), auth, tokens.session, password)
        enrolment = await confirm_totp(
            new_action(), auth, tokens.session, code_of(secret, new_action())
        )
        await user.refresh_from_db()
        return secret, enrolment.recovery_codes or [], tokens

    return set_up_totp


def code_of(secret: str, action: Action, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(int(action.at.timestamp()), counter_offset=steps)


@pytest.fixture
def statements(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The SQL statements sent since the test began."""
    caplog.set_level(logging.DEBUG, logger="tortoise.db_client")
    return lambda: [
        record.getMessage() for record in caplog.records if record.name == "tortoise.db_client"
    ]
