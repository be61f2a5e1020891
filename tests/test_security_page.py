"""docs/security.md says what is true: each test it names is there, and each requirement is held or openly is not."""

import ast
import re
from pathlib import Path

import pytest

from models.audit import AuditAction

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+\.\d+\.\d+) \| (.+) \| (.+) \|$", PAGE, re.M)
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", PAGE)))


def named_in(path: Path) -> set[str]:
    """The tests of a file, in classes too."""
    found = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_a_named_test_is_there(file: str, test: str) -> None:
    assert test in named_in(ROOT / file)


def test_every_requirement_is_held_or_said_to_be_open() -> None:
    assert len(ROWS) > 50
    for number, told, held in ROWS:
        assert told, number
        assert re.fullmatch(r"`tests/\S+`(, `tests/\S+`)*|Open|Operator: .+", held), (number, held)


def test_every_audited_act_is_in_the_inventory() -> None:
    assert set(re.findall(r"`([a-z_]+\.[a-z_]+)`", PAGE.partition("## Logs")[0])) >= set(AuditAction)
