"""A company with several signed-in members, and the steps that the tests of accounts share."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from accounts import members
from auth import sessions
from auth.session_checks import valid_session_ids
from auth.sessions import Tokens
from models.accounts.account import Account, Membership, Role
from models.action import Action
from models.errors import DomainError
from models.identity.session import Session
from models.identity.user import User
from tests.people import SIREN, add_member, create_account, create_user

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus


@dataclass
class Company:
    """A company's account, with its members by name and each member's session."""

    account: Account
    clock: "MovableClock"
    bus: "RecordingBus"
    people: dict[str, User] = field(default_factory=dict)
    tokens: dict[str, Tokens] = field(default_factory=dict)

    async def join(self, name: str, role: Role) -> User:
        """Adds a new user in this role, signed in and with a recent step-up."""
        user = await create_user(self.action(), name)
        await add_member(self.action(), self.account, user, role)
        self.people[name] = user
        self.tokens[name] = await sessions.sign_in(user, self.account, False, self.action())
        expires_at = self.clock.now() + timedelta(days=365)
        await Session.filter(pk=self.tokens[name].session.pk).update(step_up_expires_at=expires_at)
        return user

    def action(self, name: str | None = None) -> Action:
        """The action of this member at the current time."""
        return Action(self.people[name] if name else None, self.clock.now(), self.bus)

    def change_arguments(self, name: str) -> tuple[Action, Session, int]:
        """The first arguments of a membership change made by this member."""
        return self.action(name), self.tokens[name].session, self.account.pk

    async def change_role(self, name: str, member: str, role: Role) -> str:
        """Changes the role of `member` on behalf of `name`, and returns the outcome."""
        return await outcome(
            members.change_role(*self.change_arguments(name), self.people[member].pk, role)
        )

    async def remove(self, name: str, member: str) -> str:
        return await outcome(members.remove(*self.change_arguments(name), self.people[member].pk))

    async def transfer_ownership(self, name: str, member: str) -> str:
        return await outcome(members.transfer(*self.change_arguments(name), self.people[member].pk))

    async def leave(self, name: str) -> str:
        return await outcome(members.leave(*self.change_arguments(name)))

    async def roles(self) -> dict[str, str]:
        """The role of every member, by name."""
        memberships = await Membership.filter(account_id=self.account.pk).select_related("user")
        return {membership.user.name: membership.role.value for membership in memberships}

    async def is_signed_in(self, name: str) -> bool:
        """Whether this member's session is still valid."""
        session = self.tokens[name].session.pk
        return await valid_session_ids([session], self.clock.now()) == {session}


async def create_company(
    clock: "MovableClock", bus: "RecordingBus", siren: str = SIREN, **people: Role
) -> Company:
    """Creates a company with these members."""
    action = Action(None, clock.now(), bus)
    company = Company(await create_account(action, siren=siren), clock, bus)
    for name, role in people.items():
        await company.join(name, role)
    return company


async def outcome(operation: Awaitable[object]) -> str:
    """Returns `done`, or the error code with which the action was refused."""
    try:
        await operation
    except DomainError as error:
        return error.code
    return "done"
