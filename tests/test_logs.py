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
from collections.abc import Iterator

import orjson
import pytest
import structlog
from uvicorn.config import LOGGING_CONFIG

import logs

SECRET_MESSAGE = "a message that quotes someone@leak.example"


@pytest.fixture
def log_stream() -> Iterator[io.StringIO]:
    """Logs to a buffer as in production, and restores the process's logging afterwards."""
    root = logging.getLogger()
    hooks = (warnings.showwarning, sys.excepthook, sys.unraisablehook, threading.excepthook)
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs._QUIET_LIBRARIES}
    stream = io.StringIO()
    logs.configure(stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, previous in levels.items():
        logging.getLogger(name).setLevel(previous)
    warnings.showwarning, sys.excepthook, sys.unraisablehook, threading.excepthook = hooks


def logged_events(stream: io.StringIO) -> list[dict[str, object]]:
    assert SECRET_MESSAGE not in stream.getvalue()
    return [orjson.loads(line) for line in stream.getvalue().splitlines()]


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


@pytest.mark.parametrize(
    "name",
    [
        "tortoise.db_client",
        "aiosqlite",
        "asyncpg",
        "uvicorn.access",
        "websockets.server",
        "asyncio",
    ],
)
def test_libraries_that_log_values_are_silent_below_warning(
    log_stream: io.StringIO, name: str
) -> None:
    """Even when the root logger's level is lower."""
    logging.getLogger().setLevel(logging.DEBUG)
    for level in (logging.DEBUG, logging.INFO):
        logging.getLogger(name).log(level, "%s", SECRET_MESSAGE)
    assert logged_events(log_stream) == []
