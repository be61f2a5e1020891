"""Customers and agents who chat over real websockets with two processes of an installation, whose
clock and jobs the test moves.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from app import Application
from auth import sessions
from models.accounts.account import Account, Role
from models.action import Action
from models.identity.user import Staff, User
from realtime.uvicorn_protocol import UVICORN_OPTIONS
from resolvers.context import Services
from resolvers.ids import encode
from settings import read_settings
from support.chat_options import ChatOptions
from support.chats import handle_chats
from support.presence import renew_leases
from tests.conftest import MovableClock
from tests.people import add_member, create_account, create_staff, create_user
from tests.realtime.socket_fixtures import wait_until
from tests.schema.conftest import create_services
from tests.story.server_fixtures import Client, Server, WebsocketClient

OPTIONS = ChatOptions()
STEP = timedelta(seconds=10)  # after which leases are renewed
CHAT = "chat { state position expectedWaitSeconds notice }"


@dataclass
class Process:
    """One process of the installation."""

    services: Services
    application: Application
    url: str = ""
    is_alive: bool = True
    sockets: list[WebsocketClient] = field(default_factory=list)


class ChatDesk:
    """The processes and the people of an installation. Its jobs run when the test says so."""

    def __init__(self, clock: MovableClock, folder: Path, database_url: str) -> None:
        self.clock = clock
        environment = {
            name: value
            for name, value in Server(database_url, folder).environment.items()
            if name.startswith("CAMCHA_")
        }
        self.settings = read_settings(environment)
        self.first, self.second = (self._process() for _ in range(2))
        self.users: dict[str, User] = {}
        self._accounts: dict[str, Account | None] = {}

    def _process(self) -> Process:
        services = create_services(self.clock)
        return Process(services, Application(self.settings, services))

    @property
    def processes(self) -> list[Process]:
        return [self.first, self.second]

    def action(self) -> Action:
        return Action(None, self.clock.now(), self.first.services.hub)

    @asynccontextmanager
    async def serve(self, process: Process) -> AsyncIterator[None]:
        """Serve a process over HTTP and websockets."""
        app: Starlette = process.application.app()
        config = uvicorn.Config(app, port=0, **UVICORN_OPTIONS, log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve())
        await wait_until(lambda: server.started)
        process.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            await process.application.socket.close_all()
            server.should_exit = True
            await task
            process.services.auth.passwords.close()

    async def customer(self, name: str, account: Account | None = None) -> Client:
        """A customer who is signed in, of a company of their own by default."""
        user = await create_user(self.action(), name)
        account = account or await create_account(self.action())
        await add_member(self.action(), account, user, Role.OWNER)
        return await self._sign_in(user, account)

    async def staff(self, name: str, role: Staff, process: Process | None = None) -> Client:
        """A person who answers customers, connected to the first process by default."""
        user = await create_staff(self.action(), name, role)
        return await self._sign_in(user, None, process)

    async def _sign_in(
        self, user: User, account: Account | None, process: Process | None = None
    ) -> Client:
        self.users[user.name], self._accounts[user.name] = user, account
        tokens = await sessions.sign_in(user, account, account is None, self.action())
        return Client(process or self.first, tokens.access)  # type: ignore[arg-type] # has a URL

    async def sign_in(self, name: str) -> Client:
        """Sign a person in again."""
        return await self._sign_in(self.users[name], self._accounts[name])

    def id(self, name: str) -> str:
        """The global id of a person."""
        return encode("User", self.users[name].pk)

    async def work(self) -> None:
        """Run the jobs of the processes that are alive."""
        alive = [process for process in self.processes if process.is_alive]
        for process in alive:
            await renew_leases(self.action(), process.services.presence.agents)
        for process in alive:
            await handle_chats(self.action(), process.services.presence.agents, OPTIONS)
        for process in alive:
            await process.services.hub.sweep()
            await process.services.chats.refresh()

    async def pass_time(self, duration: timedelta) -> None:
        """Let time pass while the jobs run."""
        end = self.clock.now() + duration
        while self.clock.now() < end:
            self.clock.advance(min(STEP, end - self.clock.now()))
            await self.work()


async def set_availability(client: Client, availability: str) -> dict[str, Any]:
    """Set whether an agent takes chats, and return the agent."""
    payload = await client.mutate(
        "agentSetChatAvailability",
        "AgentSetChatAvailabilityInput",
        {"availability": availability},
        "agent { chatAvailability isPresent chatCount }",
    )
    return dict(payload["agent"])


async def open_chat(client: Client, key: str, **fields: Any) -> dict[str, Any]:
    """Open a chat, and return its ticket."""
    variables = {"subject": key, "body": "Bonjour", "channel": "CHAT", "idempotencyKey": key}
    payload = await client.mutate(
        "ticketOpen", "TicketOpenInput", variables | fields, f"ticket {{ id status {CHAT} }}"
    )
    return dict(payload["ticket"])


async def reply(client: Client, ticket_id: str, body: str) -> None:
    variables = {"ticketId": ticket_id, "body": body, "clientMessageId": body}
    await client.mutate("ticketReply", "TicketReplyInput", variables, "message { id }")


async def change(client: Client, name: str, ticket_id: str, **fields: Any) -> None:
    """Change a ticket with a mutation."""
    kind = f"{name[0].upper()}{name[1:]}Input"
    await client.mutate(name, kind, {"ticketId": ticket_id, **fields}, "ticket { id }")
