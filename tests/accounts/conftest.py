"""The tests of accounts use the users and services of the tests of auth."""

from tests.auth.conftest import agent, auth, enrolled, now, owner, password, statements

__all__ = ["agent", "auth", "enrolled", "now", "owner", "password", "statements"]
