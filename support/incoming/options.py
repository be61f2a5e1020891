"""What an operator can set about incoming email: docs/operating.md explains each option."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit


@dataclass(frozen=True)
class IncomingMailOptions:
    """The limits of incoming email: the largest email in bytes, how many seconds pass between two
    reads of the IMAP mailbox, and how many days emails are kept as they arrived.
    """

    max_bytes: int = 26_214_400
    poll_seconds: int = 30
    raw_days: int = 30


@dataclass(frozen=True)
class ListenerOptions:
    """Where emails are received: by LMTP (RFC 2033) from a mail server on this machine or in this
    network, or by SMTP. `tls` is for STARTTLS, None when it isn't offered.
    """

    is_lmtp: bool
    host: str
    port: int
    tls: ssl.SSLContext | None = None

    @classmethod
    def from_url(cls, url: str) -> "ListenerOptions":
        """The options in `lmtp://127.0.0.1:8024` or
        `smtp://0.0.0.0:25?certificate=file.pem&key=file.pem`. Raises ValueError, with a message for
        the operator.
        """
        parts, port = _split(url, ("lmtp", "smtp"))
        if port is None or parts.path.strip("/") or parts.username:
            raise ValueError("a listener is lmtp://host:port or smtp://host:port")
        options = _options(parts, "certificate", "key")
        if len(options) == 1:
            raise ValueError("a listener has both certificate and key, or neither")
        return cls(parts.scheme == "lmtp", parts.hostname or "", port, _tls(options))


def _tls(options: dict[str, str]) -> ssl.SSLContext | None:
    if not options:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(options["certificate"], options["key"])
    except OSError:  # SSLError is one
        raise ValueError("certificate and key are not readable files that match") from None
    return context


@dataclass(frozen=True)
class MailboxOptions:
    """An IMAP mailbox that is read."""

    host: str
    port: int
    user: str
    password: str
    folder: str
    tls: ssl.SSLContext | None

    @classmethod
    def from_url(cls, url: str) -> "MailboxOptions":
        """The options in `imaps://user:password@host:993/INBOX`, in which `?ca_file=path` names the
        certificate authority of a private certificate. `imap://` has no encryption. Raises
        ValueError, with a message for the operator that never contains the password.
        """
        parts, port = _split(url, ("imaps", "imap"))
        if not parts.username or not parts.password:
            raise ValueError("a mailbox is imaps://user:password@host:port/INBOX")
        options = _options(parts, "ca_file")
        tls = _client_tls(options.get("ca_file")) if parts.scheme == "imaps" else None
        return cls(
            parts.hostname or "",
            port or (993 if tls else 143),
            unquote(parts.username),
            unquote(parts.password),
            unquote(parts.path.strip("/")) or "INBOX",
            tls,
        )


def _client_tls(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=Path(ca_file) if ca_file else None)
    except OSError:
        raise ValueError("ca_file is not a readable file of certificates") from None


def _split(url: str, schemes: tuple[str, str]) -> tuple[SplitResult, int | None]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise ValueError("the port is a number up to 65535") from None
    if parts.scheme not in schemes or not parts.hostname or parts.fragment:
        raise ValueError(f"the URL begins with {schemes[0]}://host or {schemes[1]}://host")
    return parts, port


def _options(parts: SplitResult, *names: str) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(options.keys() - {*names}):
        raise ValueError(f"the URL has no option {', '.join(unknown)}: only {', '.join(names)}")
    return options
