"""A process that is killed at some point of its work on billing: within a transaction, right after
one, or between the provider's answer and the transaction that applies it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from billing.gateways.gateway import GatewayUnavailable, Outcome, RefundOutcome
from billing.gateways.sandbox import Sandbox
from models.database.postgres import PostgresTransaction
from models.database.sqlite import ImmediateTransaction


class Killed(Exception):
    """The process ended here."""


class Interruptions:
    """Ends the process once, at the statement of a transaction with the number it was armed with.
    The commit is the last statement; after it nothing is lost.
    """

    def __init__(self) -> None:
        self._left: int | None = None
        self.has_struck = False

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for client in (PostgresTransaction, ImmediateTransaction):
            for name in ("execute_query", "execute_query_dict"):
                monkeypatch.setattr(client, name, self._before(getattr(client, name)))
            monkeypatch.setattr(client, "commit", self._around_commit(client.commit))

    @contextmanager
    def at_statement(self, number: int) -> Iterator[None]:
        """Strike within the block, if it has this many statements."""
        self._left, self.has_struck = number, False
        try:
            yield
        finally:
            self._left = None

    def _strikes(self) -> bool:
        if self._left is None:
            return False
        self._left -= 1
        if self._left > 0:
            return False
        self._left, self.has_struck = None, True
        return True

    def _before(self, execute: Any) -> Any:
        async def interrupted(client: Any, *arguments: Any) -> Any:
            if self._strikes():
                raise Killed
            return await execute(client, *arguments)

        return interrupted

    def _around_commit(self, commit: Any) -> Any:
        async def interrupted(client: Any) -> None:
            if self._strikes():
                await client.rollback()
                raise Killed
            await commit(client)
            if self._strikes():
                raise Killed

        return interrupted


class LossySandbox(Sandbox):
    """A sandbox whose next answer can be lost, before or after it has done what it was asked."""

    loses_request = False
    loses_answer = False

    async def charge(self, *arguments: Any, **options: Any) -> Outcome:
        self._lose_request()
        outcome = await super().charge(*arguments, **options)
        self._lose_answer()
        return outcome

    async def refund(self, *arguments: Any) -> RefundOutcome:
        self._lose_request()
        outcome = await super().refund(*arguments)
        self._lose_answer()
        return outcome

    def _lose_request(self) -> None:
        if self.loses_request:
            self.loses_request = False
            raise GatewayUnavailable

    def _lose_answer(self) -> None:
        if self.loses_answer:
            self.loses_answer = False
            raise GatewayUnavailable
