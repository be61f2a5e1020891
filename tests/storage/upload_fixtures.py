"""A company whose members upload files, the agent who answers them, and a store with slow
deletions.
"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from accounts import legal_names
from models.accounts.legal_name import LegalNameChange
from models.action import Action
from models.identity.user import User
from models.support.classification import Category, Channel
from models.support.file import File
from models.support.message import Message
from models.support.ticket import Ticket
from storage.abandoned_files import delete_abandoned_files
from storage.store import FolderStore, random_key
from tests.accounts.company_fixtures import Company
from tests.web.web_fixtures import Site

if TYPE_CHECKING:
    from storage.store import Store

CONTENT = b"Bonjour"


class Scenario:
    """A bakery whose members upload files, the agent who answers them, and the site that accepts
    the files.
    """

    def __init__(self, site: Site, bakery: Company, agent: User) -> None:
        self.site, self.bakery, self.agent = site, bakery, agent

    @property
    def camille(self) -> User:
        return self.bakery.people["Camille"]

    async def announce(self, user: User | None = None, size: int = len(CONTENT)) -> File:
        user = user or self.camille
        account = None if user.staff else self.bakery.account
        return await File.create(
            key=random_key(),
            uploader=user,
            account=account,
            name="note.txt",
            content_type="text/plain",
            size=size,
            created_at=self.bakery.clock.now(),
        )

    async def upload(self, user: User | None = None) -> File:
        file = await self.announce(user)
        assert (await self.site.upload(file, CONTENT)).status_code == 201
        await file.refresh_from_db()
        return file

    async def open_ticket(self, channel: Channel = Channel.WEB) -> Ticket:
        async with self.bakery.action("Camille").transaction() as tx:
            return await Ticket.open(
                tx,
                self.bakery.account,
                self.camille,
                subject="Bonjour",
                channel=channel,
                category=Category.USAGE,
            )

    async def post_message(
        self, file: File, user: User | None = None, channel: Channel = Channel.WEB
    ) -> Message:
        user = user or self.camille
        action = Action(user, self.bakery.clock.now(), self.bakery.bus)
        return await (await self.open_ticket(channel)).reply(
            action, user, "Voici.", random_key(), (file.pk,)
        )

    async def request_legal_name(self, *files: File) -> LegalNameChange:
        return await legal_names.request(
            self.bakery.action("Camille"),
            self.site.services.auth,
            self.site.services.registry,
            self.bakery.tokens["Camille"].session,
            self.bakery.account,
            legal_name="Les Fournils d'Aubry",
            claimed_siren=None,
            file_ids=tuple(file.pk for file in files),
            key=random_key(),
        )

    async def add_evidence(self, change: LegalNameChange, file: File) -> LegalNameChange:
        session = self.bakery.tokens["Camille"].session
        return await legal_names.add_evidence(
            self.bakery.action("Camille"), session, self.bakery.account, change.pk, (file.pk,)
        )

    async def run_job(self, store: "Store | None" = None) -> int:
        return await delete_abandoned_files(
            self.site.action(), store or self.site.file_service.store
        )

    async def stored_keys(self) -> set[str]:
        """The keys of the rows."""
        return {file.key for file in await File.all()}


class SlowStore(FolderStore):
    """A folder with slow deletions, during which a test acts or kills the process."""

    def __init__(self, root: Path, delete_first: bool = False) -> None:
        super().__init__(root)
        self.delete_first, self.delete_started, self.may_continue = (
            delete_first,
            asyncio.Event(),
            asyncio.Event(),
        )

    async def delete(self, key: str) -> None:
        if self.delete_first:
            await super().delete(key)
        self.delete_started.set()
        await self.may_continue.wait()
        await super().delete(key)
