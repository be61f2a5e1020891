"""Servers have a core to themselves: with all on one, a figure would measure the database and the client as well."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TELL = "import os; from bench.processes import settle; print(settle(), *os.sched_getaffinity(0))"


def test_servers_and_the_rest_are_on_different_cores() -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core for all")
    root = Path(__file__).parents[2]
    told = subprocess.run([sys.executable, "-c", TELL], cwd=root, capture_output=True, text=True, check=True)
    of_servers, *of_the_rest = map(int, told.stdout.split())
    assert len(of_the_rest) == 1
    assert of_servers not in of_the_rest
