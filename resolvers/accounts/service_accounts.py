"""Service accounts and their API keys."""

from collections.abc import Sequence
from typing import Any

import strawberry
from tortoise.queryset import QuerySet

from accounts import service_accounts
from accounts.service_accounts import DEFAULT_DAYS, MAX_DAYS, KeyRequest
from models.accounts.account import Account
from models.accounts.service_account import (
    DESCRIPTION_LENGTH,
    NAME_LENGTH,
    ApiKey,
    ApiKeyScope,
    ServiceAccount,
)
from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.identity.user import User
from models.numbers import number_in_range
from models.text import client_key, line
from models.translations import _
from resolvers.arguments import IDEMPOTENCY_KEY
from resolvers.context import Context, Info
from resolvers.descriptions import describe_enum
from resolvers.ids import load_visible
from resolvers.rows import RowByForeignKey, RowsByParent

_NAME = "What the system is called, such as `Accounting` (at most 100 characters)."
_DESCRIPTION = "A note for the company's own use (at most 200 characters)."
_SERVICE_ACCOUNT_ID = "The ID of the service account (`Account.serviceAccounts`)."

describe_enum(
    ApiKeyScope,
    "What an API key may read. A key changes nothing, whatever its scopes.",
    {
        "READ_BILLING": "The company's purchases, invoices, credit notes, payments, refunds and "
        "disputes.",
        "READ_SUPPORT": "The company's tickets, with their messages, files and ratings, and the "
        "names of the people who wrote.",
    },
)


@strawberry.input(description="A new service account.")
class ServiceAccountCreateInput:
    name: str = strawberry.field(description=_NAME)
    description: str | None = strawberry.field(default=None, description=_DESCRIPTION)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="Changes to a service account. What is omitted stays as it is.")
class ServiceAccountUpdateInput:
    service_account_id: strawberry.ID = strawberry.field(description=_SERVICE_ACCOUNT_ID)
    name: str | None = strawberry.field(default=None, description=_NAME)
    description: str | None = strawberry.field(
        default=strawberry.UNSET, description=f"{_DESCRIPTION} Null removes it."
    )


@strawberry.input(description="The service account to delete.")
class ServiceAccountDeleteInput:
    service_account_id: strawberry.ID = strawberry.field(description=_SERVICE_ACCOUNT_ID)


@strawberry.input(description="A new API key.")
class ApiKeyCreateInput:
    service_account_id: strawberry.ID = strawberry.field(description=_SERVICE_ACCOUNT_ID)
    name: str = strawberry.field(
        description="What the key is for, such as `Production 2027` (at most 100 characters)."
    )
    scopes: list[ApiKeyScope] = strawberry.field(
        description="What the key may read. There must be at least one; they can't be changed "
        "later."
    )
    expires_in_days: int = strawberry.field(
        default=DEFAULT_DAYS,
        description="The number of days after which the key expires: from 1 to 365.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The API key to revoke.")
class ApiKeyRevokeInput:
    api_key_id: strawberry.ID = strawberry.field(
        description="The ID of the key (`ServiceAccount.apiKeys`)."
    )


def _checked_description(text: str | None) -> str | None:
    return None if text is None else line(text, "description", DESCRIPTION_LENGTH)


def _checked_scopes(scopes: Sequence[ApiKeyScope]) -> list[ApiKeyScope]:
    if not scopes:
        message = _("Choose at least one scope.")
        raise Refusal(CommonErrorCode.BLANK, "input", "scopes", message=message)
    return [scope for scope in ApiKeyScope if scope in scopes]


async def create(info: Info, input: ServiceAccountCreateInput) -> ServiceAccount:
    """Create a service account."""
    context = info.context
    with Checks() as check:
        name = check(line, input.name, "name", NAME_LENGTH)
        description = check(_checked_description, input.description)
        key = check(client_key, input.idempotency_key)
    return await service_accounts.create(
        context.action(), context.account.pk, name=name, description=description, key=key
    )


async def update(info: Info, input: ServiceAccountUpdateInput) -> ServiceAccount:
    """Change a service account."""
    changes: dict[str, Any] = {}
    with Checks() as check:
        service_account = await check.wait(_load(info, input.service_account_id))
        if input.name is not None:
            changes["name"] = check(line, input.name, "name", NAME_LENGTH)
        if input.description is not strawberry.UNSET:
            changes["description"] = check(_checked_description, input.description)
    return await service_accounts.update(info.context.action(), service_account, changes)


async def delete(info: Info, input: ServiceAccountDeleteInput) -> bool:
    """Delete a service account with its keys."""
    context = info.context
    service_account = await _load(info, input.service_account_id)
    await service_accounts.delete(context.action(), context.session, service_account)
    return True


async def create_key(info: Info, input: ApiKeyCreateInput) -> dict[str, Any]:
    """Create a key."""
    context = info.context
    with Checks() as check:
        service_account = await check.wait(_load(info, input.service_account_id))
        name = check(line, input.name, "name", NAME_LENGTH)
        scopes = check(_checked_scopes, input.scopes)
        days = check(number_in_range, input.expires_in_days, 1, MAX_DAYS, "input", "expiresInDays")
        key = check(client_key, input.idempotency_key)
    created = await service_accounts.create_key(
        context.action(),
        context.session,
        context.services.auth.throttle,
        service_account,
        KeyRequest(name, scopes, days),
        key,
    )
    return {"api_key": created.api_key, "secret": created.secret}


async def revoke_key(info: Info, input: ApiKeyRevokeInput) -> ApiKey:
    """Revoke a key."""
    context = info.context
    api_key = await load_visible(ApiKey, input.api_key_id, context.viewer, "apiKeyId")
    return await service_accounts.revoke_key(context.action(), context.session, api_key)


async def _load(info: Info, service_account_id: str) -> ServiceAccount:
    return await load_visible(
        ServiceAccount, service_account_id, info.context.viewer, "serviceAccountId"
    )


def current_key(info: Info) -> ApiKey | None:
    """The key that the request is made with, None for people."""
    return info.context.viewer.api_key


def of_accounts(context: Context, parents: Sequence[Account]) -> RowsByParent:
    """The service accounts of each company that the viewer may see, oldest first."""
    return RowsByParent(parents, ServiceAccount.visible_to(context.viewer), "account_id", "id")


def keys_of(context: Context, parents: Sequence[ServiceAccount]) -> RowsByParent:
    """The keys of each service account that the viewer may see, most recent first."""
    return RowsByParent(parents, ApiKey.visible_to(context.viewer), "service_account_id", "-id")


def service_accounts_of(context: Context, parents: Sequence[ApiKey]) -> RowByForeignKey:
    """The service account of each key."""
    return RowByForeignKey(parents, "service_account_id", QuerySet(ServiceAccount))


def creators(context: Context, parents: Sequence[Any]) -> RowByForeignKey:
    """The member who created each service account or key."""
    return RowByForeignKey(parents, "creator_id", QuerySet(User))


def revokers(context: Context, parents: Sequence[ApiKey]) -> RowByForeignKey:
    """The member who revoked each key."""
    return RowByForeignKey(parents, "revoker_id", QuerySet(User))


def scopes(root: ApiKey) -> list[ApiKeyScope]:
    """The scopes of a key."""
    return [ApiKeyScope(scope) for scope in root.scopes]
