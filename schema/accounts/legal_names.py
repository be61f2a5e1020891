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


@strawberry.type(description="A wish for another legal name, and what came of it.")
@backed_by(models.accounts.legal_name.LegalNameChange)
class LegalNameChange(Node):
    account: Account = edge(account_resolvers.accounts_of, needs=("account_id",), description="The company.")
    previous_name: str = field("The legal name when it was asked for.")
    legal_name: str = field("The legal name that is wanted.")
    status: LegalNameStatus = field("Where it stands.")
    verdict: RegistryVerdict | None = field("What the register of companies said, null until it was asked.")
    registered_name: str | None = field("The name found there, null for none.")
    requester: User | None = edge(legal_name_resolvers.requesters, needs=("requester_id",), description="Who asked for it.")
    decider: User | None = edge(
        legal_name_resolvers.deciders, needs=("decider_id",), description="The agent who looked at it last, null for none."
    )
    reason: str | None = field("What the agent wrote about it.")
    evidence: list[File] = edge(legal_name_resolvers.evidence, description="The files shown for it, the first one first.")
    created_at: datetime = field("When it was asked for.")
    updated_at: datetime = field("When it moved last.")
    decided_at: datetime | None = field("When it was accepted, rejected or taken back.")


@strawberry.type(description="A change of legal name after what was done.")
class LegalNameChangePayload:
    change: LegalNameChange | None = field("The change as it stands.")
    user_errors: list[UserError] = errors()
