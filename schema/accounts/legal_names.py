"""Changes of legal name."""

from datetime import datetime

import strawberry

import models.accounts.legal_name
from models.accounts.legal_name import LegalNameStatus, RegistryVerdict
from resolvers.accounts import accounts as account_resolvers
from resolvers.accounts import legal_names as legal_name_resolvers
from schema.accounts.accounts import Account
from schema.fields import edge, field
from schema.identity.users import User
from schema.nodes import Node, backed_by
from schema.support.files import File
from schema.user_errors import UserError, errors


@strawberry.type(description="A requested change of a company's legal name.")
@backed_by(models.accounts.legal_name.LegalNameChange)
class LegalNameChange(Node):
    account: Account = edge(
        account_resolvers.accounts_of, needs=("account_id",), description="The company."
    )
    previous_name: str = field("The legal name at the time of the request.")
    legal_name: str = field("The requested legal name.")
    status: LegalNameStatus = field("The current status.")
    verdict: RegistryVerdict | None = field(
        "The result of the lookup in the company register. Null until the register has answered."
    )
    registered_name: str | None = field(
        "The legal name found in the register. Null when there is none."
    )
    requester: User | None = edge(
        legal_name_resolvers.requesters,
        needs=("requester_id",),
        description="The user who requested the change.",
    )
    decider: User | None = edge(
        legal_name_resolvers.deciders,
        needs=("decider_id",),
        description="The agent who last reviewed the change. Null when no agent has.",
    )
    reason: str | None = field("The agent's explanation.", cost=1)
    evidence: list[File] = edge(
        legal_name_resolvers.evidence, description="The files that prove the name, oldest first."
    )
    created_at: datetime = field("When the change was requested.")
    updated_at: datetime = field("When the change was last updated.")
    decided_at: datetime | None = field(
        "When the change was accepted, rejected or canceled. Null until then."
    )


@strawberry.type(description="The result of creating or updating a change of legal name.")
class LegalNameChangePayload:
    change: LegalNameChange | None = field("The change of legal name after the mutation.")
    user_errors: list[UserError] = errors()
