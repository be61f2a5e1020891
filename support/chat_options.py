"""What an operator can set about live chats: docs/operating.md explains each option."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ChatOptions:
    """The time limits of live chats: the seconds after which an agent who doesn't answer a chat is
    set to away (`answer_seconds`), and after which a chat becomes a ticket because it waits for an
    agent (`wait_seconds`), or because nothing has happened in it (`idle_seconds`).
    """

    answer_seconds: int = 300
    wait_seconds: int = 600
    idle_seconds: int = 3_600
