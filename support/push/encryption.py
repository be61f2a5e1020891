"""The encryption of a notification for one device (RFC 8291): push services can't read it.

`http-ece`, the only package for this, has had no release for two years and does nothing more;
tests/support/push checks it against the example of the RFC.
"""

import secrets
import struct

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from support.push.vapid import public_bytes

AUTH_LENGTH = 16  # bytes
_RECORD_SIZE = 4_096  # which push services accept at least (RFC 8030, section 7.2)
_LAST_RECORD = b"\x02"


def device_key(content: bytes) -> ec.EllipticCurvePublicKey:
    """The public key of a device, from its 65 bytes. Raises ValueError for anything that isn't a
    point of the curve P-256.
    """
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), content)


def encrypt(
    payload: bytes,
    p256dh: bytes,
    auth: bytes,
    *,
    private_key: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
) -> bytes:
    """The body of a push message with the content encoding `aes128gcm` (RFC 8188). The key and the
    salt are new for each message, except in tests. `payload` has at most 3,993 bytes.
    """
    receiver = device_key(p256dh)
    sender = private_key or ec.generate_private_key(ec.SECP256R1())
    salt = salt or secrets.token_bytes(16)
    sender_bytes = public_bytes(sender.public_key())
    shared = sender.exchange(ec.ECDH(), receiver)
    secret = _derive(auth, shared, b"WebPush: info\0" + p256dh + sender_bytes, 32)
    key = _derive(salt, secret, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive(salt, secret, b"Content-Encoding: nonce\0", 12)
    header = salt + struct.pack("!IB", _RECORD_SIZE, len(sender_bytes)) + sender_bytes
    return header + AESGCM(key).encrypt(nonce, payload + _LAST_RECORD, None)


def _derive(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(secret)
