"""The engine and its tests could be published for any schema: they import nothing else of this
repository.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = {
    path.stem if path.is_file() else path.name
    for path in ROOT.iterdir()
    if path.suffix == ".py" or path.is_dir()
}
OTHER_MODULES = MODULES - {"engine", "tests"}


def imports(path: Path) -> Iterator[str]:
    """The full names of the modules that a file imports anywhere, including imports for type
    checking.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("folder", ["engine", "tests/engine"])
def test_only_installed_packages_are_imported(folder: str) -> None:
    assert {"models", "schema", "settings"} <= OTHER_MODULES
    for path in sorted((ROOT / folder).rglob("*.py")):
        for name in imports(path):
            assert name.partition(".")[0] not in OTHER_MODULES, path
            assert not name.startswith("tests.") or name.startswith("tests.engine"), path


def test_loading_the_engine_loads_nothing_of_the_application() -> None:
    program = (
        "import sys, engine.http; "
        f"sys.exit(' '.join(sorted({OTHER_MODULES} & set(sys.modules))) or 0)"
    )
    process = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (process.returncode, process.stderr) == (0, "")


def test_modules_import_each_other_in_one_direction() -> None:
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): set(imports(path))
        for path in (ROOT / "engine").rglob("*.py")
        if path.name != "__init__.py"
    }
    graph = {name: imported & modules.keys() for name, imported in modules.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(modules)  # raises CycleError
