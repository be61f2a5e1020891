"""The company itself: where it is, and how it comes to another legal name."""

from datetime import datetime

import strawberry

import models.legal_name
from models.legal_name import LegalNameStatus, RegistryVerdict
from resolvers import company, identity
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
