"""The tests of accounts use the users and services of the tests of auth."""

from tests.auth.conftest import agent, auth, enrol, new_action, owner, password, statements

__all__ = ["agent", "auth", "enrol", "new_action", "owner", "password", "statements"]
