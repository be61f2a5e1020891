"""The context of an operation: the viewer, their request, and the services of the application."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import strawberry

from accounts.registry import NoRegistry, Registry
from accounts.vat_numbers import NoVatService, VatNumberService
from auth.cookies import Cookies
from auth.public_requests import Endpoint
from auth.services import AuthServices
from billing.checkout_services import CheckoutServices
from billing.delivery.flows import FlowService
from billing.gateways.gateway import ChargeGateway, Gateway
from billing.return_urls import ReturnUrls
from billing.seller import Seller
from mail.customer_space import CustomerSpace
from models.accounts.account import Account
from models.action import Action, Origin, network_address
from models.billing.delivery import DeliveryChannel
from models.clock import Clock
from models.identity.session import Session
from models.identity.user import User
from models.viewer import RecordingViewer, Viewer
from operations.analytics.options import AnalyticsOptions
from privacy.security_team import SecurityTeam
from realtime.delivered_positions import DeliveredPositions
from realtime.hub import Hub
from realtime.presence import Presence
from support.chat_watch import ChatWatch
from support.push.sending import PushChannel
from support.telephone import TelephoneSystem


@dataclass(frozen=True)
class Services:
    """The services of the application, created once when it starts.

    `base_url` is the public URL without a trailing slash; `demonstration` is whether this is a
    demonstration's server; `customer_space` is the customer space, `return_urls` are the pages to
    which a payment provider may send them back, and `delivered` collects how far they have received
    their tickets. `platform` is the invoicing platform, None when invoices are delivered by email
    only, and `paypal` is PayPal, None when it isn't offered. `security` is who is told of
    incidents, `telephone` the telephone system that reports calls, None without one, and `push` is
    how notifications are sent to devices, None when they aren't. `analytics` has the operator's
    options for analytics. `webhook_hosts` are the hosts at private addresses to which webhooks may
    be sent.
    """

    clock: Clock
    hub: Hub
    presence: Presence
    auth: AuthServices
    gateway: Gateway
    seller: Seller
    base_url: str
    registry: Registry = field(default_factory=NoRegistry)
    vat_service: VatNumberService = field(default_factory=NoVatService)
    demonstration: bool = False
    customer_space: CustomerSpace = field(default_factory=CustomerSpace)
    return_urls: ReturnUrls = field(default_factory=ReturnUrls)
    delivered: DeliveredPositions = field(default_factory=DeliveredPositions)
    platform: FlowService | None = None
    paypal: ChargeGateway | None = None
    security: SecurityTeam = field(default_factory=SecurityTeam)
    telephone: TelephoneSystem | None = None
    push: PushChannel | None = None
    analytics: AnalyticsOptions = field(default_factory=AnalyticsOptions)
    webhook_hosts: frozenset[Endpoint] = frozenset()

    @cached_property
    def chats(self) -> ChatWatch:
        """The watchers of chats in this process."""
        return ChatWatch(self.hub, self.clock)

    @property
    def delivery_channel(self) -> DeliveryChannel:
        """How invoices are delivered."""
        return DeliveryChannel.PLATFORM if self.platform else DeliveryChannel.MAIL

    @property
    def checkout(self) -> CheckoutServices:
        """The services that payments need."""
        return CheckoutServices(self.gateway, self.seller, self.auth.signer, self.paypal)


_REQUEST_DEPENDENCIES = frozenset({"client_address", "user_agent"})


@dataclass(frozen=True)
class Context:
    """The context of one operation, or of one event of a subscription.

    `client_address` is the network address of the client, `user_agent` its User-Agent header.
    """

    viewer: Viewer
    services: Services
    client_address: str = ""
    user_agent: str = ""
    cookies: Cookies | None = None  # of an HTTP request: a websocket can't set any
    uses_cookies: bool = False  # whether the viewer signed in with a cookie
    has_invalid_credentials: bool = (
        False  # whether the token or the cookies are invalid: the viewer is anonymous
    )

    @property
    def user(self) -> User:
        """The signed-in user, in fields that require one."""
        assert self.viewer.user is not None, "the field requires a signed-in viewer"  # noqa: S101
        return self.viewer.user

    @property
    def session(self) -> Session:
        """The session, in fields that require a signed-in user."""
        assert self.viewer.session is not None, "the field requires a signed-in viewer"  # noqa: S101
        return self.viewer.session

    @property
    def account(self) -> Account:
        """The company that the viewer acts for, in fields that require a member."""
        assert self.viewer.account is not None, "the field requires a member"  # noqa: S101
        return self.viewer.account

    def now(self) -> datetime:
        """The time, by the clock of the application."""
        return self.services.clock.now()

    def action(self) -> Action:
        """An action that the viewer performs now."""
        return Action(self.viewer.user, self.services.clock.now(), self.services.hub, self._origin)

    @property
    def _origin(self) -> Origin:
        session, account = self.viewer.session, self.viewer.account
        return Origin(
            session.pk if session else None,
            account.pk if account else None,
            network_address(self.client_address),
        )

    def recording_context(self) -> "tuple[Context, dict[str, Any]]":
        """A context for work whose result may be shared with other viewers, and the values
        that the work reads about this viewer.

        The values are filled in while the work runs; viewers with the same values can have the
        same result.
        """
        dependencies: dict[str, Any] = {}
        return _RecordingContext(
            RecordingViewer(self.viewer, dependencies),
            self.services,
            self.client_address,
            self.user_agent,
            dependencies=dependencies,
        ), dependencies

    def dependency_value(self, name: str) -> Any:
        """One of these values, as this context has it."""
        return (
            getattr(self, name)
            if name in _REQUEST_DEPENDENCIES
            else self.viewer.dependency_value(name)
        )


@dataclass(frozen=True)
class _RecordingContext(Context):
    dependencies: dict[str, Any] = field(default_factory=dict)

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name in _REQUEST_DEPENDENCIES:
            self.dependencies[name] = value
        return value


Info = strawberry.Info[Context, None]
