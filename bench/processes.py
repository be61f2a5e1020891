"""Pinning processes to cores, and their processor time and resident memory as the kernel reports
them.
"""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def pin_to_core() -> int:
    """Pin this process to one core, and return another one for the servers (the same one when there
    is no other).

    Processes that this one starts stay on its core, except the servers.
    """
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    return cores[0]


def process_tree(pid: int) -> list[int]:
    """The ids of a process and all its descendants."""
    pids = [pid]
    for parent in pids:  # grows during the iteration
        for task in _tasks(parent):
            pids += [int(child) for child in _read(task / "children").split()]
    return pids


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:  # the process has ended
        return []


def cpu_seconds(pid: int) -> float:
    """The processor time used by a process and its descendants, including those that have ended."""
    return sum(_cpu_seconds(each) for each in process_tree(pid))


def _cpu_seconds(pid: int) -> float:
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS if fields else 0.0


def resident_kib(pid: int) -> int:
    """The resident memory of a process and its descendants, in KiB."""
    lines = [
        line
        for each in process_tree(pid)
        for line in _read(Path(f"/proc/{each}/status")).splitlines()
    ]
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the process has ended
        return ""
