"""Canned replies."""

from datetime import datetime

import strawberry

import models.support.canned_reply
from auth.rules import agent
from models.locale import Locale
from models.support.audit_actions import SupportAuditAction
from resolvers.support import canned_replies as reply_resolvers
from schema.fields import edge, field, mutation, query
from schema.identity.users import User
from schema.nodes import Connection, Node, backed_by
from schema.support.teams import Team
from schema.user_errors import UserError, errors


@strawberry.type(
    description="A text that agents use again and again. Its variables, such as "
    "`{customer.name}`, are filled in by `renderedReply`."
)
@backed_by(models.support.canned_reply.CannedReply)
class CannedReply(Node):
    shortcut: str = field("What agents type to find it, without a slash.")
    name: str = field("What it is about.")
    body_fr: str | None = field("The text in French, with its variables.", cost=5)
    body_en: str | None = field("The text in English, with its variables.", cost=5)
    updated_at: datetime = field("When it was last changed.")
    owner: User | None = edge(
        reply_resolvers.owners,
        needs=("owner_id",),
        description="The agent to whom it belongs. Null for a reply that is shared.",
    )
    team: Team | None = edge(
        reply_resolvers.teams,
        needs=("team_id",),
        description=(
            "The team that uses it. Null for a personal reply and for one that all agents use."
        ),
    )
    viewer_can_change: bool = edge(
        reply_resolvers.viewer_can_change,
        needs=("owner_id", "team_id"),
        description=(
            "Whether the viewer can change and delete it. Agents can change their own replies and "
            "those of their teams; supervisors can also change those of all teams and of all "
            "agents."
        ),
    )


@strawberry.type(description="The text of a canned reply for one ticket.")
class RenderedReply:
    body: str = field(
        "The text with its variables filled in, to be read before it is sent.", cost=5
    )
    locale: Locale = field("The language of the text.")


@strawberry.type(description="The result of a change to a canned reply.")
class CannedReplyPayload:
    canned_reply: CannedReply | None = field("The canned reply after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of deleting a canned reply.")
class CannedReplyDeletePayload:
    deleted: bool | None = field("True when the canned reply was deleted.")
    user_errors: list[UserError] = errors()


@strawberry.type
class CannedReplyQuery:
    canned_replies: Connection[CannedReply] | None = query(
        reply_resolvers.canned_replies,
        allow=agent,
        description="The canned replies that the viewer can use, in the order of their shortcuts.",
    )
    rendered_reply: RenderedReply | None = query(
        reply_resolvers.rendered_reply,
        allow=agent,
        cost=5,
        description="The text of a canned reply for a ticket, in the customer's language unless "
        "another one is requested. Null when the viewer can't see one of them.",
    )


@strawberry.type
class CannedReplyMutation:
    canned_reply_create: CannedReplyPayload | None = mutation(
        reply_resolvers.create,
        "canned_reply",
        allow=agent,
        audit=SupportAuditAction.CANNED_REPLY_CREATE,
        description="Creates a canned reply. VARIABLE_UNKNOWN names all variables of a text that "
        "don't exist.",
    )
    canned_reply_update: CannedReplyPayload | None = mutation(
        reply_resolvers.update,
        "canned_reply",
        allow=agent,
        audit=SupportAuditAction.CANNED_REPLY_UPDATE,
        description="Replaces the texts of a canned reply.",
    )
    canned_reply_delete: CannedReplyDeletePayload | None = mutation(
        reply_resolvers.delete,
        "deleted",
        allow=agent,
        audit=SupportAuditAction.CANNED_REPLY_DELETE,
        description="Deletes a canned reply. Messages that were written with it stay.",
    )
