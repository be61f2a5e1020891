"""Errors are logged with their type and location, never with their message, which may quote user
input.
"""

import asyncio
import gc
import io
import logging
import logging.config
import sys
import threading
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

import pytest
import structlog
from uvicorn.config import LOGGING_CONFIG

import logs
from accounts.registry import RegistryUnavailable, registry_from_url
from auth.passwords.breaches import BreachChecker
from log_writer import LineWriter
from tests import log_capture
from tests.accounts.registry_server import serve_registry
from tests.auth.passwords.test_breaches import answer, serve_breaches
from tests.log_capture import production_logs
from tests.waiting import MAX_WAIT

ROOT = Path(__file__).parents[1]

SECRET_MESSAGE = "a message that quotes someone@leak.example"


@pytest.fixture
def log_stream() -> Iterator[io.StringIO]:
    with production_logs() as stream:
        yield stream


def logged_events(stream: io.StringIO) -> list[dict[str, object]]:
    events = log_capture.logged_events(stream)
    assert SECRET_MESSAGE not in stream.getvalue()
    return events


def fail() -> None:
    raise ValueError(SECRET_MESSAGE)


async def fail_in_task() -> None:
    fail()


def test_an_exception_is_logged_with_its_type_and_location(log_stream: io.StringIO) -> None:
    for log in (logging.getLogger("uvicorn.error"), structlog.stdlib.get_logger("ours")):
        try:
            fail()
        except ValueError:
            log.exception("it failed")
    for event in logged_events(log_stream):
        assert (event["event"], event["error"]) == ("it failed", "ValueError")
        assert str(event["where"]).count("test_logs.py") == 2


async def test_the_failure_of_an_unawaited_task_is_logged_without_its_message(
    log_stream: io.StringIO,
) -> None:
    asyncio.get_running_loop().create_task(fail_in_task())
    await asyncio.sleep(0)
    gc.collect()
    await asyncio.sleep(0)
    (event,) = logged_events(log_stream)
    assert (event["event"], event["error"]) == ("Task exception was never retrieved", "ValueError")


def test_a_record_that_cannot_be_formatted_fails_nothing(log_stream: io.StringIO) -> None:
    """The arguments, which may contain personal data, are not logged."""
    arguments = ("a@secret.example",)
    record = logging.LogRecord("lib", logging.ERROR, "lib.py", 1, "%d items", arguments, None)
    # Not by a logger: pytest's own handler raises.
    handlers = logging.getLogger().handlers
    next(each for each in handlers if isinstance(each, LineWriter)).handle(record)
    assert logged_events(log_stream)[-1]["event"] == "log.unreadable"
    assert "secret" not in log_stream.getvalue()


def test_a_line_cannot_be_forged(log_stream: io.StringIO) -> None:
    forged_line = 'fine\n{"event": "forged"}'
    structlog.stdlib.get_logger("ours").warning("received", text=forged_line)
    logging.getLogger("theirs").warning("received %s", forged_line)
    own_events, library_events = logged_events(log_stream)
    assert own_events["text"] == forged_line
    assert library_events["event"] == "received fine"


def test_output_of_python_itself_is_logged(log_stream: io.StringIO) -> None:
    class FailsInDestructor:
        def __del__(self) -> None:
            fail()

    FailsInDestructor()
    gc.collect()
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = logs._log_warning  # because catch_warnings has replaced it
        warnings.warn(SECRET_MESSAGE, UserWarning, stacklevel=1)
    ignored, thread_failed, warned = logged_events(log_stream)
    assert (ignored["event"], ignored["error"]) == ("process.ignored", "ValueError")
    assert (thread_failed["event"], thread_failed["error"]) == ("thread.failed", "ValueError")
    assert (warned["event"], warned["warning"]) == ("process.warned", "UserWarning")


def test_an_uncaught_exception_is_logged(
    log_stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        fail()
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)
    (event,) = logged_events(log_stream)
    assert (event["event"], event["error"]) == ("process.failed", "ValueError")
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert "KeyboardInterrupt" in capsys.readouterr().err
    assert len(logged_events(log_stream)) == 1


@pytest.mark.parametrize("configured_before", [False, True])
def test_a_traceback_in_a_librarys_message_keeps_its_locations(
    log_stream: io.StringIO, configured_before: bool
) -> None:
    """Starlette reports a failed start to uvicorn this way, whose own logging may have been
    configured before.
    """
    if configured_before:
        logging.config.dictConfig(LOGGING_CONFIG)
        logs.configure(log_stream)
    try:
        fail()
    except ValueError:
        logging.getLogger("uvicorn.error").error(traceback.format_exc())
    (event,) = logged_events(log_stream)
    assert event["event"] == "Traceback (most recent call last):"
    assert str(event["where"]).count("test_logs.py") == 2


# Those that we use, some that we don't, names that begin like ours, and the root logger.
LIBRARIES = [
    "httpx",
    "httpcore.connection",
    "tortoise.db_client",
    "aiosqlite",
    "asyncpg",
    "uvicorn.access",
    "uvicorn.error",
    "websockets.server",
    "asyncio",
    "weasyprint",
    "modelserver",
    "authlib.auth",
    "",
]


@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("creation_time", ["before", "later"])
def test_no_library_logs_below_warning(name: str, creation_time: str) -> None:
    """This holds whatever level and handlers its logger has."""
    # Logging is restored last: the patches are undone with what they had found.
    with production_logs() as log_stream, pytest.MonkeyPatch.context() as patch:
        _assert_silent(log_stream, name, creation_time, patch)


def _assert_silent(
    log_stream: io.StringIO, name: str, creation_time: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if creation_time == "later" and name:
        monkeypatch.delitem(logging.Logger.manager.loggerDict, name, raising=False)
    logger = logging.getLogger(name)
    logging.getLogger().setLevel(logging.DEBUG)
    for level in (logging.DEBUG, logging.INFO):
        logger.log(level, "%s", SECRET_MESSAGE)
    stream = io.StringIO()
    monkeypatch.setattr(logger, "handlers", [*logger.handlers, logging.StreamHandler(stream)])
    monkeypatch.setattr(logger, "level", 1)
    for level in (1, logging.DEBUG, logging.INFO, logging.WARNING - 1):
        logger.log(level, "%s", SECRET_MESSAGE)
    assert logged_events(log_stream) == []
    logger.warning("this may be logged")
    assert [event["event"] for event in logged_events(log_stream)] == ["this may be logged"]
    assert stream.getvalue() == "this may be logged\n"


def test_a_library_that_configures_logging_is_silent_as_well(
    log_stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    for force in (False, True):
        logging.basicConfig(level=logging.DEBUG, force=force)
        for name in (None, "httpx", "a.library.of.tomorrow"):
            logging.getLogger(name).info("%s", SECRET_MESSAGE)
        logging.info("%s", SECRET_MESSAGE)
    assert logged_events(log_stream) == []
    assert SECRET_MESSAGE not in "".join(capsys.readouterr())


def test_a_library_that_uses_structlog_is_silent_below_warning(log_stream: io.StringIO) -> None:
    structlog.stdlib.get_logger("library").info("event", text=SECRET_MESSAGE)
    structlog.stdlib.get_logger("library").warning("event")
    assert [event["level"] for event in logged_events(log_stream)] == ["warning"]


def test_all_our_modules_may_log_information(log_stream: io.StringIO) -> None:
    folders = {path.parent.name for path in ROOT.glob("*/*.py")} - {"bench", "bin", "tests"}
    modules = {path.stem for path in ROOT.glob("*.py")}
    assert {"__main__", *folders, *modules} == logs.OWN_LOGGERS
    for name in sorted(logs.OWN_LOGGERS):
        structlog.stdlib.get_logger(f"{name}.module").info("an event")
        logging.getLogger(name).debug("%s", SECRET_MESSAGE)
    assert len(logged_events(log_stream)) == len(logs.OWN_LOGGERS)


async def test_lookups_of_passwords_and_companies_are_not_logged(log_stream: io.StringIO) -> None:
    """The URL of a lookup holds the first digits of a password's SHA-1, or a SIREN."""
    siren, digits = "552100554", "E38AD"  # of "password1"
    async with serve_breaches(lambda: answer(b"")) as (url, requests):
        await BreachChecker(url).contains(b"password1")
        assert digits.encode() in requests[0]
    async with serve_registry(lambda: answer(b"{}")) as (url, requests):
        with suppress(RegistryUnavailable):
            await registry_from_url(url).find(siren)
        assert siren.encode() in requests[0]
    events = [event["event"] for event in logged_events(log_stream)]
    assert events == ["breaches.unavailable", "registry.unavailable"]
    assert siren not in log_stream.getvalue()
    assert digits not in log_stream.getvalue()


class UnreadStream(io.StringIO):
    """A stream that nobody reads until `reader` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.reader = threading.Event()

    def write(self, text: str) -> int:
        self.reader.wait()
        return super().write(text)


def line_writer() -> LineWriter:
    (writer,) = [each for each in logging.getLogger().handlers if isinstance(each, LineWriter)]
    return writer


def test_lines_that_nobody_reads_are_dropped_and_counted() -> None:
    stream = UnreadStream()
    with production_logs(stream):
        line_writer().size = 5
        log = structlog.stdlib.get_logger("models.test")
        for number in range(20):
            log.info("event", number=number)
        stream.reader.set()
        line_writer().flush(MAX_WAIT)
        events = logged_events(stream)
        log.info("event", number=20)
        events = logged_events(stream)
    numbers = [event["number"] for event in events if event["event"] == "event"]
    assert 5 <= len(numbers) - 1 <= 6
    assert numbers == [*range(len(numbers) - 1), 20]
    (dropped,) = [event for event in events if event["event"] == "log.dropped"]
    assert dropped["lines"] == 20 - (len(numbers) - 1)


def test_a_repeated_warning_is_counted_instead_of_listed(log_stream: io.StringIO) -> None:
    own_log, library = structlog.stdlib.get_logger("models.test"), logging.getLogger("library")
    for number in range(500):
        own_log.warning("own.warning", number=number)
        own_log.error("own.error", number=number)
        own_log.info("own.event", number=number)
        own_log.warning("attempt.throttled", limits=["pair"])
        library.warning("Invalid request %s", number)
        try:
            fail()
        except ValueError:
            library.exception("Invalid frame")
    listed = Counter(
        str(event["event"]).rstrip("0123456789") for event in logged_events(log_stream)
    )
    assert listed == {
        "own.warning": 10,
        "own.error": 100,
        "own.event": 500,
        "attempt.throttled": 1,
        "Invalid request ": 1,
        "Invalid frame": 1,
    }
    line_writer().repetitions.summarize(all_intervals=True)
    summaries = logged_events(log_stream)[listed.total() :]
    assert {(event["event"], event["of"], event["times"]) for event in summaries} == {
        ("log.repeated", "own.warning", 490),
        ("log.repeated", "own.error", 400),
        ("log.repeated", "attempt.throttled", 499),
        ("log.repeated", "Invalid request %s", 499),
        ("log.repeated", "Invalid frame", 499),
    }


def test_the_number_of_repeated_warnings_is_logged_when_the_interval_ends(
    log_stream: io.StringIO,
) -> None:
    line_writer().repetitions.interval = 0.05
    library = logging.getLogger("library")
    deadline, warnings_logged = monotonic() + MAX_WAIT, 0
    while "log.repeated" not in log_stream.getvalue() and monotonic() < deadline:
        for _ in range(3):
            library.warning("Invalid request")
            warnings_logged += 1
        sleep(0.1)  # nothing else is logged meanwhile
    events = logged_events(log_stream)
    listed = [event for event in events if event["event"] == "Invalid request"]
    (summary,) = [event for event in events if event["event"] == "log.repeated"]
    assert (summary["of"], summary["by"]) == ("Invalid request", "library")
    assert len(listed) + int(str(summary["times"])) == warnings_logged
