"""The tokens that a refresh token was exchanged for, encrypted so that only the client that sent it
can be given them again.

The key is derived from the refresh token, of which the database has only a hash, so a copy of the
database reveals no token. The client's User-Agent is authenticated with the text (AES-GCM's
associated data): another device that presents the same token gets nothing.
"""

import base64
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12


def encrypt_successor(refresh_token: str, user_agent: str, access: str, refresh: str) -> str:
    """The encrypted text of the access and refresh token that replace `refresh_token`."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    text = f"{access} {refresh}".encode()
    encrypted = _cipher(refresh_token).encrypt(nonce, text, _bytes(user_agent))
    return base64.b64encode(nonce + encrypted).decode()


def decrypt_successor(refresh_token: str, user_agent: str, text: str) -> tuple[str, str] | None:
    """The access and refresh token, None for another refresh token or another User-Agent."""
    encrypted = base64.b64decode(text)
    nonce, encrypted = encrypted[:_NONCE_BYTES], encrypted[_NONCE_BYTES:]
    try:
        tokens = _cipher(refresh_token).decrypt(nonce, encrypted, _bytes(user_agent))
    except InvalidTag:
        return None
    access, _, refresh = tokens.decode().partition(" ")
    return access, refresh


def _cipher(refresh_token: str) -> AESGCM:
    derive = HKDF(SHA256(), length=32, salt=None, info=b"camcha token successor")
    return AESGCM(derive.derive(_bytes(refresh_token)))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
