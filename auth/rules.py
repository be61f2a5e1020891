"""Rules of access to root fields; each field declares its rule as `allow=`."""

from collections.abc import Callable
from dataclasses import dataclass

from models.accounts.account import Role
from models.errors import Forbidden, Unauthenticated
from models.identity.user import Staff
from models.viewer import Viewer


@dataclass(frozen=True)
class Rule:
    """Decides which viewers may use a field. `a | b` allows those that either rule allows."""

    name: str
    allows: Callable[[Viewer], bool]

    def __call__(self, viewer: Viewer) -> None:
        """Raise Unauthenticated when no one is signed in, Forbidden when the viewer's role isn't
        allowed.
        """
        if self.allows(viewer):
            return
        raise Unauthenticated if viewer.user is None else Forbidden

    def __or__(self, other: "Rule") -> "Rule":
        return Rule(
            f"{self.name} | {other.name}",
            lambda viewer: self.allows(viewer) or other.allows(viewer),
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
