"""What an operator can set about live chats: docs/operating.md explains each option."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ChatOptions:
    """After how many seconds an agent is sent away who doesn't answer a chat (`answer_seconds`),
    and a chat becomes a ticket: when it waits for an agent (`wait_seconds`), or when nothing has
    happened in it (`idle_seconds`).
    """

    answer_seconds: int = 300
    wait_seconds: int = 600
    idle_seconds: int = 3_600
