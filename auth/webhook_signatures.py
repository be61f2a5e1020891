"""Signatures of webhooks, as Standard Webhooks define them (github.com/standard-webhooks): an HMAC
with SHA-256 over the ID, the time and the body of a request.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime

TOLERANCE_SECONDS = 300  # of the time of a request
_SECRET_BYTES = range(24, 65)


class SignatureInvalid(Exception):
    """A request wasn't signed with our secret, or too long ago."""


def secret_bytes(secret: str) -> bytes:
    """The bytes of a secret: base64 after `whsec_`. Raises ValueError."""
    return base64.b64decode(secret.removeprefix("whsec_"), validate=True)


def is_strong_secret(secret: str) -> bool:
    """Whether a secret has as many bytes as the standard requires: 24 to 64."""
    try:
        return len(secret_bytes(secret)) in _SECRET_BYTES
    except ValueError:
        return False


def new_secret() -> str:
    """A random secret, as the standard writes it."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def signed_headers(
    secret: bytes, key: str, at: datetime, body: bytes, *older: bytes
) -> dict[str, str]:
    """The headers of a request with this ID and body. `older` are secrets that sign as well: a
    receiver accepts a request when one of the signatures is right.
    """
    seconds = str(int(at.timestamp()))
    signatures = (f"v1,{_signature(each, key, seconds, body)}" for each in (secret, *older))
    return {
        "Content-Type": "application/json",
        "User-Agent": "CAMCHA",
        "webhook-id": key,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(signatures),
    }


def verify(secret: bytes, headers: Mapping[str, str], body: bytes) -> None:
    """Raise SignatureInvalid unless one of the signatures of a request is ours and it was signed
    within five minutes of now, by this machine's clock: the sender has no other.
    """
    key, seconds = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    expected = _signature(secret, key, seconds, body).encode()
    signatures = (each.partition(",") for each in headers.get("webhook-signature", "").split())
    if not any(
        version == "v1" and hmac.compare_digest(expected, signature.encode())
        for version, _, signature in signatures
    ):
        raise SignatureInvalid("signature")
    # The signature covers it, so it is what the sender wrote.
    if not seconds.isdecimal() or len(seconds) > 12 or _age(seconds) > TOLERANCE_SECONDS:
        raise SignatureInvalid("time")


def _age(seconds: str) -> float:
    return abs(datetime.now(UTC).timestamp() - int(seconds))


def _signature(secret: bytes, key: str, seconds: str, body: bytes) -> str:
    signed = b".".join((key.encode(), seconds.encode(), body))
    return base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
