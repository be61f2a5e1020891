"""Processes on cores of their own, and what the kernel says of them: processor time and resident memory."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def settle() -> int:
    """Settle this process on one core: whatever it starts stays there, but for the servers, whose core is returned.

    It is the same one where there is no other.
    """
    mine = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {mine[-1]})
    return mine[0]


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for parent in found:  # grows while it is walked
        for task in _tasks(parent):
            found += [int(child) for child in _read(task / "children").split()]
    return found


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:  # it ended meanwhile
        return []


def cpu(pid: int) -> float:
    """Seconds of processor time that a process and its descendants have used, those that ended included."""
    return sum(_cpu(each) for each in family(pid))


def _cpu(pid: int) -> float:
    words = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return sum(map(int, words[11:15])) / _TICKS if words else 0.0


def resident(pid: int) -> int:
    """KiB of memory that a process and its descendants hold."""
    lines = [line for each in family(pid) for line in _read(Path(f"/proc/{each}/status")).splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it ended meanwhile
        return ""
