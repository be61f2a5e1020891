"""The endpoints of a company: creating and changing them, and sending something again."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import orjson

from accounts.members import lock_as_manager
from auth.secret_box import SecretBox
from auth.webhook_signatures import new_secret
from models.accounts.account import Account
from models.action import Action, Transaction
from models.errors import CommonErrorCode, Refusal
from models.event import account_stream, last_sequence_of
from models.global_ids import encode
from models.idempotency import earlier_result, earlier_row, store_result
from models.operations.audit_actions import OperationsAuditAction
from models.operations.errors import OperationsErrorCode
from models.operations.webhook import (
    TEST_TYPE,
    WebhookDelivery,
    WebhookDisabling,
    WebhookEndpoint,
    WebhookKind,
)

MAX_ENDPOINTS = 10  # of one company
PREVIOUS_SECRET_LIFETIME = timedelta(days=1)
_TEST_SUBJECT = "test"


async def create(
    action: Action,
    secret_box: SecretBox,
    account_id: int,
    *,
    url: str,
    kinds: Sequence[WebhookKind],
    description: str | None,
    key: str,
) -> WebhookEndpoint:
    """Create an endpoint, which is sent what happens from now on. A repeat with the same key
    returns the first result.

    Raises TOO_MANY, IDEMPOTENCY_MISMATCH, and Forbidden for those who don't manage the company.
    """
    arguments = [account_id, url, sorted(kinds), description]
    stream = account_stream(account_id)
    sequence = await last_sequence_of(stream)
    async with action.transaction() as tx:
        owner = await lock_as_manager(tx, account_id)
        if earlier_id := await earlier_result(tx, owner, "webhookEndpointCreate", key, arguments):
            return await earlier_row(tx, WebhookEndpoint, earlier_id)
        if await WebhookEndpoint.filter(account_id=account_id).using_db(tx.db).count() >= (
            MAX_ENDPOINTS
        ):
            raise Refusal(CommonErrorCode.TOO_MANY, "input", limit=MAX_ENDPOINTS)
        endpoint = await WebhookEndpoint.create(
            using_db=tx.db,
            account_id=account_id,
            creator_id=action.actor.pk if action.actor else None,
            url=url,
            description=description,
            kinds=[kind.value for kind in kinds],
            secret=secret_box.encrypt(new_secret()),
            stream=stream,
            sequence=sequence,
            created_at=action.at,
        )
        await store_result(tx, owner, "webhookEndpointCreate", key, endpoint.pk)
        tx.audit(OperationsAuditAction.WEBHOOK_ENDPOINT_CREATE, endpoint, kinds=len(kinds))
    return endpoint


async def _lock(tx: Transaction, endpoint: WebhookEndpoint) -> tuple[str, WebhookEndpoint]:
    """The owner of the actor's idempotency keys, and the endpoint, locked. Raises NOT_FOUND when
    it was deleted, and Forbidden.
    """
    owner = await lock_as_manager(tx, endpoint.account_id)
    rows = await tx.lock_rows(WebhookEndpoint.filter(pk=endpoint.pk))
    if not rows:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "webhookEndpointId")
    return owner, rows[0]


async def update(
    action: Action,
    endpoint: WebhookEndpoint,
    changes: dict[str, Any],
    *,
    enabled: bool | None = None,
) -> WebhookEndpoint:
    """Change columns of an endpoint, and disable or enable it. An endpoint that is enabled again is
    sent what happens from now on. A repeat changes nothing.
    """
    last_sequence = await last_sequence_of(endpoint.stream)
    async with action.transaction() as tx:
        _, endpoint = await _lock(tx, endpoint)
        changes = {
            name: value for name, value in changes.items() if getattr(endpoint, name) != value
        }
        if enabled and endpoint.disabled_at:
            changes |= {
                "disabled_at": None,
                "disabled_reason": None,
                "failing_since": None,
                "sequence": last_sequence,
            }
        elif enabled is False and not endpoint.disabled_at:
            changes |= await disabling(tx, endpoint, WebhookDisabling.BY_MEMBER)
        if changes:
            await endpoint.update_from_dict(changes).save(using_db=tx.db, update_fields=[*changes])
            tx.audit(
                OperationsAuditAction.WEBHOOK_ENDPOINT_UPDATE,
                endpoint,
                enabled=endpoint.disabled_at is None,
            )
    return endpoint


async def disabling(
    tx: Transaction, endpoint: WebhookEndpoint, reason: WebhookDisabling
) -> dict[str, Any]:
    """Give up what waits for an endpoint. Returns the changes that disable it."""
    waiting = WebhookDelivery.filter(endpoint_id=endpoint.pk, next_attempt_at__not_isnull=True)
    await waiting.using_db(tx.db).update(next_attempt_at=None)
    return {"disabled_at": tx.action.at, "disabled_reason": reason}


async def delete(action: Action, endpoint: WebhookEndpoint) -> None:
    """Delete an endpoint with its deliveries. Raises NOT_FOUND."""
    async with action.transaction() as tx:
        _, endpoint = await _lock(tx, endpoint)
        await endpoint.delete(using_db=tx.db)
        tx.audit(OperationsAuditAction.WEBHOOK_ENDPOINT_DELETE, endpoint)


async def rotate_secret(
    action: Action, secret_box: SecretBox, endpoint: WebhookEndpoint, key: str
) -> WebhookEndpoint:
    """Give an endpoint a new secret. For a day the former one signs as well. A repeat with the same
    key changes nothing.
    """
    async with action.transaction() as tx:
        owner, endpoint = await _lock(tx, endpoint)
        if await earlier_result(tx, owner, "webhookEndpointRotateSecret", key, [endpoint.pk]):
            return endpoint
        endpoint.previous_secret = endpoint.secret
        endpoint.previous_secret_until = action.at + PREVIOUS_SECRET_LIFETIME
        endpoint.secret = secret_box.encrypt(new_secret())
        await endpoint.save(
            using_db=tx.db, update_fields=["secret", "previous_secret", "previous_secret_until"]
        )
        await store_result(tx, owner, "webhookEndpointRotateSecret", key, endpoint.pk)
        tx.audit(OperationsAuditAction.WEBHOOK_ENDPOINT_ROTATE_SECRET, endpoint)
    return endpoint


async def send_test(action: Action, endpoint: WebhookEndpoint, key: str) -> WebhookDelivery:
    """Send an endpoint a test webhook. A repeat with the same key returns the first one. Raises
    WEBHOOK_DISABLED.
    """
    async with action.transaction() as tx:
        owner, endpoint = await _lock(tx, endpoint)
        arguments = [endpoint.pk]
        if earlier_id := await earlier_result(tx, owner, "webhookEndpointTest", key, arguments):
            earlier = await WebhookDelivery.get_or_none(pk=earlier_id, using_db=tx.db)
            if earlier is None:  # older than the log
                raise Refusal(CommonErrorCode.NOT_ACTIVE, "input", "idempotencyKey")
            return earlier
        _require_enabled(endpoint, "webhookEndpointId")
        data = {"accountId": encode(Account.__name__, endpoint.account_id)}
        delivery = await WebhookDelivery.create(
            using_db=tx.db,
            **delivery_columns(endpoint, TEST_TYPE, _TEST_SUBJECT, data, action),
        )
        await store_result(tx, owner, "webhookEndpointTest", key, delivery.pk)
        tx.audit(OperationsAuditAction.WEBHOOK_ENDPOINT_TEST, endpoint)
    return delivery


def delivery_columns(
    endpoint: WebhookEndpoint,
    type: str,
    subject: str,
    data: dict[str, Any],
    action: Action,
    **columns: Any,
) -> dict[str, Any]:
    """The columns of a new delivery with this content, which is due at once. `at` among the further
    columns is when the event happened.
    """
    at = columns.pop("at", action.at)
    body = {"type": type, "timestamp": at.isoformat(), "data": data}
    return {
        "endpoint_id": endpoint.pk,
        "message_id": f"msg_{secrets.token_hex(16)}",
        "type": type,
        "subject": subject,
        "body": orjson.dumps(body).decode(),
        "created_at": action.at,
        "started_at": action.at,
        "next_attempt_at": action.at,
        **columns,
    }


async def replay(
    action: Action, endpoint: WebhookEndpoint, delivery: WebhookDelivery
) -> WebhookDelivery:
    """Send something at once under its ID, with as many attempts as a new one: again, or instead
    of waiting for its next attempt. Raises WEBHOOK_DISABLED and NOT_FOUND.
    """
    async with action.transaction() as tx:
        _, endpoint = await _lock(tx, endpoint)
        _require_enabled(endpoint, "webhookDeliveryId")
        rows = await tx.lock_rows(WebhookDelivery.filter(pk=delivery.pk))
        if not rows:
            raise Refusal(CommonErrorCode.NOT_FOUND, "input", "webhookDeliveryId")
        delivery = rows[0]
        changes: dict[str, Any] = {
            "started_at": action.at,
            "next_attempt_at": action.at,
            "attempts": 0,
            "succeeded_at": None,
        }
        await delivery.update_from_dict(changes).save(using_db=tx.db, update_fields=[*changes])
        tx.audit(OperationsAuditAction.WEBHOOK_DELIVERY_REPLAY, delivery, endpoint.account_id)
    return delivery


def _require_enabled(endpoint: WebhookEndpoint, field: str) -> None:
    if endpoint.disabled_at:
        raise Refusal(OperationsErrorCode.WEBHOOK_DISABLED, "input", field)
