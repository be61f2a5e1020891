"""The signed-in user."""

import strawberry

from models.accounts.account import Role
from models.identity.user import Staff
from models.locale import Locale
from resolvers.accounts import members as member_resolvers
from resolvers.content import policies as policy_resolvers
from resolvers.identity import authenticators as authenticator_resolvers
from resolvers.identity import sessions as session_resolvers
from resolvers.privacy import consents as consent_resolvers
from resolvers.privacy import data_requests as request_resolvers
from resolvers.scalars import BigInt
from resolvers.support import teams as team_resolvers
from resolvers.support import tickets as ticket_resolvers
from schema.accounts.accounts import Account
from schema.accounts.members import ViewerCompany
from schema.content.policies import PolicyAcceptance, ViewerPolicy
from schema.fields import edge, field
from schema.identity.authenticators import Authenticator
from schema.identity.sessions import Session
from schema.identity.users import User
from schema.privacy.consents import Consent
from schema.privacy.data_requests import DataRequest
from schema.support.teams import Agent


@strawberry.type(description="The signed-in user.")
class Viewer:
    user: User = field("The user.")
    account: Account | None = field(
        "The company that the viewer is acting for. Null for the vendor's staff."
    )
    role: Role | None = field("The viewer's role in that company.")
    companies: list[ViewerCompany] = field(
        "All companies that the viewer can act for, in the order in which the viewer joined "
        "them. `sessionSwitchAccount` switches between them.",
        member_resolvers.companies,
    )
    staff: Staff | None = field(
        "The viewer's role on the vendor's staff. Null for customers and until the second factor "
        "is on."
    )
    locale: Locale = field("The language of messages in this response.")
    second_factor: bool = field(
        "Whether sign-in requires a code or a passkey in addition to the password.",
        lambda root: root.user.second_factor,
    )
    authenticators: list[Authenticator] = edge(
        authenticator_resolvers.authenticators_of,
        description="The viewer's authenticators, oldest first.",
    )
    sessions: list[Session] = edge(
        session_resolvers.sessions_of,
        description="The viewer's sessions, most recent first (at most 100).",
    )
    policies: list[ViewerPolicy] = field(
        "The policies in force, the privacy policy first, and whether the viewer has accepted "
        "them.",
        policy_resolvers.viewer_policies,
    )
    policy_acceptances: list[PolicyAcceptance] = field(
        "All acceptances of the viewer, most recent first.", policy_resolvers.acceptances
    )
    consents: list[Consent] = field(
        "What the viewer agrees to, beyond what their contract needs: one item for each purpose, "
        "all off until the viewer turns one on with `consentUpdate`.",
        consent_resolvers.viewer_consents,
    )
    data_requests: list[DataRequest] = field(
        "The viewer's own requests about their personal data, most recent first.",
        request_resolvers.viewer_requests,
    )
    account_sequence: BigInt | None = field(
        "The `sequence` of the latest event of the viewer's company, for `accountEvents(after:)`.",
        ticket_resolvers.account_sequence,
    )
    unread_tickets: int | None = field(
        "How many tickets contain messages that the viewer hasn't read: tickets of the company "
        "for customers, open tickets assigned to the viewer for agents. Null for other viewers. "
        "See `Ticket.unreadCount`.",
        ticket_resolvers.unread_tickets,
    )
    inbox_sequence: BigInt | None = field(
        "The `sequence` of the latest event of the inbox, for `inboxEvents(after:)`. Visible to "
        "agents.",
        ticket_resolvers.inbox_sequence,
    )
    agent: Agent | None = field(
        "The viewer as an agent: their teams, and whether they take chats. Null unless the viewer "
        "is an agent.",
        team_resolvers.viewer_agent,
    )
    agent_sequence: BigInt | None = field(
        "The `sequence` of the latest event that the viewer is notified of, for "
        "`agentEvents(after:)`. Visible to agents.",
        ticket_resolvers.agent_sequence,
    )
