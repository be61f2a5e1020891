"""A company with a ticket, the services that read emails, and a mail server that delivers them."""

import asyncio
import smtplib
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from auth.services import AuthServices
from auth.throttle.activity import ActivityLimits
from mail.message import Sender, message
from mail.reply_address import ReplyAddresses
from models.accounts.account import Account
from models.action import Action
from models.clock import SystemClock
from models.identity.user import Staff, User
from models.operations.email import Email
from models.support.classification import Category, Channel
from models.support.incoming_email import IncomingEmail, IncomingEmailSource
from models.support.message import Message
from models.support.ticket import Ticket
from models.viewer import Viewer
from realtime.delivered_positions import DeliveredPositions
from storage.file_service import FileService
from storage.store import FolderStore
from support import messages
from support.incoming.authentication import Authenticator
from support.incoming.listener import MailListener
from support.incoming.options import ListenerOptions
from support.incoming.processing import IncomingMailServices, process_due
from support.incoming.storing import store_email
from support.reply_emails import send_due_replies
from tests.conftest import MovableClock, RecordingBus
from tests.people import (
    add_member,
    create_account,
    create_staff_viewer,
    create_user,
)
from tests.quick_auth import quick_auth

SUPPORT = "support@camcha.example"
OUR_MAILBOX = "CAMCHA <bonjour@camcha.example>"
KEY = "k8Zp2vQx7Lr4Ns9Tb3Wc6Yd1Hf5Jg0Ma"
AUTHSERV_ID = "mx.camcha.example"
MAX_BYTES = 200_000


@dataclass
class MailDesk:
    """Support by email, as customers and agents use it."""

    services: IncomingMailServices
    clock: MovableClock
    paul: User
    account: Account
    alice: Viewer
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def action(self) -> Action:
        return Action(None, self.clock.now(), RecordingBus())

    async def open_ticket(self, body: str = "Bonjour, l'export reste vide.") -> Ticket:
        """Paul opens a ticket."""
        async with self.action.transaction() as tx:
            ticket = await Ticket.open(
                tx,
                self.account,
                self.paul,
                subject="Export vide",
                channel=Channel.WEB,
                category=Category.BUG,
            )
            await ticket.post(tx, self.paul, body, "first")
        return ticket

    async def answer(self, ticket: Ticket, body: str = "Quelle version utilisez-vous ?") -> Email:
        """Alice replies, and Paul, who is away, is sent an email."""
        key = f"reply-{await Message.all().count()}"
        await messages.reply(self.action, self.services.auth, self.alice, ticket.pk, body, key)
        delay = timedelta(0)
        await send_due_replies(self.action, DeliveredPositions(), delay, accepts_answers=True)
        return (await Email.filter(ticket_id=ticket.pk).order_by("id"))[-1]

    def sent(self, email: Email) -> EmailMessage:
        """An email as the message that is sent."""
        addresses = self.services.reply_addresses
        return message(
            email, Sender(OUR_MAILBOX, "https://camcha.example", reply_addresses=addresses)
        )

    async def messages_of(self, ticket: Ticket) -> list[Message]:
        return await Message.filter(ticket_id=ticket.pk).order_by("sequence")

    async def deliver(self, raw: bytes, recipients: list[str] | None = None) -> None:
        """Deliver an email by SMTP, from a real client."""
        await asyncio.to_thread(self._send, smtplib.SMTP, raw, recipients or [SUPPORT])

    def _send(self, kind: type[smtplib.SMTP], raw: bytes, recipients: list[str]) -> None:
        scheme = "lmtp" if kind is smtplib.LMTP else "smtp"
        with kind("127.0.0.1", self.ports[scheme], local_hostname="mx.example") as client:
            client.sendmail("paul@fournil.example", recipients, raw)

    async def receive(self, raw: bytes) -> IncomingEmail:
        """Store and read an email."""
        store = self.services.files.store
        await store_email(store, self.clock.now(), IncomingEmailSource.LMTP, raw)
        return await self.read()

    async def read(self) -> IncomingEmail:
        """Run the job. Returns the most recent email."""
        await process_due(self.action, self.services)
        return (await IncomingEmail.all().order_by("id"))[-1]


@pytest.fixture(scope="session")
def auth() -> AuthServices:
    unlimited = ActivityLimits(**dict.fromkeys(asdict(ActivityLimits()), 1_000_000))
    return replace(quick_auth(SystemClock()), activity_limits=unlimited)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "files")


@pytest.fixture
async def desk(
    db: str, action: Action, clock: MovableClock, store: FolderStore, auth: AuthServices
) -> MailDesk:
    account = await create_account(action, "Le Fournil d'Aubry")
    paul = await create_user(action, "Paul Meunier")
    await add_member(action, account, paul)
    services = IncomingMailServices(
        auth,
        FileService(store),
        ReplyAddresses(SUPPORT, KEY),
        frozenset({"bonjour@camcha.example"}),
        Authenticator(AUTHSERV_ID),
    )
    alice = await create_staff_viewer(action, "Alice Martin", Staff.AGENT)
    return MailDesk(services, clock, paul, account, alice)


@pytest.fixture
async def listening_desk(desk: MailDesk) -> AsyncIterator[MailDesk]:
    """A desk that receives emails by SMTP and LMTP."""
    listeners = []
    for scheme in ("smtp", "lmtp"):
        listener = MailListener(
            ListenerOptions.from_url(f"{scheme}://127.0.0.1:0"),
            desk.services.files.store,
            desk.services.reply_addresses,
            desk.clock.now,
            MAX_BYTES,
        )
        desk.ports[scheme] = await listener.start()
        listeners.append(listener)
    yield desk
    for listener in listeners:
        await listener.close()
