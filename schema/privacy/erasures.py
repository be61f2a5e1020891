"""Erasures of companies' accounts."""

from datetime import date, datetime

import strawberry

import models.privacy.erasure
from resolvers.accounts import accounts as account_resolvers
from resolvers.privacy import erasures as erasure_resolvers
from schema.accounts.accounts import Account
from schema.fields import edge, field
from schema.identity.users import User
from schema.nodes import Node, backed_by


@strawberry.type(description="The number of removed items of one kind.")
class RemovedCount:
    kind: str = field(
        "The kind of items, such as `messages` or `files`.", lambda root: root["kind"]
    )
    count: int = field("The number of items.", lambda root: root["count"])


@strawberry.type(
    description="A scheduled or completed erasure of a company's account, kept as the record that "
    "the GDPR requires."
)
@backed_by(models.privacy.erasure.Erasure)
class Erasure(Node):
    account: Account = edge(
        account_resolvers.accounts_of, needs=("account_id",), description="The company to erase."
    )
    scheduler: User | None = edge(
        erasure_resolvers.schedulers,
        needs=("scheduler_id",),
        description="The agent who scheduled the erasure at the owner's request.",
    )
    requested_at: datetime = field("When the owner requested the deletion.")
    deadline: date = field("The legal deadline: one month after the request (GDPR, Article 12(3)).")
    scheduled_at: datetime = field("When an agent scheduled the erasure.")
    due_at: datetime = field("When the grace period ends. Until then, the erasure can be canceled.")
    canceled_at: datetime | None = field("When the erasure was canceled. Null if it wasn't.")
    started_at: datetime | None = field("When the erasure started. Null until then.")
    finished_at: datetime | None = field("When the erasure finished. Null until then.")
    removed_counts: list[RemovedCount] = field(
        "The number of removed items of each kind.",
        erasure_resolvers.removed_counts,
        needs=("removed_counts",),
    )
    invoices_kept: int | None = field(
        "The number of invoices that were kept. Null until the erasure has started.",
        erasure_resolvers.invoices_kept,
        needs=("invoices_kept", "started_at"),
    )
    kept_until: date | None = field(
        "The date until which the invoices are kept (Code de commerce, Article L123-22). Null "
        "when there are none."
    )
