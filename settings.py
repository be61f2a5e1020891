"""The operator's settings, read once from the environment and validated. docs/operating.md lists
the variables.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import idna

from accounts.registry import expected_registry_url
from accounts.vat_numbers import expected_vat_service_url
from auth.passwords.breaches import expected_breaches_url
from auth.services import AuthServices
from auth.throttle.activity import ActivityLimits
from auth.throttle.shared import expected_redis_url
from billing.delivery.platform import PlatformOptions
from billing.gateways.configured import (
    PaypalOptions,
    StripeOptions,
    configured_gateway,
    configured_paypal,
)
from billing.gateways.gateway import ChargeGateway, Gateway
from billing.gateways.paypal import API_URL as PAYPAL_URL
from billing.return_urls import ReturnUrls, return_url_errors
from billing.seller import seller, seller_errors
from mail.customer_space import customer_space, customer_space_errors
from mail.message import parse_mailbox
from mail.options import MailOptions
from mail.reply_address import ReplyAddresses
from mail.transport import transport_from_url
from models.clock import Clock, local_date
from models.database.connection import database_options, sqlite_path
from models.identity.email_address import normalized_email
from models.identity.user import Staff
from models.viewer import Viewer
from operations.analytics.options import AnalyticsOptions
from operations.webhooks.destinations import named_host
from privacy.security_team import SecurityTeam
from realtime.client import SocketLimits
from realtime.connection_limits import ConnectionLimits
from storage.file_service import FileService
from storage.object_store import ObjectStore
from storage.scanner import scanner_from_url
from support.chat_options import ChatOptions
from support.incoming.authentication import Authenticator
from support.incoming.options import IncomingMailOptions, ListenerOptions, MailboxOptions
from support.incoming.processing import IncomingMailServices
from support.push.endpoints import KNOWN_SERVICES, named_service
from support.push.sending import PushChannel, PushOptions
from support.push.vapid import VapidKey
from support.telephone import SignedWebhook

DEMONSTRATION_DATABASE = "sqlite://var/camcha.sqlite3"
PACKAGED_SELLER = Path(__file__).parent / "billing" / "seller.toml"
PACKAGED_POLICIES = Path(__file__).parent / "seed" / "policies"
PACKAGED_TAX_RULES = Path(__file__).parent / "seed" / "tax_rules.toml"
_DEMONSTRATION_ANALYTICS = {"CAMCHA_ANALYTICS_MIN_COMPANIES": "1"}  # it has only a few companies
_DEMONSTRATION_SECRET = "only-for-the-demonstration-on-this-machine"  # noqa: S105 - refused for any other database
_MIN_SECRET_LENGTH = 32
_MIN_DISTINCT_CHARACTERS = 10
_PORTS = {"http": 80, "https": 443}
_LIMIT_DIGITS = 12
_FIXED_LIMITS = {"frame_bytes"}
Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class ResponseLimits:
    """The maximum size of a response to an operation in bytes, by its recipient."""

    anonymous: int = 1_048_576
    customer: int = 4_194_304
    staff: int = 8_388_608
    analyst: int = 16_777_216

    def limit_of(self, viewer: Viewer) -> int:
        """The limit of this viewer."""
        if viewer.is_anonymous:
            return self.anonymous
        if viewer.staff is None:
            return self.customer
        return self.analyst if viewer.staff is Staff.ANALYST else self.staff


@dataclass(frozen=True)
class SlowOperations:
    """The number of milliseconds from which an operation is logged as slow."""

    operation_ms: int = 1_000


# Each field of these classes is a setting: the prefix and the field's name in capitals.
_LIMITS: dict[str, type[Any]] = {
    "CAMCHA_LIMIT_": ConnectionLimits,
    "CAMCHA_LIMIT_SOCKET_": SocketLimits,
    "CAMCHA_LIMIT_RESPONSE_": ResponseLimits,
    "CAMCHA_LIMIT_ACTIVITY_": ActivityLimits,
    "CAMCHA_MAIL_": MailOptions,
    "CAMCHA_INCOMING_MAIL_": IncomingMailOptions,
    "CAMCHA_CHAT_": ChatOptions,
    "CAMCHA_PUSH_": PushOptions,
    "CAMCHA_ANALYTICS_": AnalyticsOptions,
    "CAMCHA_SLOW_": SlowOperations,
}
_MAX_REPLY_DELAY = 86_400


class SettingsError(Exception):
    """The environment is invalid. Each of `errors` starts with the name of a variable."""

    def __init__(self, errors: list[str], settings: "Settings | None" = None) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors
        self.settings = settings  # as far as they could be read


@dataclass(frozen=True)
class Settings:
    """The settings of one process."""

    database_url: str
    analytics_url: str | None  # of a copy of the database that analysts read
    secret_key: str = field(repr=False)
    previous_keys: tuple[str, ...] = field(repr=False)  # what they encrypted or signed is read
    base_url: str
    hosts: frozenset[str]  # the names by which this server may be called; empty for any name
    front_url: str
    front_paths: str
    mail_url: str = field(repr=False)
    mail_sender: str
    allowed_origins: frozenset[str]
    passkey_origins: frozenset[str]
    files: str
    s3_key_id: str = field(repr=False)
    s3_secret: str = field(repr=False)
    scanner: str | None
    redis_url: str | None = field(repr=False)
    breached_passwords: str | None
    registry: str | None
    vat_service: str | None
    security: SecurityTeam = field(repr=False)  # who is told of incidents besides the operators
    telephone: SignedWebhook | None  # without it, no calls are reported
    metrics: tuple[str, int] | None  # the address at which they can be read
    traces: str | None  # the collector to which they are sent
    trace_callers: tuple[Network, ...]  # whose `traceparent` is accepted
    slow_operations: SlowOperations
    seller: Path
    stripe: StripeOptions | None  # without it, payments are made in the sandbox
    paypal: PaypalOptions | None  # beside the other provider
    invoice_platform: PlatformOptions | None  # without it, invoices are delivered by email only
    return_urls: ReturnUrls
    policies: Path
    tax_rules: Path
    documents: Path | None
    trusted_documents_only: bool
    demonstration: bool
    test_installation: bool  # what real customers must not meet is allowed, see installation.py
    connection_limits: ConnectionLimits
    socket_limits: SocketLimits
    response_limits: ResponseLimits
    activity_limits: ActivityLimits
    mail: MailOptions
    incoming_address: str | None  # without it, no emails are received
    incoming_listener: str | None
    incoming_mailbox: str | None = field(repr=False)
    incoming_authserv_id: str | None  # without it, DKIM and DMARC are checked here
    incoming_mail: IncomingMailOptions
    chat: ChatOptions
    push_key: str | None = field(repr=False)  # without it, there are no notifications on devices
    push_services: tuple[str, ...]  # besides the known ones
    push: PushOptions
    analytics: AnalyticsOptions
    webhook_hosts: tuple[str, ...]  # at private addresses, to which webhooks may be sent

    def gateway(self, clock: Clock) -> Gateway:
        """The payment provider: Stripe when it is configured, otherwise the sandbox."""
        return configured_gateway(
            self.stripe, self.base_url, self._return_url, clock, self.secret_key
        )

    def paypal_gateway(self) -> ChargeGateway | None:
        """PayPal, None when it isn't offered."""
        return configured_paypal(self.paypal, self._return_url)

    @property
    def reply_addresses(self) -> ReplyAddresses | None:
        """The addresses to which customers answer emails, None when no emails are received."""
        if self.incoming_address is None:
            return None
        return ReplyAddresses(self.incoming_address, self.secret_key, self.previous_keys)

    @property
    def push_channel(self) -> PushChannel | None:
        """How notifications are sent to devices, None when they aren't."""
        if self.push_key is None:
            return None
        return PushChannel(
            VapidKey.parse(self.push_key),
            f"mailto:{parse_mailbox(self.mail_sender)[1]}",
            (*map(named_service, self.push_services), *KNOWN_SERVICES),
            self.base_url,
            customer_space(self.front_url, self.front_paths),
            self.push,
        )

    def incoming_mail_services(
        self, auth: AuthServices, files: FileService
    ) -> IncomingMailServices | None:
        """The services that read emails to support, None when no emails are received."""
        if self.reply_addresses is None:
            return None
        own_address = normalized_email(parse_mailbox(self.mail_sender)[1])
        return IncomingMailServices(
            auth,
            files,
            self.reply_addresses,
            frozenset({own_address}),
            Authenticator(self.incoming_authserv_id),
        )

    @property
    def _return_url(self) -> str:
        """Where customers return to when a client states no page."""
        return self.front_url or self.base_url


def read_settings(environ: Mapping[str, str], base_url: str = "http://127.0.0.1:8000") -> Settings:
    """Read the settings. `base_url` is used when `CAMCHA_BASE_URL` is not set. Raises SettingsError
    with every error.
    """
    demonstration = not environ.get("CAMCHA_DATABASE_URL")
    settings = Settings(
        database_url=environ.get("CAMCHA_DATABASE_URL") or DEMONSTRATION_DATABASE,
        analytics_url=environ.get("CAMCHA_ANALYTICS_URL") or None,
        secret_key=environ.get("CAMCHA_SECRET_KEY")
        or (_DEMONSTRATION_SECRET if demonstration else ""),
        previous_keys=tuple(environ.get("CAMCHA_SECRET_KEY_PREVIOUS", "").split()),
        base_url=_normalize_url(environ.get("CAMCHA_BASE_URL") or base_url),
        hosts=_hosts(environ),
        front_url=environ.get("CAMCHA_FRONT_URL", ""),
        front_paths=environ.get("CAMCHA_FRONT_PATHS", ""),
        mail_url=environ.get("CAMCHA_MAIL_URL") or "file:var/mail",
        mail_sender=environ.get("CAMCHA_MAIL_SENDER") or "CAMCHA <bonjour@camcha.example>",
        allowed_origins=frozenset(
            map(_normalize_url, _words(environ.get("CAMCHA_ALLOWED_ORIGINS", "")))
        ),
        passkey_origins=frozenset(_words(environ.get("CAMCHA_PASSKEY_ORIGINS", ""))),
        files=environ.get("CAMCHA_FILES") or "var/files",
        s3_key_id=environ.get("CAMCHA_S3_KEY_ID") or "",
        s3_secret=environ.get("CAMCHA_S3_SECRET") or "",
        scanner=environ.get("CAMCHA_SCANNER") or None,
        redis_url=environ.get("CAMCHA_REDIS_URL") or None,
        breached_passwords=environ.get("CAMCHA_BREACHED_PASSWORDS") or None,
        registry=environ.get("CAMCHA_REGISTRY") or None,
        vat_service=environ.get("CAMCHA_VAT_SERVICE") or None,
        security=_security_team(environ),
        telephone=_telephone(environ),
        metrics=_metrics_address(environ.get("CAMCHA_METRICS", "")),
        traces=environ.get("CAMCHA_TRACES") or None,
        trace_callers=_networks(environ.get("CAMCHA_TRACE_CALLERS", "")),
        slow_operations=_limits("CAMCHA_SLOW_", environ),
        seller=Path(environ.get("CAMCHA_SELLER") or PACKAGED_SELLER),
        stripe=_stripe(environ),
        paypal=_paypal(environ),
        invoice_platform=_invoice_platform(environ),
        return_urls=_return_urls(environ, base_url),
        policies=Path(environ.get("CAMCHA_POLICIES") or PACKAGED_POLICIES),
        tax_rules=Path(environ.get("CAMCHA_TAX_RULES") or PACKAGED_TAX_RULES),
        documents=Path(environ["CAMCHA_DOCUMENTS"]) if environ.get("CAMCHA_DOCUMENTS") else None,
        trusted_documents_only=environ.get("CAMCHA_TRUSTED_DOCUMENTS_ONLY") == "true",
        demonstration=demonstration,
        test_installation=environ.get("CAMCHA_TEST_INSTALLATION") == "true",
        connection_limits=_limits("CAMCHA_LIMIT_", environ),
        socket_limits=_limits("CAMCHA_LIMIT_SOCKET_", environ),
        response_limits=_limits("CAMCHA_LIMIT_RESPONSE_", environ),
        activity_limits=_limits("CAMCHA_LIMIT_ACTIVITY_", environ),
        mail=_limits("CAMCHA_MAIL_", environ),
        incoming_address=environ.get("CAMCHA_INCOMING_MAIL_ADDRESS") or None,
        incoming_listener=environ.get("CAMCHA_INCOMING_MAIL_LISTENER") or None,
        incoming_mailbox=environ.get("CAMCHA_INCOMING_MAIL_IMAP") or None,
        incoming_authserv_id=environ.get("CAMCHA_INCOMING_MAIL_AUTHSERV_ID") or None,
        incoming_mail=_limits("CAMCHA_INCOMING_MAIL_", environ),
        chat=_limits("CAMCHA_CHAT_", environ),
        push_key=environ.get("CAMCHA_PUSH_KEY") or None,
        push_services=tuple(_words(environ.get("CAMCHA_PUSH_SERVICES", ""))),
        push=_limits("CAMCHA_PUSH_", environ),
        analytics=_limits(
            "CAMCHA_ANALYTICS_",
            {**_DEMONSTRATION_ANALYTICS, **environ} if demonstration else environ,
        ),
        webhook_hosts=tuple(_words(environ.get("CAMCHA_WEBHOOK_PRIVATE_HOSTS", ""))),
    )
    if errors := _errors(settings, environ):
        raise SettingsError(errors, settings)
    return settings


def _errors(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    return [
        *_unknown_setting_errors(environ),
        *_database_errors("CAMCHA_DATABASE_URL", settings.database_url),
        *_analytics_errors(settings),
        *_secret_errors(settings),
        *_previous_key_errors(settings),
        *_base_url_errors(settings.base_url),
        *customer_space_errors(settings.front_url, settings.front_paths),
        *_mail_errors(settings),
        *_incoming_mail_errors(settings),
        *_push_errors(settings),
        *_webhook_errors(settings),
        *_scanner_errors(settings.scanner),
        *_redis_errors(settings.redis_url),
        *_files_errors(settings),
        *_breaches_errors(settings.breached_passwords),
        *_registry_errors(settings.registry),
        *_vat_service_errors(settings.vat_service),
        *settings.security.errors,
        *(settings.telephone.errors if settings.telephone else []),
        *_metrics_errors(environ.get("CAMCHA_METRICS", "")),
        *_trace_errors(settings.traces, environ.get("CAMCHA_TRACE_CALLERS", "")),
        *(error for origin in sorted(settings.allowed_origins) for error in _origin_errors(origin)),
        *_passkey_errors(settings.passkey_origins),
        *(error for name in sorted(settings.hosts) for error in _host_errors(name)),
        *_seller_errors(settings.seller),
        *(settings.stripe.errors if settings.stripe else []),
        *(settings.paypal.errors if settings.paypal else []),
        *(settings.invoice_platform.errors if settings.invoice_platform else []),
        *return_url_errors(_words(environ.get("CAMCHA_RETURN_URLS", ""))),
        *_policies_errors(settings.policies / "versions.toml"),
        *_tax_rules_errors(settings.tax_rules),
        *_documents_errors(settings, environ.get("CAMCHA_TRUSTED_DOCUMENTS_ONLY") or "false"),
        *_test_installation_errors(environ.get("CAMCHA_TEST_INSTALLATION") or "false"),
        *_limit_errors(environ),
    ]


def _limit_variables() -> dict[str, int | float]:
    """The settings of limits, with their defaults."""
    return {
        f"{prefix}{name.upper()}": default
        for prefix, limits in _LIMITS.items()
        for name, default in asdict(limits()).items()
        if name not in _FIXED_LIMITS
    }


VARIABLES = {
    "CAMCHA_DATABASE_URL",
    "CAMCHA_ANALYTICS_URL",
    "CAMCHA_SECRET_KEY",
    "CAMCHA_SECRET_KEY_PREVIOUS",
    "CAMCHA_BASE_URL",
    "CAMCHA_FRONT_URL",
    "CAMCHA_FRONT_PATHS",
    "CAMCHA_MAIL_URL",
    "CAMCHA_METRICS",
    "CAMCHA_MAIL_SENDER",
    "CAMCHA_INCOMING_MAIL_ADDRESS",
    "CAMCHA_INCOMING_MAIL_LISTENER",
    "CAMCHA_INCOMING_MAIL_IMAP",
    "CAMCHA_INCOMING_MAIL_AUTHSERV_ID",
    "CAMCHA_PUSH_KEY",
    "CAMCHA_PUSH_SERVICES",
    "CAMCHA_WEBHOOK_PRIVATE_HOSTS",
    "CAMCHA_ALLOWED_ORIGINS",
    "CAMCHA_ALLOWED_HOSTS",
    "CAMCHA_PASSKEY_ORIGINS",
    "CAMCHA_FILES",
    "CAMCHA_S3_KEY_ID",
    "CAMCHA_S3_SECRET",
    "CAMCHA_SCANNER",
    "CAMCHA_REDIS_URL",
    "CAMCHA_SELLER",
    "CAMCHA_STRIPE_KEY",
    "CAMCHA_STRIPE_WEBHOOK_SECRET",
    "CAMCHA_STRIPE_URL",
    "CAMCHA_PAYPAL_CLIENT_ID",
    "CAMCHA_PAYPAL_CLIENT_SECRET",
    "CAMCHA_PAYPAL_URL",
    "CAMCHA_INVOICE_PLATFORM_URL",
    "CAMCHA_INVOICE_PLATFORM_TOKEN_URL",
    "CAMCHA_INVOICE_PLATFORM_CLIENT_ID",
    "CAMCHA_INVOICE_PLATFORM_CLIENT_SECRET",
    "CAMCHA_INVOICE_PLATFORM_ORGANIZATION",
    "CAMCHA_RETURN_URLS",
    "CAMCHA_POLICIES",
    "CAMCHA_TAX_RULES",
    "CAMCHA_DOCUMENTS",
    "CAMCHA_TRUSTED_DOCUMENTS_ONLY",
    "CAMCHA_BREACHED_PASSWORDS",
    "CAMCHA_REGISTRY",
    "CAMCHA_VAT_SERVICE",
    "CAMCHA_SECURITY_EMAILS",
    "CAMCHA_SECURITY_WEBHOOK",
    "CAMCHA_SECURITY_WEBHOOK_SECRET",
    "CAMCHA_TELEPHONE_WEBHOOK_SECRET",
    "CAMCHA_TRACES",
    "CAMCHA_TRACE_CALLERS",
    "CAMCHA_TEST_INSTALLATION",
    *_limit_variables(),
}


def _unknown_setting_errors(environ: Mapping[str, str]) -> list[str]:
    unknown = sorted(
        name for name in environ if name.startswith("CAMCHA_") and name not in VARIABLES
    )
    return [f"{name}: unknown setting" for name in unknown]


def _analytics_errors(settings: Settings) -> list[str]:
    name, url = "CAMCHA_ANALYTICS_URL", settings.analytics_url
    if url is None:
        return []
    if bool(sqlite_path(url)) != bool(sqlite_path(settings.database_url)):
        return [f"{name}: must be a copy of the database, so of the same kind"]
    return _database_errors(name, url)


def _database_errors(name: str, url: str) -> list[str]:
    if url.startswith("sqlite://") and len(url) > len("sqlite://"):
        return []
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in ("postgres", "postgresql") and parts.path.strip("/") and "://" in url:
            if parts.port == 0:
                raise ValueError
            return _database_options(name, url)
    return [f"{name}: must be sqlite://path/to/file or postgres://user:password@host/database"]


def _database_options(name: str, url: str) -> list[str]:
    try:
        database_options(url)
    except ValueError as error:
        return [f"{name}: {error}"]
    return []


def _secret_errors(settings: Settings) -> list[str]:
    key = settings.secret_key
    if not key:
        return ["CAMCHA_SECRET_KEY: required when CAMCHA_DATABASE_URL is set"]
    if len(key) < _MIN_SECRET_LENGTH or len(set(key)) < _MIN_DISTINCT_CHARACTERS:
        return [
            f"CAMCHA_SECRET_KEY: too weak, must have at least "
            f"{_MIN_SECRET_LENGTH} random characters"
        ]
    if key == _DEMONSTRATION_SECRET and not settings.demonstration:
        return ["CAMCHA_SECRET_KEY: the demonstration's key is public and must not be used"]
    return []


def _previous_key_errors(settings: Settings) -> list[str]:
    if settings.secret_key in settings.previous_keys:
        return ["CAMCHA_SECRET_KEY_PREVIOUS: must be another key than CAMCHA_SECRET_KEY"]
    if any(len(key) < _MIN_SECRET_LENGTH for key in settings.previous_keys):
        return ["CAMCHA_SECRET_KEY_PREVIOUS: must be the earlier key; several separated by spaces"]
    return []


def _base_url_errors(url: str) -> list[str]:
    return (
        ["CAMCHA_BASE_URL: must be https://host, without a path"] if _origin_of(url) is None else []
    )


def _mail_errors(settings: Settings) -> list[str]:
    errors = []
    try:
        transport_from_url(settings.mail_url)
    except ValueError as error:
        errors.append(f"CAMCHA_MAIL_URL: {error}")
    if settings.mail.reply_delay > _MAX_REPLY_DELAY:
        errors.append(f"CAMCHA_MAIL_REPLY_DELAY: must be at most {_MAX_REPLY_DELAY} seconds, a day")
    if not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", parse_mailbox(settings.mail_sender)[1]):
        errors.append("CAMCHA_MAIL_SENDER: must be Name <address@example.fr>")
    return errors


def _incoming_mail_errors(settings: Settings) -> list[str]:
    address, errors = settings.incoming_address, list[str]()
    sources = {
        "LISTENER": (settings.incoming_listener, ListenerOptions.from_url),
        "IMAP": (settings.incoming_mailbox, MailboxOptions.from_url),
    }
    for name, (url, parse) in sources.items():
        try:
            if url:
                parse(url)
        except ValueError as error:
            errors.append(f"CAMCHA_INCOMING_MAIL_{name}: {error}")
    has_source = any(url for url, _ in sources.values())
    if has_source != (address is not None):
        errors.append(
            "CAMCHA_INCOMING_MAIL_ADDRESS: required with CAMCHA_INCOMING_MAIL_LISTENER or "
            "CAMCHA_INCOMING_MAIL_IMAP, and has no effect without both"
        )
    if address and not re.fullmatch(r"[^\s@+]{1,40}@[^\s@]+", address):
        errors.append(
            "CAMCHA_INCOMING_MAIL_ADDRESS: must be an address such as support@example.fr, with at "
            "most 40 characters and no + before the @"
        )
    return errors


def _push_errors(settings: Settings) -> list[str]:
    errors = []
    if settings.push.delay > _MAX_REPLY_DELAY:
        errors.append(f"CAMCHA_PUSH_DELAY: must be at most {_MAX_REPLY_DELAY} seconds, a day")
    if settings.push_services and not settings.push_key:
        errors.append("CAMCHA_PUSH_SERVICES: has no effect without CAMCHA_PUSH_KEY")
    try:
        if settings.push_key:
            VapidKey.parse(settings.push_key)
    except ValueError:
        errors.append(
            "CAMCHA_PUSH_KEY: must be a private key of 32 bytes in Base64url. Make one with "
            "bin/cli push-key"
        )
    for name in settings.push_services:
        try:
            named_service(name)
        except ValueError:
            errors.append(
                f"CAMCHA_PUSH_SERVICES: {name} is not a host such as push.example.fr, with a port "
                "if it isn't 443"
            )
    return errors


def _webhook_errors(settings: Settings) -> list[str]:
    errors = []
    for name in settings.webhook_hosts:
        try:
            named_host(name)
        except ValueError:
            errors.append(
                f"CAMCHA_WEBHOOK_PRIVATE_HOSTS: {name} is not a host such as erp.example.fr, with "
                "a port if it isn't 443"
            )
    return errors


def _scanner_errors(url: str | None) -> list[str]:
    try:
        if url:
            scanner_from_url(url)
    except ValueError as error:
        return [f"CAMCHA_SCANNER: must be {error}"]
    return []


def _files_errors(settings: Settings) -> list[str]:
    if not settings.files.startswith("s3://"):
        return []
    try:
        ObjectStore(settings.files, settings.s3_key_id, settings.s3_secret)
    except ValueError as error:
        return [f"CAMCHA_FILES: must be {error}"]
    return []


def _redis_errors(url: str | None) -> list[str]:
    expected = expected_redis_url(url) if url else None
    return [f"CAMCHA_REDIS_URL: must be {expected}"] if expected else []


def _breaches_errors(url: str | None) -> list[str]:
    expected = expected_breaches_url(url) if url else None
    return [f"CAMCHA_BREACHED_PASSWORDS: must be {expected}"] if expected else []


def _registry_errors(url: str | None) -> list[str]:
    expected = expected_registry_url(url) if url else None
    return [f"CAMCHA_REGISTRY: must be {expected}"] if expected else []


def _vat_service_errors(url: str | None) -> list[str]:
    expected = expected_vat_service_url(url) if url else None
    return [f"CAMCHA_VAT_SERVICE: must be {expected}"] if expected else []


def _security_team(environ: Mapping[str, str]) -> SecurityTeam:
    return SecurityTeam(
        tuple(_words(environ.get("CAMCHA_SECURITY_EMAILS", ""))),
        environ.get("CAMCHA_SECURITY_WEBHOOK") or "",
        environ.get("CAMCHA_SECURITY_WEBHOOK_SECRET") or "",
    )


_METRICS_ADDRESS = re.compile(
    r"(?:\[(?P<v6>[0-9a-fA-F:]+)\]|(?P<host>[^\[\]:]+)):(?P<port>\d{1,5})"
)


def _metrics_address(text: str) -> tuple[str, int] | None:
    match = _METRICS_ADDRESS.fullmatch(text)
    return (match["v6"] or match["host"], int(match["port"])) if match else None


def _metrics_errors(text: str) -> list[str]:
    address = _metrics_address(text)
    if not text or (address and 0 < address[1] < 65_536):
        return []
    return ["CAMCHA_METRICS: must be an address and a port, such as 127.0.0.1:9464"]


def _trace_errors(url: str | None, callers: str) -> list[str]:
    errors = []
    parts = urlsplit(url or "http://none")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        errors.append("CAMCHA_TRACES: must be a collector such as http://127.0.0.1:4318")
    if callers and not url:
        errors.append("CAMCHA_TRACE_CALLERS: has no effect without CAMCHA_TRACES")
    return errors + [
        f"CAMCHA_TRACE_CALLERS: {each} is not a network such as 10.0.0.0/8"
        for each in _words(callers)
        if _network(each) is None
    ]


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(filter(None, map(_network, _words(text))))


def _network(text: str) -> Network | None:
    with suppress(ValueError):
        return ip_network(text)
    return None


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _telephone(environ: Mapping[str, str]) -> SignedWebhook | None:
    secret = environ.get("CAMCHA_TELEPHONE_WEBHOOK_SECRET")
    return SignedWebhook(secret) if secret else None


def _stripe(environ: Mapping[str, str]) -> StripeOptions | None:
    """The settings of Stripe, None when none of them is set."""
    names = ("CAMCHA_STRIPE_KEY", "CAMCHA_STRIPE_WEBHOOK_SECRET", "CAMCHA_STRIPE_URL")
    key, secret, url = (environ.get(name) or "" for name in names)
    return StripeOptions(key, secret, url or None) if key or secret or url else None


def _paypal(environ: Mapping[str, str]) -> PaypalOptions | None:
    """The settings of PayPal, None when none of them is set."""
    names = ("CLIENT_ID", "CLIENT_SECRET", "URL")
    client_id, secret, url = (environ.get(f"CAMCHA_PAYPAL_{name}") or "" for name in names)
    if not (client_id or secret or url):
        return None
    return PaypalOptions(client_id, secret, url or PAYPAL_URL)


def _invoice_platform(environ: Mapping[str, str]) -> PlatformOptions | None:
    """The settings of the invoicing platform, None when none of them is set."""
    names = ("URL", "TOKEN_URL", "CLIENT_ID", "CLIENT_SECRET", "ORGANIZATION")
    values = [environ.get(f"CAMCHA_INVOICE_PLATFORM_{name}") or "" for name in names]
    return PlatformOptions(*values) if any(values) else None


def _return_urls(environ: Mapping[str, str], base_url: str) -> ReturnUrls:
    """The pages that the operator allows; when none are set, those of the origins that may call the
    API.
    """
    urls = _words(environ.get("CAMCHA_RETURN_URLS", ""))
    origins = _words(environ.get("CAMCHA_ALLOWED_ORIGINS", ""))
    return ReturnUrls.of(urls or [environ.get("CAMCHA_BASE_URL") or base_url, *origins])


def _seller_errors(path: Path) -> list[str]:
    if not path.is_file():
        return [f"CAMCHA_SELLER: file {path} not found"]
    try:
        errors = seller_errors(seller(path), local_date(datetime.now(UTC)))
    except KeyError as error:
        return [f"CAMCHA_SELLER: {path} lacks {error}"]
    except (ValueError, TypeError) as error:  # TOMLDecodeError among them
        return [f"CAMCHA_SELLER: {path}: {error}"]
    return [f"CAMCHA_SELLER: {path}: {error}" for error in errors]


def _origin_errors(origin: str) -> list[str]:
    is_valid = _origin_of(origin) is not None
    return (
        []
        if is_valid
        else [f"CAMCHA_ALLOWED_ORIGINS: {origin} is not an origin such as https://app.example.fr"]
    )


def _passkey_errors(origins: frozenset[str]) -> list[str]:
    return [
        f"CAMCHA_PASSKEY_ORIGINS: {origin} is not an Android app such as "
        "android:apk-key-hash:<the SHA-256 of its signing certificate in Base64url, 43 characters>"
        for origin in sorted(origins)
        if not re.fullmatch(r"android:apk-key-hash:[\w-]{43}", origin, re.ASCII)
    ]


def _hosts(environ: Mapping[str, str]) -> frozenset[str]:
    """The names under which this server may be called: the allowed ones and those of its pages.
    Empty when none are set, because a proxy may call the server by any name.
    """
    names = _words(environ.get("CAMCHA_ALLOWED_HOSTS", "").lower())
    if not names:
        return frozenset()
    urls = f"{environ.get('CAMCHA_BASE_URL', '')} {environ.get('CAMCHA_ALLOWED_ORIGINS', '')}"
    origins = filter(None, map(_origin_of, _words(urls)))
    return frozenset((*names, *(urlsplit(origin).hostname or "" for origin in origins)))


def _host_errors(name: str) -> list[str]:
    if re.fullmatch(r"[0-9a-z_.-]+|[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*", name):
        return []
    return [f"CAMCHA_ALLOWED_HOSTS: {name} is not a host name such as api.example.fr"]


def _origin_of(url: str) -> str | None:
    """Return the Origin header that browsers send for pages at this URL; None unless it is a plain
    scheme, host and port.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    has_extra_parts = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in _PORTS or not host or has_extra_parts:
        return None
    if ":" in host:
        host = f"[{host}]"
    elif not (host := _ascii_host(host)):
        return None
    return (
        f"{parts.scheme}://{host}"
        if port in (None, _PORTS[parts.scheme])
        else f"{parts.scheme}://{host}:{port}"
    )


def _ascii_host(host: str) -> str:
    """The host as browsers send it; empty if they never do, as for `*.example.fr`."""
    try:
        ascii_host = idna.encode(host, uts46=True).decode() if not host.isascii() else host
    except idna.IDNAError:
        return ""
    return ascii_host if re.fullmatch(r"[0-9a-z_.-]+", ascii_host) else ""


def _normalize_url(url: str) -> str:
    """Spell the URL as browsers do in the Origin header. An invalid one is returned unchanged, to
    be reported.
    """
    return _origin_of(url) or url


def _policies_errors(index: Path) -> list[str]:
    return [] if index.is_file() else [f"CAMCHA_POLICIES: file {index} not found"]


def _tax_rules_errors(path: Path) -> list[str]:
    return [] if path.is_file() else [f"CAMCHA_TAX_RULES: file {path} not found"]


def _documents_errors(settings: Settings, trusted_only: str) -> list[str]:
    if trusted_only not in ("true", "false"):
        return ["CAMCHA_TRUSTED_DOCUMENTS_ONLY: must be true or false"]
    if settings.trusted_documents_only and not settings.documents:
        return ["CAMCHA_TRUSTED_DOCUMENTS_ONLY: requires CAMCHA_DOCUMENTS"]
    if settings.documents and not settings.documents.is_file():
        return [f"CAMCHA_DOCUMENTS: file {settings.documents} not found"]
    return []


def _test_installation_errors(text: str) -> list[str]:
    valid = text in ("true", "false")
    return [] if valid else ["CAMCHA_TEST_INSTALLATION: must be true or false"]


def _limits(prefix: str, environ: Mapping[str, str]) -> Any:
    """The limits whose settings have this prefix. Invalid ones keep their defaults, and are
    reported by `_limit_errors`.
    """
    values: dict[str, int | float] = {}
    for name, default in asdict(_LIMITS[prefix]()).items():
        text = environ.get(f"{prefix}{name.upper()}")
        if text and (value := _limit(text, type(default))):
            values[name] = value
    return _LIMITS[prefix](**values)


def _limit(text: str, number: type[int | float]) -> int | float | None:
    """The positive number in the text, None for any other text."""
    is_number = text.isascii() and text.replace(".", "", 1 if number is float else 0).isdecimal()
    return (number(text) or None) if is_number and len(text) <= _LIMIT_DIGITS else None


def _limit_errors(environ: Mapping[str, str]) -> list[str]:
    return [
        f"{name}: must be a {'whole number' if isinstance(default, int) else 'number'} above 0"
        for name, default in _limit_variables().items()
        if environ.get(name) and _limit(environ[name], type(default)) is None
    ]
