"""What `bin/check` reports as reached is the same as with coverage.py's own tracer."""

from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage
from coverage.python import PythonFileReporter
from coverage.results import Analysis, analysis_from_file_reporter

from tests.probes.probes import insert
from tests.probes.report import pairs_of_lines

SOURCE = '''"""A docstring."""
from __future__ import annotations
import contextlib

KINDS = {
    "a": 1,
    "b": 2,
}

@contextlib.contextmanager
def opened():
    yield 1

class Shape:
    """Another docstring."""
    size: int = 1

    @property
    def area(self):
        return (
            self.size
            * 2
        )

def check(value):
    if value > 2:
        value = 2
    elif value == 2:
        value += 1
    else:
        value = 0
    for each in range(value):
        if each:
            break
    else:
        value = 1
    while value > 0:
        value -= 1
        if value == 1:
            continue
    with opened() as number:
        if number > 1:
            return None
    match value:
        case 0 | 1:
            name = "zero"
        case str():
            name = value
        case _:
            name = "other"
    match name:
        case "zero":
            pass
    try:
        KINDS[name]
    except TypeError:
        name = "type"
    except KeyError:
        name = "key"
    finally:
        value += 1
    try:
        value = 3
    except ValueError:
        raise
    return value

def never():
    return 1

def numbers(last):
    for each in range(last):
        yield each
'''


@pytest.mark.parametrize("calls", ["", "check(3)", "check(2); check(0)", "[*numbers(1)]"])
def test_probes_reach_what_the_tracer_of_coverage_reaches(tmp_path: Path, calls: str) -> None:
    path = tmp_path / "sample.py"
    path.write_text(f"{SOURCE}\n{calls}\nShape().area\n")
    traced, probed = (_analysis(path, each) for each in (_trace, _probe))

    assert probed.executed == traced.executed
    assert probed.missing_branch_arcs() == traced.missing_branch_arcs()
    assert probed.numbers == traced.numbers


def _analysis(path: Path, measure: Any) -> Analysis:
    coverage = Coverage(data_file=None, branch=True, include=[str(path)], messages=False)
    reporter = PythonFileReporter(str(path), coverage)
    measure(path, coverage, reporter)
    return analysis_from_file_reporter(coverage.get_data(), 0, reporter, str(path))


def _trace(path: Path, coverage: Coverage, _: PythonFileReporter) -> None:
    code = compile(path.read_bytes(), path, "exec", dont_inherit=True)
    with coverage.collect():
        exec(code, {"__name__": "sample"})  # noqa: S102 - the source above


def _probe(path: Path, coverage: Coverage, reporter: PythonFileReporter) -> None:
    tree, probes = insert(path.read_bytes(), str(path))
    reached = bytearray(len(probes.lines))
    code = compile(tree, path, "exec", dont_inherit=True)
    exec(code, {"__name__": "sample", "__reached__": reached})  # noqa: S102 - the source above
    coverage.get_data().add_arcs({str(path): [*pairs_of_lines(reporter, path, bytes(reached))]})
