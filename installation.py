"""The problems that keep real customers from using an installation. `bin/cli check` prints them,
and `serve` refuses to start while there is an error.

A demonstration and a test installation (CAMCHA_TEST_INSTALLATION) may have any of them.
"""

import ipaddress
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from auth.secret_keys import is_encrypted_with
from billing.documents.checks import RATES
from billing.seller import seller
from models.billing.offer import Offer, Price
from models.billing.tax_rule import TaxRule
from models.database.connection import encryption_of, sqlite_path
from models.identity.user import Staff, User
from models.operations.installation import Installation
from settings import PACKAGED_POLICIES, PACKAGED_SELLER, Settings

# RFC 2606 and 6761: addresses that exist nowhere.
_EXAMPLE_DOMAIN = re.compile(
    r"[.@](?:example(?:\.(?:com|net|org))?|test|invalid|localhost)$", re.IGNORECASE
)
_GUESSES_LOG10 = 28  # of a key; 32 random hexadecimal digits have more than 30


class Severity(StrEnum):
    """Whether `serve` refuses to start."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One problem of an installation: a stable name, what it is, and what to do about it."""

    severity: Severity
    name: str
    problem: str
    hint: str

    def __str__(self) -> str:
        return f"{self.name}: {self.problem} {self.hint}".rstrip()


def is_for_customers(settings: Settings) -> bool:
    """Whether real customers may use the installation."""
    return not (settings.demonstration or settings.test_installation)


def setting_findings(settings: Settings) -> list[Finding]:
    """The problems of the settings, errors first."""
    severity = Severity.ERROR if is_for_customers(settings) else Severity.WARNING
    examples = [
        Finding(severity, *each) for each in _examples(settings) if not settings.demonstration
    ]
    warnings = [Finding(Severity.WARNING, *each) for each in _weaknesses(settings)]
    return examples + warnings


async def database_findings(settings: Settings) -> list[Finding]:
    """The problems of what a migrated and connected database contains."""
    findings = []
    if not await Offer.exists():
        findings.append(
            Finding(
                Severity.WARNING,
                "content",
                "There are no offers and no policies.",
                "Run bin/cli seed.",
            )
        )
    if rates := await _impossible_rates():
        findings.append(
            Finding(
                Severity.ERROR,
                "rates",
                f"There is no such rate of VAT in France: {', '.join(rates)}.",
                "Correct the prices and the tax rules.",
            )
        )
    if not await User.exists(staff=Staff.OPERATOR, second_factor_at__isnull=False):
        findings.append(
            Finding(
                Severity.WARNING,
                "operator",
                "Nobody has the role of an operator, which needs a second factor.",
                "Run bin/cli staff EMAIL --name NAME --role OPERATOR, and follow the link.",
            )
        )
    if settings.previous_keys and not await is_encrypted_with(settings.secret_key):
        findings.append(
            Finding(
                Severity.WARNING,
                "secret key",
                "Secrets are still encrypted with the previous secret key.",
                "Run bin/cli encrypt-again.",
            )
        )
    if await Installation.is_held():
        findings.append(
            Finding(
                Severity.WARNING,
                "held",
                "Emails and other external jobs are held, because this is a copy.",
                "Run bin/cli release.",
            )
        )
    return findings


async def _impossible_rates() -> list[str]:
    """The rates of prices and tax rules that no invoice may state (BR-FR-16)."""
    prices = await Price.all().distinct().values("vat_rate")
    rules = await TaxRule.all().distinct().values("rate")
    rates = {int(row["vat_rate"]) for row in prices} | {int(row["rate"]) for row in rules}
    return [f"{rate / 100:g} %" for rate in sorted(rates - RATES)]


def _examples(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Examples for trying out the product, which must not be left when customers use it."""
    if settings.stripe is None:
        yield (
            "payments",
            "The payment provider is the sandbox: anyone can buy without paying.",
            "Set CAMCHA_STRIPE_KEY and CAMCHA_STRIPE_WEBHOOK_SECRET.",
        )
    elif not settings.stripe.is_live:
        yield (
            "payments",
            "Stripe is in test mode: anyone can buy without paying.",
            "Set CAMCHA_STRIPE_KEY to a live key, and remove CAMCHA_STRIPE_URL.",
        )
    if settings.paypal and not settings.paypal.is_live:
        yield (
            "payments",
            "PayPal is in test mode: anyone can buy without paying.",
            "Set CAMCHA_PAYPAL_CLIENT_ID and CAMCHA_PAYPAL_CLIENT_SECRET to those of a live app, "
            "and remove CAMCHA_PAYPAL_URL.",
        )
    if settings.mail_url.startswith("file:"):
        yield (
            "mail",
            "Emails are written to a folder, and nobody receives them.",
            "Set CAMCHA_MAIL_URL to smtp://user:password@host:587.",
        )
    if _EXAMPLE_DOMAIN.search(settings.mail_sender.rstrip("> ")):
        yield (
            "sender",
            "The sender of emails is an example, whose address does not exist.",
            "Set CAMCHA_MAIL_SENDER to Name <address@your-domain>.",
        )
    if _is_example_seller(settings.seller):
        yield (
            "seller",
            "The seller on invoices is the example.",
            "Copy billing/seller.toml, fill in your company, and set CAMCHA_SELLER to the copy.",
        )
    if names := _example_policies(settings.policies):
        yield (
            "policies",
            f"These policies are the example's: {', '.join(names)}.",
            "Copy seed/policies, write your own texts, and set CAMCHA_POLICIES to the copy before "
            "you run seed.",
        )


def _is_example_seller(path: Path) -> bool:
    """Whether anything that identifies the packaged seller is left."""
    try:
        own, example = seller(path), seller(PACKAGED_SELLER)
    except (OSError, KeyError, ValueError, TypeError):
        return False  # which is an error of the settings already
    numbers = ("siren", "siret", "vat_number", "name")
    emails = (own.party.email, own.support_email)
    return any(getattr(own.party, name) == getattr(example.party, name) for name in numbers) or any(
        _EXAMPLE_DOMAIN.search(str(email)) is not None for email in emails
    )


def _example_policies(folder: Path) -> list[str]:
    """The policies whose texts are still those of seed/policies."""
    examples = {_text(path) for path in PACKAGED_POLICIES.rglob("*.md")}
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*.md") if _text(path) in examples
    )


def _text(path: Path) -> str:
    return " ".join(path.read_text(encoding="utf-8", errors="replace").split())


def _weaknesses(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Settings that work, but not as well or as safely as they could."""
    if settings.demonstration:
        yield (
            "demonstration",
            "This is a demonstration: its passwords are public.",
            "Set CAMCHA_DATABASE_URL for an installation of your own.",
        )
        return
    if settings.test_installation:
        yield (
            "test installation",
            "CAMCHA_TEST_INSTALLATION allows what real customers must not meet.",
            "Remove the setting before they use this installation.",
        )
    yield from _network_weaknesses(settings)
    yield from _storage_weaknesses(settings)
    if _guesses_log10(settings.secret_key) < _GUESSES_LOG10:
        yield (
            "secret key",
            "CAMCHA_SECRET_KEY looks like words or a pattern, which can be guessed.",
            "Make one with openssl rand -base64 36, and see 'Changing the secret key' in "
            "docs/operating.md.",
        )


def _network_weaknesses(settings: Settings) -> Iterator[tuple[str, str, str]]:
    if settings.push_key and not settings.front_url:
        yield (
            "notifications",
            "Notifications on devices lead to the API's own page, not to the customer's request.",
            "Set CAMCHA_FRONT_URL to the customer space.",
        )
    if settings.base_url.startswith("http://"):
        yield (
            "base URL",
            "CAMCHA_BASE_URL is http: passwords and sessions can be read on the way.",
            "Put a proxy with TLS in front, and set CAMCHA_BASE_URL to its https:// address.",
        )
    if origins := [each for each in sorted(settings.allowed_origins) if each.startswith("http:")]:
        yield (
            "origins",
            f"Pages without TLS may call the API: {', '.join(origins)}.",
            "Name https:// origins only in CAMCHA_ALLOWED_ORIGINS.",
        )
    if not settings.hosts:
        yield (
            "hosts",
            "Requests with any Host header are answered.",
            "Name the server's hosts in CAMCHA_ALLOWED_HOSTS.",
        )
    starttls = parse_qs(_parts(settings.mail_url).query).get("starttls", ["required"])
    if settings.mail_url.startswith("smtp:") and starttls != ["required"]:
        yield (
            "mail encryption",
            "Emails may be sent to the mail server without encryption.",
            "Remove ?starttls=... from CAMCHA_MAIL_URL.",
        )
    if (settings.incoming_mailbox or "").startswith("imap:"):
        yield (
            "mailbox encryption",
            "The mailbox is read without encryption.",
            "Use imaps:// in CAMCHA_INCOMING_MAIL_IMAP.",
        )
    listener = settings.incoming_listener or ""
    if listener.startswith("smtp:") and "certificate=" not in listener:
        yield (
            "listener encryption",
            "Emails are received by SMTP without encryption.",
            "Add ?certificate=path&key=path to CAMCHA_INCOMING_MAIL_LISTENER.",
        )


def _storage_weaknesses(settings: Settings) -> Iterator[tuple[str, str, str]]:
    if sqlite_path(settings.database_url):
        yield (
            "database",
            "SQLite has one server process and no replica.",
            "Use PostgreSQL for more than a few customers.",
        )
    else:
        yield from _postgres_weaknesses(settings)
    if not settings.scanner:
        yield (
            "scanner",
            "Uploaded files are not scanned for viruses.",
            "Set CAMCHA_SCANNER to a ClamAV daemon.",
        )
    if settings.files.startswith("s3://") and not (settings.s3_key_id and settings.s3_secret):
        yield (
            "file store",
            "The object store has no credentials.",
            "Set CAMCHA_S3_KEY_ID and CAMCHA_S3_SECRET.",
        )


def _postgres_weaknesses(settings: Settings) -> Iterator[tuple[str, str, str]]:
    if not settings.redis_url:
        yield (
            "redis",
            "Each server process counts attempts to guess a password by itself, and delivers the "
            "events of the others after up to a second.",
            "Set CAMCHA_REDIS_URL, or run one process.",
        )
    if not _is_local_database(settings.database_url) and not _is_encrypted(settings.database_url):
        yield (
            "database encryption",
            "The connection to PostgreSQL may not be encrypted.",
            "Add ?ssl=verify-full to CAMCHA_DATABASE_URL.",
        )


def _parts(url: str) -> SplitResult:
    """The parts of a URL; empty when it is invalid, which is an error of the settings already."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _is_local_database(database_url: str) -> bool:
    """Whether the server is this machine, named by its address or by its socket."""
    parts = _parts(database_url)
    (host,) = parse_qs(parts.query).get("host", [parts.hostname])[-1:]
    return _is_local(host) or unquote(host or "").startswith("/")


def _is_encrypted(database_url: str) -> bool:
    """Whether connections are always encrypted. An invalid URL is an error of the settings."""
    try:
        return encryption_of(database_url).is_certain
    except ValueError:
        return True


def _is_local(host: str | None) -> bool:
    """Whether the host is this machine: none, localhost or a loopback address."""
    if host in (None, "", "localhost"):
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host or "").is_loopback
    return False


@cache
def _guesses_log10(secret_key: str) -> float:
    from zxcvbn import zxcvbn  # its dictionaries take half a second to load

    return float(zxcvbn(secret_key[:72])["guesses_log10"])
