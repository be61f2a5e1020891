"""Logging: one event per line on stderr, as JSON, or as plain text at a terminal.

Logs contain no personal data. Events identify rows, not people. For an exception only its type and
location are logged, because its message may quote what a person typed. Only our own loggers, which
`OWN_LOGGERS` lists, log below WARNING, because there libraries log addresses, URLs with what was
looked up, and statements with their values. No setting and no library changes this. See
docs/security.md. How lines are written: log_writer.py.
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

from log_writer import LineWriter, RepetitionFilter

# The first part of the names of our loggers: the folders and modules at the top of this repository,
# and __main__, which is cli.py.
OWN_LOGGERS = frozenset(
    {
        *(
            "__main__",
            "app",
            "cli",
            "installation",
            "log_writer",
            "metrics",
            "logs",
            "server",
            "settings",
            "tracing",
            "worker",
        ),
        *("accounts", "auth", "billing", "engine", "mail", "migrations", "models", "operations"),
        *("privacy", "realtime", "resolvers", "schema", "seed", "storage", "support", "web"),
    }
)
_FRAME = re.compile(r'^ +File "([^"\n]+)", line (\d+)', re.M)
_MAX_FRAMES = 8
log = structlog.stdlib.get_logger()


class _OwnLoggers(logging.Filter):
    """Accepts the records of our own loggers."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.name.partition(".")[0] in OWN_LOGGERS


class _SilenceLibraries(_OwnLoggers):
    """Accepts warnings and errors of all loggers, and everything of our own."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING or super().filter(record)


silence_libraries = _SilenceLibraries()


def configure(stream: TextIO = sys.stderr) -> None:
    """Send all events, including those of libraries, to the stream."""
    structlog.configure(
        processors=[*_processors(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = LineWriter(stream, RepetitionFilter(_OwnLoggers()))
    handler.addFilter(silence_libraries)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_processors(), _keep_first_line],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _renderer(stream),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO)
    _filter_all_loggers()
    _capture_interpreter_output()


def flush() -> None:
    """Wait a moment until everything that was logged is written."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def close() -> None:
    """Log how often warnings were repeated, and wait a moment until everything is written."""
    for handler in logging.getLogger().handlers:
        handler.close()


def _filter_all_loggers() -> None:
    """Silence libraries in their loggers too, so that a library that sets their level, or adds a
    handler to them or to the root logger, doesn't log more than others.
    """

    class Logger(logging.getLoggerClass()):  # type: ignore[misc] # the class that structlog has set
        def __init__(self, name: str, level: int = logging.NOTSET) -> None:
            super().__init__(name, level)
            self.addFilter(silence_libraries)

    logging.setLoggerClass(Logger)
    root = logging.getLogger()
    existing = [
        each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger)
    ]
    for logger in (root, *existing):
        logger.addFilter(silence_libraries)
        if logger is not root:
            # uvicorn's own handlers, if configured, would print everything on stderr
            logger.handlers.clear()
            logger.propagate = True


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
