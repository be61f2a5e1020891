"""When an attack passes, and how measurements are printed. `bin/pressure` itself takes minutes."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bench.attacks import ATTACKS
from bench.pressure import Measurement, table

PASSED = Measurement("pings", 150.0, 199.0, 160.0, 5.0, 249.0, 400.0, 0, {"closed": 3})


@pytest.mark.parametrize(
    ("measurement", "has_passed"),
    [
        (PASSED, True),
        (replace(PASSED, memory_peak=201.0), False),
        (replace(PASSED, p99=250.0), False),
        (replace(PASSED, failures=1), False),
    ],
    ids=["bounded", "memory", "wait", "failures"],
)
def test_an_attack_passes_when_memory_and_waits_are_bounded(
    measurement: Measurement, has_passed: bool
) -> None:
    assert measurement.has_passed is has_passed
    line = table([measurement]).splitlines()[-1]
    assert (": 3 closed" in line, "ok:" in line, "FAILED:" in line) == (
        True,
        has_passed,
        not has_passed,
    )


def test_the_failures_of_the_bystander_are_reported() -> None:
    line = table([replace(PASSED, failures=2)]).splitlines()[-1]
    assert "2 of the bystander's requests failed" in line


def test_each_attack_is_documented() -> None:
    page = (Path(__file__).parents[2] / "bench" / "README.md").read_text(encoding="utf-8")
    section = page.partition("\n## Under pressure\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \|", section, re.M)
    assert rows == list(ATTACKS)
