"""What a resolver gets besides its arguments: who asks, and the parts of the house it may use."""

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import strawberry

from accounts.registry import NoRegistry, Registry
from auth.cookies import Cookies
from auth.services import AuthServices
from billing.gateways.gateway import Gateway
from billing.seller import Seller
from engine import Batch
from models.accounts.account import Account
from models.action import Action, Origin, network_address
from models.clock import Clock
from models.identity.session import Session
from models.identity.user import User
from models.viewer import Viewer, Watched
from realtime.hub import Hub
from realtime.presence import Presence


@dataclass(frozen=True)
class Services:
    """The parts of the house, made once by the app."""

    clock: Clock
    hub: Hub
    presence: Presence
    auth: AuthServices
    gateway: Gateway
    seller: Seller
    base_url: str
    registry: Registry = field(default_factory=NoRegistry)
    demonstration: bool = False


class Loaders:
    """Feeds batches under graphql-core: collects the parents that one level asks about, then calls once for all of them."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, list[tuple[Any, asyncio.Future[Any]]]] = {}

    def load(self, context: "Context", batch: Batch, parent: Any, **arguments: Any) -> "asyncio.Future[Any]":
        """The batch's answer for this parent."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        key = (batch, tuple(arguments.items()))
        if key not in self._waiting:
            self._waiting[key] = []
            loop.call_soon(lambda: loop.create_task(self._answer(context, key, batch, arguments)))
        self._waiting[key].append((parent, future))
        return future

    async def _answer(self, context: "Context", key: Hashable, batch: Batch, arguments: dict[str, Any]) -> None:
        asked = self._waiting.pop(key)
        futures = [future for _, future in asked if not future.done()]
        try:
            answers = await batch(context, [parent for parent, _ in asked], **arguments)
        except Exception as error:
            for future in futures:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(asked, answers, strict=True):
            if not future.done():
                future.set_result(answer)


_OF_THE_CALL = frozenset({"peer", "user_agent"})


@dataclass(frozen=True)
class Context:
    """One operation's, or one event's: loaders live no longer, so nothing they loaded goes stale."""

    viewer: Viewer
    services: Services
    peer: str = ""
    user_agent: str = ""
    cookies: Cookies | None = None  # of a call by HTTP: over a websocket no answer sets any
    by_cookie: bool = False  # whether the viewer is known by one
    rejected: bool = False  # whether the call's token or cookies don't work: the viewer is nobody
    loaders: Loaders = field(default_factory=Loaders)

    @property
    def user(self) -> User:
        """The signed-in person, in fields whose rule lets in nobody else."""
        assert self.viewer.user is not None, "the field's rule lets in signed-in viewers only"  # noqa: S101
        return self.viewer.user

    @property
    def session(self) -> Session:
        """Their sign-in, in the same fields."""
        assert self.viewer.session is not None, "the field's rule lets in signed-in viewers only"  # noqa: S101
        return self.viewer.session

    @property
    def account(self) -> Account:
        """The company they act for, in fields whose rule lets in members only."""
        assert self.viewer.account is not None, "the field's rule lets in members only"  # noqa: S101
        return self.viewer.account

    def action(self) -> Action:
        """Something the viewer does now."""
        return Action(self.viewer.user, self.services.clock.now(), self.services.hub, self._origin)

    @property
    def _origin(self) -> Origin:
        session, account = self.viewer.session, self.viewer.account
        return Origin(session.pk if session else None, account.pk if account else None, network_address(self.peer))

    def recorded(self) -> "tuple[Context, dict[str, Any]]":
        """A context for work whose outcome others may get as well, and the facts of this one that the work reads."""
        facts: dict[str, Any] = {}
        return _Recorded(Watched(self.viewer, facts), self.services, self.peer, self.user_agent, facts=facts), facts

    def fact(self, name: str) -> Any:
        """One of the facts that may have been read."""
        return getattr(self, name) if name in _OF_THE_CALL else self.viewer.fact(name)


@dataclass(frozen=True)
class _Recorded(Context):
    facts: dict[str, Any] = field(default_factory=dict)

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name in _OF_THE_CALL:
            self.facts[name] = found
        return found


Info = strawberry.Info[Context, None]
