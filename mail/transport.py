"""Where messages go: into a folder, or to an SMTP server, by the URL of the setting."""

import asyncio
import os
import re
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Protocol
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import aiosmtplib

STARTTLS = {"required": True, "optional": None, "never": False}
_COMMAND_SECONDS = 15
_MESSAGE_ID = re.compile(r"<(\w[\w.-]*)@[^@>]+>")


class Refused(Exception):
    """The message was not taken. `final` says that trying again can't help, `away` that no server answered, so that
    the next message would fare no better; `reason` holds no personal data.
    """

    def __init__(self, reason: str, *, final: bool, away: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final
        self.away = away


class Transport(Protocol):
    """Takes messages. Returns a link to where the message went; raises Refused when it was not taken."""

    async def send(self, message: EmailMessage) -> str: ...


def transport(url: str) -> Transport:
    """The transport of a URL. Raises ValueError, without repeating the URL's password, when it makes no sense.

    `file:///folder` or `file:folder` (relative to where the process was started) writes `.eml` files.
    `smtp://user:password@host:587` insists on STARTTLS, unless `?starttls=optional` or `?starttls=never`;
    `smtps://host:465` speaks TLS from the first byte; `?ca_file=path` names the authority of a private certificate.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return _folder(parts)
    if parts.scheme in ("smtp", "smtps"):
        return _server(parts)
    raise ValueError(f"a mail URL begins with file:, smtp:// or smtps://, not with {parts.scheme or 'nothing'!r}")


def _folder(parts: SplitResult) -> "Folder":
    if parts.netloc:
        raise ValueError(f"a mail folder is file:///absolute or file:relative: {parts.netloc!r} reads as a host")
    if not parts.path or parts.query or parts.fragment:
        raise ValueError("a mail folder is file:///absolute or file:relative, with nothing behind it")
    return Folder(Path(unquote(parts.path)).absolute())


def _server(parts: SplitResult) -> "Server":
    try:
        port = parts.port
    except ValueError:
        raise ValueError("the port of a mail URL is a number up to 65535") from None
    if not parts.hostname or parts.path.strip("/") or parts.fragment:
        raise ValueError(f"a mail server is {parts.scheme}://user:password@host:port")
    if (parts.username is None) != (parts.password is None):
        raise ValueError("a mail URL names both user and password, or neither")
    tls = parts.scheme == "smtps"
    starttls, context = _encryption(parts.query, tls)
    user, password = (unquote(part) if part else None for part in (parts.username, parts.password))
    return Server(parts.hostname, port or (465 if tls else 587), user, password, tls, starttls, context)


def _encryption(query: str, tls: bool) -> tuple[bool | None, ssl.SSLContext]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    starttls = options.pop("starttls", "never" if tls else "required")
    ca_file = options.pop("ca_file", None)
    if options:
        raise ValueError(f"a mail URL has no option {', '.join(sorted(options))}: only starttls and ca_file")
    if starttls not in STARTTLS or (tls and starttls != "never"):
        raise ValueError(f"starttls is one of {', '.join(STARTTLS)}, and smtps needs none")
    try:
        return STARTTLS[starttls], ssl.create_default_context(cafile=ca_file)
    except OSError:
        raise ValueError("ca_file names no readable file of certificates") from None


@dataclass(frozen=True)
class Folder:
    """Writes each message as a file named after its Message-ID: a message sent twice is one file."""

    path: Path

    async def send(self, message: EmailMessage) -> str:
        named = _MESSAGE_ID.fullmatch(str(message["Message-ID"]))
        if named is None:
            raise Refused("no usable Message-ID", final=True)
        try:
            return await asyncio.to_thread(self._write, f"{named[1]}.eml", message.as_bytes())
        except OSError as fault:
            raise Refused(type(fault).__name__, final=False) from fault

    def _write(self, name: str, content: bytes) -> str:
        self.path.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=self.path, prefix=".", delete=False) as file:
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                os.unlink(file.name)
                raise
        return Path(file.name).replace(self.path / name).as_uri()


@dataclass(frozen=True)
class Server:
    """Hands each message to an SMTP server, over a connection of its own."""

    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)
    tls: bool
    starttls: bool | None
    context: ssl.SSLContext

    async def send(self, message: EmailMessage) -> str:
        client = aiosmtplib.SMTP(
            hostname=self.host, port=self.port, username=self.user, password=self.password,
            use_tls=self.tls, start_tls=self.starttls, tls_context=self.context, timeout=_COMMAND_SECONDS,
        )  # fmt: skip
        try:
            await client.connect()
            await client.send_message(message)
            await _farewell(client)
        except (aiosmtplib.SMTPException, OSError) as fault:
            raise _refusal(fault) from fault
        finally:
            client.close()  # not `async with`: it says goodbye to a server that hangs, and waits for the answer
        return f"{'smtps' if self.tls else 'smtp'}://{self.host}:{self.port}"


async def _farewell(client: aiosmtplib.SMTP) -> None:
    """The message is taken: whatever the server answers to QUIT, it must not be sent again."""
    with suppress(aiosmtplib.SMTPException, OSError):
        await client.quit(timeout=1)


def _refusal(fault: Exception) -> Refused:
    """Only the recipient or the content can be refused for good; a refused login or sender is ours to mend.

    The server's own words may quote the address, so only its code is kept.
    """
    if isinstance(fault, aiosmtplib.SMTPRecipientsRefused):
        fault = fault.recipients[0]
    code = fault.code if isinstance(fault, aiosmtplib.SMTPResponseException) else None
    about_email = isinstance(fault, (aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError))
    reason = f"{type(fault).__name__} {code}" if code else type(fault).__name__
    away = isinstance(fault, OSError)
    return Refused(reason, final=about_email and code is not None and code >= 500, away=away)
