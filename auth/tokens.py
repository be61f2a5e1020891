"""Signed tokens for links: each for one purpose and a limited time, without secrets in them."""

import hashlib
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from models.errors import Refusal
from models.identity.errors import IdentityErrorCode


class Purpose(StrEnum):
    """What a token can be used for. It is worthless for any other purpose."""

    VERIFY_EMAIL = "VERIFY_EMAIL"
    DOWNLOAD = "DOWNLOAD"
    FILE_DOWNLOAD = "FILE_DOWNLOAD"
    EMAIL_DOWNLOAD = "LETTER_DOWNLOAD"  # never changes: it salts links that people have received
    UPLOAD = "UPLOAD"
    INVOICE_RECIPIENT = "INVOICE_RECIPIENT"
    PAYMENT_CONFIRMATION = "PAYMENT_CONFIRMATION"
    TICKET_RATING = "TICKET_RATING"
    CONSENT_WITHDRAWAL = "CONSENT_WITHDRAWAL"
    ANALYTICS_REPORT = "ANALYTICS_REPORT"


LIFETIME = {
    Purpose.VERIFY_EMAIL: timedelta(hours=24),
    Purpose.DOWNLOAD: timedelta(minutes=5),
    Purpose.FILE_DOWNLOAD: timedelta(hours=2),  # from the beginning of the hour
    Purpose.EMAIL_DOWNLOAD: timedelta(days=30),  # emails are read when there is time
    Purpose.UPLOAD: timedelta(minutes=5),
    Purpose.ANALYTICS_REPORT: timedelta(days=7),
    Purpose.PAYMENT_CONFIRMATION: timedelta(days=7),
    Purpose.TICKET_RATING: timedelta(days=60),  # what can be rated is decided by the ticket
    Purpose.INVOICE_RECIPIENT: timedelta(days=3_650),  # every invoice can be stopped by its link
    Purpose.CONSENT_WITHDRAWAL: timedelta(days=3_650),  # and so can what somebody agreed to
}


class Signer:
    """Signs tokens with the secret key, and reads those that older secret keys signed as well. The
    data in a token can be read by whoever has it, but not changed.
    """

    def __init__(self, secret_key: str, *older: str) -> None:
        keys = [*older, secret_key]  # the last one signs
        self._serializers = {purpose: _serializer(keys, purpose) for purpose in Purpose}

    def sign(self, purpose: Purpose, at: datetime, **data: Any) -> str:
        """A token with this data, valid for the lifetime of its purpose from `at`. Safe in URLs."""
        expires_at = (at + LIFETIME[purpose]).timestamp()
        return str(self._serializers[purpose].dumps({**data, "until": expires_at}))

    def read(self, purpose: Purpose, token: str, at: datetime) -> dict[str, Any]:
        """The data of a token. Raises TOKEN_INVALID when it is forged, expired or meant for another
        purpose.
        """
        try:
            data: dict[str, Any] = self._serializers[purpose].loads(token)
        except BadData:
            raise invalid_token() from None
        if data.pop("until") <= at.timestamp():
            raise invalid_token()
        return data


def invalid_token(field: str = "token") -> Refusal:
    """The refusal of a token, for any reason."""
    return Refusal(IdentityErrorCode.TOKEN_INVALID, "input", field)


def _serializer(keys: list[str], purpose: Purpose) -> URLSafeSerializer:
    signer_options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeSerializer(keys, salt=f"camcha {purpose}", signer_kwargs=signer_options)
