"""Encryption at rest for secrets that have to be read again."""

import base64

from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class SecretBox:
    """Encrypts text with a key derived (HKDF, RFC 5869) from the secret key, and decrypts what
    older secret keys encrypted.
    """

    def __init__(self, secret_key: str, *older: str) -> None:
        self._fernet = MultiFernet([_fernet(key) for key in (secret_key, *older)])

    def encrypt(self, text: str) -> str:
        """The encrypted and authenticated text: about 60 bytes longer, then a third more for
        Base64.
        """
        return self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, encrypted: str) -> str:
        """The decrypted text. Raises InvalidToken (cryptography) when none of the keys encrypted
        it.
        """
        return self._fernet.decrypt(encrypted.encode()).decode()

    def rotate(self, encrypted: str) -> str:
        """The same text, encrypted with the secret key. Raises InvalidToken like `decrypt`."""
        return self._fernet.rotate(encrypted.encode()).decode()


def key_fingerprint(secret_key: str) -> str:
    """A text that identifies the secret key, from which the key can't be derived."""
    return _derived(secret_key, b"camcha fingerprint").hex()


def _fernet(secret_key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(_derived(secret_key, b"camcha vault")))


def _derived(secret_key: str, purpose: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=purpose).derive(secret_key.encode())
