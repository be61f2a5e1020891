"""The service accounts of a company and their API keys: creating, changing, revoking them.

Whoever has a key reads the company's data without a password or a second factor. So a key is made
and revoked only after a recent step-up (auth/reauthentication.py), by those who manage the company,
and its owners are told by email when there is a new one. Keys never change, and several of one
service account are valid at once: a system gets its new key while the old one still works, and
the old one is revoked afterwards. Keys belong to the company, so they go on when the person who
made them leaves it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from accounts.members import lock_as_manager
from auth import throttle
from auth.api_keys import api_key_key, new_key
from auth.reauthentication import require_step_up
from auth.throttle import Throttle
from mail import emails
from models.accounts.account import AccountStatus, Membership, Role
from models.accounts.audit_actions import AccountsAuditAction
from models.accounts.service_account import ApiKey, ApiKeyScope, ServiceAccount
from models.action import Action, Transaction
from models.due_rows import handle_each
from models.errors import CommonErrorCode, Refusal
from models.idempotency import earlier_result, earlier_row, has_earlier_result, store_result
from models.identity.session import Session

MAX_SERVICE_ACCOUNTS = 10  # of one company
MAX_VALID_KEYS = 5  # of one service account
DEFAULT_DAYS, MAX_DAYS = 90, 365  # that a key is valid for
REMINDER_PERIOD = timedelta(days=14)  # before a key expires


@dataclass(frozen=True)
class KeyRequest:
    """A key that somebody asks for. `days` is how long it is valid."""

    name: str
    scopes: Collection[ApiKeyScope]
    days: int


@dataclass(frozen=True)
class CreatedKey:
    """A new key with its secret, which is None for a repeat: nobody has it any more."""

    api_key: ApiKey
    secret: str | None


async def create(
    action: Action, account_id: int, *, name: str, description: str | None, key: str
) -> ServiceAccount:
    """Create a service account. A repeat with the same key returns the first result.

    Raises TOO_MANY, IDEMPOTENCY_MISMATCH, and Forbidden for those who don't manage the company.
    """
    async with action.transaction() as tx:
        owner = await lock_as_manager(tx, account_id)
        arguments = [account_id, name, description]
        if earlier_id := await earlier_result(tx, owner, "serviceAccountCreate", key, arguments):
            return await earlier_row(tx, ServiceAccount, earlier_id)
        count = await ServiceAccount.filter(account_id=account_id).using_db(tx.db).count()
        if count >= MAX_SERVICE_ACCOUNTS:
            raise Refusal(CommonErrorCode.TOO_MANY, "input", limit=MAX_SERVICE_ACCOUNTS)
        service_account = await ServiceAccount.create(
            using_db=tx.db,
            account_id=account_id,
            creator_id=action.actor.pk if action.actor else None,
            name=name,
            description=description,
            created_at=action.at,
        )
        await store_result(tx, owner, "serviceAccountCreate", key, service_account.pk)
        tx.audit(AccountsAuditAction.SERVICE_ACCOUNT_CREATE, service_account)
    return service_account


async def update(
    action: Action, service_account: ServiceAccount, changes: dict[str, Any]
) -> ServiceAccount:
    """Change columns of a service account. A repeat changes nothing. Raises NOT_FOUND and
    Forbidden.
    """
    async with action.transaction() as tx:
        _, service_account = await _lock(tx, service_account)
        changes = {
            name: value
            for name, value in changes.items()
            if getattr(service_account, name) != value
        }
        if changes:
            service_account.update_from_dict(changes)
            await service_account.save(using_db=tx.db, update_fields=[*changes])
            tx.audit(
                AccountsAuditAction.SERVICE_ACCOUNT_UPDATE,
                service_account,
                changed=" ".join(sorted(changes)),
            )
    return service_account


async def delete(action: Action, session: Session, service_account: ServiceAccount) -> None:
    """Delete a service account with its keys, which stop working. Raises STEP_UP_REQUIRED,
    NOT_FOUND and Forbidden.
    """
    await require_step_up(action, session)
    async with action.transaction() as tx:
        _, service_account = await _lock(tx, service_account)
        keys = await tx.lock_rows(ApiKey.filter(service_account_id=service_account.pk))
        for api_key in keys:
            tx.streams[api_key_key(api_key.pk)] = None
        valid_count = sum(api_key.is_valid(action.at) for api_key in keys)
        await service_account.delete(using_db=tx.db)
        tx.audit(
            AccountsAuditAction.SERVICE_ACCOUNT_DELETE, service_account, keys_revoked=valid_count
        )


async def create_key(
    action: Action,
    session: Session,
    limiter: Throttle,
    service_account: ServiceAccount,
    request: KeyRequest,
    key: str,
) -> CreatedKey:
    """Create a key, and tell the owners by email. A repeat with the same idempotency key returns
    the first result without its secret.

    Raises STEP_UP_REQUIRED, NOT_FOUND, TOO_MANY, IDEMPOTENCY_MISMATCH, Throttled and Forbidden.
    """
    await require_step_up(action, session)
    if not await has_earlier_result(f"user:{session.user_id}", "apiKeyCreate", key):
        await limiter.attempt(throttle.key(throttle.API_KEY, service_account.account_id))
    async with action.transaction() as tx:
        owner, service_account = await _lock(tx, service_account)
        arguments = [service_account.pk, request.name, sorted(request.scopes), request.days]
        if earlier_id := await earlier_result(tx, owner, "apiKeyCreate", key, arguments):
            return CreatedKey(await earlier_row(tx, ApiKey, earlier_id), None)
        await _require_few_keys(tx, service_account)
        created = await _insert_key(tx, service_account, request)
        await store_result(tx, owner, "apiKeyCreate", key, created.api_key.pk)
        tx.audit(
            AccountsAuditAction.API_KEY_CREATE,
            created.api_key,
            scopes=" ".join(created.api_key.scopes),
            days=request.days,
        )
        for membership in await _owners(tx, service_account.account_id):
            await emails.send_api_key_created(
                tx, membership.user, service_account, created.api_key, action.actor
            )
    return created


async def _require_few_keys(tx: Transaction, service_account: ServiceAccount) -> None:
    valid_keys = ApiKey.filter(
        service_account_id=service_account.pk, revoked_at=None, expires_at__gt=tx.action.at
    )
    if await valid_keys.using_db(tx.db).count() >= MAX_VALID_KEYS:
        raise Refusal(CommonErrorCode.TOO_MANY, "input", "serviceAccountId", limit=MAX_VALID_KEYS)


async def _insert_key(
    tx: Transaction, service_account: ServiceAccount, request: KeyRequest
) -> CreatedKey:
    secret, prefix, key_hash = new_key()
    api_key = await ApiKey.create(
        using_db=tx.db,
        service_account=service_account,
        creator_id=tx.action.actor.pk if tx.action.actor else None,
        name=request.name,
        prefix=prefix,
        key_hash=key_hash,
        scopes=[scope.value for scope in ApiKeyScope if scope in request.scopes],
        created_at=tx.action.at,
        expires_at=tx.action.at + timedelta(days=request.days),
    )
    return CreatedKey(api_key, secret)


async def revoke_key(action: Action, session: Session, api_key: ApiKey) -> ApiKey:
    """Revoke a key: it stops working at once, and its websockets close. A repeat changes nothing.

    Raises STEP_UP_REQUIRED, NOT_FOUND and Forbidden.
    """
    await require_step_up(action, session)
    service_account = await ServiceAccount.get(pk=api_key.service_account_id)
    async with action.transaction() as tx:
        await lock_as_manager(tx, service_account.account_id)
        rows = await tx.lock_rows(ApiKey.filter(pk=api_key.pk))
        if not rows:
            raise Refusal(CommonErrorCode.NOT_FOUND, "input", "apiKeyId")
        api_key = rows[0]
        if api_key.revoked_at is None:
            api_key.revoked_at = action.at
            api_key.revoker_id = action.actor.pk if action.actor else None
            await api_key.save(using_db=tx.db, update_fields=["revoked_at", "revoker_id"])
            tx.streams[api_key_key(api_key.pk)] = None
            tx.audit(AccountsAuditAction.API_KEY_REVOKE, api_key)
    return api_key


async def send_expiry_reminders(action: Action) -> int:
    """Remind the owners of companies of keys that expire soon, once for each key. Returns the
    number of keys.
    """
    expiring = ApiKey.filter(
        revoked_at=None,
        reminded_at=None,
        expires_at__gt=action.at,
        expires_at__lte=action.at + REMINDER_PERIOD,
        service_account__account__status=AccountStatus.ACTIVE,
    )
    return await handle_each(expiring, partial(_remind, action), "api_key_reminder.failed")


async def _remind(action: Action, key: int) -> bool:
    async with action.transaction() as tx:
        rows = await tx.lock_rows(ApiKey.filter(pk=key))
        if not rows or rows[0].reminded_at or not rows[0].is_valid(action.at):
            return False
        api_key = rows[0]
        api_key.reminded_at = action.at
        await api_key.save(using_db=tx.db, update_fields=["reminded_at"])
        # A key that was made for a few days only is known to expire.
        if api_key.expires_at - api_key.created_at <= REMINDER_PERIOD:
            return False
        service_account = await ServiceAccount.get(pk=api_key.service_account_id, using_db=tx.db)
        for membership in await _owners(tx, service_account.account_id):
            await emails.send_api_key_expires(tx, membership.user, service_account, api_key)
    return True


async def _owners(tx: Transaction, account_id: int) -> list[Membership]:
    owners = Membership.filter(account_id=account_id, role=Role.OWNER).using_db(tx.db)
    return await owners.select_related("user").order_by("id")


async def _lock(tx: Transaction, service_account: ServiceAccount) -> tuple[str, ServiceAccount]:
    """The owner of the actor's idempotency keys, and the service account, locked. Raises NOT_FOUND
    when it was deleted, and Forbidden.
    """
    owner = await lock_as_manager(tx, service_account.account_id)
    rows = await tx.lock_rows(ServiceAccount.filter(pk=service_account.pk))
    if not rows:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "serviceAccountId")
    return owner, rows[0]
