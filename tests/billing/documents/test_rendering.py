"""Documents that other processes render, while this one answers requests."""

import asyncio
import io
import os
import tempfile

import pytest

from billing.documents import factur_x, rendering, rendering_process
from billing.documents.rendering import RenderingError, render
from tests.billing.documents.invoice_fixtures import invoice
from tests.billing.documents.invoice_kinds import KINDS


async def test_another_process_renders_the_same_bytes() -> None:
    files = await asyncio.gather(*[render(invoice(), locale) for locale in ["fr", "en", "fr"]])
    assert files == [factur_x.render(invoice(), locale) for locale in ["fr", "en", "fr"]]


async def test_no_more_processes_run_than_are_allowed() -> None:
    await asyncio.gather(*[render(invoice()) for _ in range(4 * rendering.MAX_PROCESSES)])
    assert 1 <= len(rendering._idle_processes) <= rendering.MAX_PROCESSES


async def test_the_event_loop_continues_meanwhile() -> None:
    waiting = asyncio.gather(*[render(invoice()) for _ in range(4)])
    ticks = 0
    while not waiting.done():
        await asyncio.sleep(0.001)
        ticks += 1
    assert len(await waiting) == 4
    assert ticks > 4  # of dozens; none or one, were the loop held


async def test_a_killed_process_is_replaced() -> None:
    await render(invoice())
    rendering._idle_processes[-1].process.kill()
    assert await render(invoice()) == factur_x.render(invoice())


async def test_a_document_that_takes_too_long_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rendering.stop_idle_processes()
    monkeypatch.setattr(rendering, "TIMEOUT", 0.01)  # less than a process needs to start
    with pytest.raises(RenderingError, match="too long"):
        await render(invoice())
    assert not rendering._idle_processes


async def test_any_invoice_can_be_passed_to_the_process() -> None:
    facts = KINDS["hostile text"]
    assert await render(facts) == factur_x.render(facts)


def test_a_process_ends_when_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering_process, "IDLE_TIMEOUT", 0.01)
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as requests, os.fdopen(writer, "wb"):
        rendering_process.serve(requests, io.BytesIO())  # returns although the pipe stays open


def test_a_process_whose_server_was_killed_ends_without_a_word() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with tempfile.TemporaryFile() as requests, os.fdopen(writer, "wb", 0) as responses:
        rendering_process.write_frame(requests, b"{}")
        requests.seek(0)
        rendering_process.serve(requests, responses)


async def test_a_failure_is_reported_and_the_process_continues() -> None:
    with pytest.raises(RenderingError, match="KeyError"):
        rendering._render(b'{"facts": {"unknown": 1}, "locale": "fr"}')
    process = rendering._idle_processes[-1].process
    await render(invoice())
    assert rendering._idle_processes[-1].process is process


def test_idle_processes_can_be_stopped() -> None:
    rendering.stop_idle_processes()
    assert not rendering._idle_processes
