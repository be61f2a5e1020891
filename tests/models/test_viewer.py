"""A RecordingViewer records every attribute that is read."""

from datetime import UTC, datetime
from typing import Any

import pytest

from models.accounts.account import Account, Role
from models.identity.session import Session
from models.identity.user import Staff, User
from models.locale import Locale
from models.support.ticket_status import TicketStatus, visible_status
from models.viewer import DEPENDENCIES, RecordingViewer, Viewer

USER = User(id=1, staff=Staff.AGENT, created_at=datetime.now(UTC))
ALICE = Viewer(USER, None, None, Session(id=2, second_factor=True), Locale.EN)
PAUL = Viewer(User(id=3), Account(id=4), Role.OWNER, Session(id=5), Locale.FR)


@pytest.mark.parametrize("viewer", [ALICE, PAUL, Viewer()])
@pytest.mark.parametrize("name", sorted(DEPENDENCIES))
def test_each_attribute_equals_the_viewers_and_is_recorded(viewer: Viewer, name: str) -> None:
    dependencies: dict[str, Any] = {}
    assert getattr(RecordingViewer(viewer, dependencies), name) == getattr(viewer, name)
    assert dependencies == {name: viewer.dependency_value(name)}


def test_all_attributes_of_a_viewer_are_listed() -> None:
    attributes = {"user", "account", "role", "session", "locale", "service_account", "api_key"}
    attributes |= {"is_anonymous", "scopes"}
    attributes |= {"account_id", "billing_account_id", "support_account_id"}
    roles = {"is_agent", "is_editor", "is_customer", "is_manager", "is_buyer"}
    assert attributes | roles | {"user_id", "staff"} == DEPENDENCIES


@pytest.mark.parametrize("role", [*Role, None])
def test_who_buys_is_who_manages_billing(role: Role | None) -> None:
    viewer = Viewer(PAUL.user, PAUL.account, role)
    assert viewer.is_buyer is (role in {Role.OWNER, Role.ADMIN, Role.BILLING})
    assert viewer.is_buyer is (role is not None and role.manages_billing)


def test_a_row_is_represented_by_its_key() -> None:
    renamed_viewer = Viewer(User(id=3, name="renamed"), Account(id=4), Role.OWNER, Session(id=6))
    assert PAUL.dependency_value("user") == renamed_viewer.dependency_value("user")
    assert PAUL.dependency_value("session") != renamed_viewer.dependency_value("session")
    assert PAUL.dependency_value("user") != PAUL.dependency_value("account")
    assert Viewer(User(id=4)).dependency_value("user") != PAUL.dependency_value("account")


@pytest.mark.parametrize(
    "read_attributes", [vars, hash, repr, lambda viewer: viewer.dependency_value("is_agent")]
)
def test_reading_anything_else_records_all_attributes(read_attributes: Any) -> None:
    dependencies: dict[str, Any] = {}
    read_attributes(RecordingViewer(PAUL, dependencies))
    assert {"user", "account", "role", "session", "locale"} <= dependencies.keys()


def test_rules_record_what_they_read() -> None:
    dependencies: dict[str, Any] = {}
    assert (
        visible_status(TicketStatus.OPEN, RecordingViewer(PAUL, dependencies)) is TicketStatus.OPEN
    )
    assert dependencies == {}
    assert (
        visible_status(TicketStatus.ON_HOLD, RecordingViewer(PAUL, dependencies))
        is TicketStatus.OPEN
    )
    assert dependencies == {"is_agent": False}


def test_a_recording_viewer_is_immutable() -> None:
    with pytest.raises(AttributeError):
        RecordingViewer(PAUL, {}).locale = Locale.EN  # type: ignore[misc]
