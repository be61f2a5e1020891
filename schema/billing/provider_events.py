"""Notifications by payment providers, for operators."""

from datetime import datetime

import strawberry

import models.billing.provider_event
from models.billing.provider_event import ProviderEventStatus
from schema.fields import field
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors


@strawberry.type(description="A payment provider's notification that something changed.")
@backed_by(models.billing.provider_event.ProviderEvent)
class ProviderEvent(Node):
    provider: str = field("The payment provider, such as `stripe`.")
    event_id: str = field("The provider's ID of the notification. Each one is stored once.")
    type: str = field("The provider's name for the event, such as `payment_intent.succeeded`.")
    reference: str = field("The provider's ID of the object that changed.")
    status: ProviderEventStatus = field("The status of the notification.")
    attempts: int = field("How often it was handled since it was received or last retried.")
    error: str | None = field("The class of the last error. Null when there was none.")
    received_at: datetime = field("When it was received.")
    handled_at: datetime | None = field("When it was applied or ignored. Null until then.")
    next_attempt_at: datetime | None = field(
        "When it is handled again. Null once it was applied or ignored, or has failed."
    )


@strawberry.type(description="The result of `providerEventRetry`.")
class ProviderEventPayload:
    provider_event: ProviderEvent | None = field(
        "The notification, which is handled again within seconds."
    )
    user_errors: list[UserError] = errors()
