"""Which viewers each access rule admits."""

from datetime import UTC, datetime

import pytest

from auth.rules import (
    Rule,
    agent,
    analyst,
    anyone,
    buyer,
    customer,
    manager,
    operator,
    owner,
    signed_in,
)
from models.accounts.account import Account, Role
from models.errors import Forbidden, Unauthenticated
from models.identity.session import Session
from models.identity.user import Staff, User
from models.viewer import Viewer

FIXED_TIME = datetime(2026, 11, 23, 9, tzinfo=UTC)
RULES = [anyone, signed_in, customer, buyer, manager, owner, agent, analyst, operator]


def member(role: Role) -> Viewer:
    return Viewer(user=User(id=1), account=Account(id=1), role=role, session=Session(id=1))


def staff(role: Staff, second_factor: bool = True) -> Viewer:
    return Viewer(user=User(id=2, staff=role), session=Session(id=2, second_factor=second_factor))


@pytest.mark.parametrize(
    ("viewer", "admitting_rules"),
    [
        (Viewer(), [anyone]),
        (Viewer(user=User(id=3), session=Session(id=3)), [anyone, signed_in]),
        (member(Role.MEMBER), [anyone, signed_in, customer]),
        (member(Role.BILLING), [anyone, signed_in, customer, buyer]),
        (member(Role.ADMIN), [anyone, signed_in, customer, buyer, manager]),
        (member(Role.OWNER), [anyone, signed_in, customer, buyer, manager, owner]),
        (staff(Staff.AGENT), [anyone, signed_in, agent]),
        (staff(Staff.SUPERVISOR), [anyone, signed_in, agent]),
        (staff(Staff.ANALYST), [anyone, signed_in, analyst]),
        (staff(Staff.OPERATOR), [anyone, signed_in, operator]),
        *((staff(role, second_factor=False), [anyone, signed_in]) for role in Staff),
    ],
)
def test_each_rule_admits_only_its_roles(viewer: Viewer, admitting_rules: list[Rule]) -> None:
    """P4.3: staff without a second factor have no staff access."""
    for rule in RULES:
        if rule in admitting_rules:
            rule(viewer)
            continue
        with pytest.raises(Unauthenticated if viewer.user is None else Forbidden):
            rule(viewer)


def test_rules_can_be_joined() -> None:
    customer_or_agent = customer | agent
    assert customer_or_agent.name == "customer | agent"
    customer_or_agent(member(Role.MEMBER))
    customer_or_agent(staff(Staff.AGENT))
    with pytest.raises(Forbidden):
        customer_or_agent(staff(Staff.ANALYST))
    with pytest.raises(Unauthenticated):
        customer_or_agent(Viewer())
