"""Writing log lines without waiting for whoever reads stderr, and without repeating a line as often
as its cause occurs.

A write to a full pipe blocks until somebody reads from it. So a thread of its own writes the lines,
from a bounded queue. Lines that find the queue full are dropped and counted, and `log.dropped`
gives their number as soon as lines can be written again.

The same warning or error, by its place in the code, is written a few times a minute. Further ones
are counted, and a line `log.repeated` gives their number at the end of the minute. Callers who have
not signed in can cause the warnings of libraries and throttled attempts at will, so only the first
of those is written.
"""

import logging
import os
import select
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass
from logging import ERROR, WARNING
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, TextIO

import structlog

QUEUE_SIZE = 10_000  # lines
INTERVAL = 60.0  # seconds in which a line is listed a few times only
FLUSH_SECONDS = 1.0  # that the end of the process waits for a reader
MAX_LISTED_WARNINGS = 10
MAX_LISTED_ERRORS = 100
COUNTED_EVENTS = frozenset({"attempt.throttled"})
log = structlog.stdlib.get_logger("logs.writer")


@dataclass(slots=True)
class _Repetition:
    """How often a line was written since `started_at`, and how often it was only counted."""

    logger: str
    event: str
    started_at: float
    listed_count: int = 0
    repeated_count: int = 0


class RepetitionFilter(logging.Filter):
    """Accepts each warning and error a few times per interval, and counts the others."""

    def __init__(self, own_loggers: logging.Filter, interval: float = INTERVAL) -> None:
        super().__init__()
        self.interval = interval
        self._own_loggers = own_loggers
        self._repetitions: dict[tuple[Any, ...], _Repetition] = {}
        self._lock = threading.RLock()  # a destructor may log while this thread has it

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < WARNING or record.name == log.name:
            return True
        event = record.msg["event"] if isinstance(record.msg, dict) else record.msg
        event = str(event).partition("\n")[0]
        key = (record.name, event, record.pathname, record.lineno, *_place(record))
        now = monotonic()
        with self._lock:
            repetition = self._repetitions.setdefault(key, _Repetition(record.name, event, now))
            if now - repetition.started_at >= self.interval:
                repetition.started_at, repetition.listed_count = now, 0
            if repetition.listed_count < self._max_listed_count(record, event):
                repetition.listed_count += 1
                return True
            repetition.repeated_count += 1
            return False

    def _max_listed_count(self, record: logging.LogRecord, event: str) -> int:
        if event in COUNTED_EVENTS or not self._own_loggers.filter(record):
            return 1
        return MAX_LISTED_ERRORS if record.levelno >= ERROR else MAX_LISTED_WARNINGS

    def wait(self) -> float | None:
        """The seconds until the next interval ends, None when there is none."""
        with self._lock:
            start_times = [each.started_at for each in self._repetitions.values()]
        return max(0.0, min(start_times) + self.interval - monotonic()) if start_times else None

    def summarize(self, *, all_intervals: bool = False) -> None:
        """Log the counts of the intervals that have ended, or of all intervals."""
        now = monotonic()
        with self._lock:
            ended_keys = [
                key
                for key, each in self._repetitions.items()
                if all_intervals or now - each.started_at >= self.interval
            ]
            repetitions = [self._repetitions.pop(key) for key in ended_keys]
        for each in repetitions:
            if each.repeated_count:
                log.warning(
                    "log.repeated", of=each.event, by=each.logger, times=each.repeated_count
                )


def _place(record: logging.LogRecord) -> tuple[Any, ...]:
    """Where the exception was raised, so that different exceptions are counted separately."""
    if isinstance(record.msg, dict):
        return tuple(record.msg.get("where") or ())[-1:]
    error = record.exc_info[1] if record.exc_info else None
    frames = traceback.extract_tb(error.__traceback__)[-1:] if error else []
    return (type(error).__name__, *((frame.filename, frame.lineno) for frame in frames))


class LineWriter(logging.Handler):
    """Writes each formatted record as a line of a stream, in a thread of its own."""

    def __init__(
        self, stream: TextIO, repetitions: RepetitionFilter, size: int = QUEUE_SIZE
    ) -> None:
        super().__init__()
        self._stream = stream
        try:
            self._descriptor: int | None = stream.fileno()
        except OSError:  # a buffer in memory
            self._descriptor = None
        self.size = size
        self._dropped = 0
        self.repetitions = repetitions
        self.addFilter(repetitions)
        # Its `put` may be interrupted by another one: a destructor may log.
        self._lines: SimpleQueue[str | threading.Event] = SimpleQueue()
        self._process = 0
        self._own_lock = threading.RLock()

    def createLock(self) -> None:
        """Create no lock: `flush` would hold it while it waits for the thread, which logs as
        well.
        """
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        if self._lines.qsize() >= self.size and record.name != log.name:
            with self._own_lock:
                self._dropped += 1
            return
        try:
            line = self.format(record) + "\n"
        except Exception:  # its arguments don't fit its message
            line = self.format(_unreadable(record)) + "\n"
        with self._own_lock:
            if self._process != os.getpid():
                self._start()
        self._lines.put(line)

    def flush(self, seconds: float = FLUSH_SECONDS) -> None:
        """Wait until all lines are written, but no longer than the limit: nobody may be reading."""
        if self._process == os.getpid():
            written = threading.Event()
            self._lines.put(written)
            written.wait(seconds)

    def close(self) -> None:
        self.repetitions.summarize(all_intervals=True)
        self.flush()
        super().close()

    def _start(self) -> None:
        """Start the thread of this process, which a fork doesn't copy."""
        self._process, self._lines = os.getpid(), SimpleQueue()
        threading.Thread(target=self._run, name="log writer", daemon=True).start()

    def _run(self) -> None:
        while True:
            with suppress(Empty):
                line = self._lines.get(timeout=self.repetitions.wait())
                if isinstance(line, str):
                    self._write(line)
                else:
                    line.set()
            self._report_dropped()
            self.repetitions.summarize()

    def _report_dropped(self) -> None:
        with self._own_lock:
            dropped, self._dropped = self._dropped, 0
        if dropped:
            log.error("log.dropped", lines=dropped)

    def _write(self, line: str) -> None:
        with suppress(OSError, ValueError):  # the other end is closed: nobody reads it any more
            if self._descriptor is None:
                self._stream.write(line)
            else:
                _write_all(self._descriptor, line.encode("utf-8", "backslashreplace"))


def _unreadable(record: logging.LogRecord) -> logging.LogRecord:
    """A record without a message, in place of one that can't be formatted."""
    return logging.LogRecord(
        record.name, record.levelno, record.pathname, record.lineno, "log.unreadable", (), None
    )


def _write_all(descriptor: int, data: bytes) -> None:
    """Write past the stream's buffer, whose lock the interpreter waits for when it exits."""
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # a process that shares the pipe made it non-blocking
            select.select([], [descriptor], [])
