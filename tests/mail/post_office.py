"""A real SMTP server for tests, which accepts, refuses or hangs as it is told."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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


class PostOffice:
    """Keeps what it accepted. `recipients`, `sender` and `content` hold the server's refusals; `hangs` makes it never answer
    DATA, and `reached` tells when it came to that.
    """

    def __init__(self) -> None:
        self.port = 0
        self.taken: list[tuple[str, EmailMessage]] = []
        self.recipients: dict[str, str] = {}
        self.content: str | None = None
        self.sender: str | None = None
        self.hangs = False
        self.reached = asyncio.Event()

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        envelope.mail_from = address
        return self.sender or "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if refusal := self.recipients.get(address):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.reached.set()
        if self.hangs:
            await asyncio.sleep(60)
        if self.content:
            return self.content
        made = message_from_bytes(envelope.content, policy=policy.SMTP)
        assert isinstance(made, EmailMessage)
        self.taken += [(address, made) for address in envelope.rcpt_tos]
        return "250 OK"

    @asynccontextmanager
    async def open(self, port: int = 0, ssl: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator["PostOffice"]:
        """Listen on the port, or on a free one, with TLS from the first byte given `ssl`. The options are aiosmtpd's."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(self, **options), "127.0.0.1", port, ssl=ssl)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    @property
    def addresses(self) -> list[str]:
        """Who got mail, in order."""
        return [address for address, _ in self.taken]


def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, credentials: Any) -> AuthResult:
    """Lets `mailer` in with the password `p@ss:word`."""
    known = (getattr(credentials, "login", b""), getattr(credentials, "password", b"")) == (b"mailer", b"p@ss:word")
    return AuthResult(success=known, handled=False)


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A fresh self-signed certificate of 127.0.0.1, and the server's side of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "post office")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path, key_path = folder / "certificate.pem", folder / "key.pem"
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, key_path)
    return path, context
