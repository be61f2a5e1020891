"""Unattached files are deleted a day after they were announced, row and bytes. Attached files are
never deleted.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs
from tortoise import Tortoise
from tortoise.fields.relational import ForeignKeyFieldInstance

from accounts import legal_names
from accounts.legal_names import Decision
from auth import sessions
from auth.tokens import LIFETIME, Purpose
from mail.transport import FolderTransport
from models.accounts.account import Role
from models.errors import Refusal
from models.identity.user import Staff
from models.support.file import ATTACHMENT_COLUMNS, File, attach_to_message
from models.support.ticket import Channel, Message, Ticket
from models.viewer import Viewer
from settings import read
from storage.abandoned_files import RETENTION
from storage.file_service import scan_waiting_files
from storage.scanner import scanner_from_url
from tests.accounts.company_fixtures import founded, outcome, person
from tests.patience import lock_waiters
from tests.storage.clamd import EICAR, Daemon
from tests.storage.test_object_store import Peer
from tests.storage.upload_fixtures import CONTENT, Scenario, SlowStore
from tests.web.web_fixtures import bytewise
from tests.web.web_fixtures import site as opened
from web.files import _UPLOAD_SECONDS
from worker import jobs

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus


@pytest.fixture
async def scenario(
    db: str, clock: "MovableClock", bus: "RecordingBus", tmp_path: Path
) -> AsyncIterator[Scenario]:
    async with opened(clock, tmp_path / "files") as site:
        bakery = await founded(clock, bus, Camille=Role.OWNER)
        yield Scenario(site, bakery, await person(bakery.action(), "Amadou", staff=Staff.AGENT))


async def test_unattached_files_are_deleted_after_a_day(
    scenario: Scenario, clock: "MovableClock"
) -> None:
    await scenario.announced()
    await scenario.uploaded()
    await scenario.uploaded(scenario.agent)
    clock.advance(RETENTION - timedelta(seconds=1))
    assert await scenario.turn() == 0
    young = await scenario.uploaded()
    clock.advance(timedelta(seconds=1))
    assert await scenario.turn() == 3
    assert await scenario.kept() == {young.key} == set(scenario.site.bytes_kept())
    assert await scenario.turn() == 0


async def by_a_customer(scenario: Scenario) -> None:
    await scenario.said(await scenario.uploaded())


async def by_an_agent(scenario: Scenario) -> None:
    await scenario.said(await scenario.uploaded(scenario.agent), scenario.agent)


async def in_a_chat(scenario: Scenario) -> None:
    await scenario.said(await scenario.uploaded(), channel=Channel.CHAT)


async def as_evidence_at_once(scenario: Scenario) -> None:
    await scenario.asks(await scenario.uploaded())


async def as_evidence_later(scenario: Scenario) -> None:
    await scenario.shows(await scenario.asks(), await scenario.uploaded())


async def as_evidence_of_what_was_rejected(scenario: Scenario) -> None:
    change = await scenario.asks(await scenario.uploaded())
    action = scenario.site.action()
    agents = await sessions.sign_in(scenario.agent, None, True, action)
    await legal_names.decide(action, agents.session, change.pk, Decision.REJECT, "Illisible.")


@pytest.mark.parametrize(
    "attached",
    [
        by_a_customer,
        by_an_agent,
        in_a_chat,
        as_evidence_at_once,
        as_evidence_later,
        as_evidence_of_what_was_rejected,
    ],
)
async def test_attached_files_are_never_deleted(
    scenario: Scenario, clock: "MovableClock", attached: Callable[[Scenario], Awaitable[None]]
) -> None:
    await attached(scenario)
    clock.advance(timedelta(days=400))
    assert await scenario.turn() == 0
    [key] = await scenario.kept()
    assert scenario.site.bytes_kept() == {key: CONTENT}


@pytest.mark.usefixtures("db")
def test_every_relation_to_files_is_listed() -> None:
    """New relations to files have to be listed here, and need a test that attached files are
    kept.
    """
    whose = {"uploader", "account"}
    assert {f"{name}_id" for name in File._meta.fk_fields - whose} == set(ATTACHMENT_COLUMNS)
    for model in Tortoise.apps["models"].values():
        for name in model._meta.fk_fields:
            field = model._meta.fields_map[name]
            assert isinstance(field, ForeignKeyFieldInstance)
            assert field.related_model is not File, (model, name)


def test_uploads_end_before_the_deletion() -> None:
    assert 10 * (LIFETIME[Purpose.UPLOAD] + timedelta(seconds=_UPLOAD_SECONDS)) < RETENTION


async def test_quarantined_and_infected_files_are_deleted_too(
    scenario: Scenario, clock: "MovableClock"
) -> None:
    async with (
        Daemon().open() as daemon,
        opened(
            clock, scenario.site.folder, scanner_from_url(f"tcp://127.0.0.1:{daemon.port}")
        ) as site,
    ):
        watched = Scenario(site, scenario.bakery, scenario.agent)
        bad = await watched.announced(size=len(EICAR))
        assert (await site.put(bad, EICAR)).status_code == 422
        daemon.answer = None
        waiting, shown = await watched.announced(), await watched.announced()
        for file in (waiting, shown):
            assert (await site.put(file, CONTENT)).status_code == 202
        await watched.said(shown)
        clock.advance(RETENTION)
        assert await watched.turn() == 2
        assert set(site.bytes_kept()) == await watched.kept() == {(await File.get(pk=shown.pk)).key}
        daemon.answer = b""
        # It is still waiting.
        assert await scan_waiting_files(site.action(), site.file_service) == 1


async def test_a_file_attached_during_the_job_stays(
    db: str, scenario: Scenario, clock: "MovableClock"
) -> None:
    file, ticket = await scenario.uploaded(), await scenario.ticket()
    clock.advance(RETENTION)
    attached = asyncio.Event()

    async def meanwhile() -> int:
        await attached.wait()
        return await scenario.turn()

    # Started here, because a task started in the transaction would be part of it.
    turn = asyncio.create_task(meanwhile())
    async with scenario.bakery.action("Camille").transaction() as tx:
        message = await (await tx.locked(Ticket, ticket.pk)).post(
            tx, scenario.camille, "Voici.", "k"
        )
        await attach_to_message(tx, ticket.account_id, message, scenario.camille, (file.pk,))
        attached.set()
        await lock_waiters(db)
        assert not turn.done()
    assert await turn == 0
    assert (await File.get(pk=file.pk)).message_id == message.pk
    assert scenario.site.bytes_kept() == {file.key: CONTENT}


@pytest.mark.parametrize("after", [False, True])
async def test_a_file_in_deletion_cannot_be_used(
    scenario: Scenario, clock: "MovableClock", after: bool
) -> None:
    file, ticket = await scenario.uploaded(), await scenario.ticket()
    clock.advance(RETENTION)
    store = SlowStore(scenario.site.folder, after)
    turn = asyncio.create_task(scenario.turn(store))
    await store.asked.wait()
    with pytest.raises(Refusal, match="FILE_REFUSED"):
        await ticket.reply(
            scenario.bakery.action("Camille"), scenario.camille, "Voici.", "k", (file.pk,)
        )
    assert await Message.all().count() == 0
    assert await outcome(scenario.asks(file)) == "FILE_REFUSED"
    for viewer in (
        Viewer(scenario.camille, scenario.bakery.account, Role.OWNER),
        Viewer(scenario.agent),
    ):
        assert await File.visible_to(viewer) == []
    link = f"/downloads/{scenario.site.sign(Purpose.DOWNLOAD, file=file.pk)}"
    assert (await scenario.site.client.get(link)).status_code == 404
    assert (await scenario.site.put(file, CONTENT)).status_code == 404
    store.go_on.set()
    assert await turn == 1
    assert (await scenario.kept(), scenario.site.bytes_kept()) == (set(), {})


@pytest.mark.parametrize("after", [False, True])
async def test_a_deletion_interrupted_by_a_kill_is_completed(
    scenario: Scenario, clock: "MovableClock", after: bool
) -> None:
    await scenario.uploaded()
    clock.advance(RETENTION)
    store = SlowStore(scenario.site.folder, after)
    turn = asyncio.create_task(scenario.turn(store))
    await store.asked.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert len(await scenario.kept()) == 1
    assert await scenario.turn() == 1
    assert (await scenario.kept(), scenario.site.bytes_kept()) == (set(), {})


async def test_concurrent_jobs_and_an_attachment_are_consistent(
    scenario: Scenario, clock: "MovableClock"
) -> None:
    """Each file is either attached with its bytes, or deleted and refused, and no file is counted
    twice.
    """
    uploaded = [await scenario.uploaded() for _ in range(24)]
    tickets = [await scenario.ticket() for _ in range(8)]
    clock.advance(RETENTION)

    async def replies(turn: int) -> str:
        three = tuple(file.pk for file in reversed(uploaded[3 * turn : 3 * turn + 3]))
        return await outcome(
            tickets[turn].reply(
                scenario.bakery.action("Camille"), scenario.camille, "Voici.", "k", three
            )
        )

    replying = [asyncio.create_task(replies(turn)) for turn in range(8)]
    await asyncio.sleep(0)
    gone = await asyncio.gather(*(scenario.turn() for _ in range(3)))
    outcomes = [await each for each in replying]
    assert set(outcomes) <= {"done", "FILE_REFUSED"}
    await scenario.turn()
    remaining = {file.key: file.message_id for file in await File.all()}
    assert set(scenario.site.bytes_kept()) == set(remaining)
    assert len(remaining) == 3 * outcomes.count("done")
    assert all(remaining.values())
    assert sum(gone) <= 24 - len(remaining)


async def test_more_than_one_batch_is_deleted_despite_a_failure(
    scenario: Scenario, clock: "MovableClock", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.abandoned_files._BATCH", 2)
    files = [await scenario.uploaded() for _ in range(7)]
    await File.filter(pk=files[0].pk).update(key="no key")
    clock.advance(RETENTION)
    with capture_logs() as logged:
        assert await scenario.turn() == 6
    assert [(each["event"], each["error"]) for each in logged] == [
        ("file.not_deleted", "ValueError")
    ]
    assert await scenario.kept() == {"no key"}


async def test_while_the_store_is_unavailable_nothing_is_lost(
    scenario: Scenario, clock: "MovableClock", tmp_path: Path
) -> None:
    (tmp_path / "s3").mkdir()
    peer = Peer(tmp_path / "s3")
    files = [await scenario.announced() for _ in range(2)]
    for file in files:
        await peer.store.put(file.key, bytewise(CONTENT))
    clock.advance(RETENTION)
    peer.kill()
    with capture_logs() as logged:
        assert await scenario.turn(peer.store) == 0
    assert [each["event"] for each in logged] == ["store.unavailable"]
    assert len(await scenario.kept()) == len(peer.names) == 2
    peer.start()
    assert await scenario.turn(peer.store) == 2
    assert (await scenario.kept(), peer.names) == (set(), set())
    peer.kill()


async def test_the_job_is_on_the_timetable(
    scenario: Scenario, clock: "MovableClock", tmp_path: Path
) -> None:
    await scenario.uploaded()
    clock.advance(RETENTION)
    timetable = jobs(
        scenario.site.services,
        read({}),
        FolderTransport(tmp_path / "mail"),
        scenario.site.file_service,
    )
    [job] = [each for each in timetable if each.name == "abandoned files"]
    assert await job.work() == 1
    assert scenario.site.bytes_kept() == {}
