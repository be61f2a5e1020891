"""Erasures of companies' accounts."""

from datetime import date, datetime

import strawberry

import models.privacy.erasure
from resolvers.privacy import erasures as erasure_resolvers
from schema.fields import edge, field
from schema.identity.users import User
from schema.nodes import backed_by


@strawberry.type(description="How much of one kind was removed.")
class RemovedCount:
    kind: str = field("What it is, such as `messages` or `files`.", lambda root: root["kind"])
    count: int = field("How many there were.", lambda root: root["count"])


@strawberry.type(description="A scheduled deletion of a company's account, and what came of it: the RGPD's record of it.")
@backed_by(models.privacy.erasure.Erasure)
class Erasure:
    account_id: strawberry.ID = field("The company.", erasure_resolvers.account_id, needs=("account_id",))
    scheduler: User | None = edge(
        erasure_resolvers.schedulers, needs=("scheduler_id",), description="The agent who scheduled it, as the owner had asked."
    )
    requested_at: datetime = field("When the owner asked for it.")
    deadline: date = field("Until when it must be done: a month after it was asked for (RGPD, art. 12, 3).")
    scheduled_at: datetime = field("When an agent scheduled it.")
    due_at: datetime = field("When the grace ends, and with it the time to call it off.")
    canceled_at: datetime | None = field("When it was called off, null unless it was.")
    started_at: datetime | None = field("When the erasure began.")
    finished_at: datetime | None = field("When it was over.")
    removed: list[RemovedCount] = field("What was removed, by kind.", erasure_resolvers.removed, needs=("removed",))
    invoices_kept: int | None = field(
        "How many invoices are kept; null until it began.",
        erasure_resolvers.invoices_kept,
        needs=("invoices_kept", "started_at"),
    )
    kept_until: date | None = field("Until when (Code de commerce, art. L123-22); null where there are none.")
