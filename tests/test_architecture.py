"""The house keeps its shape: what import-linter can't see, because it sees packages only."""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("web", "seed", "schema", "resolvers", "billing", "mail", "auth", "realtime", "models", "engine")
TOP = ("app", "cli", "server", "worker", "logs", "settings")
READS_ENVIRONMENT = {"cli.py"}


def sources() -> list[Path]:
    """Every Python file of the rooms and of the front door."""
    return [ROOT / f"{name}.py" for name in TOP] + [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """The top-level names a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_no_room_knows_the_front_door() -> None:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            assert not imported(path) & set(TOP), path


def test_settings_come_from_the_environment_in_one_place() -> None:
    for path in sources():
        uses = {node.attr for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Attribute)}
        assert not uses & {"environ", "getenv"} or path.name in READS_ENVIRONMENT, path


def test_the_engine_knows_nothing_of_the_house() -> None:
    for path in sorted((ROOT / "engine").rglob("*.py")):
        assert not imported(path) & set(ROOMS) - {"engine"}, path


def test_no_top_level_name_shadows_the_standard_library() -> None:
    names = {path.stem for path in ROOT.glob("*.py")} | {path.name for path in ROOT.iterdir() if path.is_dir()}
    assert not names & set(sys.stdlib_module_names)


def test_every_top_level_folder_is_explained() -> None:
    """The guide's rooms are known; any other folder has a page in docs/decisions."""
    known = {
        "schema", "resolvers", "billing", "mail", "auth", "realtime", "models", "migrations", "web", "bench", "docs", "bin",
        "tests",
    }  # fmt: skip
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "decisions").glob("*.md"))
    for room in set(ROOMS) - known:
        assert f"`{room}/`" in pages, room


def test_queries_are_written_in_resolvers_and_models_only() -> None:
    """schema/ is a table of contents."""
    for path in sorted((ROOT / "schema").rglob("*.py")):
        assert "tortoise" not in imported(path), path


def test_files_stay_small() -> None:
    """Past 320 lines a file has become two rooms; tables of contents and of words may be longer."""
    lists = {"schema/types.py", "schema/root.py", "resolvers/enums.py"}
    for path in sources():
        length = len(path.read_text(encoding="utf-8").splitlines())
        assert length <= 320 or path.relative_to(ROOT).as_posix() in lists, (path, length)
