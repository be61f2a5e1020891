"""A worker that is killed after the server accepted a message and before the row says so, or at any
time by its test.

`killed_worker.py <database URL> <mail URL> <time> <itself|test>`: the last argument says who kills
it.
"""

import asyncio
import os
import signal
import sys
from datetime import datetime
from email.message import EmailMessage

from mail.delivery import deliver_due
from mail.message import Sender
from mail.transport import Transport, transport_from_url
from models.database.connection import connect


class KillingTransport(Transport):
    """Sends one message, then kills the process."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def send(self, message: EmailMessage) -> str:
        await self._transport.send(message)
        os.kill(os.getpid(), signal.SIGKILL)
        return "never reached"


async def main(database_url: str, mail_url: str, at: str, killed_by: str) -> None:
    await connect(database_url)
    smtp_transport = transport_from_url(mail_url)
    sender = Sender("CAMCHA <bonjour@camcha.example>", "https://camcha.example")
    await deliver_due(
        KillingTransport(smtp_transport) if killed_by == "itself" else smtp_transport,
        datetime.fromisoformat(at),
        sender=sender,
    )


asyncio.run(main(*sys.argv[1:]))
