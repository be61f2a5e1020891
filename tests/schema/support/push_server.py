"""A push service (RFC 8030) over TLS on a port of its own, with the devices that it delivers to. It
checks who sends (RFC 8292), decrypts as a browser does (RFC 8291), and answers what a test wants.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import secrets
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _derived(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    """HKDF (RFC 5869) for one block."""
    key = hmac.digest(salt, secret, "sha256")
    return hmac.digest(key, info + b"\1", "sha256")[:length]


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@dataclass
class Device:
    """A browser's push subscription."""

    endpoint: str
    server_key: str  # ours, with which it was subscribed
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    auth: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    @property
    def fields(self) -> dict[str, str]:
        """The subscription as the browser gives it to the page."""
        p256dh = encoded(_point(self.key.public_key()))
        return {"endpoint": self.endpoint, "p256dh": p256dh, "auth": encoded(self.auth)}

    def decrypt(self, body: bytes) -> bytes:
        """The payload of a message."""
        salt, record_size, key_length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        sender, record = body[21 : 21 + key_length], body[21 + key_length :]
        assert key_length == 65
        assert 18 <= len(record) <= record_size
        sender_key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        shared = self.key.exchange(ec.ECDH(), sender_key)
        info = b"WebPush: info\0" + _point(self.key.public_key()) + sender
        secret = _derived(self.auth, shared, info, 32)
        key = _derived(salt, secret, b"Content-Encoding: aes128gcm\0", 16)
        nonce = _derived(salt, secret, b"Content-Encoding: nonce\0", 12)
        content = AESGCM(key).decrypt(nonce, record, None).rstrip(b"\0")
        assert content[-1:] == b"\2"  # the last record
        return content[:-1]


@dataclass
class Received:
    """One accepted message."""

    device: Device
    payload: dict[str, Any]
    headers: dict[str, str]

    @property
    def title(self) -> str:
        return str(self.payload["title"])


class PushServer:
    """What the service received. `answers` are the statuses and headers of the next answers; it
    doesn't answer while `is_open` isn't set.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.port = 0
        self.devices: dict[str, Device] = {}
        self.answers: deque[tuple[int, dict[str, str]]] = deque()
        self.received: list[Received] = []
        self.errors: list[str] = []
        self.connections = self.waiting = self.max_waiting = 0
        self.is_open = asyncio.Event()
        self.is_open.set()

    @property
    def origin(self) -> str:
        return f"https://localhost:{self.port}"

    def subscribe(self, server_key: str) -> Device:
        """A new device, as the browser subscribes it."""
        path = f"/send/{secrets.token_urlsafe(16)}"
        self.devices[path] = Device(f"{self.origin}{path}", server_key)
        return self.devices[path]

    def take(self) -> list[Received]:
        """What was received since the last call."""
        received, self.received = self.received, []
        return received

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                status, headers = await self._answer(head.decode(), reader)
                lines = [f"HTTP/1.1 {status} Status", "Content-Length: 0"]
                lines += [f"{name}: {value}" for name, value in headers.items()]
                writer.write("\r\n".join([*lines, "", ""]).encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, head: str, reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
        request, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (each.split(": ", 1) for each in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.waiting += 1
        self.max_waiting = max(self.waiting, self.max_waiting)
        await self.is_open.wait()
        self.waiting -= 1
        if self.answers:
            status, answer_headers = self.answers.popleft()
            if status != 201:
                return status, answer_headers
        try:
            self._receive(request, headers, body)
        except Exception as error:  # the test reads it
            self.errors.append(repr(error))
            return 403, {}
        return 201, {"Location": f"{self.origin}/message"}

    def _receive(self, request: str, headers: dict[str, str], body: bytes) -> None:
        method, path, _ = request.split(" ")
        device = self.devices[path]
        assert method == "POST"
        assert headers["host"] == f"localhost:{self.port}"
        assert headers["content-encoding"] == "aes128gcm"
        assert re.fullmatch(r"[\w-]{1,32}", headers["topic"], re.ASCII)
        assert headers["urgency"] in ("very-low", "low", "normal", "high")
        assert int(headers["ttl"]) > 0
        assert len(body) <= 4096
        self._require_authorization(headers["authorization"], device)
        self.received.append(Received(device, json.loads(device.decrypt(body)), headers))

    def _require_authorization(self, header: str, device: Device) -> None:
        match = re.fullmatch(r"vapid t=([\w-]+)\.([\w-]+)\.([\w-]+), k=([\w-]+)", header, re.ASCII)
        assert match
        head, claims, signature, key = match.groups()
        assert key == device.server_key
        numbers = decoded(signature)
        assert len(numbers) == 64
        der = encode_dss_signature(*(int.from_bytes(numbers[at : at + 32]) for at in (0, 32)))
        public_key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decoded(key))
        public_key.verify(der, f"{head}.{claims}".encode(), ec.ECDSA(SHA256()))
        assert json.loads(decoded(head)) == {"typ": "JWT", "alg": "ES256"}
        content = json.loads(decoded(claims))
        assert content["aud"] == self.origin
        assert re.fullmatch(r"(mailto:[^@]+@.+|https://.+)", content["sub"])
        left = content["exp"] - self._now().timestamp()
        assert 0 < left <= 24 * 3600


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    addresses = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.9"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(int(hashlib.sha256(_point(key.public_key())).hexdigest()[:16], 16))
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


@asynccontextmanager
async def serve_push(
    files: tuple[Path, Path], now: Callable[[], datetime]
) -> AsyncIterator[PushServer]:
    """Run the service. Fails if it has met an invalid request by the end."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    service = PushServer(now)
    server = await asyncio.start_server(service.serve, "127.0.0.1", ssl=context)
    service.port = server.sockets[0].getsockname()[1]
    try:
        yield service
        assert service.errors == []
    finally:
        service.is_open.set()
        server.close()
