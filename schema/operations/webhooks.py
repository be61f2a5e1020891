"""Webhooks: sending a company its events."""

from datetime import datetime

import strawberry

import models.operations.webhook
from auth.rules import manager
from models.operations.audit_actions import OperationsAuditAction
from models.operations.webhook import WebhookDeliveryState, WebhookDisabling, WebhookKind
from resolvers.operations import webhooks as webhook_resolvers
from schema.fields import connection, edge, field, mutation, query
from schema.identity.users import User
from schema.nodes import Connection, Node, backed_by
from schema.user_errors import UserError, errors


@strawberry.type(
    description="An event that is sent to a webhook endpoint. It is sent again until the endpoint "
    "accepts it, for three days, and listed for 30 days."
)
@backed_by(models.operations.webhook.WebhookDelivery)
class WebhookDelivery(Node):
    message_id: str = field(
        "The header `webhook-id` of the requests: the same at every attempt, so that the receiver "
        "can ignore what it has already handled."
    )
    type: str = field("The `type` in the body, such as `invoice.issued`.")
    body: str = field("The body of the requests, in JSON.", cost=1)
    state: WebhookDeliveryState = field(
        "Whether the endpoint accepted it.",
        lambda root: root.state,
        needs=("succeeded_at", "next_attempt_at"),
    )
    attempts: int = field("The number of requests since it was stored or last replayed.")
    response_status: int | None = field(
        "The HTTP status of the last response. Null when there was none."
    )
    failure: str | None = field(
        "Why the last request got no response, such as `connection failed`. Null when it got one."
    )
    created_at: datetime = field("When it was stored.")
    last_attempt_at: datetime | None = field("When the last request began. Null before the first.")
    next_attempt_at: datetime | None = field(
        "When the next request is due. Null once it was accepted or given up."
    )
    succeeded_at: datetime | None = field("When the endpoint accepted it. Null until then.")


@strawberry.type(
    description="A URL to which a company has its events sent, signed as Standard Webhooks define "
    "it."
)
@backed_by(models.operations.webhook.WebhookEndpoint)
class WebhookEndpoint(Node):
    url: str = field("The URL.")
    description: str | None = field("A note for the company's own use. Null when there is none.")
    kinds: list[WebhookKind] = field(
        "The kinds of events that are sent.", webhook_resolvers.kinds, needs=("kinds",)
    )
    created_at: datetime = field("When the endpoint was created.")
    creator: User | None = edge(
        webhook_resolvers.creators,
        needs=("creator_id",),
        description="The member who created the endpoint. Null when they no longer exist.",
    )
    failing_since: datetime | None = field(
        "When the first request since the last success failed. Null when the last one succeeded."
    )
    disabled_at: datetime | None = field(
        "Since when nothing is sent to the endpoint. Null while it is enabled."
    )
    disabled_reason: WebhookDisabling | None = field(
        "Why nothing is sent to the endpoint. Null while it is enabled."
    )
    previous_secret_until: datetime | None = field(
        "Until when requests are also signed with the former secret. Null before the first "
        "rotation."
    )
    deliveries: Connection[WebhookDelivery] = connection(
        webhook_resolvers.deliveries,
        description="What was sent to the endpoint in the last 30 days, most recent first.",
    )


@strawberry.type(description="The result of a change to a webhook endpoint.")
class WebhookEndpointPayload:
    webhook_endpoint: WebhookEndpoint | None = field("The endpoint after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of a mutation that returns an endpoint's secret.")
class WebhookEndpointSecretPayload:
    webhook_endpoint: WebhookEndpoint | None = field("The endpoint.")
    secret: str | None = field(
        "The secret that requests are signed with: `whsec_` and 32 bytes in Base64. It is returned "
        "only by this mutation."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of deleting a webhook endpoint.")
class WebhookEndpointDeletePayload:
    deleted: bool | None = field("True when the endpoint was deleted.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of sending a webhook.")
class WebhookDeliveryPayload:
    webhook_delivery: WebhookDelivery | None = field("The delivery, which is due at once.")
    user_errors: list[UserError] = errors()


@strawberry.type
class WebhookQuery:
    webhook_endpoints: list[WebhookEndpoint] | None = query(
        webhook_resolvers.of_account,
        allow=manager,
        cost=10,
        description="The webhook endpoints of the viewer's company, oldest first: at most 10.",
    )


@strawberry.type
class WebhookMutation:
    webhook_endpoint_create: WebhookEndpointSecretPayload | None = mutation(
        webhook_resolvers.create,
        "webhook_endpoint",
        "secret",
        allow=manager,
        audit=OperationsAuditAction.WEBHOOK_ENDPOINT_CREATE,
        description="Creates an endpoint, which is sent the company's events from now on: at least "
        "once each, and those about the same object in order.",
    )
    webhook_endpoint_update: WebhookEndpointPayload | None = mutation(
        webhook_resolvers.update,
        "webhook_endpoint",
        allow=manager,
        audit=OperationsAuditAction.WEBHOOK_ENDPOINT_UPDATE,
        description="Changes an endpoint, and enables or disables it.",
    )
    webhook_endpoint_delete: WebhookEndpointDeletePayload | None = mutation(
        webhook_resolvers.delete,
        "deleted",
        allow=manager,
        audit=OperationsAuditAction.WEBHOOK_ENDPOINT_DELETE,
        description="Deletes an endpoint, its deliveries and what is waiting to be sent to it.",
    )
    webhook_endpoint_rotate_secret: WebhookEndpointSecretPayload | None = mutation(
        webhook_resolvers.rotate_secret,
        "webhook_endpoint",
        "secret",
        allow=manager,
        audit=OperationsAuditAction.WEBHOOK_ENDPOINT_ROTATE_SECRET,
        description="Gives an endpoint a new secret. For 24 hours, requests are signed with the "
        "former secret as well.",
    )
    webhook_endpoint_test: WebhookDeliveryPayload | None = mutation(
        webhook_resolvers.send_test,
        "webhook_delivery",
        allow=manager,
        audit=OperationsAuditAction.WEBHOOK_ENDPOINT_TEST,
        description="Sends an endpoint a webhook of the type `webhook.test`. Read its result from "
        "the delivery a moment later.",
    )
    webhook_delivery_replay: WebhookDeliveryPayload | None = mutation(
        webhook_resolvers.replay,
        "webhook_delivery",
        allow=manager,
        audit=OperationsAuditAction.WEBHOOK_DELIVERY_REPLAY,
        description="Sends a webhook at once, under the same `messageId` and with as many attempts "
        "as a new one: again, or instead of waiting for the next attempt.",
    )
