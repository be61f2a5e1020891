"""What an operator can set: read once from the environment, each fault named, and handed down as values."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import urlsplit

from auth.breaches import breaches_fault
from auth.registry import registry_fault
from auth.shared_throttle import redis_fault
from billing.seller import seller
from mail.transport import transport
from models.object_store import ObjectStore
from models.scanner import scanner

DEMONSTRATION_DATABASE = "sqlite://var/camcha.sqlite3"
_DEMONSTRATION_SECRET = "only-for-the-demonstration-on-this-machine"  # noqa: S105 - refused for any other database
_SECRET_LENGTH = 32
_SECRET_VARIETY = 10
_PORTS = {"http": 80, "https": 443}


class SettingsError(Exception):
    """The environment can't be used. `faults` are sentences that name the variable."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class Settings:
    """The settings of one process. README lists the variables."""

    database_url: str
    secret_key: str = field(repr=False)
    base_url: str
    mail_url: str = field(repr=False)
    mail_sender: str
    allowed_origins: frozenset[str]
    files: str
    s3_key_id: str = field(repr=False)
    s3_secret: str = field(repr=False)
    scanner: str | None
    redis_url: str | None = field(repr=False)
    breached_passwords: str | None
    registry: str | None
    seller: Path
    policies: Path
    documents: Path | None
    trusted_documents_only: bool
    demonstration: bool


def read(environ: Mapping[str, str], base_url: str = "http://127.0.0.1:8000") -> Settings:
    """The settings of an environment; `base_url` is where the server will listen. Raises SettingsError with every fault."""
    demonstration = not environ.get("CAMCHA_DATABASE_URL")
    settings = Settings(
        database_url=environ.get("CAMCHA_DATABASE_URL") or DEMONSTRATION_DATABASE,
        secret_key=environ.get("CAMCHA_SECRET_KEY") or (_DEMONSTRATION_SECRET if demonstration else ""),
        base_url=_as_browsers_write(environ.get("CAMCHA_BASE_URL") or base_url),
        mail_url=environ.get("CAMCHA_MAIL_URL") or "file:var/mail",
        mail_sender=environ.get("CAMCHA_MAIL_SENDER") or "CAMCHA <bonjour@camcha.example>",
        allowed_origins=frozenset(map(_as_browsers_write, environ.get("CAMCHA_ALLOWED_ORIGINS", "").replace(",", " ").split())),
        files=environ.get("CAMCHA_FILES") or "var/files",
        s3_key_id=environ.get("CAMCHA_S3_KEY_ID") or "",
        s3_secret=environ.get("CAMCHA_S3_SECRET") or "",
        scanner=environ.get("CAMCHA_SCANNER") or None,
        redis_url=environ.get("CAMCHA_REDIS_URL") or None,
        breached_passwords=environ.get("CAMCHA_BREACHED_PASSWORDS") or None,
        registry=environ.get("CAMCHA_REGISTRY") or None,
        seller=Path(environ.get("CAMCHA_SELLER") or Path(__file__).parent / "billing" / "seller.toml"),
        policies=Path(environ.get("CAMCHA_POLICIES") or Path(__file__).parent / "seed" / "policies"),
        documents=Path(environ["CAMCHA_DOCUMENTS"]) if environ.get("CAMCHA_DOCUMENTS") else None,
        trusted_documents_only=environ.get("CAMCHA_TRUSTED_DOCUMENTS_ONLY") == "true",
        demonstration=demonstration,
    )
    if faults := _faults(settings, environ):
        raise SettingsError(faults)
    return settings


def _faults(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    return [
        *_unknown(environ),
        *_database(settings.database_url),
        *_secret(settings),
        *_base_url(settings.base_url),
        *_mail(settings),
        *_scanner(settings.scanner),
        *_redis(settings.redis_url),
        *_files(settings),
        *_breaches(settings.breached_passwords),
        *_registry(settings.registry),
        *(fault for origin in sorted(settings.allowed_origins) for fault in _origin(origin)),
        *_seller(settings.seller),
        *_policies(settings.policies / "versions.toml"),
        *_documents(settings, environ.get("CAMCHA_TRUSTED_DOCUMENTS_ONLY") or "false"),
    ]


KNOWN = {
    "CAMCHA_DATABASE_URL", "CAMCHA_SECRET_KEY", "CAMCHA_BASE_URL", "CAMCHA_MAIL_URL", "CAMCHA_MAIL_SENDER",
    "CAMCHA_ALLOWED_ORIGINS", "CAMCHA_FILES", "CAMCHA_S3_KEY_ID", "CAMCHA_S3_SECRET", "CAMCHA_SCANNER",
    "CAMCHA_REDIS_URL", "CAMCHA_SELLER", "CAMCHA_POLICIES", "CAMCHA_DOCUMENTS", "CAMCHA_TRUSTED_DOCUMENTS_ONLY",
    "CAMCHA_BREACHED_PASSWORDS", "CAMCHA_REGISTRY",
}  # fmt: skip


def _unknown(environ: Mapping[str, str]) -> list[str]:
    unknown = sorted(name for name in environ if name.startswith("CAMCHA_") and name not in KNOWN)
    return [f"{name}: no such setting" for name in unknown]


def _database(url: str) -> list[str]:
    if url.startswith("sqlite://") and len(url) > len("sqlite://"):
        return []
    with suppress(ValueError):
        if urlsplit(url).scheme in ("postgres", "postgresql") and urlsplit(url).path.strip("/"):
            return []
    return ["CAMCHA_DATABASE_URL: sqlite://path/to/file or postgres://user:password@host/database"]


def _secret(settings: Settings) -> list[str]:
    key = settings.secret_key
    if not key:
        return ["CAMCHA_SECRET_KEY: required for any database but the demonstration's"]
    if len(key) < _SECRET_LENGTH or len(set(key)) < _SECRET_VARIETY:
        return [f"CAMCHA_SECRET_KEY: too weak, at least {_SECRET_LENGTH} random characters"]
    if key == _DEMONSTRATION_SECRET and not settings.demonstration:
        return ["CAMCHA_SECRET_KEY: the demonstration's key is public"]
    return []


def _base_url(url: str) -> list[str]:
    return ["CAMCHA_BASE_URL: https://host, without a path"] if _origin_of(url) is None else []


def _mail(settings: Settings) -> list[str]:
    faults = []
    try:
        transport(settings.mail_url)
    except ValueError as error:
        faults.append(f"CAMCHA_MAIL_URL: {error}")
    if "@" not in parseaddr(settings.mail_sender)[1]:
        faults.append("CAMCHA_MAIL_SENDER: Name <address@example.fr>")
    return faults


def _scanner(url: str | None) -> list[str]:
    try:
        if url:
            scanner(url)
    except ValueError as error:
        return [f"CAMCHA_SCANNER: {error}"]
    return []


def _files(settings: Settings) -> list[str]:
    if not settings.files.startswith("s3://"):
        return []
    try:
        ObjectStore(settings.files, settings.s3_key_id, settings.s3_secret)
    except ValueError as error:
        return [f"CAMCHA_FILES: {error}"]
    return []


def _redis(url: str | None) -> list[str]:
    fault = redis_fault(url) if url else None
    return [f"CAMCHA_REDIS_URL: {fault}"] if fault else []


def _breaches(url: str | None) -> list[str]:
    fault = breaches_fault(url) if url else None
    return [f"CAMCHA_BREACHED_PASSWORDS: {fault}"] if fault else []


def _registry(url: str | None) -> list[str]:
    fault = registry_fault(url) if url else None
    return [f"CAMCHA_REGISTRY: {fault}"] if fault else []


def _seller(path: Path) -> list[str]:
    if not path.is_file():
        return [f"CAMCHA_SELLER: there is no file {path}"]
    try:
        seller(path)
    except KeyError as missing:
        return [f"CAMCHA_SELLER: {path} says nothing of {missing}"]
    except (ValueError, TypeError) as error:  # TOMLDecodeError among them
        return [f"CAMCHA_SELLER: {path}: {error}"]
    return []


def _origin(origin: str) -> list[str]:
    good = _origin_of(origin) is not None
    return [] if good else [f"CAMCHA_ALLOWED_ORIGINS: {origin} is not an origin like https://app.example.fr"]


def _origin_of(url: str) -> str | None:
    """The origin that a browser names for pages there; None for what is no host's address, or more than that."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in _PORTS or not host or more:
        return None
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" if port in (None, _PORTS[parts.scheme]) else f"{parts.scheme}://{host}:{port}"


def _as_browsers_write(url: str) -> str:
    """The address as it will be compared with the header Origin; what is none stays as it is, to be named as a fault."""
    return _origin_of(url) or url


def _policies(index: Path) -> list[str]:
    return [] if index.is_file() else [f"CAMCHA_POLICIES: there is no file {index}"]


def _documents(settings: Settings, only: str) -> list[str]:
    if only not in ("true", "false"):
        return ["CAMCHA_TRUSTED_DOCUMENTS_ONLY: true or false"]
    if settings.trusted_documents_only and not settings.documents:
        return ["CAMCHA_TRUSTED_DOCUMENTS_ONLY: nobody could ask for anything without CAMCHA_DOCUMENTS"]
    if settings.documents and not settings.documents.is_file():
        return [f"CAMCHA_DOCUMENTS: there is no file {settings.documents}"]
    return []
