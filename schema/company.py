"""The company itself: where it is, and how it comes to another legal name."""

from datetime import date, datetime

import strawberry

import models.erasure
import models.legal_name
from models.legal_name import LegalNameStatus, RegistryVerdict
from resolvers import company, identity, lifecycle
from schema.fields import edge, said
from schema.nodes import Node, of
from schema.types import Account, File, User


@strawberry.type(description="A wish for another legal name, and what came of it.")
@of(models.legal_name.LegalNameChange)
class LegalNameChange(Node):
    account: Account = edge(identity.accounts_of, needs=("account_id",), description="The company.")
    previous_name: str = said("The legal name when it was asked for.")
    legal_name: str = said("The legal name that is wanted.")
    status: LegalNameStatus = said("Where it stands.")
    verdict: RegistryVerdict | None = said("What the register of companies said, null until it was asked.")
    registered_name: str | None = said("The name found there, null for none.")
    requester: User | None = edge(company.requesters, needs=("requester_id",), description="Who asked for it.")
    decider: User | None = edge(
        company.deciders, needs=("decider_id",), description="The agent who looked at it last, null for none."
    )
    reason: str | None = said("What the agent wrote about it.")
    evidence: list[File] = edge(company.evidence, description="The files shown for it, the first one first.")
    created_at: datetime = said("When it was asked for.")
    updated_at: datetime = said("When it moved last.")
    decided_at: datetime | None = said("When it was accepted, rejected or taken back.")


@strawberry.type(description="How much of one kind was removed.")
class RemovedCount:
    kind: str = said("What it is, such as `messages` or `files`.", lambda root: root["kind"])
    count: int = said("How many there were.", lambda root: root["count"])


@strawberry.type(description="A scheduled deletion of a company's account, and what came of it: the RGPD's record of it.")
@of(models.erasure.Erasure)
class Erasure:
    account_id: strawberry.ID = said("The company.", lifecycle.account_id, needs=("account_id",))
    scheduler: User | None = edge(
        lifecycle.schedulers, needs=("scheduler_id",), description="The agent who scheduled it, as the owner had asked."
    )
    requested_at: datetime = said("When the owner asked for it.")
    deadline: date = said("Until when it must be done: a month after it was asked for (RGPD, art. 12, 3).")
    scheduled_at: datetime = said("When an agent scheduled it.")
    due_at: datetime = said("When the grace ends, and with it the time to call it off.")
    canceled_at: datetime | None = said("When it was called off, null unless it was.")
    started_at: datetime | None = said("When the erasure began.")
    finished_at: datetime | None = said("When it was over.")
    removed: list[RemovedCount] = said("What was removed, by kind.", lifecycle.removed, needs=("removed",))
    invoices_kept: int | None = said(
        "How many invoices are kept; null until it began.", lifecycle.invoices_kept, needs=("invoices_kept", "started_at")
    )
    kept_until: date | None = said("Until when (Code de commerce, art. L123-22); null where there are none.")
