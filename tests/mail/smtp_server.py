"""A real SMTP server for tests, which accepts messages, rejects them or hangs."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class SmtpServer:
    """Keeps the messages it accepted, by recipient, in `received`.

    `rejected_recipients` (by address), `sender_rejection` and `content_rejection` hold the server's
    answers. With `hangs`, or to one of `hanging_recipients`, it answers DATA only after `resume`;
    `data_received` is set when DATA arrives, `is_hanging` when it then waits. `connections` counts
    those that were opened.
    """

    def __init__(self) -> None:
        self.port = 0
        self.received: list[tuple[str, EmailMessage]] = []
        self.rejected_recipients: dict[str, str] = {}
        self.content_rejection: str | None = None
        self.sender_rejection: str | None = None
        self.hangs = False
        self.hanging_recipients: set[str] = set()
        self.connections = 0
        self._resumed = asyncio.Event()
        self.data_received = asyncio.Event()
        self.is_hanging = asyncio.Event()

    def resume(self) -> None:
        """Answer the commands that hang, and all later ones."""
        self.hangs = False
        self.hanging_recipients.clear()
        self._resumed.set()

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.sender_rejection or "250 OK"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if rejection := self.rejected_recipients.get(address):
            return rejection
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.data_received.set()
        if self.hangs or self.hanging_recipients.intersection(envelope.rcpt_tos):
            self.is_hanging.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(60):
                    await self._resumed.wait()
        if self.content_rejection:
            return self.content_rejection
        message = message_from_bytes(envelope.content, policy=policy.SMTP)
        assert isinstance(message, EmailMessage)
        self.received += [(address, message) for address in envelope.rcpt_tos]
        return "250 OK"

    @asynccontextmanager
    async def open(
        self, port: int = 0, ssl: ssl.SSLContext | None = None, **options: Any
    ) -> AsyncIterator["SmtpServer"]:
        """Listen on the port, or on a free one. With `ssl`, use TLS from the first byte. The
        options are aiosmtpd's.
        """
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(self, **options), "127.0.0.1", port, ssl=ssl)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    @property
    def addresses(self) -> list[str]:
        """The recipients, in the order in which messages arrived."""
        return [address for address, _ in self.received]


def authenticate(
    server: Any, session: Any, envelope: Any, mechanism: str, credentials: Any
) -> AuthResult:
    """Accept the user `mailer` with the password `p@ss:word`."""
    valid = (getattr(credentials, "login", b""), getattr(credentials, "password", b"")) == (
        b"mailer",
        b"p@ss:word",
    )
    return AuthResult(success=valid, handled=False)


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A new self-signed certificate for 127.0.0.1: the path of its PEM file, and the TLS context of
    the server.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "smtp server")])
    now = datetime.now(UTC)
    signed_certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1)
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path, key_path = folder / "certificate.pem", folder / "key.pem"
    path.write_bytes(signed_certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, key_path)
    return path, context
