"""Live chats."""

from collections.abc import AsyncGenerator
from datetime import datetime

import strawberry

from auth.rules import agent, anyone, customer
from models.support.live_chat import ChatState
from resolvers.support import chats as chat_resolvers
from schema.fields import Unaudited, field, mutation, subscription
from schema.support.teams import AgentPayload
from support.chat_views import ChatServiceStatus


@strawberry.type(description="Whether chats are answered now.")
class ChatService:
    status: ChatServiceStatus = field("Whether a chat opened now is answered.")
    expected_wait_seconds: int | None = field(
        "How long a chat that is opened now is expected to wait, in seconds: 0 when an agent is "
        "free. Null unless the status is ANSWERED.",
        chat_resolvers.expected_wait_seconds,
    )
    opens_at: datetime | None = field(
        "When chats will be answered next. Null unless the status is CLOSED, and when no opening "
        "is planned."
    )
    closes_at: datetime | None = field(
        "When chats stop being answered today. Null while the status is CLOSED, and when chats "
        "are answered around the clock."
    )
    opening_hours: str = field(
        "The hours in which these chats are answered, in the viewer's language.",
        chat_resolvers.opening_hours,
        needs=(),
    )


@strawberry.type(description="The live part of a chat: who has it, or its place in the queue.")
class LiveChat:
    state: ChatState = field("The state of the chat.")
    position: int | None = field(
        "The position of the chat in its queue, counting only chats that the same agents can "
        "take: 1 for the next one. From 100 on, rounded up to two digits, such as 9,000. Null "
        "unless it waits."
    )
    expected_wait_seconds: int | None = field(
        "How long the chat is expected to wait, in seconds, rounded like the position. Null unless "
        "it waits, and while no agent is available.",
        chat_resolvers.expected_wait_seconds,
    )
    notice: str | None = field(
        "What to tell the customer, in the viewer's language: their place in line, or until when "
        "they will be answered. Null while an agent has the chat.",
        chat_resolvers.notice,
    )


@strawberry.type
class ChatMutation:
    agent_set_chat_availability: AgentPayload | None = mutation(
        chat_resolvers.set_availability,
        "agent",
        allow=agent,
        audit=Unaudited("Agents do it all day, and the rights of nobody change."),
        description=(
            "Sets whether the viewer takes new chats. While they do and one of their devices is "
            "connected, chats are assigned to them, up to their capacity (`Agent.chatCapacity`). "
            "When they become AWAY, chats that they haven't answered return to the queue. Agents "
            "who leave a new chat unanswered for a few minutes become AWAY; `agentEvents` reports "
            "it (AVAILABILITY_CHANGED)."
        ),
    )


@strawberry.type
class ChatSubscription:
    chat_service: AsyncGenerator[ChatService, None] = subscription(
        chat_resolvers.watch_service,
        allow=anyone,
        description="Whether chats are answered now, of a category or a team: first the current "
        "state, then each change. Not stored.",
    )
    ticket_chat: AsyncGenerator[LiveChat, None] = subscription(
        chat_resolvers.watch_chat,
        allow=customer | agent,
        description="The state of a chat: first the current one, then each change. Places far back "
        "in the queue are updated less often. Not stored.",
    )
