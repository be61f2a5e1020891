"""Logs to a buffer as in production, and restores the process's logging afterwards."""

import io
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import structlog

import logs


@contextmanager
def production_logs(stream: io.StringIO | None = None) -> Iterator[io.StringIO]:
    """Yields the buffer to which everything is logged."""
    root, logger_class = logging.getLogger(), logging.getLoggerClass()
    configuration = structlog.get_config()
    hooks = (warnings.showwarning, sys.excepthook, sys.unraisablehook, threading.excepthook)
    handlers, level = root.handlers, root.level
    root.handlers = []  # which basicConfig would close
    levels = {name: logging.getLogger(name).level for name in logs.OWN_LOGGERS}
    stream = stream or io.StringIO()
    logs.configure(stream)
    try:
        yield stream
    finally:
        logs.close()
        structlog.configure(**configuration)
        root.handlers = handlers
        root.setLevel(level)
        for name, previous in levels.items():
            logging.getLogger(name).setLevel(previous)
        logging.setLoggerClass(logger_class)
        for logger in [root, *root.manager.loggerDict.values()]:
            if isinstance(logger, logging.Logger):
                logger.removeFilter(logs.silence_libraries)
        warnings.showwarning, sys.excepthook, sys.unraisablehook, threading.excepthook = hooks


def logged_events(stream: io.StringIO) -> list[dict[str, object]]:
    """Everything that has been logged so far."""
    logs.flush()
    return [orjson.loads(line) for line in stream.getvalue().splitlines()]
