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
STEP_SECONDS = 30  # seconds
MAX_STEP_DRIFT = 1  # steps that a clock may be early or late
RECOVERY_CODE_COUNT = 10
DEFAULT_NAME = "Application"  # of an app whose user gave it no name
_RECOVERY_CODE_BYTES = 15  # 120 bits: from 112 on a fast hash is enough (OWASP ASVS 5, 6.5.2)


def new_secret() -> str:
    """A new secret: 160 random bits in Base32, as authenticator apps expect it."""
    return pyotp.random_base32()


def provisioning_uri(user: User, secret: str) -> str:
    """The `otpauth://` URI for authenticator apps."""
    return pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=ISSUER)


def qr_svg(uri: str) -> str:
    """The URI as a QR code in SVG, dark on a light background with a margin: scanners need both,
    and the page may be dark.
    """
    buffer = BytesIO()
    segno.make_qr(uri, error="m").save(
        buffer, kind="svg", scale=5, dark="#000", light="#fff", xmldecl=False, nl=False
    )
    return buffer.getvalue().decode()


async def store_app(
    user: User, encrypted_secret: str, at: datetime, db: BaseDBAsyncClient | None = None
) -> Authenticator:
    """Store an app with this encrypted secret, in effect at once."""
    return await Authenticator.create(
        using_db=db,
        user=user,
        kind=AuthenticatorKind.TOTP,
        name=DEFAULT_NAME,
        created_at=at,
        confirmed_at=at,
        secret=encrypted_secret,
    )


async def use_code(user: User, code: str, at: datetime, secret_box: SecretBox) -> bool:
    """Whether the code is a valid code of one of the user's apps or an unused recovery code. It is
    used up.
    """
    apps = await Authenticator.filter(
        user_id=user.pk, kind=AuthenticatorKind.TOTP, confirmed_at__isnull=False
    ).order_by("id")
    for app in apps:
        if step := matching_step(secret_box.decrypt(str(app.secret)), code, at, app.last_step):
            return await _use_step(app, step, at)
    return await _use_recovery_code(user, code, at)


def matching_step(secret: str, code: str, at: datetime, last_step: int) -> int | None:
    """The time step within the window and later than `last_step` that the code belongs to."""
    normalized_code, now = _normalize(code).encode(), int(at.timestamp()) // STEP_SECONDS
    for step in range(max(now - MAX_STEP_DRIFT, last_step + 1), now + MAX_STEP_DRIFT + 1):
        if hmac.compare_digest(pyotp.TOTP(secret).generate_otp(step).encode(), normalized_code):
            return step
    return None


async def _use_step(app: Authenticator, step: int, at: datetime) -> bool:
    # The condition is part of the statement, so of two concurrent sign-ins with the same code only
    # one succeeds.
    unused_step = Authenticator.filter(pk=app.pk, last_step__lt=step)
    return await unused_step.update(last_step=step, last_used_at=at) == 1


async def _use_recovery_code(user: User, code: str, at: datetime) -> bool:
    unused_code = RecoveryCode.filter(user_id=user.pk, code_hash=_code_hash(code), used_at=None)
    return await unused_code.update(used_at=at) == 1


async def new_recovery_codes(user: User, db: BaseDBAsyncClient) -> list[str]:
    """Replace the recovery codes with ten new ones. Only their hashes are stored."""
    codes = [_recovery_code() for _ in range(RECOVERY_CODE_COUNT)]
    await RecoveryCode.filter(user_id=user.pk).using_db(db).delete()
    await RecoveryCode.bulk_create(
        [RecoveryCode(user=user, code_hash=_code_hash(code)) for code in codes], using_db=db
    )
    return codes


def _recovery_code() -> str:
    encoded = base64.b32encode(secrets.token_bytes(_RECOVERY_CODE_BYTES)).decode().lower()
    return "-".join(encoded[i : i + 4] for i in range(0, len(encoded), 4))


def _code_hash(code: str) -> str:
    return hashlib.sha256(_normalize(code).encode()).hexdigest()


def _normalize(code: str) -> str:
    """The code in lower case, without spaces and dashes."""
    return "".join(c for c in code[:64].lower() if c.isascii() and c.isalnum())
