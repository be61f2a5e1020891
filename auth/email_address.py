"""Validating email addresses."""

from email_validator import EmailNotValidError, validate_email

from models.errors import Refusal
from models.identity.errors import IdentityErrorCode
from models.identity.user import normalized_email

EMAIL_LENGTH = 254


def deliverable(email: str) -> str:
    """The address in the form in which it is stored. Raises EMAIL_INVALID when it can't receive
    email.
    """
    if len(email) > 2 * EMAIL_LENGTH:  # judging a million characters would hold everybody up
        raise Refusal(IdentityErrorCode.EMAIL_INVALID, "input", "email")
    try:
        return normalized_email(
            validate_email(email.strip(), check_deliverability=False).normalized
        )
    except EmailNotValidError:
        raise Refusal(IdentityErrorCode.EMAIL_INVALID, "input", "email") from None
