"""Webhook endpoints of a company, and what was sent to them."""

from collections.abc import Sequence
from typing import Any

import strawberry
from tortoise.queryset import QuerySet

from engine import Deferred
from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.identity.user import User
from models.operations.webhook import (
    DESCRIPTION_LENGTH,
    WebhookDelivery,
    WebhookDeliveryState,
    WebhookDisabling,
    WebhookEndpoint,
    WebhookKind,
)
from models.text import client_key, line
from models.translations import _
from operations.webhooks import endpoints
from operations.webhooks.destinations import checked_url
from resolvers.arguments import IDEMPOTENCY_KEY
from resolvers.context import Context, Info
from resolvers.descriptions import describe_enum
from resolvers.ids import load_visible
from resolvers.paging import Order, PageRequest, pages_of
from resolvers.rows import RowByForeignKey

_URL = (
    "The URL that the webhooks are sent to (at most 1,000 characters): `https`, of a server with a "
    "public address."
)
_KINDS = "The kinds of events to send. There must be at least one."
_DESCRIPTION = "A note for the company's own use (at most 100 characters)."
_ENDPOINT_ID = "The ID of the endpoint (`webhookEndpoints { id }`)."
_NEWEST_FIRST = Order("id", descending=True)

describe_enum(
    WebhookKind,
    "The kinds of events that webhooks are sent about.",
    {
        "TICKET_OPENED": "`ticket.opened`: a ticket was opened.",
        "MESSAGE_POSTED": "`message.posted`: support replied in a ticket.",
        "MESSAGE_EDITED": "`message.edited`: support edited a message.",
        "MESSAGE_DELETED": "`message.deleted`: support deleted a message.",
        "STATUS_CHANGED": "`ticket.status_changed`: a ticket has a new status.",
        "CATEGORY_CHANGED": "`ticket.category_changed`: a ticket has a new category.",
        "TICKET_MERGED": "`ticket.merged`: a ticket was merged into another one.",
        "TICKET_SPLIT": "`ticket.split`: part of a ticket became a new one.",
        "TICKET_UNMERGED": "`ticket.unmerged`: a merge of tickets was undone.",
        "RATING_REQUESTED": "`ticket.rating_requested`: a ticket can be rated.",
        "TICKET_RATED": "`ticket.rated`: a ticket was rated.",
        "PURCHASE_CHANGED": "`purchase.changed`: a purchase has a new status.",
        "PAYMENT_CHANGED": "`payment.changed`: a payment has a new status.",
        "PAYMENT_METHOD_CHANGED": "`payment_method.changed`: a payment method has a new status.",
        "INVOICE_ISSUED": "`invoice.issued`: an invoice or a credit note was issued.",
        "INVOICE_DELIVERY_CHANGED": "`invoice.delivery_changed`: the delivery of an invoice "
        "through an invoicing platform has a new status.",
        "LEGAL_NAME_CHANGED": "`account.legal_name_changed`: a change of the company's legal name "
        "has a new status.",
    },
)
describe_enum(
    WebhookDisabling,
    "Why no webhooks are sent to an endpoint.",
    {
        "BY_MEMBER": "A member disabled it.",
        "GONE": "The endpoint answered with status 410.",
        "FAILING": "The endpoint accepted nothing for three days.",
    },
)
describe_enum(
    WebhookDeliveryState,
    "The state of a delivery.",
    {
        "PENDING": "The next attempt is due at `nextAttemptAt`, or once an earlier delivery about "
        "the same object is finished.",
        "SUCCEEDED": "The endpoint accepted it, with a status from 200 to 299.",
        "FAILED": "It was given up. Only `webhookDeliveryReplay` sends it again.",
    },
)


@strawberry.input(description="A new webhook endpoint.")
class WebhookEndpointCreateInput:
    url: str = strawberry.field(description=_URL)
    kinds: list[WebhookKind] = strawberry.field(description=_KINDS)
    description: str | None = strawberry.field(default=None, description=_DESCRIPTION)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="Changes to a webhook endpoint. What is omitted stays as it is.")
class WebhookEndpointUpdateInput:
    webhook_endpoint_id: strawberry.ID = strawberry.field(description=_ENDPOINT_ID)
    url: str | None = strawberry.field(default=None, description=_URL)
    kinds: list[WebhookKind] | None = strawberry.field(default=None, description=_KINDS)
    description: str | None = strawberry.field(
        default=strawberry.UNSET, description=f"{_DESCRIPTION} Null removes it."
    )
    enabled: bool | None = strawberry.field(
        default=None,
        description="Whether webhooks are sent to the endpoint. Disabling it gives up everything "
        "that is waiting. Once it is enabled again, only later events are sent.",
    )


@strawberry.input(description="The webhook endpoint to delete.")
class WebhookEndpointDeleteInput:
    webhook_endpoint_id: strawberry.ID = strawberry.field(description=_ENDPOINT_ID)


@strawberry.input(description="The webhook endpoint that gets a new secret.")
class WebhookEndpointRotateSecretInput:
    webhook_endpoint_id: strawberry.ID = strawberry.field(description=_ENDPOINT_ID)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The webhook endpoint to test.")
class WebhookEndpointTestInput:
    webhook_endpoint_id: strawberry.ID = strawberry.field(description=_ENDPOINT_ID)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The webhook to send again.")
class WebhookDeliveryReplayInput:
    webhook_delivery_id: strawberry.ID = strawberry.field(
        description="The ID of the delivery (`webhookEndpoints { deliveries { nodes { id } } }`)."
    )


def _checked_kinds(kinds: Sequence[WebhookKind]) -> list[WebhookKind]:
    if not kinds:
        message = _("Choose at least one kind of event.")
        raise Refusal(CommonErrorCode.BLANK, "input", "kinds", message=message)
    return [kind for kind in WebhookKind if kind in kinds]


def _checked_description(text: str | None) -> str | None:
    return None if text is None else line(text, "description", DESCRIPTION_LENGTH)


async def of_account(info: Info) -> list[WebhookEndpoint]:
    """The endpoints of the viewer's company, oldest first."""
    return await WebhookEndpoint.visible_to(info.context.viewer).order_by("id")


async def create(info: Info, input: WebhookEndpointCreateInput) -> dict[str, Any]:
    """Create an endpoint."""
    context = info.context
    with Checks() as check:
        url = check(checked_url, input.url, context.services.webhook_hosts)
        kinds = check(_checked_kinds, input.kinds)
        description = check(_checked_description, input.description)
        key = check(client_key, input.idempotency_key)
    secret_box = context.services.auth.secret_box
    endpoint = await endpoints.create(
        context.action(),
        secret_box,
        context.account.pk,
        url=url,
        kinds=kinds,
        description=description,
        key=key,
    )
    return {"webhook_endpoint": endpoint, "secret": secret_box.decrypt(endpoint.secret)}


async def update(info: Info, input: WebhookEndpointUpdateInput) -> WebhookEndpoint:
    """Change an endpoint."""
    context = info.context
    changes: dict[str, Any] = {}
    with Checks() as check:
        endpoint = await check.wait(_load(info, input.webhook_endpoint_id))
        if input.url is not None:
            changes["url"] = check(checked_url, input.url, context.services.webhook_hosts)
        if input.kinds is not None:
            changes["kinds"] = check(_checked_kinds, input.kinds)
        if input.description is not strawberry.UNSET:
            changes["description"] = check(_checked_description, input.description)
    return await endpoints.update(context.action(), endpoint, changes, enabled=input.enabled)


async def delete(info: Info, input: WebhookEndpointDeleteInput) -> bool:
    """Delete an endpoint."""
    endpoint = await _load(info, input.webhook_endpoint_id)
    await endpoints.delete(info.context.action(), endpoint)
    return True


async def rotate_secret(info: Info, input: WebhookEndpointRotateSecretInput) -> dict[str, Any]:
    """Give an endpoint a new secret."""
    context = info.context
    with Checks() as check:
        endpoint = await check.wait(_load(info, input.webhook_endpoint_id))
        key = check(client_key, input.idempotency_key)
    secret_box = context.services.auth.secret_box
    endpoint = await endpoints.rotate_secret(context.action(), secret_box, endpoint, key)
    return {"webhook_endpoint": endpoint, "secret": secret_box.decrypt(endpoint.secret)}


async def send_test(info: Info, input: WebhookEndpointTestInput) -> WebhookDelivery:
    """Send an endpoint a test webhook."""
    with Checks() as check:
        endpoint = await check.wait(_load(info, input.webhook_endpoint_id))
        key = check(client_key, input.idempotency_key)
    return await endpoints.send_test(info.context.action(), endpoint, key)


async def replay(info: Info, input: WebhookDeliveryReplayInput) -> WebhookDelivery:
    """Send something again."""
    context = info.context
    delivery = await load_visible(
        WebhookDelivery, input.webhook_delivery_id, context.viewer, "webhookDeliveryId"
    )
    endpoint = await WebhookEndpoint.get(pk=delivery.endpoint_id)
    return await endpoints.replay(context.action(), endpoint, delivery)


async def _load(info: Info, webhook_endpoint_id: str) -> WebhookEndpoint:
    return await load_visible(
        WebhookEndpoint, webhook_endpoint_id, info.context.viewer, "webhookEndpointId"
    )


def kinds(root: WebhookEndpoint) -> list[WebhookKind]:
    """What the endpoint is sent."""
    return [WebhookKind(kind) for kind in root.kinds]


def creators(context: Context, parents: Sequence[WebhookEndpoint]) -> RowByForeignKey:
    """The member who created each endpoint."""
    return RowByForeignKey(parents, "creator_id", QuerySet(User))


def deliveries(
    context: Context, parents: Sequence[WebhookEndpoint], request: PageRequest
) -> Deferred:
    """What was sent to each endpoint, most recent first."""
    return pages_of(parents, WebhookDelivery, "endpoint_id", _NEWEST_FIRST, request, context.viewer)
