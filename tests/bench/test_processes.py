"""Servers have a core of their own. On a shared core, a figure would include the database and the
client.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = (
    "import os; from bench.processes import pin_to_core; print(pin_to_core(), "
    "*os.sched_getaffinity(0))"
)


def test_servers_run_on_a_different_core() -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("this machine has one core")
    root = Path(__file__).parents[2]
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, check=True
    )
    server_core, *other_cores = map(int, process.stdout.split())
    assert len(other_cores) == 1
    assert server_core not in other_cores
