"""Whoever is asking: the argument of every `visible_to`."""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from tortoise.models import Model

from models.accounts.account import Account, Role
from models.identity.session import Session
from models.identity.user import Staff, User
from models.locale import Locale


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
        return self.staff is not None and self.staff.answers_customers

    @property
    def customer(self) -> bool:
        """Acts for a company."""
        return self.account is not None

    @property
    def manager(self) -> bool:
        """Looks after the company's people."""
        return self.role is not None and self.role.manages_members

    @property
    def buyer(self) -> bool:
        """May spend the company's money and read its bills."""
        return self.role in (Role.OWNER, Role.ADMIN, Role.BILLING)

    def fact(self, name: str) -> Any:
        """One of the facts above, to be compared with another viewer's: of a row its key."""
        value = getattr(self, name)
        return (value._meta, value.pk) if isinstance(value, Model) else value


class RecordingViewer(Viewer):
    """Stands for a viewer while something is worked out that others may get as well: notes each fact that is read.

    Whoever has the same values of the facts read gets the same outcome. Reading a row counts as the fact of its key.
    """

    def __init__(self, viewer: Viewer, facts: dict[str, Any]) -> None:
        object.__setattr__(self, "_watched", (viewer, facts))

    def __getattribute__(self, name: str) -> Any:
        viewer, facts = object.__getattribute__(self, "_watched")
        if name in FACTS:
            facts[name] = viewer.fact(name)
            return getattr(viewer, name)
        facts.update((each, viewer.fact(each)) for each in FACTS)  # whatever else this is, it may tell everything
        return object.__getattribute__(self, name)


FACTS = frozenset(each.name for each in fields(Viewer)) | {
    name for name, value in vars(Viewer).items() if isinstance(value, property | cached_property)
}
