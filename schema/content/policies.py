"""The vendor's policies as the graph shows them, and what somebody accepted of them."""

from datetime import date, datetime

import strawberry

import models.content.policy
from models.content.policy import AcceptanceChannel, PolicyKind
from models.locale import Locale
from resolvers.content import policies as policy_resolvers
from schema.fields import edge, field, localized_field
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors


@strawberry.type(description="One version of a policy: once there it never changes.")
@backed_by(models.content.policy.Policy)
class Policy(Node):
    kind: PolicyKind = field("Which text it is.")
    version: str = field("Its number, such as 1.0.")
    effective_on: date = field("From which day of Europe/Paris on it is in force, until a later version is.")
    in_force: bool = edge(policy_resolvers.in_force, description="Whether it is the version in force today.")
    title: str = localized_field(policy_resolvers.titles, description="Its title.", needs=("text_fr", "text_en"))
    text: str = localized_field(
        policy_resolvers.texts, description="All of it in Markdown, the title its first line.", needs=("text_fr", "text_en")
    )
    sha256: str = field("SHA-256 of the French text followed by the English one, in hexadecimal: proof that it never changed.")
    url: str = localized_field(policy_resolvers.urls, description="Its page.", needs=("kind", "version"))


@strawberry.type(description="That somebody accepted a policy. Never changed.")
class PolicyAcceptance:
    policy: Policy = edge(policy_resolvers.policy_of, needs=("policy_id",), description="The version accepted.")
    accepted_at: datetime = field("When they did.")
    locale: Locale = field("In which language it was read.")
    channel: AcceptanceChannel = field("Where it was accepted.")


@strawberry.type(description="A policy in force, and how the viewer stands to it.")
class PolicyStanding:
    policy: Policy = edge(policy_resolvers.policy_of, needs=("policy_id",), description="The version in force.")
    next: Policy | None = edge(
        policy_resolvers.next_of, needs=("next_id",), description="The version that is announced to replace it, null for none."
    )
    acceptance: PolicyAcceptance | None = field("That the viewer accepted it, null until they have.")
    acceptance_needed: bool = field(
        "Whether to ask the viewer for `policyAccept`; never of the vendor's people.", lambda root: root.asked
    )


@strawberry.type(description="What the viewer accepted.")
class PolicyAcceptPayload:
    acceptance: PolicyAcceptance | None = field("That they did, as it is kept.")
    user_errors: list[UserError] = errors()
