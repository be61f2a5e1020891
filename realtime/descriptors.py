"""The file descriptors of this process: each connection needs one."""

import resource
from contextlib import suppress
from dataclasses import replace

import structlog

from realtime.connection_limits import ConnectionLimits

MAX_DESCRIPTORS = 65_536
OTHER_DESCRIPTORS = 256  # for the database, files, mail and child processes
MIN_CONNECTIONS = 16

log = structlog.stdlib.get_logger()


def raise_descriptor_limit() -> int:
    """Raise the number of files and connections that this process may have open, as far as the
    system allows. Returns it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    max_descriptors = (
        MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    )
    if soft != resource.RLIM_INFINITY and soft < max_descriptors:
        with suppress(OSError, ValueError):  # a system with a lower maximum
            resource.setrlimit(resource.RLIMIT_NOFILE, (max_descriptors, hard))
            return max_descriptors
    return MAX_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def within_descriptors(limits: ConnectionLimits, descriptors: int) -> ConnectionLimits:
    """The limits, with at most as many connections as there are file descriptors."""
    connections = min(limits.connections, max(MIN_CONNECTIONS, descriptors - OTHER_DESCRIPTORS))
    report = log.info if connections == limits.connections else log.warning
    report("server.descriptors", limit=descriptors, connections=connections)
    return replace(limits, connections=connections)
