"""docs/promises.md is consistent with the promises that tests refer to."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
STATES = dict(re.findall(r"^\| (P\d\.\d+) \| .+ \| (\w+)(?:: .+)? \|$", PAGE, re.M))


@cache
def named_promises() -> list[tuple[str, str]]:
    """Each promise in a test's name or docstring, with its location."""
    return [*_named_promises()]


def _named_promises() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                name = getattr(node, "name", path.stem)
                promises = [
                    f"P{group}.{number}"
                    for group, number in re.findall(r"(?<![a-z])p(\d)_(\d+)(?![0-9])", name)
                ]
                for promise in promises + re.findall(r"\bP\d\.\d+", ast.get_docstring(node) or ""):
                    yield promise, f"{path.relative_to(ROOT)}: {name}"


def test_each_promise_has_a_known_state() -> None:
    assert len(STATES) == len(re.findall(r"^\| P\d", PAGE, re.M)) > 30
    assert set(STATES.values()) <= {"works", "partly", "open"}


def test_tests_name_only_existing_promises() -> None:
    assert [(promise, place) for promise, place in named_promises() if promise not in STATES] == []


def test_each_working_promise_is_named_by_a_test() -> None:
    assert {promise for promise, state in STATES.items() if state == "works"} <= {
        promise for promise, _ in named_promises()
    }


def test_tests_that_the_page_names_exist_and_name_the_promise() -> None:
    existing = {(promise, place.split(": ")[1]) for promise, place in named_promises()}
    rows = re.findall(r"^\| (P\d\.\d+) \| (.+) \|$", PAGE, re.M)
    named = {(promise, test) for promise, row in rows for test in re.findall(r"`(test_\w+)`", row)}
    assert len(named) > 10
    assert named - existing == set()
