"""Edits and deletions of messages, and reactions."""

import strawberry

from auth.rules import agent, customer
from models.support.audit_actions import SupportAuditAction
from resolvers.support import messages as message_resolvers
from schema.fields import Unaudited, field, mutation
from schema.support.tickets import Message
from schema.user_errors import UserError, errors

_REACTION = Unaudited("A reaction tells by itself whose it is.")


@strawberry.type(description="The result of editing or deleting a message.")
class MessageChangePayload:
    message: Message | None = field("The message after the change.")
    may_have_been_emailed: bool | None = field(
        "Whether the message may already have been sent by email. Sent emails don't change: tell "
        "the author."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of a reaction to a message.")
class ReactionPayload:
    message: Message | None = field("The message after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type
class MessageMutation:
    message_edit: MessageChangePayload | None = mutation(
        message_resolvers.edit,
        "message",
        "may_have_been_emailed",
        allow=customer | agent,
        audit=SupportAuditAction.MESSAGE_EDIT,
        description="Edits a message of the viewer within 15 minutes after it was posted. Earlier "
        "texts stay visible to supervisors. Messages that were received by email, or that are part "
        "of a request or a decision, and those of closed tickets, can't be edited.",
    )
    message_delete: MessageChangePayload | None = mutation(
        message_resolvers.delete,
        "message",
        "may_have_been_emailed",
        allow=customer | agent,
        audit=SupportAuditAction.MESSAGE_DELETE,
        description="Deletes the text, the files and the reactions of a message of the viewer, "
        "under the conditions of `messageEdit`. Its place, author and time remain.",
    )
    reaction_add: ReactionPayload | None = mutation(
        message_resolvers.add_reaction,
        "message",
        allow=customer | agent,
        audit=_REACTION,
        cost=1,
        description=(
            "Adds a reaction of the viewer to a message. Each user can add each reaction once."
        ),
    )
    reaction_remove: ReactionPayload | None = mutation(
        message_resolvers.remove_reaction,
        "message",
        allow=customer | agent,
        audit=_REACTION,
        cost=1,
        description="Removes a reaction of the viewer from a message.",
    )
