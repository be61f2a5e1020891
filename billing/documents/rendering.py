"""Rendering outside of the server's process, so that nobody who chats waits for an invoice.

typst releases the interpreter lock while it sets the page, but what surrounds it does not, and a
thread of the server would compete with the event loop for the processors. A process with a low
priority does neither (docs/decisions/0020 gives the reason for passwords). Each process serves one
thread at a time and is started when needed; there are half as many as processors, and further
documents wait.
"""

import asyncio
import atexit
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Timer
from typing import Any

from billing.documents.facts import InvoiceFacts
from billing.documents.rendering_process import PDF, read_frame, write_frame
from models.locale import Locale

MAX_PROCESSES = max(1, (os.cpu_count() or 2) // 2)
TIMEOUT = 60.0  # in seconds; a document takes less than a tenth of one
_ROOT = Path(__file__).resolve().parents[2]

_threads = ThreadPoolExecutor(MAX_PROCESSES, thread_name_prefix="rendering")
_idle_processes: list["_Process"] = []  # they keep nothing between documents


class RenderingError(RuntimeError):
    """A document could not be rendered."""


async def render(facts: InvoiceFacts, locale: Locale | str = Locale.FR) -> bytes:
    """The bytes of `billing.documents.factur_x.render`. Raises RenderingError."""
    # json accepts lone surrogates, which orjson refuses.
    request = json.dumps({"facts": facts.to_json(), "locale": Locale(locale).value}).encode()
    return await asyncio.get_running_loop().run_in_executor(_threads, _render, request)


async def render_page(template: Path, page: dict[str, Any], at: datetime) -> bytes:
    """The bytes of `billing.documents.plain_page.render_page`. Raises RenderingError."""
    values = {"template": str(template), "page": page, "at": at.isoformat()}
    request = json.dumps(values).encode()
    return await asyncio.get_running_loop().run_in_executor(_threads, _render, request)


def _render(request: bytes) -> bytes:
    try:
        response = _exchange(_idle_processes.pop(), request)
    except (IndexError, OSError):  # there is none, or it was killed meanwhile
        try:
            response = _exchange(_Process(), request)
        except OSError as error:
            raise RenderingError("the process that renders ended") from error
    if response[:1] != PDF:
        raise RenderingError(response[1:].decode())
    return response[1:]


def _exchange(process: "_Process", request: bytes) -> bytes:
    try:
        response = process.send(request)
    except BaseException:
        process.end()
        raise
    _idle_processes.append(process)
    return response


class _Process:
    def __init__(self) -> None:
        self.has_timed_out = False
        self.process = subprocess.Popen(
            [sys.executable, "-m", "billing.documents.rendering_process"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def send(self, request: bytes) -> bytes:
        if not self.process.stdin or not self.process.stdout:
            raise BrokenPipeError
        watchdog = Timer(TIMEOUT, self._time_out)
        watchdog.start()
        try:
            write_frame(self.process.stdin, request)
            response = read_frame(self.process.stdout)
        finally:
            watchdog.cancel()
        if self.has_timed_out:
            raise RenderingError("the document took too long")
        if response is None:
            raise BrokenPipeError
        return response

    def _time_out(self) -> None:
        self.has_timed_out = True
        self.process.kill()

    def end(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):  # unwritten data for a process that was killed
                pipe.close() if pipe else None
        self.process.wait()


@atexit.register
def stop_idle_processes() -> None:
    """Stop the idle processes."""
    while _idle_processes:
        _idle_processes.pop().end()
