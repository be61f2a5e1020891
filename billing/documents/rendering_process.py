"""The program of a process that renders documents, started by billing/documents/rendering.py.

A request is the JSON of the facts and the locale of an invoice, or of another template and its
input. A response is the PDF or an error. Each has its length in front. The process ends when its
standard input ends, which is when the server ends for any reason, and when there was nothing to do
for a while, because it takes a hundred megabytes.
"""

import json
import os
import select
import signal
import struct
import sys
from contextlib import suppress
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import IO

LENGTH = struct.Struct(">I")
PDF, ERROR = b"p", b"e"
IDLE_TIMEOUT = 300.0  # in seconds
NICENESS = 10  # people who wait for a response go first, but a download is not starved either


def read_frame(stream: IO[bytes]) -> bytes | None:
    """The next message, or None at the end of the stream."""
    header = stream.read(LENGTH.size)
    if len(header) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(header)
    content = stream.read(length)
    return content if len(content) == length else None


def write_frame(stream: IO[bytes], *parts: bytes) -> None:
    """Write a message that consists of the parts."""
    stream.write(LENGTH.pack(sum(map(len, parts))))
    for part in parts:
        stream.write(part)
    stream.flush()


def serve(requests: IO[bytes], responses: IO[bytes]) -> None:
    """Respond to each request until there are no more, none for IDLE_TIMEOUT, or nobody reads the
    responses, because the server was killed.
    """
    with suppress(BrokenPipeError):
        while _is_readable(requests) and (request := read_frame(requests)) is not None:
            write_frame(responses, *_respond(request))


def _respond(request: bytes) -> tuple[bytes, bytes]:
    try:
        return PDF, _render(request)
    except Exception as error:  # the parent raises it; this process continues with the next
        return ERROR, f"{type(error).__name__}: {error}".encode("utf-8", "replace")


def _is_readable(stream: IO[bytes]) -> bool:
    """Wait for the next request; False when there is none for IDLE_TIMEOUT."""
    return bool(select.select([stream], [], [], IDLE_TIMEOUT)[0])


def _render(request: bytes) -> bytes:
    from billing.documents.facts import InvoiceFacts
    from billing.documents.factur_x import render
    from billing.documents.plain_page import render_page

    values = json.loads(request)
    if "template" in values:
        at = datetime.fromisoformat(values["at"])
        return render_page(Path(values["template"]), values["page"], at)
    return render(InvoiceFacts.from_json(values["facts"]), values["locale"])


def _load() -> None:
    """Import what rendering needs, and read the fonts."""
    from billing.documents.fonts import fonts

    import_module("billing.documents.factur_x")
    fonts()


if __name__ == "__main__":
    # The signal reaches the whole process group, but the server still needs the responses.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.SIG_IGN)
    _load()  # before the priority is lowered: on a busy machine it would take a minute
    os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    serve(sys.stdin.buffer, sys.stdout.buffer)
