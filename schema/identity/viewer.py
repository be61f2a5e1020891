"""The signed-in user."""

import strawberry

from models.accounts.account import Role
from models.identity.user import Staff
from models.locale import Locale
from resolvers.accounts import members as member_resolvers
from resolvers.content import policies as policy_resolvers
from resolvers.identity import authenticators as authenticator_resolvers
from resolvers.identity import sessions as session_resolvers
from resolvers.scalars import BigInt
from resolvers.support import tickets as ticket_resolvers
from schema.accounts.accounts import Account
from schema.accounts.members import ViewerCompany
from schema.content.policies import PolicyAcceptance, PolicyStanding
from schema.fields import edge, field
from schema.identity.authenticators import Authenticator
from schema.identity.sessions import Session
from schema.identity.users import User


@strawberry.type(description="Whoever is signed in.")
class Viewer:
    user: User = field("The person.")
    account: Account | None = field("The company they act for, null for the vendor's people.")
    role: Role | None = field("Their role in that company.")
    companies: list[ViewerCompany] = field(
        "All companies they may act for, the one joined first at first: `sessionSwitchAccount` chooses.",
        member_resolvers.companies,
    )
    staff: Staff | None = field("Their role with the vendor: null for customers, and until the second factor is on.")
    locale: Locale = field("The language of this answer's messages.")
    second_factor: bool = field(
        "Whether sign-in asks them for a code or a passkey besides the password.", lambda root: root.user.second_factor
    )
    authenticators: list[Authenticator] = edge(
        authenticator_resolvers.authenticators_of, description="What they prove themselves with, the first one first."
    )
    sessions: list[Session] = edge(
        session_resolvers.sessions_of, description="Where they are signed in, the latest sign-in first, at most 100."
    )
    policies: list[PolicyStanding] = field(
        "The policies in force, the privacy policy first, and whether they have accepted each.", policy_resolvers.standings
    )
    policy_acceptances: list[PolicyAcceptance] = field(
        "What they ever accepted, the latest first.", policy_resolvers.acceptances
    )
    account_sequence: BigInt | None = field(
        "The number of the company's latest event, to follow `accountEvents(after:)` from.", ticket_resolvers.account_sequence
    )
    inbox_sequence: BigInt | None = field(
        "For agents: the number of the inbox's latest event, to follow `inboxEvents(after:)` from.",
        ticket_resolvers.inbox_sequence,
    )
