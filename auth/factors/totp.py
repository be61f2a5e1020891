"""One-time codes (TOTP, RFC 6238) with a period of 30 seconds, each accepted once, and recovery
codes for users who lost their phone.
"""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime
from io import BytesIO

import pyotp
import segno
from tortoise.backends.base.client import BaseDBAsyncClient

from auth.secret_box import SecretBox
from models.identity.authenticator import Authenticator, AuthenticatorKind
from models.identity.user import RecoveryCode, User

ISSUER = "CAMCHA"
STEP = 30  # seconds
WINDOW = 1  # steps that a clock may be early or late
RECOVERY_CODES = 10
NAME = "Application"  # of an app that its person gave no name
_RECOVERY_BYTES = 15  # 120 bits: from 112 on a fast hash is enough (OWASP ASVS 5, 6.5.2)


def new_secret() -> str:
    """A new secret: 160 random bits in Base32, as authenticator apps expect it."""
    return pyotp.random_base32()


def provisioning_uri(user: User, secret: str) -> str:
    """The `otpauth://` URI for authenticator apps."""
    return pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=ISSUER)


def qr_svg(uri: str) -> str:
    """The URI as a QR code in SVG."""
    drawn = BytesIO()
    segno.make_qr(uri, error="m").save(drawn, kind="svg", scale=5, xmldecl=False, nl=False)
    return drawn.getvalue().decode()


async def store_app(
    user: User, sealed: str, at: datetime, db: BaseDBAsyncClient | None = None
) -> Authenticator:
    """Store an app with this encrypted secret, in effect at once."""
    return await Authenticator.create(
        using_db=db,
        user=user,
        kind=AuthenticatorKind.TOTP,
        name=NAME,
        created_at=at,
        confirmed_at=at,
        secret=sealed,
    )


async def accept(user: User, code: str, at: datetime, secret_box: SecretBox) -> bool:
    """Whether the code is a valid code of one of the user's apps or an unused recovery code. It is
    used up.
    """
    apps = await Authenticator.filter(
        user_id=user.pk, kind=AuthenticatorKind.TOTP, confirmed_at__isnull=False
    ).order_by("id")
    for app in apps:
        if step := matching_step(secret_box.open(str(app.secret)), code, at, app.last_step):
            return await _use_step(app, step, at)
    return await _use_recovery_code(user, code, at)


def matching_step(secret: str, code: str, at: datetime, after: int) -> int | None:
    """The time step within the window and later than `after` that the code belongs to."""
    given, now = _normalize(code).encode(), int(at.timestamp()) // STEP
    for step in range(max(now - WINDOW, after + 1), now + WINDOW + 1):
        if hmac.compare_digest(pyotp.TOTP(secret).generate_otp(step).encode(), given):
            return step
    return None


async def _use_step(app: Authenticator, step: int, at: datetime) -> bool:
    # The condition is in the statement: of two sign-ins at once with one code, one finds the step
    # taken.
    unused = Authenticator.filter(pk=app.pk, last_step__lt=step)
    return await unused.update(last_step=step, last_used_at=at) == 1


async def _use_recovery_code(user: User, code: str, at: datetime) -> bool:
    unused = RecoveryCode.filter(user_id=user.pk, code_hash=_code_hash(code), used_at=None)
    return await unused.update(used_at=at) == 1


async def new_recovery_codes(user: User, db: BaseDBAsyncClient) -> list[str]:
    """Replace the recovery codes with ten new ones. Only their hashes are stored."""
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    await RecoveryCode.filter(user_id=user.pk).using_db(db).delete()
    await RecoveryCode.bulk_create(
        [RecoveryCode(user=user, code_hash=_code_hash(code)) for code in codes], using_db=db
    )
    return codes


def _recovery_code() -> str:
    letters = base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower()
    return "-".join(letters[i : i + 4] for i in range(0, len(letters), 4))


def _code_hash(code: str) -> str:
    return hashlib.sha256(_normalize(code).encode()).hexdigest()


def _normalize(code: str) -> str:
    """The code in lower case, without spaces and dashes."""
    return "".join(c for c in code[:64].lower() if c.isascii() and c.isalnum())
