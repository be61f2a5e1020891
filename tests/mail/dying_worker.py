"""A worker that is killed between the server's yes and the mark, or whenever its test likes.

`dying_worker.py <database> <mail> <time> <itself|test>`, who kills it.
"""

import asyncio
import os
import signal
import sys
from datetime import datetime
from email.message import EmailMessage

from mail.delivery import deliver_due
from mail.message import Sender
from mail.transport import transport
from models.database.connection import connect


class Deadly:
    def __init__(self, url: str) -> None:
        self.real = transport(url)

    async def send(self, message: EmailMessage) -> str:
        await self.real.send(message)
        os.kill(os.getpid(), signal.SIGKILL)
        return "never said"


async def main(database: str, mail: str, at: str, killer: str) -> None:
    await connect(database)
    used = Deadly(mail) if killer == "itself" else transport(mail)
    await deliver_due(
        used, datetime.fromisoformat(at), head=Sender("CAMCHA <bonjour@camcha.example>", "https://camcha.example")
    )


asyncio.run(main(*sys.argv[1:]))
