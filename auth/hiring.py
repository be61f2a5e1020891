"""Staff are created by the operator, never by signing up: with a password and a second factor from the first moment."""

import secrets
from dataclasses import dataclass, field

from email_validator import EmailNotValidError, validate_email

from auth import totp
from auth.guard import Guard
from models.act import Act
from models.audit import AuditAction
from models.errors import ErrorCode, Refusal
from models.user import Staff, User, address

_PASSWORD_BYTES = 16


@dataclass(frozen=True)
class Hired:
    """A new member of staff, with the secrets in clear for the only time."""

    user: User
    password: str = field(repr=False)
    secret: str = field(repr=False)
    recovery_codes: list[str] = field(repr=False)


async def hire(act: Act, guard: Guard, *, email: str, name: str, role: Staff) -> Hired:
    """Create a member of staff who can sign in at once. Raises BLANK, EMAIL_INVALID; IntegrityError for a known address."""
    email, name = _deliverable(email), " ".join(name.split())
    if not name:
        raise Refusal(ErrorCode.BLANK, "name")
    password, secret = secrets.token_urlsafe(_PASSWORD_BYTES), totp.new_secret()
    password_hash = await guard.passwords.hash(password)
    async with act.transaction() as tx:
        user = await User.create(
            using_db=tx.db, email=email, name=name, staff=role, password_hash=password_hash, created_at=act.at,
            email_verified_at=act.at, second_factor_at=act.at,
        )  # fmt: skip
        await totp.enrolled(user, guard.vault.seal(secret), act.at, tx.db)
        tx.audit(AuditAction.STAFF_HIRE, user, role=role.value)
        return Hired(user, password, secret, await totp.new_recovery_codes(user, tx.db))


def _deliverable(email: str) -> str:
    try:
        return address(validate_email(email.strip(), check_deliverability=False).normalized)
    except EmailNotValidError:
        raise Refusal(ErrorCode.EMAIL_INVALID, "email") from None
