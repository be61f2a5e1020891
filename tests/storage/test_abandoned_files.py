"""Unattached files are deleted a day after they were announced, row and bytes. Attached files are
never deleted.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs
from tortoise import Tortoise
from tortoise.fields.relational import ForeignKeyFieldInstance

from accounts import legal_names
from accounts.legal_names import LegalNameDecision
from auth import sessions
from auth.tokens import LIFETIME, Purpose
from mail.transport import FolderTransport
from models.accounts.account import Role
from models.errors import Refusal
from models.identity.user import Staff
from models.support.classification import Channel
from models.support.file import ATTACHMENT_COLUMNS, File, attach_to_message, lock_files
from models.support.message import Message
from models.support.ticket import Ticket
from models.viewer import Viewer
from settings import read_settings
from storage.abandoned_files import RETENTION
from storage.file_service import scan_waiting_files
from storage.scanner import scanner_from_url
from support.scheduled_replies import ReplyValues, schedule
from tests.accounts.company_fixtures import create_company, outcome
from tests.people import create_staff, record_step_up
from tests.storage.clamd import EICAR, FakeClamd
from tests.storage.test_object_store import S3Server
from tests.storage.upload_fixtures import CONTENT, Scenario, SlowStore
from tests.waiting import wait_for_lock_waiters
from tests.web.web_fixtures import in_chunks, open_site
from web.files import _UPLOAD_TIMEOUT
from worker import jobs

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus


@pytest.fixture
async def scenario(
    db: str, clock: "MovableClock", bus: "RecordingBus", tmp_path: Path
) -> AsyncIterator[Scenario]:
    async with open_site(clock, tmp_path / "files") as site:
        bakery = await create_company(clock, bus, Camille=Role.OWNER)
        yield Scenario(site, bakery, await create_staff(bakery.action(), "Amadou", Staff.AGENT))


async def test_unattached_files_are_deleted_after_a_day(
    scenario: Scenario, clock: "MovableClock"
) -> None:
    await scenario.announce()
    await scenario.upload()
    await scenario.upload(scenario.agent)
    clock.advance(RETENTION - timedelta(seconds=1))
    assert await scenario.run_job() == 0
    recent_file = await scenario.upload()
    clock.advance(timedelta(seconds=1))
    assert await scenario.run_job() == 3
    assert await scenario.stored_keys() == {recent_file.key} == set(scenario.site.stored_files())
    assert await scenario.run_job() == 0


async def attach_to_a_customers_message(scenario: Scenario) -> None:
    await scenario.post_message(await scenario.upload())


async def attach_to_an_agents_message(scenario: Scenario) -> None:
    await scenario.post_message(await scenario.upload(scenario.agent), scenario.agent)


async def attach_to_a_chat_message(scenario: Scenario) -> None:
    await scenario.post_message(await scenario.upload(), channel=Channel.CHAT)


async def attach_to_a_scheduled_reply(scenario: Scenario) -> None:
    file, action = await scenario.upload(scenario.agent), scenario.site.action()
    auth, send_at = scenario.site.services.auth, action.at + timedelta(days=200)
    values = ReplyValues("Bonjour", None, (file.pk,), send_at, is_holdable=True)
    ticket = await scenario.open_ticket()
    await schedule(replace(action, actor=scenario.agent), auth, scenario.agent, ticket, values, "k")


async def attach_as_evidence_of_a_request(scenario: Scenario) -> None:
    await scenario.request_legal_name(await scenario.upload())


async def attach_as_additional_evidence(scenario: Scenario) -> None:
    await scenario.add_evidence(await scenario.request_legal_name(), await scenario.upload())


async def attach_as_evidence_of_a_rejected_request(scenario: Scenario) -> None:
    change = await scenario.request_legal_name(await scenario.upload())
    action = scenario.site.action()
    tokens = await sessions.sign_in(scenario.agent, None, True, action)
    await record_step_up(action, tokens.session)
    await legal_names.decide(
        action, tokens.session, change.pk, LegalNameDecision.REJECT, "Illisible."
    )


@pytest.mark.parametrize(
    "attach",
    [
        attach_to_a_customers_message,
        attach_to_an_agents_message,
        attach_to_a_chat_message,
        attach_to_a_scheduled_reply,
        attach_as_evidence_of_a_request,
        attach_as_additional_evidence,
        attach_as_evidence_of_a_rejected_request,
    ],
)
async def test_attached_files_are_never_deleted(
    scenario: Scenario, clock: "MovableClock", attach: Callable[[Scenario], Awaitable[None]]
) -> None:
    await attach(scenario)
    clock.advance(timedelta(days=400))
    assert await scenario.run_job() == 0
    [key] = await scenario.stored_keys()
    assert scenario.site.stored_files() == {key: CONTENT}


@pytest.mark.usefixtures("db")
def test_all_relations_to_files_are_listed() -> None:
    """New relations to files have to be listed here, and need a test that attached files are
    kept.
    """
    owner_fields = {"uploader", "account"}
    assert {f"{name}_id" for name in File._meta.fk_fields - owner_fields} == set(ATTACHMENT_COLUMNS)
    for model in Tortoise.apps["models"].values():
        for name in model._meta.fk_fields:
            field = model._meta.fields_map[name]
            assert isinstance(field, ForeignKeyFieldInstance)
            assert field.related_model is not File, (model, name)


def test_uploads_end_long_before_the_deletion() -> None:
    assert 10 * (LIFETIME[Purpose.UPLOAD] + timedelta(seconds=_UPLOAD_TIMEOUT)) < RETENTION


async def test_quarantined_and_infected_files_are_deleted_too(
    scenario: Scenario, clock: "MovableClock"
) -> None:
    async with (
        FakeClamd().listen() as daemon,
        open_site(
            clock, scenario.site.folder, scanner_from_url(f"tcp://127.0.0.1:{daemon.port}")
        ) as site,
    ):
        scanned_scenario = Scenario(site, scenario.bakery, scenario.agent)
        infected_file = await scanned_scenario.announce(size=len(EICAR))
        assert (await site.upload(infected_file, EICAR)).status_code == 422
        daemon.response = None
        waiting_file, attached_file = (
            await scanned_scenario.announce(),
            await scanned_scenario.announce(),
        )
        for file in (waiting_file, attached_file):
            assert (await site.upload(file, CONTENT)).status_code == 202
        await scanned_scenario.post_message(attached_file)
        clock.advance(RETENTION)
        assert await scanned_scenario.run_job() == 2
        assert (
            set(site.stored_files())
            == await scanned_scenario.stored_keys()
            == {(await File.get(pk=attached_file.pk)).key}
        )
        daemon.response = b""
        # It is still waiting.
        assert await scan_waiting_files(site.action(), site.file_service) == 1


async def test_a_file_attached_during_the_job_is_kept(
    db: str, scenario: Scenario, clock: "MovableClock"
) -> None:
    file, ticket = await scenario.upload(), await scenario.open_ticket()
    clock.advance(RETENTION)
    attach_event = asyncio.Event()

    async def delete_after_attaching() -> int:
        await attach_event.wait()
        return await scenario.run_job()

    # Started here, because a task started in the transaction would be part of it.
    job = asyncio.create_task(delete_after_attaching())
    async with scenario.bakery.action("Camille").transaction() as tx:
        ticket = await tx.lock(Ticket, ticket.pk)
        await lock_files(tx, (file.pk,))
        message = await ticket.post(tx, scenario.camille, "Voici.", "k")
        await attach_to_message(tx, ticket.account_id, message, scenario.camille, (file.pk,))
        attach_event.set()
        await wait_for_lock_waiters(db)
        assert not job.done()
    assert await job == 0
    assert (await File.get(pk=file.pk)).message_id == message.pk
    assert scenario.site.stored_files() == {file.key: CONTENT}


@pytest.mark.parametrize("delete_first", [False, True])
async def test_a_file_in_deletion_cannot_be_used(
    scenario: Scenario, clock: "MovableClock", delete_first: bool
) -> None:
    file, ticket = await scenario.upload(), await scenario.open_ticket()
    clock.advance(RETENTION)
    store = SlowStore(scenario.site.folder, delete_first)
    job = asyncio.create_task(scenario.run_job(store))
    await store.delete_started.wait()
    with pytest.raises(Refusal, match="FILE_REFUSED"):
        await ticket.reply(
            scenario.bakery.action("Camille"), scenario.camille, "Voici.", "k", (file.pk,)
        )
    assert await Message.all().count() == 0
    assert await outcome(scenario.request_legal_name(file)) == "FILE_REFUSED"
    for viewer in (
        Viewer(scenario.camille, scenario.bakery.account, Role.OWNER),
        Viewer(scenario.agent),
    ):
        assert await File.visible_to(viewer) == []
    link = f"/downloads/{scenario.site.sign(Purpose.DOWNLOAD, file=file.pk)}"
    assert (await scenario.site.client.get(link)).status_code == 404
    assert (await scenario.site.upload(file, CONTENT)).status_code == 404
    store.may_continue.set()
    assert await job == 1
    assert (await scenario.stored_keys(), scenario.site.stored_files()) == (set(), {})


@pytest.mark.parametrize("delete_first", [False, True])
async def test_a_deletion_interrupted_by_a_kill_is_completed(
    scenario: Scenario, clock: "MovableClock", delete_first: bool
) -> None:
    await scenario.upload()
    clock.advance(RETENTION)
    store = SlowStore(scenario.site.folder, delete_first)
    job = asyncio.create_task(scenario.run_job(store))
    await store.delete_started.wait()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert len(await scenario.stored_keys()) == 1
    assert await scenario.run_job() == 1
    assert (await scenario.stored_keys(), scenario.site.stored_files()) == (set(), {})


async def test_concurrent_jobs_and_an_attachment_are_consistent(
    scenario: Scenario, clock: "MovableClock"
) -> None:
    """Each file is either attached with its bytes, or deleted and refused, and no file is counted
    twice.
    """
    files = [await scenario.upload() for _ in range(24)]
    tickets = [await scenario.open_ticket() for _ in range(8)]
    clock.advance(RETENTION)

    async def reply(index: int) -> str:
        file_ids = tuple(file.pk for file in reversed(files[3 * index : 3 * index + 3]))
        return await outcome(
            tickets[index].reply(
                scenario.bakery.action("Camille"), scenario.camille, "Voici.", "k", file_ids
            )
        )

    replies = [asyncio.create_task(reply(index)) for index in range(8)]
    await asyncio.sleep(0)
    deleted_counts = await asyncio.gather(*(scenario.run_job() for _ in range(3)))
    outcomes = [await each for each in replies]
    assert set(outcomes) <= {"done", "FILE_REFUSED"}
    await scenario.run_job()
    remaining = {file.key: file.message_id for file in await File.all()}
    assert set(scenario.site.stored_files()) == set(remaining)
    assert len(remaining) == 3 * outcomes.count("done")
    assert all(remaining.values())
    assert sum(deleted_counts) <= 24 - len(remaining)


async def test_more_than_one_batch_is_deleted_despite_a_failure(
    scenario: Scenario, clock: "MovableClock", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.abandoned_files._BATCH_SIZE", 2)
    files = [await scenario.upload() for _ in range(7)]
    await File.filter(pk=files[0].pk).update(key="no key")
    clock.advance(RETENTION)
    with capture_logs() as logged:
        assert await scenario.run_job() == 6
    assert [(each["event"], each["error"]) for each in logged] == [
        ("file.not_deleted", "ValueError")
    ]
    assert await scenario.stored_keys() == {"no key"}


async def test_files_are_not_lost_while_the_store_is_unavailable(
    scenario: Scenario, clock: "MovableClock", tmp_path: Path
) -> None:
    (tmp_path / "s3").mkdir()
    s3_server = S3Server(tmp_path / "s3")
    files = [await scenario.announce() for _ in range(2)]
    for file in files:
        await s3_server.store.put(file.key, in_chunks(CONTENT))
    clock.advance(RETENTION)
    s3_server.kill()
    with capture_logs() as logged:
        assert await scenario.run_job(s3_server.store) == 0
    assert [each["event"] for each in logged] == ["store.unavailable"]
    assert len(await scenario.stored_keys()) == len(s3_server.keys) == 2
    s3_server.start()
    assert await scenario.run_job(s3_server.store) == 2
    assert (await scenario.stored_keys(), s3_server.keys) == (set(), set())
    s3_server.kill()


async def test_the_job_is_on_the_timetable(
    scenario: Scenario, clock: "MovableClock", tmp_path: Path
) -> None:
    await scenario.upload()
    clock.advance(RETENTION)
    timetable = jobs(
        scenario.site.services,
        read_settings({}),
        FolderTransport(tmp_path / "mail"),
        scenario.site.file_service,
    )
    [job] = [each for each in timetable if each.name == "abandoned files"]
    assert await job.work() == 1
    assert scenario.site.stored_files() == {}
