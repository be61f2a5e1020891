"""Transports for messages: a folder or an SMTP server, chosen by the URL in the settings."""

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

STARTTLS_OPTIONS = {"required": True, "optional": None, "never": False}
_COMMAND_TIMEOUT = 15
_RESET_TIMEOUT = 5
_MESSAGE_ID_PATTERN = re.compile(r"<(\w[\w.-]*)@[^@>]+>")


class DeliveryError(Exception):
    """The message was not accepted.

    `permanent` means that a retry can't succeed, `unreachable` that no server answered, so the next
    message would fail as well. `reason` contains no personal data.
    """

    def __init__(self, reason: str, *, permanent: bool, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent
        self.unreachable = unreachable


class Transport(Protocol):
    """Sends messages, several at once. `send` returns a URL of where the message went, and raises
    DeliveryError when it was not accepted.
    """

    async def send(self, message: EmailMessage) -> str: ...

    async def close(self) -> None:
        """Close the connections that no message is being sent over."""
        return


def transport_from_url(url: str) -> Transport:
    """The transport for a URL. Raises ValueError for an invalid one, with a message that never
    contains the password.

    `file:///folder` or `file:folder` (relative to the working directory at the start) writes `.eml`
    files. `smtp://user:password@host:587` requires STARTTLS unless `?starttls=optional` or
    `?starttls=never` is given. `smtps://host:465` uses TLS from the first byte. `?ca_file=path`
    names the certificate authority of a private certificate.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return _folder_transport(parts)
    if parts.scheme in ("smtp", "smtps"):
        return _smtp_transport(parts)
    raise ValueError(
        f"a mail URL begins with file:, smtp:// or smtps://, not with {parts.scheme or 'nothing'!r}"
    )


def _folder_transport(parts: SplitResult) -> "FolderTransport":
    if parts.netloc:
        raise ValueError(
            f"a mail folder is file:///absolute or file:relative: {parts.netloc!r} reads as a host"
        )
    if not parts.path or parts.query or parts.fragment:
        raise ValueError(
            "a mail folder is file:///absolute or file:relative, without a query or fragment"
        )
    return FolderTransport(Path(unquote(parts.path)).absolute())


def _smtp_transport(parts: SplitResult) -> "SmtpTransport":
    try:
        port = parts.port
    except ValueError:
        raise ValueError("the port of a mail URL is a number up to 65535") from None
    if not parts.hostname or parts.path.strip("/") or parts.fragment:
        raise ValueError(f"a mail server is {parts.scheme}://user:password@host:port")
    if (parts.username is None) != (parts.password is None):
        raise ValueError("a mail URL contains both user and password, or neither")
    use_tls = parts.scheme == "smtps"
    starttls, context = _encryption(parts.query, use_tls)
    user, password = (unquote(part) if part else None for part in (parts.username, parts.password))
    return SmtpTransport(
        parts.hostname,
        port or (465 if use_tls else 587),
        user,
        password,
        use_tls,
        starttls,
        context,
    )


def _encryption(query: str, use_tls: bool) -> tuple[bool | None, ssl.SSLContext]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    starttls = options.pop("starttls", "never" if use_tls else "required")
    ca_file = options.pop("ca_file", None)
    if options:
        raise ValueError(
            f"a mail URL has no option {', '.join(sorted(options))}: only starttls and ca_file"
        )
    if starttls not in STARTTLS_OPTIONS or (use_tls and starttls != "never"):
        raise ValueError(f"starttls is one of {', '.join(STARTTLS_OPTIONS)}, and smtps takes none")
    try:
        return STARTTLS_OPTIONS[starttls], ssl.create_default_context(cafile=ca_file)
    except OSError:
        raise ValueError("ca_file is not a readable file of certificates") from None


@dataclass(frozen=True)
class FolderTransport(Transport):
    """Writes each message as a file named after its Message-ID, so a message sent twice is one
    file.
    """

    path: Path

    async def send(self, message: EmailMessage) -> str:
        match = _MESSAGE_ID_PATTERN.fullmatch(str(message["Message-ID"]))
        if match is None:
            raise DeliveryError("no usable Message-ID", permanent=True)
        try:
            return await asyncio.to_thread(self._write, f"{match[1]}.eml", message.as_bytes())
        except OSError as error:
            raise DeliveryError(type(error).__name__, permanent=False) from error

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
class SmtpTransport(Transport):
    """Sends messages to an SMTP server, one after the other over each connection. A connection that
    has just been used is kept until `close`, and used again if the server still answers.
    """

    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)
    tls: bool
    starttls: bool | None
    context: ssl.SSLContext
    idle: list[aiosmtplib.SMTP] = field(default_factory=list, repr=False, compare=False)

    async def send(self, message: EmailMessage) -> str:
        client = await self._reused() or self._client()
        is_reusable = False
        try:
            if not client.is_connected:
                await client.connect()
            await client.send_message(message)
            is_reusable = True
        except (aiosmtplib.SMTPException, OSError) as error:
            is_reusable = isinstance(error, aiosmtplib.SMTPRecipientsRefused)
            raise _delivery_error(error) from error
        finally:
            if is_reusable:
                self.idle.append(client)
            else:
                # not `async with`, which sends QUIT to a server that hangs and waits for the answer
                client.close()
        return f"{'smtps' if self.tls else 'smtp'}://{self.host}:{self.port}"

    async def close(self) -> None:
        while self.idle:
            client = self.idle.pop()
            await _quit(client)
            client.close()

    def _client(self) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            username=self.user,
            password=self.password,
            use_tls=self.tls,
            start_tls=self.starttls,
            tls_context=self.context,
            timeout=_COMMAND_TIMEOUT,
        )

    async def _reused(self) -> aiosmtplib.SMTP | None:
        """A connection on which the server still answers. It may have closed one after some
        messages or seconds.
        """
        while self.idle:
            client = self.idle.pop()
            is_alive = False
            try:
                await client.rset(timeout=_RESET_TIMEOUT)
                is_alive = True
            except (aiosmtplib.SMTPException, OSError):
                continue
            finally:
                if not is_alive:
                    client.close()
            return client
        return None


async def _quit(client: aiosmtplib.SMTP) -> None:
    """End the connection. Errors are ignored: the server has accepted the message, so it must not
    be sent again.
    """
    with suppress(aiosmtplib.SMTPException, OSError):
        await client.quit(timeout=1)


def _delivery_error(error: Exception) -> DeliveryError:
    """Only a refused recipient or content is permanent: a refused login or sender is a fault of our
    settings, and is retried.

    The text of the server's answer may contain the recipient's address, so only its code is kept.
    """
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        error = error.recipients[0]
    code = error.code if isinstance(error, aiosmtplib.SMTPResponseException) else None
    rejects_email = isinstance(error, (aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError))
    return DeliveryError(
        f"{type(error).__name__} {code}" if code else type(error).__name__,
        permanent=rejects_email and code is not None and code >= 500,
        unreachable=isinstance(error, OSError),
    )
