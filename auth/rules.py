"""Rules of access to root fields; each field declares its rule as `allow=`."""

from collections.abc import Callable
from dataclasses import dataclass

from models.accounts.account import Role
from models.accounts.service_account import ApiKeyScope
from models.errors import Forbidden, KeyForbidden, Unauthenticated
from models.identity.user import Staff
from models.viewer import Viewer


@dataclass(frozen=True)
class Rule:
    """Decides which viewers may use a field. `a | b` allows those that either rule allows."""

    name: str
    allows: Callable[[Viewer], bool]
    scopes: frozenset[ApiKeyScope] = frozenset()  # with which an API key may use the field

    def __call__(self, viewer: Viewer) -> None:
        """Raise Unauthenticated when no one is signed in, Forbidden when the viewer's role or API
        key isn't allowed.
        """
        if self.allows(viewer):
            return
        if viewer.api_key:
            raise KeyForbidden(self.scopes - viewer.scopes)
        raise Unauthenticated if viewer.user is None else Forbidden

    def __or__(self, other: "Rule") -> "Rule":
        return Rule(
            f"{self.name} | {other.name}",
            lambda viewer: self.allows(viewer) or other.allows(viewer),
            self.scopes | other.scopes,
        )


def has_scope(*scopes: ApiKeyScope) -> Rule:
    """Allows API keys with all of these scopes, without any every key. Which fields of objects a
    key reads is in schema/key_access.py.
    """
    required = frozenset(scopes)
    return Rule(
        f"has_scope({', '.join(scopes)})",
        lambda viewer: viewer.api_key is not None and required <= viewer.scopes,
        required,
    )


# Staff roles are those in force: without a second factor there are none (Viewer.staff).
anyone = Rule("anyone", lambda viewer: True)
signed_in = Rule("signed_in", lambda viewer: viewer.user is not None)
customer = Rule("customer", lambda viewer: viewer.is_customer)
buyer = Rule("buyer", lambda viewer: viewer.is_buyer)
manager = Rule("manager", lambda viewer: viewer.is_manager)
owner = Rule("owner", lambda viewer: viewer.role is Role.OWNER)
agent = Rule("agent", lambda viewer: viewer.is_agent)
supervisor = Rule("supervisor", lambda viewer: viewer.staff is Staff.SUPERVISOR)
analyst = Rule("analyst", lambda viewer: viewer.staff is Staff.ANALYST)
operator = Rule("operator", lambda viewer: viewer.staff is Staff.OPERATOR)
editor = Rule("editor", lambda viewer: viewer.is_editor)
