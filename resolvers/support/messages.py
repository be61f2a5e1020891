"""Changes of messages: edits, deletions, reactions, and their edges."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import strawberry
from tortoise.queryset import QuerySet

from models.checks import Checks
from models.database.reading import read
from models.identity.user import User
from models.support.message import Message, MessageVersion
from models.support.reaction import Reaction, ReactionKind
from resolvers.context import Context, Info
from resolvers.ids import load_visible
from resolvers.rows import RowsByParent
from support import message_changes


@strawberry.input(description="The message to edit, and its new text.")
class MessageEditInput:
    message_id: strawberry.ID = strawberry.field(description="The ID of a message of the viewer.")
    body: str = strawberry.field(
        description="The new text (at most 8,000 characters). Card numbers are masked. It may be "
        "empty when the message has files."
    )


@strawberry.input(description="The message to delete.")
class MessageDeleteInput:
    message_id: strawberry.ID = strawberry.field(description="The ID of a message of the viewer.")


@strawberry.input(description="The reaction to add to a message.")
class ReactionAddInput:
    message_id: strawberry.ID = strawberry.field(description="The ID of the message.")
    kind: ReactionKind = strawberry.field(description="The reaction.")


@strawberry.input(description="The reaction to remove from a message.")
class ReactionRemoveInput:
    message_id: strawberry.ID = strawberry.field(description="The ID of the message.")
    kind: ReactionKind = strawberry.field(description="The reaction.")


async def edit(info: Info, input: MessageEditInput) -> dict[str, Any]:
    """Edit a message of the viewer."""
    context = info.context
    with Checks() as check:
        message = await check.wait(_load(info, input.message_id))
        text = await check.wait(message_changes.new_text(message, input.body))
    message = await message_changes.edit_message(
        context.action(), context.services.auth, context.user, message, text
    )
    return await _changed(message)


async def delete(info: Info, input: MessageDeleteInput) -> dict[str, Any]:
    """Delete a message of the viewer."""
    context, message = info.context, await _load(info, input.message_id)
    return await _changed(
        await message_changes.delete_message(context.action(), context.user, message)
    )


async def _load(info: Info, message_id: str) -> Message:
    return await load_visible(Message, message_id, info.context.viewer, "messageId")


async def _changed(message: Message) -> dict[str, Any]:
    return {
        "message": message,
        "may_have_been_emailed": await message_changes.may_have_been_emailed(message),
    }


async def add_reaction(info: Info, input: ReactionAddInput) -> Message:
    """React to a message."""
    context, message = info.context, await _load(info, input.message_id)
    return await message_changes.add_reaction(
        context.action(), context.services.auth, context.user, message, input.kind
    )


async def remove_reaction(info: Info, input: ReactionRemoveInput) -> Message:
    """Remove a reaction."""
    context, message = info.context, await _load(info, input.message_id)
    return await message_changes.remove_reaction(
        context.action(), context.user, message, input.kind
    )


def versions(context: Context, parents: Sequence[Message]) -> RowsByParent:
    """The earlier texts of each message, for supervisors."""
    return RowsByParent(parents, MessageVersion.visible_to(context.viewer), "message_id", "id")


@dataclass(frozen=True)
class ReactionGroup:
    """The people who have the same reaction to a message."""

    kind: ReactionKind
    user_ids: tuple[int, ...]

    @property
    def emoji(self) -> str:
        return self.kind.emoji

    @property
    def count(self) -> int:
        return len(self.user_ids)


async def reactions(context: Context, parents: Sequence[Message]) -> list[list[ReactionGroup]]:
    """The reactions to each message, grouped by kind, the earliest kind first."""
    rows = await read(
        QuerySet(Reaction), None, "id", where_in=("message_id", {row.pk for row in parents})
    )
    people: dict[int, dict[ReactionKind, list[int]]] = defaultdict(dict)
    for row in rows:
        people[row.message_id].setdefault(row.kind, []).append(row.user_id)
    return [
        [ReactionGroup(kind, tuple(user_ids)) for kind, user_ids in people[message.pk].items()]
        for message in parents
    ]


def viewer_has_reacted(context: Context, parents: Sequence[ReactionGroup]) -> list[bool]:
    """Whether the viewer is among the people with each reaction."""
    return [context.viewer.user_id in group.user_ids for group in parents]


async def reacting_users(context: Context, parents: Sequence[ReactionGroup]) -> list[list[User]]:
    """The people with each reaction, earliest first."""
    user_ids = {user_id for group in parents for user_id in group.user_ids}
    rows = await read(QuerySet(User), None, where_in=("id", user_ids))
    users = {user.pk: user for user in rows}
    return [[users[user_id] for user_id in group.user_ids] for group in parents]
