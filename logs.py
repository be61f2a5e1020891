"""What the process tells its operator: one line an event on stderr, JSON unless somebody watches at a terminal.

No personal data gets in. Events name rows, not people; of an exception only its kind and its place are told, because its own
words may quote what a person typed; and the libraries speak from WARNING on, since below that they log addresses, and the
database's clients every statement with its values. No setting turns that on. See docs/security.md.
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

_QUIET = (
    "aiosmtplib", "aiosqlite", "asyncio", "asyncpg", "tortoise", "uvicorn", "uvicorn.access", "uvicorn.error", "websockets",
)  # fmt: skip
_PLACE = re.compile(r'^ +File "([^"\n]+)", line (\d+)', re.M)
_DEPTH = 8
log = structlog.stdlib.get_logger()


def configure(stream: TextIO = sys.stderr) -> None:
    """Send every event, the libraries' included, to the stream."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_told(), _in_one_line],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(stream)],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for name in _QUIET:
        library = logging.getLogger(name)
        library.setLevel(logging.WARNING)
        library.handlers.clear()  # uvicorn's own way of logging, if somebody has set it up, would tell it all on stderr
        library.propagate = True
    structlog.configure(
        processors=[*_told(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    _hear_the_interpreter()


def _hear_the_interpreter() -> None:
    """Tell what Python itself would print, words and all."""
    warnings.showwarning = _warned
    sys.excepthook = _failed
    sys.unraisablehook = lambda fault: log.error("process.ignored", exc_info=fault.exc_value)
    threading.excepthook = lambda fault: log.error("thread.failed", exc_info=fault.exc_value)


def _failed(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, fault, trace)
    else:
        log.critical("process.failed", exc_info=fault)


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    log.warning("process.warned", warning=category.__name__, where=[f"{filename}:{lineno}"])


def _told() -> list[Processor]:
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _where_it_failed,
    ]


def _where_it_failed(logger: Any, method: str, event: EventDict) -> EventDict:
    given = event.pop("exc_info", None)
    fault = given[1] if isinstance(given, tuple) else sys.exc_info()[1] if given is True else given
    if isinstance(fault, BaseException):
        event["fault"] = type(fault).__name__
        event["where"] = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(fault.__traceback__)[-_DEPTH:]]
    return event


def _in_one_line(logger: Any, method: str, event: EventDict) -> EventDict:
    """Below its first line a library quotes: asyncio the tasks that failed, uvicorn the whole traceback of a failed start."""
    head, _, quoted = str(event["event"]).partition("\n")
    places = [f"{file}:{line}" for file, line in _PLACE.findall(quoted)][-_DEPTH:]
    event["event"] = head
    if places:
        event["where"] = places
    return event


def _renderer(stream: TextIO) -> Processor:
    if stream.isatty():
        return structlog.dev.ConsoleRenderer()
    return structlog.processors.JSONRenderer(ensure_ascii=False)
