"""Runs that remove the buyers from invoices whose ten years are over."""

from datetime import date, datetime

import strawberry

import models.privacy.buyer_erasure
from resolvers.privacy import buyer_erasures as buyer_erasure_resolvers
from schema.fields import edge, field
from schema.identity.users import User
from schema.nodes import Node, backed_by
from schema.privacy.erasures import RemovedCount
from schema.user_errors import UserError, errors

_KINDS = "Kinds are `invoices`, `invoice documents` (PDFs), `billing profiles` and `bank lines`."


@strawberry.type(
    description="What `buyerErasureStart` would do now: remove the buyers from the invoices whose "
    "ten years are over (Code de commerce, Article L123-22). Numbers, dates, lines and amounts "
    "stay, and so do invoices that are still unpaid."
)
class BuyerErasurePreview:
    until: date = field("The last day of issue that it concerns: the end of a year.")
    counts: list[RemovedCount] = field(
        f"How many rows of each kind it concerns. {_KINDS}",
        buyer_erasure_resolvers.planned_counts,
    )
    digest: str = field(
        "A SHA-256 hash of the rows, in hexadecimal, by which `buyerErasureStart` confirms exactly "
        "these."
    )


@strawberry.type(
    description="A run that removes the buyers from invoices whose ten years are over, kept as the "
    "record of it."
)
@backed_by(models.privacy.buyer_erasure.BuyerErasure)
class BuyerErasure(Node):
    operator: User | None = edge(
        buyer_erasure_resolvers.operators,
        needs=("operator_id",),
        description="The operator who confirmed it.",
    )
    reason: str = field("Why, as the operator wrote it.", cost=1)
    until: date = field("The last day of issue that it concerns.")
    created_at: datetime = field("When the operator confirmed it.")
    planned_counts: list[RemovedCount] = field(
        f"How many rows of each kind the operator confirmed. {_KINDS}",
        buyer_erasure_resolvers.planned_counts,
        needs=("planned_counts",),
    )
    removed_counts: list[RemovedCount] = field(
        "From how many rows of each kind the buyer was removed so far.",
        buyer_erasure_resolvers.removed_counts,
        needs=("removed_counts",),
    )
    finished_at: datetime | None = field("When nothing was left to remove. Null until then.")


@strawberry.type(description="The result of confirming a run.")
class BuyerErasurePayload:
    run: BuyerErasure | None = field("The run.")
    user_errors: list[UserError] = errors()
