"""What people agreed to."""

from datetime import datetime

import strawberry

import models.privacy.consent
from models.privacy.consent import ConsentChannel, ConsentPurpose
from resolvers.privacy import consents as consent_resolvers
from schema.content.policies import Policy
from schema.fields import edge, field
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors


@strawberry.type(
    description="An entry of the ledger of consents, which never changes: the viewer gave or "
    "withdrew a consent."
)
@backed_by(models.privacy.consent.ConsentChange)
class ConsentChange(Node):
    purpose: ConsentPurpose = field("What the consent is about.")
    given: bool = field("Whether the consent was given. False if it was withdrawn.")
    at: datetime = field("When the event happened.")
    channel: ConsentChannel = field("Where that happened.")
    policy: Policy | None = edge(
        consent_resolvers.policies,
        needs=("policy_id",),
        description="The version of the privacy policy that was in force. Null when there was "
        "none.",
    )


@strawberry.type(description="Whether the viewer agrees to a purpose.")
class Consent:
    purpose: ConsentPurpose = field("What the consent is about. Each purpose appears once.")
    given: bool = field("Whether the viewer agrees. False until they have said so.")
    since: datetime | None = field(
        "When the viewer last gave or withdrew the consent. Null if they never did."
    )
    history: list[ConsentChange] = field(
        "When the consent was given and withdrawn, most recent first."
    )


@strawberry.type(description="The result of giving or withdrawing a consent.")
class ConsentPayload:
    consent: Consent | None = field("The consent as it is now.")
    user_errors: list[UserError] = errors()
