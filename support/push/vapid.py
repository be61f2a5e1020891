"""The key by which push services recognize this installation (VAPID, RFC 8292)."""

import base64
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

import orjson
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

TOKEN_LIFETIME = timedelta(hours=12)  # RFC 8292 allows 24
_SCALAR_LENGTH = 32


def base64url(content: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def base64url_bytes(text: str) -> bytes:
    """The bytes of Base64url text, with or without padding. Raises ValueError."""
    stripped = text.rstrip("=")
    if not stripped.isascii() or "+" in stripped or "/" in stripped:
        raise ValueError("not Base64url")
    return base64.b64decode(
        stripped.translate({45: "+", 95: "/"}) + "=" * (-len(stripped) % 4), validate=True
    )


def public_bytes(key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as an uncompressed point of 65 bytes."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@dataclass(frozen=True)
class VapidKey:
    """A private key on the curve P-256."""

    private_key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key whose 32 bytes are in Base64url. Raises ValueError."""
        content = base64url_bytes(text)
        if len(content) != _SCALAR_LENGTH:
            raise ValueError("not 32 bytes")
        return cls(ec.derive_private_key(int.from_bytes(content, "big"), ec.SECP256R1()))

    @classmethod
    def generate(cls) -> Self:
        """A new random key."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    def __str__(self) -> str:
        """The private key, as `parse` reads it."""
        scalar = self.private_key.private_numbers().private_value
        return base64url(scalar.to_bytes(_SCALAR_LENGTH, "big"))

    @property
    def public_key(self) -> str:
        """The public key in Base64url, which browsers take as `applicationServerKey`."""
        return base64url(public_bytes(self.private_key.public_key()))

    def authorization(self, audience: str, contact: str, at: datetime) -> str:
        """The Authorization header of a request to the push service at this origin. `contact` is a
        `mailto:` or `https:` URL, at which the service reaches the operator.
        """
        claims = {"aud": audience, "exp": int((at + TOKEN_LIFETIME).timestamp()), "sub": contact}
        header = {"typ": "JWT", "alg": "ES256"}
        signed = ".".join(base64url(orjson.dumps(part)) for part in (header, claims))
        signature = self.private_key.sign(signed.encode(), ec.ECDSA(SHA256()))
        # JWS has the two numbers side by side (RFC 7518, section 3.4), not in DER.
        numbers = (part.to_bytes(_SCALAR_LENGTH, "big") for part in decode_dss_signature(signature))
        return f"vapid t={signed}.{base64url(b''.join(numbers))}, k={self.public_key}"
