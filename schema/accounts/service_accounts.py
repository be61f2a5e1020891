"""Service accounts and their API keys: access for other systems of a company."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import models.accounts.service_account
from auth.rules import anyone, manager
from models.accounts.audit_actions import AccountsAuditAction
from models.accounts.service_account import ApiKeyScope
from resolvers.accounts import accounts as account_resolvers
from resolvers.accounts import service_accounts as service_account_resolvers
from schema.fields import edge, field, mutation, query
from schema.identity.users import User
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors

if TYPE_CHECKING:
    from schema.accounts.accounts import Account


@strawberry.type(
    description="A key with which a system of a company reads the company's data over this API. "
    "It is sent like an access token, as `Authorization: Bearer cam_sk_...`."
)
@backed_by(models.accounts.service_account.ApiKey)
class ApiKey(Node):
    name: str = field("What the key is for.")
    prefix: str = field(
        "How the key begins, such as `cam_sk_4fQ81xZb`, to recognize it. The rest is shown only "
        "when it is created."
    )
    scopes: list[ApiKeyScope] = field(
        "What the key may read.", service_account_resolvers.scopes, needs=("scopes",)
    )
    service_account: Annotated[
        "ServiceAccount", strawberry.lazy("schema.accounts.service_accounts")
    ] = edge(
        service_account_resolvers.service_accounts_of,
        needs=("service_account_id",),
        description="The service account that the key belongs to.",
    )
    created_at: datetime = field("When the key was created.")
    creator: User | None = edge(
        service_account_resolvers.creators,
        needs=("creator_id",),
        description="The member who created the key. Null when they no longer exist.",
    )
    expires_at: datetime = field("When the key stops working.")
    last_used_at: datetime | None = field(
        "When the key was last used, to within five minutes. A subscription counts when it starts. "
        "Null when the key was never used."
    )
    revoked_at: datetime | None = field("When the key was revoked. Null if it wasn't.")
    revoker: User | None = edge(
        service_account_resolvers.revokers,
        needs=("revoker_id",),
        description="The member who revoked the key. Null if it wasn't revoked, and when they no "
        "longer exist.",
    )


@strawberry.type(
    description="A system of a company that uses this API by itself, such as an accounting program."
)
@backed_by(models.accounts.service_account.ServiceAccount)
class ServiceAccount(Node):
    name: str = field("What the system is called.")
    description: str | None = field("A note for the company's own use. Null when there is none.")
    account: Annotated["Account", strawberry.lazy("schema.accounts.accounts")] = edge(
        account_resolvers.accounts_of, needs=("account_id",), description="The company."
    )
    created_at: datetime = field("When the service account was created.")
    creator: User | None = edge(
        service_account_resolvers.creators,
        needs=("creator_id",),
        description="The member who created it. Null when they no longer exist.",
    )
    api_keys: list[ApiKey] = edge(
        service_account_resolvers.keys_of,
        description="The keys, most recent first. Those that were revoked or have expired are "
        "listed for a year.",
    )


@strawberry.type(description="The result of a change to a service account.")
class ServiceAccountPayload:
    service_account: ServiceAccount | None = field("The service account after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of deleting a service account.")
class ServiceAccountDeletePayload:
    deleted: bool | None = field("True when the service account and its keys were deleted.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of creating an API key.")
class ApiKeyCreatePayload:
    api_key: ApiKey | None = field("The key.")
    secret: str | None = field(
        "The key itself, to be stored in the system that uses it. It is returned only once: a "
        "repeat with the same idempotency key returns null. If the response was lost, revoke the "
        "key and create another one."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of revoking an API key.")
class ApiKeyPayload:
    api_key: ApiKey | None = field("The key after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type
class ServiceAccountQuery:
    api_key: ApiKey | None = query(
        service_account_resolvers.current_key,
        allow=anyone,
        description="The API key that this request is made with. Null for people and anonymous "
        "clients.",
    )


@strawberry.type
class ServiceAccountMutation:
    service_account_create: ServiceAccountPayload | None = mutation(
        service_account_resolvers.create,
        "service_account",
        allow=manager,
        audit=AccountsAuditAction.SERVICE_ACCOUNT_CREATE,
        description="Creates a service account: at most 10 for each company.",
    )
    service_account_update: ServiceAccountPayload | None = mutation(
        service_account_resolvers.update,
        "service_account",
        allow=manager,
        audit=AccountsAuditAction.SERVICE_ACCOUNT_UPDATE,
        description="Changes the name and the description of a service account.",
    )
    service_account_delete: ServiceAccountDeletePayload | None = mutation(
        service_account_resolvers.delete,
        "deleted",
        allow=manager,
        audit=AccountsAuditAction.SERVICE_ACCOUNT_DELETE,
        description="Deletes a service account and its keys, which stop working at once. Requires "
        "a recent `sessionStepUp`.",
    )
    api_key_create: ApiKeyCreatePayload | None = mutation(
        service_account_resolvers.create_key,
        "api_key",
        "secret",
        allow=manager,
        audit=AccountsAuditAction.API_KEY_CREATE,
        description="Creates an API key, and tells the company's owners by email. At most 5 keys "
        "of a service account are valid at once. Requires a recent `sessionStepUp`.",
    )
    api_key_revoke: ApiKeyPayload | None = mutation(
        service_account_resolvers.revoke_key,
        "api_key",
        allow=manager,
        audit=AccountsAuditAction.API_KEY_REVOKE,
        description="Revokes an API key: it stops working at once, and its WebSocket connections "
        "close within two seconds. Repeating the request changes nothing. Requires a recent "
        "`sessionStepUp`.",
    )
