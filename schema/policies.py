"""The vendor's policies as the graph shows them, and what somebody accepted of them."""

from datetime import date, datetime

import strawberry

import models.policy
from models.locale import Locale
from models.policy import AcceptanceChannel, PolicyKind
from resolvers import policies
from schema.fields import edge, said, worded
from schema.nodes import Node, of


@strawberry.type(description="One version of a policy: once there it never changes.")
@of(models.policy.Policy)
class Policy(Node):
    kind: PolicyKind = said("Which text it is.")
    version: str = said("Its number, such as 1.0.")
    effective_on: date = said("From which day of Europe/Paris on it is in force, until a later version is.")
    in_force: bool = edge(policies.in_force, description="Whether it is the version in force today.")
    title: str = worded(policies.titles, description="Its title.", needs=("text_fr", "text_en"))
    text: str = worded(
        policies.texts, description="All of it in Markdown, the title its first line.", needs=("text_fr", "text_en")
    )
    sha256: str = said("SHA-256 of the French text followed by the English one, in hexadecimal: proof that it never changed.")
    url: str = worded(policies.urls, description="Its page.", needs=("kind", "version"))


@strawberry.type(description="That somebody accepted a policy. Never changed.")
class PolicyAcceptance:
    policy: Policy = edge(policies.policy_of, needs=("policy_id",), description="The version accepted.")
    accepted_at: datetime = said("When they did.")
    locale: Locale = said("In which language it was read.")
    channel: AcceptanceChannel = said("Where it was accepted.")


@strawberry.type(description="A policy in force, and how the viewer stands to it.")
class PolicyStanding:
    policy: Policy = edge(policies.policy_of, needs=("policy_id",), description="The version in force.")
    next: Policy | None = edge(
        policies.next_of, needs=("next_id",), description="The version that is announced to replace it, null for none."
    )
    acceptance: PolicyAcceptance | None = said("That the viewer accepted it, null until they have.")
    acceptance_needed: bool = said(
        "Whether to ask the viewer for `policyAccept`; never of the vendor's people.", lambda root: root.asked
    )
