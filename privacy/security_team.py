"""Who is told of incidents besides the operators."""

from dataclasses import dataclass

from auth.email_address import clean_email
from auth.http_client import is_server_url
from auth.webhook_signatures import is_strong_secret, secret_bytes
from models.errors import Refusal


@dataclass(frozen=True)
class SecurityTeam:
    """Email addresses, and a webhook with the secret that signs its requests: 24 to 64 bytes in
    base64, after `whsec_` (github.com/standard-webhooks).
    """

    emails: tuple[str, ...] = ()
    webhook_url: str = ""
    webhook_secret: str = ""

    @property
    def key(self) -> bytes:
        """The bytes of the secret. Raises ValueError."""
        return secret_bytes(self.webhook_secret)

    @property
    def errors(self) -> list[str]:
        """What is wrong with the settings."""
        errors = [
            f"CAMCHA_SECURITY_EMAILS: {each!r} isn't an email address"
            for each in self.emails
            if not _is_email(each)
        ]
        if bool(self.webhook_url) != bool(self.webhook_secret):
            errors.append(
                "CAMCHA_SECURITY_WEBHOOK and CAMCHA_SECURITY_WEBHOOK_SECRET: set both or neither"
            )
        if self.webhook_url and not is_server_url(self.webhook_url):
            errors.append("CAMCHA_SECURITY_WEBHOOK: must be the URL of a server")
        if self.webhook_secret and not is_strong_secret(self.webhook_secret):
            errors.append(
                "CAMCHA_SECURITY_WEBHOOK_SECRET: must be 24 to 64 bytes in base64, after whsec_"
            )
        return errors


def _is_email(text: str) -> bool:
    try:
        clean_email(text)
    except Refusal:
        return False
    return True
