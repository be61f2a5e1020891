"""Invitations."""

from datetime import datetime

import strawberry

import models.accounts.invitation
from models.accounts.account import Role
from models.locale import Locale
from resolvers.accounts import invitations as invitation_resolvers
from schema.accounts.members import ViewerCompany
from schema.fields import edge, field
from schema.identity.users import User
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors


@strawberry.type(description="An invitation into a company, sent to an address by email.")
@backed_by(models.accounts.invitation.Invitation)
class Invitation(Node):
    email: str = field("The invited address.")
    role: Role = field("What the person may do once they join.")
    locale: Locale = field("The language of the email.")
    inviter: User | None = edge(invitation_resolvers.inviters, needs=("inviter_id",), description="Who sent the latest email.")
    created_at: datetime = field("When the address was invited.")
    sent_at: datetime = field("When the latest email was written.")
    expires_at: datetime = field("Until when the latest email's token works.")
    accepted_at: datetime | None = field("When somebody joined by it, null while nobody has.")
    revoked_at: datetime | None = field("When it was taken back, null unless it was.")


@strawberry.type(description="An invitation after the change.")
class InvitationPayload:
    invitation: Invitation | None = field("The invitation as it stands.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The company that was joined.")
class InvitationAcceptPayload:
    company: ViewerCompany | None = field("Where one belongs now; act for it by `sessionSwitchAccount`, or by signing in.")
    user_errors: list[UserError] = errors()
