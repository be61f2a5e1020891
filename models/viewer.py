"""The person who sends a request, which every `visible_to` takes as its argument."""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from tortoise.models import Model

from models.accounts.account import Account, Role
from models.accounts.service_account import ApiKey, ApiKeyScope, ServiceAccount
from models.identity.session import Session
from models.identity.user import Staff, User
from models.locale import Locale


@dataclass(frozen=True)
class Viewer:
    """A person, the account they act for, their role in it, and their session.

    Or a service account and its API key: then these four are None, so that whatever is for people
    and members is closed to keys unless it names a scope. Anonymous when `user` and `api_key` are
    None.
    """

    user: User | None = None
    account: Account | None = None
    role: Role | None = None
    session: Session | None = None
    locale: Locale = Locale.FR
    service_account: ServiceAccount | None = None
    api_key: ApiKey | None = None

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody is known: neither a person nor a key."""
        return self.user is None and self.api_key is None

    @property
    def user_id(self) -> int | None:
        return self.user.pk if self.user else None

    @cached_property
    def staff(self) -> Staff | None:
        """The staff role, or None when the session has no second factor, which staff have to
        use.
        """
        if self.user is None or self.session is None or not self.session.second_factor:
            return None
        return self.user.staff

    @property
    def is_agent(self) -> bool:
        """Whether the viewer answers customers: agents and supervisors do."""
        return self.staff is not None and self.staff.answers_customers

    @property
    def is_editor(self) -> bool:
        """Whether the viewer writes the library: supervisors and operators do."""
        return self.staff in (Staff.SUPERVISOR, Staff.OPERATOR)

    @property
    def is_customer(self) -> bool:
        """Whether the viewer acts for an account."""
        return self.account is not None

    @property
    def is_manager(self) -> bool:
        """Whether the viewer manages the account's members."""
        return self.role is not None and self.role.manages_members

    @property
    def is_buyer(self) -> bool:
        """Whether the viewer may buy for the account and read its invoices."""
        return self.role is not None and self.role.manages_billing

    @cached_property
    def scopes(self) -> frozenset[ApiKeyScope]:
        """The scopes of the API key; people have none."""
        return frozenset(map(ApiKeyScope, self.api_key.scopes)) if self.api_key else frozenset()

    @property
    def account_id(self) -> int | None:
        """The account that the viewer reads at least the name of: a member's, or a key's."""
        if self.service_account:
            return self.service_account.account_id
        return self.account.pk if self.account else None

    @property
    def billing_account_id(self) -> int | None:
        """The account whose purchases, invoices and payments the viewer may read: that of a member
        who may buy, or of a key with the scope READ_BILLING.
        """
        is_allowed = self.is_buyer or ApiKeyScope.READ_BILLING in self.scopes
        return self.account_id if is_allowed else None

    @property
    def support_account_id(self) -> int | None:
        """The account whose tickets the viewer may read: a member's, or that of a key with the
        scope READ_SUPPORT.
        """
        is_allowed = self.account is not None or ApiKeyScope.READ_SUPPORT in self.scopes
        return self.account_id if is_allowed else None

    def dependency_value(self, name: str) -> Any:
        """One of the attributes above in a form to compare with another viewer's: a row is
        represented by its key.
        """
        values = self._dependency_values
        if name not in values:
            value = getattr(self, name)
            values[name] = (value._meta, value.pk) if isinstance(value, Model) else value
        return values[name]

    @cached_property
    def _dependency_values(self) -> dict[str, Any]:
        """The values of the requested attributes. A viewer's attributes never change."""
        return {}


class RecordingViewer(Viewer):
    """A viewer that records which of its attributes are read while a result is computed.

    Another viewer with the same values for these attributes would get the same result, so it can be
    shared. Reading a row records its key.
    """

    def __init__(self, viewer: Viewer, dependencies: dict[str, Any]) -> None:
        object.__setattr__(self, "_recording", (viewer, dependencies))

    def __getattribute__(self, name: str) -> Any:
        viewer, dependencies = object.__getattribute__(self, "_recording")
        if name in DEPENDENCIES:
            dependencies[name] = viewer.dependency_value(name)
            return getattr(viewer, name)
        # anything else may depend on all of them
        dependencies.update((key, viewer.dependency_value(key)) for key in DEPENDENCIES)
        return object.__getattribute__(self, name)


DEPENDENCIES = frozenset(attribute.name for attribute in fields(Viewer)) | {
    name
    for name, value in vars(Viewer).items()
    if isinstance(value, property | cached_property) and not name.startswith("_")
}
