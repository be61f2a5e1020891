"""What an operator can set about emails: docs/operating.md explains each option."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MailOptions:
    """The options of emails. `reply_delay` is how many seconds a support reply may stay unread
    before it is sent by email. `connections` is the number of connections over which a process
    sends at once.
    """

    reply_delay: int = 300
    connections: int = 8
