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


@strawberry.type(description="An invitation to join a company, sent by email.")
@backed_by(models.accounts.invitation.Invitation)
class Invitation(Node):
    email: str = field("The invited email address.")
    role: Role = field("The role that the person will have.")
    locale: Locale = field("The language of the email.")
    inviter: User | None = edge(
        invitation_resolvers.inviters,
        needs=("inviter_id",),
        description="The user who sent the most recent email.",
    )
    created_at: datetime = field("When the invitation was created.")
    sent_at: datetime = field("When the most recent email was sent.")
    expires_at: datetime = field("When the token of the most recent email expires.")
    accepted_at: datetime | None = field("When the invitation was accepted. Null until then.")
    revoked_at: datetime | None = field("When the invitation was revoked. Null if it wasn't.")


@strawberry.type(description="The result of a change to an invitation.")
class InvitationPayload:
    invitation: Invitation | None = field("The invitation after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of accepting an invitation.")
class InvitationAcceptPayload:
    company: ViewerCompany | None = field(
        "The company that the user joined. To act for it, use `sessionSwitchAccount` or sign in."
    )
    user_errors: list[UserError] = errors()
