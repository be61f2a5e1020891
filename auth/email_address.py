"""Validating email addresses."""

from email_validator import EmailNotValidError, validate_email

from models.errors import Refusal
from models.identity.email_address import normalized_email
from models.identity.errors import IdentityErrorCode

EMAIL_LENGTH = 254


def clean_email(email: str) -> str:
    """The address in the form in which it is stored. Raises EMAIL_INVALID when it can't receive
    email.
    """
    if len(email) > 2 * EMAIL_LENGTH:  # validating a million characters would block the event loop
        raise Refusal(IdentityErrorCode.EMAIL_INVALID, "input", "email")
    try:
        validated = validate_email(normalized_email(email), check_deliverability=False)
    except EmailNotValidError:
        raise Refusal(IdentityErrorCode.EMAIL_INVALID, "input", "email") from None
    return normalized_email(validated.normalized)
