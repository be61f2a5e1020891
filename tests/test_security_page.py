"""docs/security.md is up to date: its tests exist, and each requirement names a test or says why it
has none.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
REQUIREMENTS = re.findall(r"^\| (\d+\.\d+\.\d+) \| (.+) \| (.+) \|$", PAGE, re.M)
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(?:\w+::)?(test_\w+)`", PAGE)))


def function_names(path: Path) -> set[str]:
    """The names of a file's functions and methods."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(("file", "test"), TESTS)
def test_each_named_test_exists(file: str, test: str) -> None:
    assert test in function_names(ROOT / file)


def test_each_requirement_names_a_test_or_says_why_it_has_none() -> None:
    assert len(REQUIREMENTS) > 50
    for number, measure, verified_by in REQUIREMENTS:
        assert measure, number
        assert re.fullmatch(r"`tests/\S+`(, `tests/\S+`)*|Open|Operator: .+", verified_by), (
            number,
            verified_by,
        )


def test_the_requirements_are_in_ascending_order_in_their_chapters() -> None:
    chapters = re.findall(r"^### V(\d+) .+\n((?:(?!###).*\n)+)", PAGE, re.M)
    numbers = [
        (int(chapter), tuple(map(int, number.split("."))))
        for chapter, table in chapters
        for number in re.findall(r"^\| (\d+\.\d+\.\d+)\b", table, re.M)
    ]
    assert len(numbers) > 50
    assert numbers == sorted(numbers)
    assert [number for chapter, number in numbers if number[0] != chapter] == []
