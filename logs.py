"""Logging: one event per line on stderr, as JSON, or as plain text at a terminal.

Logs contain no personal data. Events identify rows, not people. For an exception only its type and
location are logged, because its message may quote what a person typed. Libraries log from WARNING
upwards, because below that they log addresses, and the database clients log statements with their
values. No setting enables this. See docs/security.md.
"""

import logging
import re
import sys
import threading
import traceback
import warnings
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

_QUIET_LIBRARIES = (
    "aiosmtplib",
    "aiosqlite",
    "asyncio",
    "asyncpg",
    "tortoise",
    "uvicorn",
    "uvicorn.access",
    "uvicorn.error",
    "websockets",
)
_FRAME = re.compile(r'^ +File "([^"\n]+)", line (\d+)', re.M)
_MAX_FRAMES = 8
log = structlog.stdlib.get_logger()


def configure(stream: TextIO = sys.stderr) -> None:
    """Send all events, including those of libraries, to the stream."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_processors(), _keep_first_line],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _renderer(stream),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for name in _QUIET_LIBRARIES:
        library = logging.getLogger(name)
        library.setLevel(logging.WARNING)
        # uvicorn's own handlers, if configured, would print everything on stderr
        library.handlers.clear()
        library.propagate = True
    structlog.configure(
        processors=[*_processors(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    _capture_interpreter_output()


def _capture_interpreter_output() -> None:
    """Log what Python itself would print together with its message."""
    warnings.showwarning = _log_warning
    sys.excepthook = _log_uncaught
    sys.unraisablehook = lambda args: log.error("process.ignored", exc_info=args.exc_value)
    threading.excepthook = lambda args: log.error("thread.failed", exc_info=args.exc_value)


def _log_uncaught(
    error_type: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(error_type, KeyboardInterrupt):
        sys.__excepthook__(error_type, error, trace)
    else:
        log.critical("process.failed", exc_info=error)


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    log.warning("process.warned", warning=category.__name__, where=[f"{filename}:{lineno}"])


def _processors() -> list[Processor]:
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_location,
    ]


def _add_location(logger: Any, method: str, event: EventDict) -> EventDict:
    exc_info = event.pop("exc_info", None)
    error = (
        exc_info[1]
        if isinstance(exc_info, tuple)
        else sys.exc_info()[1]
        if exc_info is True
        else exc_info
    )
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["where"] = [
            f"{frame.filename}:{frame.lineno}"
            for frame in traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:]
        ]
    return event


def _keep_first_line(logger: Any, method: str, event: EventDict) -> EventDict:
    """Keep a message's first line: below it asyncio quotes failed tasks, and uvicorn the traceback
    of a failed start.
    """
    first_line, _, rest = str(event["event"]).partition("\n")
    locations = [f"{file}:{line}" for file, line in _FRAME.findall(rest)][-_MAX_FRAMES:]
    event["event"] = first_line
    if locations:
        event["where"] = locations
    return event


def _renderer(stream: TextIO) -> Processor:
    if stream.isatty():
        return structlog.dev.ConsoleRenderer()
    return structlog.processors.JSONRenderer(ensure_ascii=False)
