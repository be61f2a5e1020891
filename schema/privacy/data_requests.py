"""Requests of people about their personal data."""

from datetime import datetime

import strawberry

import models.privacy.data_request
from models.privacy.data_request import DataRequestDecision, DataRequestKind
from resolvers.privacy import data_requests as request_resolvers
from schema.fields import edge, field
from schema.identity.users import User
from schema.nodes import Node, backed_by
from schema.privacy.erasures import RemovedCount
from schema.user_errors import UserError, errors


@strawberry.type(
    description="A person's request about their personal data (GDPR, Articles 15 to 21), visible "
    "to that person and to operators."
)
@backed_by(models.privacy.data_request.DataRequest)
class DataRequest(Node):
    number: str = field(
        "The number shown to people, such as DR-2026-000012.", needs=("received_at",)
    )
    kind: DataRequestKind = field("The right that the person uses.")
    details: str = field("What the person asks for.", cost=1)
    user: User | None = edge(request_resolvers.users, needs=("user_id",), description="The person.")
    recorder: User | None = edge(
        request_resolvers.recorders,
        needs=("recorder_id",),
        description="The operator who recorded it for somebody who wrote or called. Null when the "
        "person made it themselves.",
    )
    received_at: datetime = field("When the request was received.")
    deadline_at: datetime = field(
        "When it must be answered at the latest: a month after its receipt, or three months if "
        "the deadline was extended (GDPR, Article 12(3))."
    )
    extended_at: datetime | None = field("When the deadline was extended. Null if it wasn't.")
    extension_reason: str | None = field(
        "Why the deadline was extended.",
        lambda root: root.extension_reason or None,
        needs=("extension_reason",),
        cost=1,
    )
    carried_out_at: datetime | None = field(
        "When the program did what was asked (`dataRequestCarryOut`). Null until then."
    )
    results: list[RemovedCount] = field(
        "How many items of each kind were removed or changed by that.",
        request_resolvers.results,
        needs=("results",),
    )
    decision: DataRequestDecision | None = field("What was decided. Null until then.")
    answer: str | None = field(
        "What was decided and done, as the person reads it.",
        lambda root: root.answer or None,
        needs=("answer",),
        cost=1,
    )
    decided_at: datetime | None = field("When it was decided. Null until then.")
    decider: User | None = edge(
        request_resolvers.deciders,
        needs=("decider_id",),
        description="The operator who decided it. Null until then.",
    )


@strawberry.type(description="The result of a change to a data request.")
class DataRequestPayload:
    data_request: DataRequest | None = field("The request after the change.")
    user_errors: list[UserError] = errors()
