"""Whoever is asking: the argument of every `visible_to`."""

from dataclasses import dataclass
from functools import cached_property

from models.account import Account, Role
from models.locale import Locale
from models.session import Session
from models.user import Staff, User


@dataclass(frozen=True)
class Viewer:
    """The person asking, the company they act for, their role in it, their sign-in. Anonymous when `user` is None."""

    user: User | None = None
    account: Account | None = None
    role: Role | None = None
    session: Session | None = None
    locale: Locale = Locale.FR

    @property
    def user_id(self) -> int | None:
        return self.user.pk if self.user else None

    @cached_property
    def staff(self) -> Staff | None:
        """The staff role in force: none without a second factor, because staff can't work without one."""
        if self.user is None or self.session is None or not self.session.second_factor:
            return None
        return self.user.staff

    @property
    def agent(self) -> bool:
        """Answers customers: agents and supervisors."""
        return self.staff in (Staff.AGENT, Staff.SUPERVISOR)

    @property
    def customer(self) -> bool:
        """Acts for a company."""
        return self.account is not None

    @property
    def buyer(self) -> bool:
        """May spend the company's money and read its bills."""
        return self.role in (Role.OWNER, Role.ADMIN, Role.BILLING)
