"""The vendor's policies, and users' acceptances of them."""

from datetime import date, datetime

import strawberry

import models.content.policy
from models.content.policy import AcceptanceChannel, PolicyKind
from models.locale import Locale
from resolvers.content import policies as policy_resolvers
from schema.fields import edge, field, localized_field
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors


@strawberry.type(description="A version of a policy, which never changes.")
@backed_by(models.content.policy.Policy)
class Policy(Node):
    kind: PolicyKind = field("The kind of policy.")
    version: str = field("The version number, such as 1.0.")
    effective_on: date = field(
        "The date in Europe/Paris from which the version is in force, until a later version "
        "replaces it."
    )
    in_force: bool = edge(
        policy_resolvers.in_force, description="Whether this version is in force today."
    )
    title: str = localized_field(
        policy_resolvers.titles, description="The title.", needs=("text_fr", "text_en")
    )
    text: str = localized_field(
        policy_resolvers.texts,
        description="The full text in Markdown, starting with the title.",
        needs=("text_fr", "text_en"),
        cost=20,
    )
    sha256: str = field(
        "The SHA-256 hash of the French text followed by the English text, in hexadecimal, which "
        "proves that the texts haven't changed."
    )
    url: str = localized_field(
        policy_resolvers.urls,
        description="The URL of the policy's page.",
        needs=("kind", "version"),
    )


@strawberry.type(description="A user's acceptance of a policy, which never changes.")
@backed_by(models.content.policy.PolicyAcceptance)
class PolicyAcceptance(Node):
    policy: Policy = edge(
        policy_resolvers.policy_of, needs=("policy_id",), description="The accepted version."
    )
    accepted_at: datetime = field("When the policy was accepted.")
    locale: Locale = field("The language in which the user read the policy.")
    channel: AcceptanceChannel = field("Where the policy was accepted.")


@strawberry.type(description="A policy in force and whether the viewer has accepted it.")
class ViewerPolicy:
    policy: Policy = edge(
        policy_resolvers.policy_of, needs=("policy_id",), description="The version in force."
    )
    next: Policy | None = edge(
        policy_resolvers.next_of,
        needs=("next_id",),
        description="The announced next version. Null when there is none.",
    )
    acceptance: PolicyAcceptance | None = field(
        "The viewer's acceptance. Null until they have accepted."
    )
    acceptance_needed: bool = field(
        "Whether to ask the viewer to accept the policy with `policyAccept`. Always false for the "
        "vendor's staff.",
        lambda root: root.is_acceptance_needed,
    )


@strawberry.type(description="The result of accepting a policy.")
class PolicyAcceptPayload:
    acceptance: PolicyAcceptance | None = field("The recorded acceptance.")
    user_errors: list[UserError] = errors()
