"""What a company may use."""

from datetime import date

import strawberry

from models.billing.purchase import PurchaseStatus
from schema.fields import field


@strawberry.type(description="Something that a company bought and may use now.")
class Entitlement:
    offer: str = field("The slug of the offer.")
    quantity: int = field("The number of units.")
    status: PurchaseStatus = field("The status of the purchase: TRIALING, ACTIVE or PAST_DUE.")
    since: date | None = field(
        "The day on which it could first be used, in a trial or in the first period."
    )
    until: date | None = field(
        "The first day that isn't paid or billed yet. Query again on that day; it isn't the end "
        "of the entitlement."
    )
    ends_on: date | None = field("The day on which it ends. Null when it renews.")
