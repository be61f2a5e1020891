"""Whatever goes wrong is told by its kind and its place, never in words that may quote somebody."""

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

WORDS = "the words of somebody@leak.example"


@pytest.fixture
def told() -> Iterator[io.StringIO]:
    """Everything that is logged, as in production; the process is as before afterwards."""
    root, kept = logging.getLogger(), (warnings.showwarning, sys.excepthook, sys.unraisablehook, threading.excepthook)
    handlers, level = root.handlers[:], root.level
    quiet = {name: logging.getLogger(name).level for name in logs._QUIET}
    stream = io.StringIO()
    logs.configure(stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in quiet.items():
        logging.getLogger(name).setLevel(before)
    warnings.showwarning, sys.excepthook, sys.unraisablehook, threading.excepthook = kept


def events(stream: io.StringIO) -> list[dict[str, object]]:
    assert WORDS not in stream.getvalue()
    return [orjson.loads(line) for line in stream.getvalue().splitlines()]


def fail() -> None:
    raise ValueError(WORDS)


async def failing() -> None:
    fail()


def test_an_exception_is_told_by_kind_and_place(told: io.StringIO) -> None:
    for log in (logging.getLogger("uvicorn.error"), structlog.stdlib.get_logger("ours")):
        try:
            fail()
        except ValueError:
            log.exception("it failed")
    for event in events(told):
        assert (event["event"], event["fault"]) == ("it failed", "ValueError")
        assert str(event["where"]).count("test_logs.py") == 2


async def test_a_task_that_nobody_looked_at_is_told_without_its_exceptions_words(told: io.StringIO) -> None:
    asyncio.get_running_loop().create_task(failing())
    await asyncio.sleep(0)
    gc.collect()
    await asyncio.sleep(0)
    (event,) = events(told)
    assert (event["event"], event["fault"]) == ("Task exception was never retrieved", "ValueError")


def test_nobody_forges_a_line(told: io.StringIO) -> None:
    forged = 'fine\n{"event": "forged"}'
    structlog.stdlib.get_logger("ours").warning("said", words=forged)
    logging.getLogger("theirs").warning("said %s", forged)
    ours, theirs = events(told)
    assert ours["words"] == forged
    assert theirs["event"] == "said fine"


def test_what_python_itself_would_print_is_told_too(told: io.StringIO) -> None:
    class Spiteful:
        def __del__(self) -> None:
            fail()

    Spiteful()
    gc.collect()
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = logs._warned  # catch_warnings put its own there
        warnings.warn(WORDS, UserWarning, stacklevel=1)
    ignored, thread_failed, warned = events(told)
    assert (ignored["event"], ignored["fault"]) == ("process.ignored", "ValueError")
    assert (thread_failed["event"], thread_failed["fault"]) == ("thread.failed", "ValueError")
    assert (warned["event"], warned["warning"]) == ("process.warned", "UserWarning")


def test_a_process_that_ends_by_an_exception_says_which(told: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        fail()
    except ValueError as fault:
        sys.excepthook(ValueError, fault, fault.__traceback__)
    (event,) = events(told)
    assert (event["event"], event["fault"]) == ("process.failed", "ValueError")
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert "KeyboardInterrupt" in capsys.readouterr().err
    assert len(events(told)) == 1


@pytest.mark.parametrize("set_up", [False, True])
def test_a_traceback_that_a_library_tells_as_a_text_keeps_its_places(told: io.StringIO, set_up: bool) -> None:
    """Starlette hands that of a failed start to uvicorn so, whose own logging may have been set up before."""
    if set_up:
        logging.config.dictConfig(LOGGING_CONFIG)
        logs.configure(told)
    try:
        fail()
    except ValueError:
        logging.getLogger("uvicorn.error").error(traceback.format_exc())
    (event,) = events(told)
    assert event["event"] == "Traceback (most recent call last):"
    assert str(event["where"]).count("test_logs.py") == 2


@pytest.mark.parametrize(
    "name", ["tortoise.db_client", "aiosqlite", "asyncpg", "uvicorn.access", "websockets.server", "asyncio"]
)
def test_libraries_that_tell_values_are_quiet_below_a_warning(told: io.StringIO, name: str) -> None:
    """Even for somebody who turns the root logger up."""
    logging.getLogger().setLevel(logging.DEBUG)
    for level in (logging.DEBUG, logging.INFO):
        logging.getLogger(name).log(level, "%s", WORDS)
    assert events(told) == []
