"""The secret key of an installation: whether it is the one that the database was set up with, and
how it is changed.

The database has a fingerprint of the key, from which the key cannot be derived. With another key
nobody could sign in with an app, and nothing would say why.
"""

from cryptography.fernet import InvalidToken
from tortoise.models import Model

from auth.secret_box import SecretBox, key_fingerprint
from models.action import Action
from models.identity.authenticator import Authenticator
from models.operations.audit_actions import OperationsAuditAction
from models.operations.installation import Installation
from models.operations.webhook import WebhookEndpoint

BATCH_SIZE = 500
_ENCRYPTED: tuple[tuple[type[Model], str], ...] = (
    (Authenticator, "secret"),
    (WebhookEndpoint, "secret"),
    (WebhookEndpoint, "previous_secret"),
)


async def has_expected_key(secret_key: str, previous_keys: tuple[str, ...] = ()) -> bool:
    """Whether the database was set up with one of these keys, or with none yet."""
    expected = (await Installation.current()).key_fingerprint
    if expected is not None:
        return expected in map(key_fingerprint, (secret_key, *previous_keys))
    return await _can_decrypt(secret_key, *previous_keys)


async def record_first_key(secret_key: str) -> None:
    """Record the key of a database that has none yet, unless it can't decrypt what is in there."""
    if (await Installation.current()).key_fingerprint is None and await _can_decrypt(secret_key):
        await _record_key(secret_key)


async def is_encrypted_with(secret_key: str) -> bool:
    """Whether everything is encrypted with this key, and nothing with a previous one."""
    return (await Installation.current()).key_fingerprint == key_fingerprint(secret_key)


async def encrypt_again(action: Action, secret_key: str, previous_keys: tuple[str, ...]) -> int:
    """Encrypt the secrets of authenticator apps and webhooks with the secret key, whichever of the
    keys encrypted them, and record the key. Can be repeated, also after it was interrupted. Returns
    the number of secrets that none of the keys can decrypt; the key is recorded when there are
    none.
    """
    secret_box = SecretBox(secret_key, *previous_keys)
    unreadable = sum([await _encrypt_column(secret_box, *column) for column in _ENCRYPTED])
    if not unreadable:
        async with action.transaction() as tx:
            tx.audit(OperationsAuditAction.SECRET_KEY_CHANGE)
        await _record_key(secret_key)
    return unreadable


async def _encrypt_column(secret_box: SecretBox, model: type[Model], column: str) -> int:
    """Encrypt one column of a table again. Returns how many values can't be decrypted."""
    last, unreadable = 0, 0
    secrets = model.filter(**{f"{column}__isnull": False}).order_by("id")
    while rows := await secrets.filter(pk__gt=last).limit(BATCH_SIZE):
        for row in rows:
            encrypted = str(getattr(row, column))
            try:
                secret = secret_box.rotate(encrypted)
            except InvalidToken:
                unreadable += 1
                continue
            # One that was replaced meanwhile is encrypted with the key of the server.
            await model.filter(**{"pk": row.pk, column: encrypted}).update(**{column: secret})
        last = rows[-1].pk
    return unreadable


async def _can_decrypt(*keys: str) -> bool:
    """Whether one of the keys decrypts the newest secret, which may have been stored before
    fingerprints existed.
    """
    app = await Authenticator.filter(secret__isnull=False).order_by("-id").first()
    try:
        return app is None or bool(SecretBox(*keys).decrypt(str(app.secret)))
    except InvalidToken:
        return False


async def _record_key(secret_key: str) -> None:
    await Installation.current()
    await Installation.filter(pk=1).update(key_fingerprint=key_fingerprint(secret_key))
