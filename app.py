"""The ASGI application: its services, its routes, and the jobs that run while it serves."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from accounts.registry import registry_from_url
from accounts.vat_numbers import vat_service_from_url
from auth.api_keys import api_key_key, is_api_key
from auth.caller import CallerCache, anonymous
from auth.cookies import Cookies, cross_site, is_same_site
from auth.factors.passkeys import RelyingParty
from auth.services import AuthServices
from auth.session_checks import SessionChecks
from auth.sessions import session_key
from billing.delivery.platform import configured_platform
from billing.gateways.gateway import Gateway
from billing.seller import seller
from engine import Engine, ManifestError, Observer, SlowOperationLog, Tracer, load_manifest
from engine.http import GraphQLEndpoint, HTTPError, HTTPRequest, RequestScheduler
from mail.customer_space import customer_space
from mail.transport import transport_from_url
from metrics import Metrics
from models.clock import Clock, SystemClock
from models.database.connection import connect, disconnect, pool_usage
from models.database.workload import assign_person
from models.errors import OriginRefused, ServiceUnavailable, Throttled, Unauthenticated
from models.identity.user import Staff
from models.operations.clock_offset import clock_offset
from models.viewer import Viewer
from operations.webhooks.destinations import named_host
from realtime.close_codes import CloseCode, CloseConnection
from realtime.endpoint import SocketEndpoint
from realtime.event_stream import EventStreamEndpoint
from realtime.hub import EPOCH, Hub, Listener
from realtime.networks import client_network
from realtime.origins import origins_of_server
from realtime.presence import Presence
from realtime.relay import Relay
from realtime.uvicorn_protocol import refuse_handshake
from resolvers.context import Context, Services
from schema.errors import error_body, format_error
from schema.fields import batch_of, cost_of
from schema.key_access import authorize
from schema.root import schema
from settings import ResponseLimits, Settings, SettingsError
from storage.file_service import FileService
from storage.object_store import store_from_url
from storage.scanner import scanner_from_url
from support.incoming.listener import MailListener
from support.incoming.options import ListenerOptions
from web import (
    access,
    charts,
    consents,
    files,
    graphiql,
    health,
    home,
    hosts,
    invoice_recipients,
    library,
    pages,
    payment_confirmation,
    policies,
    rating,
    sandbox,
    status_board,
    telephone,
    webhooks,
    webinars,
)
from web.hosts import HostCheck, TrailingSlashRedirect
from web.missing import missing
from worker import Job, jobs, run

if TYPE_CHECKING:
    from tracing import Tracing

COST_LIMIT = 5_000
COST_LIMIT_OF_ANALYSTS = 20_000


def create_app(
    settings: Settings,
    clock: Clock | None = None,
    gateway: Gateway | None = None,
    *,
    works: bool = True,
) -> "FastPath":
    """The ASGI application for these settings. Without `works` it receives no emails and runs only
    the jobs of its own connections. Tests pass their own clock and gateway. Raises SettingsError.
    """
    clock, hub, vendor = clock or SystemClock(), Hub(), seller(settings.seller)
    services = Services(
        clock=clock,
        hub=hub,
        presence=Presence(hub, clock),
        auth=AuthServices.create(
            settings.secret_key,
            clock,
            RelyingParty.from_base_url(
                settings.base_url, settings.allowed_origins | settings.passkey_origins
            ),
            settings.redis_url,
            settings.breached_passwords,
            activity_limits=settings.activity_limits,
            previous_keys=settings.previous_keys,
        ),
        gateway=gateway or settings.gateway(clock),
        seller=vendor,
        base_url=settings.base_url,
        registry=registry_from_url(settings.registry),
        vat_service=vat_service_from_url(settings.vat_service, vendor.party.vat_number),
        demonstration=settings.demonstration,
        customer_space=customer_space(settings.front_url, settings.front_paths),
        return_urls=settings.return_urls,
        platform=configured_platform(settings.invoice_platform),
        paypal=settings.paypal_gateway(),
        security=settings.security,
        telephone=settings.telephone,
        push=settings.push_channel,
        analytics=settings.analytics,
        webhook_hosts=frozenset(map(named_host, settings.webhook_hosts)),
    )
    return Application(settings, services, works=works).app()


@dataclass(frozen=True)
class SocketClient:
    """The client of one websocket. Implements realtime.client.Client."""

    viewer: Viewer
    services: Services
    session_checks: SessionChecks
    client_address: str
    user_agent: str
    introspection: bool
    trusted_only: bool
    uses_cookies: bool
    response_limits: ResponseLimits

    @property
    def cost_limit(self) -> int:
        return cost_limit(self.viewer)

    @property
    def max_response_bytes(self) -> int:
        return self.response_limits.limit_of(self.viewer)

    @property
    def person(self) -> str | None:
        return _caller_of(self.viewer)

    def seconds_left(self) -> float | None:
        """The seconds until the access token or the API key that the websocket was opened with
        expires.
        """
        viewer = self.viewer
        if viewer.api_key:
            expires_at = viewer.api_key.expires_at
        elif viewer.session:
            expires_at = viewer.session.access_expires_at
        else:
            return None
        return max(0.0, (expires_at - self.services.clock.now()).total_seconds())

    def context(self) -> Context:
        """A new context. From now on, the current task acts for this viewer."""
        assign_person(_caller_of(self.viewer) or client_network(self.client_address))
        return Context(
            self.viewer,
            self.services,
            self.client_address,
            self.user_agent,
            uses_cookies=self.uses_cookies,
        )

    def connected(self) -> None:
        if self.viewer.is_agent and self.viewer.user:
            self.services.presence.agents.connect(self.viewer.user.pk)

    def disconnected(self) -> None:
        if self.viewer.is_agent and self.viewer.user:
            self.services.presence.agents.disconnect(self.viewer.user.pk)

    def add_listener(self, listener: Listener) -> None:
        self.services.hub.add_listener(listener, *self._keys)

    def remove_listener(self, listener: Listener) -> None:
        self.services.hub.remove_listener(listener, *self._keys)

    @property
    def _keys(self) -> list[str]:
        if self.viewer.api_key:
            return [api_key_key(self.viewer.api_key.pk)]
        return [session_key(self.viewer.session.pk)] if self.viewer.session else []

    async def close_code(self) -> CloseCode | None:
        """UNAUTHORIZED when the session or the API key has ended or expired, FORBIDDEN when the
        role has changed, else None.
        """
        return await self.session_checks.close_code(self.viewer)


class FastPath(Starlette):
    """Handles GraphQL requests before Starlette's middleware and router, which would take half of a
    small query's time and 3 KiB per idle websocket.

    Cross-origin requests from browsers, recognised by their Origin header, go through the
    middleware, which handles CORS. Requests for another host are refused before.
    """

    graphql: GraphQLEndpoint
    socket: SocketEndpoint
    hosts: HostCheck

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and not self.hosts.accepts(scope):
            await self._refuse_host(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == "/graphql" and not has_origin(scope):
            await self.graphql(scope, receive, send)
        elif scope["type"] == "websocket" and scope["path"] == "/graphql":
            await self.socket(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def _refuse_host(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await refuse_handshake(WebSocket(scope, receive, send), hosts.refusal())
        else:
            await hosts.refusal()(scope, receive, send)


class TracedPath(FastPath):
    """The same, with a span for each request."""

    traced: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.traced(scope, receive, send)


class Application:
    """The routes and the lifespan of one server process."""

    def __init__(self, settings: Settings, services: Services, *, works: bool = True) -> None:
        self.settings, self.services, self._works = settings, services, works
        self.callers = CallerCache(services.hub, services.clock, throttle=services.auth.throttle)
        self.session_checks = SessionChecks(services.clock)
        self.scheduler = RequestScheduler()
        self._secure = settings.base_url.startswith("https://")
        # Behind a proxy the host may differ.
        self._pages = settings.allowed_origins | origins_of_server(settings.base_url)
        try:
            self.metrics = (
                Metrics(_operation_names(settings.documents)) if settings.metrics else None
            )
            self.tracing = _tracing(settings)
            self.engine = create_engine(settings.documents, self._observers(), self.tracing)
        except ManifestError as error:
            raise SettingsError(
                [f"CAMCHA_DOCUMENTS: {problem}" for problem in error.problems]
            ) from None
        self.socket = SocketEndpoint(
            self.engine, self.socket_client, settings.socket_limits, self._pages
        )
        services.hub.add_observer(self._on_notification)
        if self.metrics:
            self.metrics.watch_websockets(self.socket)
            self.metrics.watch_connections(pool_usage)
        self.relay = (
            Relay(settings.redis_url, settings.secret_key, services.hub, services.presence)
            if settings.redis_url
            else None
        )
        files = store_from_url(settings.files, settings.s3_key_id, settings.s3_secret)
        self.file_service = FileService(
            files, scanner_from_url(settings.scanner) if settings.scanner else None
        )

    def app(self) -> FastPath:
        """The ASGI application."""
        origins = Middleware(
            CORSMiddleware,
            allow_origins=sorted(self._pages),
            allow_methods=["GET", "POST", "PUT"],
            allow_headers=["authorization", "content-type", "accept-language", "last-event-id"],
            expose_headers=["www-authenticate"],
            allow_credentials=True,
            max_age=600,
        )
        app = (TracedPath if self.tracing else FastPath)(
            routes=self.routes(),
            lifespan=self.lifespan,
            middleware=[origins],
            exception_handlers={ServiceUnavailable: health.unavailable, 404: missing},
        )
        app.graphql, app.socket = self.graphql, self.socket
        app.hosts = HostCheck(self.settings.hosts)
        app.router.redirect_slashes = False
        app.router.default = TrailingSlashRedirect(app.router.routes)
        if self.tracing and isinstance(app, TracedPath):
            paths = [route.path for route in app.router.routes if isinstance(route, Route)]
            app.traced = self.tracing.traced_app(super(TracedPath, app).__call__, paths)
        return app

    def _observers(self) -> list[Observer]:
        slow = SlowOperationLog(self.settings.slow_operations.operation_ms / 1_000)
        return [slow, self.metrics.operations] if self.metrics else [slow]

    @cached_property
    def graphql(self) -> GraphQLEndpoint:
        """GraphQL over HTTP."""
        return GraphQLEndpoint(
            self.engine,
            self.context,
            graphiql.page,
            lambda context: cost_limit(context.viewer),
            lambda context: self.introspection(context.viewer),
            lambda context: self.trusted_only(context.viewer),
            response_headers,
            lambda context: self.settings.response_limits.limit_of(context.viewer),
            EventStreamEndpoint(self.socket),
        )

    def routes(self) -> list[Any]:
        """All routes; GraphQL over HTTP and over websockets share one path."""
        return [
            Route("/graphql", self.graphql),
            WebSocketRoute("/graphql", self.socket),
            *home.routes(self.services),
            *health.routes(),
            *graphiql.routes(),
            *charts.routes(),
            *pages.routes(self.services),
            *payment_confirmation.routes(self.services),
            *access.routes(self.services),
            *invoice_recipients.routes(self.services),
            *policies.routes(self.services),
            *consents.routes(self.services),
            *rating.routes(self.services),
            *status_board.routes(self.services),
            *sandbox.routes(self.services),
            *files.routes(self.services, self.file_service),
            *webhooks.routes(self.services),
            *telephone.routes(self.services),
            *webinars.routes(self.services),
            *library.routes(self.services, self.file_service),
        ]

    async def context(self, request: HTTPRequest) -> Context:
        """The context of an HTTP request. With an invalid token, API key or cookies the viewer is
        anonymous, so that public fields and the next sign-in still work.

        Raises HTTPError: 403 when cookies come with a request from another site, 429 to a network
        that tries API keys, 503 while the database is unavailable.
        """
        address = client_address(request.scope)
        assign_person(client_network(address))
        language = request.header(b"accept-language")
        token = bearer_token(request.header(b"authorization"))
        cookies = self._cookies(
            request.header, request.header(b"cookie") if token is None else None
        )
        has_session = cookies.has_session
        if has_session and not cookies.is_trusted:
            raise HTTPError(
                403, error_body(OriginRefused(), Context(anonymous(language), self.services))
            )
        has_invalid_credentials = False
        try:
            viewer = await self._viewer(
                (cookies.access_token or "") if has_session else token,
                language,
                address,
                is_cookie=has_session,
            )
        except Unauthenticated:
            viewer, has_invalid_credentials = anonymous(language), True
            await self.scheduler.wait()
        except (ServiceUnavailable, Throttled) as error:
            raise HTTPError(
                429 if isinstance(error, Throttled) else 503,
                error_body(error, Context(anonymous(language), self.services)),
                {"Retry-After": str(error.retry_after)},
            ) from error
        if caller := _caller_of(viewer):
            assign_person(caller)
        return Context(
            viewer,
            self.services,
            address,
            request.header(b"user-agent") or "",
            cookies=cookies,
            uses_cookies=has_session and not has_invalid_credentials,
            has_invalid_credentials=has_invalid_credentials,
        )

    def _cookies(self, header: Callable[[bytes], str | None], cookie_header: str | None) -> Cookies:
        return Cookies(
            cookie_header,
            secure=self._secure,
            is_trusted=lambda: is_same_site(header, self._pages, secure=self._secure),
            cross_site=lambda: cross_site(header),
        )

    async def socket_client(self, payload: dict[str, Any], websocket: WebSocket) -> SocketClient:
        """The client of a websocket, identified by `authorization` in the payload, else in the
        handshake, else by cookies, which count only when the handshake comes from one of our pages.
        Raises CloseConnection with UNAUTHORIZED, and with TRY_AGAIN_LATER to a network that tries
        API keys.
        """
        handshake = HTTPRequest(websocket.scope, websocket.receive)
        address = client_address(websocket.scope)
        assign_person(client_network(address))
        authorization = payload.get("authorization", payload.get("Authorization"))
        if authorization is None:
            authorization = handshake.header(b"authorization")
        elif not isinstance(authorization, str):
            raise CloseConnection(CloseCode.UNAUTHORIZED, "authorization must be a string")
        token = bearer_token(authorization)
        cookies = self._cookies(
            handshake.header, handshake.header(b"cookie") if token is None else None
        )
        uses_cookies = cookies.has_session and cookies.is_trusted
        try:
            # Without an access cookie but with a refresh cookie, UNAUTHORIZED tells the page to
            # refresh instead of continuing anonymously.
            viewer = await self._viewer(
                (cookies.access_token or "") if uses_cookies else token,
                handshake.header(b"accept-language"),
                address,
                is_cookie=uses_cookies,
            )
        except Unauthenticated:
            raise CloseConnection(CloseCode.UNAUTHORIZED, "Sign in again") from None
        except Throttled:
            raise CloseConnection(CloseCode.TRY_AGAIN_LATER, "Too many attempts") from None
        return SocketClient(
            viewer,
            self.services,
            self.session_checks,
            address,
            handshake.header(b"user-agent") or "",
            self.introspection(viewer),
            self.trusted_only(viewer),
            uses_cookies,
            self.settings.response_limits,
        )

    async def _viewer(
        self, token: str | None, language: str | None, address: str, *, is_cookie: bool
    ) -> Viewer:
        """The viewer of a session's token or an API key. A key is never accepted from a cookie,
        which a browser would send by itself.
        """
        if token and is_api_key(token) and not is_cookie:
            return await self.callers.viewer_of_key(token, language, address)
        viewer = await self.callers.viewer_of(token, language)
        if viewer.user is None:
            await self.scheduler.wait()
        return viewer

    def introspection(self, viewer: Viewer) -> bool:
        """Whether the viewer may introspect the schema: everyone in a demonstration, else signed-in
        users and API keys.
        """
        return self.settings.demonstration or not viewer.is_anonymous

    def trusted_only(self, viewer: Viewer) -> bool:
        """Whether the viewer may only execute trusted documents: everyone but staff, if the
        operator has chosen so.
        """
        return self.settings.trusted_documents_only and viewer.staff is None

    def _on_notification(self, key: str) -> None:
        if key == EPOCH:
            self.socket.restart()

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Connect to the database and run the jobs while serving; shut down in order: websockets,
        operations, jobs, database.
        """
        await connect(self.settings.database_url, self.settings.analytics_url)
        if self.settings.demonstration and isinstance(self.services.clock, SystemClock):
            self.services.clock.offset = await clock_offset()
        listener = await self._listen_for_emails()
        close_metrics = self._serve_metrics()
        if self.tracing:
            self.tracing.start()
        timetable = asyncio.create_task(run(self._jobs(), self.metrics))
        relay = asyncio.create_task(self.relay.run()) if self.relay else None
        try:
            yield
        finally:
            if listener:
                await listener.close()
            if close_metrics:
                await asyncio.to_thread(close_metrics)
            await self.socket.close_all()
            await self.engine.drain()
            for task in filter(None, (timetable, relay)):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            for gateway in self.services.checkout.gateways:
                await gateway.close()
            self.services.auth.passwords.close()
            await self.services.auth.throttle.close()
            await disconnect()
            if self.tracing:
                await asyncio.to_thread(self.tracing.close)

    def _jobs(self) -> list[Job]:
        transport = transport_from_url(self.settings.mail_url)
        all_jobs = jobs(self.services, self.settings, transport, self.file_service)
        if self.metrics:
            metrics, clock = self.metrics, self.services.clock
            all_jobs.append(
                Job("metrics", 15, lambda: metrics.read_database(clock.now()), internal=True)
            )
        return [job for job in all_jobs if self._works or job.local]

    def _serve_metrics(self) -> Callable[[], None] | None:
        if self.metrics is None or self.settings.metrics is None:
            return None
        try:
            return self.metrics.serve(*self.settings.metrics)
        except OSError as error:
            raise SettingsError([f"CAMCHA_METRICS: can't listen: {error.strerror}"]) from None

    async def _listen_for_emails(self) -> MailListener | None:
        addresses = self.settings.reply_addresses
        if self.settings.incoming_listener is None or addresses is None or not self._works:
            return None
        listener = MailListener(
            ListenerOptions.from_url(self.settings.incoming_listener),
            self.file_service.store,
            addresses,
            self.services.clock.now,
            self.settings.incoming_mail.max_bytes,
        )
        try:
            await listener.start()
        except OSError as error:
            raise SettingsError(
                [f"CAMCHA_INCOMING_MAIL_LISTENER: can't listen: {error.strerror}"]
            ) from None
        return listener


def _tracing(settings: Settings) -> "Tracing | None":
    if settings.traces is None:
        return None
    from tracing import Tracing  # its libraries take a tenth of a second to load

    return Tracing(settings.traces, settings.trace_callers)


def create_engine(
    documents: Path | None, observers: Sequence[Observer] = (), tracer: Tracer | None = None
) -> Engine:
    """The engine for the schema and the trusted documents of a manifest. Raises ManifestError."""
    trusted_documents = load_manifest(documents) if documents else {}
    trusted_documents |= {f"graphiql:{name}": text for name, text in charts.operations().items()}
    return Engine(
        schema._schema,
        format_error=format_error,
        cost_of=cost_of,
        batch_of=batch_of,
        trusted_documents=trusted_documents,
        observers=observers,
        tracer=tracer,
        authorize=authorize,
    )


def _operation_names(documents: Path | None) -> set[str]:
    """The names of the operations of a manifest. Raises ManifestError."""
    texts = load_manifest(documents) if documents else {}
    return {name for text in texts.values() for name in _OPERATION_NAME.findall(text)}


_OPERATION_NAME = re.compile(r"\b(?:query|mutation)\s+(\w+)")


def _caller_of(viewer: Viewer) -> str | None:
    """Who has turns and connections of their own: a person or a service account. None for anonymous
    viewers.
    """
    if viewer.service_account:
        return f"service_account:{viewer.service_account.pk}"
    return f"user:{viewer.user.pk}" if viewer.user else None


def cost_limit(viewer: Viewer) -> int:
    """The maximum cost of one operation of this viewer."""
    return COST_LIMIT_OF_ANALYSTS if viewer.staff is Staff.ANALYST else COST_LIMIT


def response_headers(context: Context) -> list[tuple[bytes, bytes]]:
    """The cookies that a mutation set, and for invalid credentials the challenge of RFC 6750,
    section 3.1.
    """
    cookies = context.cookies.headers() if context.cookies else []
    return (
        [*cookies, (b"www-authenticate", b'Bearer error="invalid_token"')]
        if context.has_invalid_credentials
        else cookies
    )


def bearer_token(header: str | None) -> str | None:
    """The token of an Authorization header (RFC 6750), None without one."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else (header or None)


def client_address(scope: Scope) -> str:
    """The network address of the client, as reported by the server or its trusted proxy."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def has_origin(scope: Scope) -> bool:
    """Whether the request has an Origin header."""
    return b"origin" in dict(scope["headers"])  # five times as fast as a loop over the headers
