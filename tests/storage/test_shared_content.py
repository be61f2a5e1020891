"""Copies of a file share its stored content, which is deleted with the last of them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from auth.tokens import Purpose
from models.accounts.account import Role
from models.action import Action
from models.identity.user import Staff, User
from models.privacy.erasure import Erasure
from models.support.classification import Category
from models.support.file import File, FileStatus
from models.support.macro import Macro
from models.support.message import Message
from models.support.ticket import Ticket
from models.support.ticket_actions import TicketActions
from models.viewer import Viewer
from privacy.erasure import erase
from resolvers.privacy.erasures import erasure_services
from storage.file_service import scan_waiting_files
from storage.scanner import scanner_from_url
from support.macros import apply_macro, archive_macro, create_macro
from support.message_changes import delete_message
from support.splitting import split
from tests.accounts.company_fixtures import create_company
from tests.people import create_staff
from tests.storage.clamd import EICAR, FakeClamd
from tests.storage.upload_fixtures import CONTENT, Scenario
from tests.web.web_fixtures import Site, open_site

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus

DAY = timedelta(days=1)


@pytest.fixture
async def scenario(
    db: str, clock: "MovableClock", bus: "RecordingBus", tmp_path: Path
) -> AsyncIterator[Scenario]:
    async with open_site(clock, tmp_path / "files") as site:
        bakery = await create_company(clock, bus, Camille=Role.OWNER)
        yield Scenario(site, bakery, await create_staff(bakery.action(), "Amadou", Staff.AGENT))


def as_user(scenario: Scenario, user: User) -> Action:
    return Action(user, scenario.bakery.clock.now(), scenario.bakery.bus)


async def create_macro_with(scenario: Scenario, file: File) -> Macro:
    agent, actions = scenario.agent, TicketActions(reply_fr="Voici le guide.")
    action = as_user(scenario, agent)
    return await create_macro(
        action, agent, "Guide", actions, "k", is_personal=True, file_ids=(file.pk,)
    )


async def apply(scenario: Scenario, macro: Macro, ticket: Ticket) -> File:
    """Apply a macro to a ticket. Returns the file of its message."""
    viewer, action = Viewer(scenario.agent), as_user(scenario, scenario.agent)
    auth = scenario.site.services.auth
    use = await apply_macro(action, auth, viewer, macro, ticket, f"apply {ticket.pk}")
    return await File.get(message_id=use.message_id)


async def download(site: Site, file: File) -> bytes | None:
    link = f"/downloads/{site.sign(Purpose.FILE_DOWNLOAD, file=file.pk)}"
    response = await site.client.get(link)
    return response.content if response.status_code == 200 else None


async def erase_company(scenario: Scenario) -> None:
    site, now = scenario.site, scenario.bakery.clock.now()
    erasure = await Erasure.create(
        account=scenario.bakery.account,
        ticket=await scenario.open_ticket(),
        scheduler=scenario.agent,
        requested_at=now,
        deadline=now.date(),
        scheduled_at=now,
        due_at=now,
    )
    services = erasure_services(site.services, site.file_service.store)
    assert await erase(site.action(), services, erasure.pk)


async def test_a_macros_file_outlives_it_in_the_messages(
    scenario: Scenario, clock: "MovableClock"
) -> None:
    site, guide = scenario.site, await scenario.upload(scenario.agent)
    macro = await create_macro_with(scenario, guide)
    first = await apply(scenario, macro, await scenario.open_ticket())
    second = await apply(scenario, macro, await scenario.open_ticket())
    clock.advance(2 * DAY)
    assert await scenario.run_job() == 0  # those of a macro are kept
    await archive_macro(as_user(scenario, scenario.agent), scenario.agent, macro)
    assert await scenario.run_job() == 1  # the macro's own row
    assert not await File.exists(pk=guide.pk)
    assert [await download(site, each) for each in (first, second)] == [CONTENT, CONTENT]
    await Message.filter(pk=first.message_id).update(at=clock.now())
    message = await Message.get(pk=first.message_id)
    await delete_message(as_user(scenario, scenario.agent), scenario.agent, message)
    assert await scenario.run_job() == 1
    assert [await download(site, each) for each in (first, second)] == [None, CONTENT]
    assert site.stored_files() == {guide.key: CONTENT}
    # An erasure of the company deletes the last copy, and the content with it.
    await erase_company(scenario)
    assert site.stored_files() == {}


async def test_an_erasure_leaves_the_content_that_others_use(scenario: Scenario) -> None:
    site, guide = scenario.site, await scenario.upload(scenario.agent)
    macro = await create_macro_with(scenario, guide)
    copies = [await apply(scenario, macro, await scenario.open_ticket()) for _ in range(2)]
    await erase_company(scenario)
    assert [await download(site, each) for each in (guide, *copies)] == [CONTENT, None, None]
    assert await scenario.stored_keys() == {guide.key} == set(site.stored_files())


async def test_a_split_copies_files_that_are_deleted_with_the_message(
    scenario: Scenario, clock: "MovableClock"
) -> None:
    site, agent = scenario.site, scenario.agent
    message = await scenario.post_message(await scenario.upload())
    ticket = await Ticket.get(pk=message.ticket_id)
    action = as_user(scenario, agent)
    new_ticket = await split(
        action, ticket, [message.pk], subject="Autre", category=Category.BUG, key="k"
    )
    copy = await File.get(message__ticket_id=new_ticket.pk)
    assert (copy.uploader_id, copy.account_id) == (scenario.camille.pk, ticket.account_id)
    assert await download(site, copy) == CONTENT
    await delete_message(as_user(scenario, scenario.camille), scenario.camille, message)
    # Two processes, of which each finds both.
    assert sum(await asyncio.gather(scenario.run_job(), scenario.run_job())) == 2
    assert (await scenario.stored_keys(), site.stored_files()) == (set(), {})


async def test_a_virus_is_found_in_all_copies(scenario: Scenario, clock: "MovableClock") -> None:
    async with (
        FakeClamd().listen() as daemon,
        open_site(
            clock, scenario.site.folder, scanner_from_url(f"tcp://127.0.0.1:{daemon.port}")
        ) as site,
    ):
        daemon.response = None
        scanned = Scenario(site, scenario.bakery, scenario.agent)
        guide = await scanned.announce(scenario.agent, len(EICAR))
        assert (await site.upload(guide, EICAR)).status_code == 202
        macro = await create_macro_with(scanned, guide)
        copies = [await apply(scanned, macro, await scanned.open_ticket()) for _ in range(2)]
        assert {copy.status for copy in copies} == {FileStatus.QUARANTINED}
        daemon.response = b""
        await scan_waiting_files(site.action(), site.file_service)
        assert {file.status for file in await File.all()} == {FileStatus.INFECTED}
        assert site.stored_files() == {}
