"""The rules of docs/decisions/0001-layout.md for layers and domains that import-linter can't
check.
"""

import ast
import re
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAYERS = (
    "web",
    "seed",
    "schema",
    "resolvers",
    "operations",
    "privacy",
    "billing",
    "support",
    "accounts",
    "auth",
    "mail",
    "realtime",
    "storage",
    "models",
    "engine",
)
DOMAINS = (
    "identity",
    "accounts",
    "content",
    "billing",
    "support",
    "privacy",
    "analytics",
    "operations",
)
ENTRY_POINTS = (
    "app",
    "cli",
    "server",
    "worker",
    "logs",
    "log_writer",
    "settings",
    "installation",
    "metrics",
    "tracing",
)
ENVIRONMENT_READERS = {"cli.py"}


def sources() -> list[Path]:
    """Every Python file of the layers and of the entry points."""
    return [ROOT / f"{name}.py" for name in ENTRY_POINTS] + [
        path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))
    ]


def imported_names(path: Path) -> set[str]:
    """The top-level names that a file imports, at any level of its code."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_no_layer_imports_an_entry_point() -> None:
    for layer in LAYERS:
        for path in sorted((ROOT / layer).rglob("*.py")):
            assert not imported_names(path) & set(ENTRY_POINTS), path


def test_the_libraries_for_traces_are_loaded_only_when_there_are_traces() -> None:
    for path in set(sources()) - {ROOT / "tracing.py"}:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
            names |= {node.module or ""} if isinstance(node, ast.ImportFrom) else set()
            assert not any(name.startswith(("opentelemetry", "tracing")) for name in names), path


def test_settings_come_from_the_environment_in_one_place() -> None:
    for path in sources():
        attributes = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Attribute)
        }
        assert not attributes & {"environ", "getenv"} or path.name in ENVIRONMENT_READERS, path


def test_the_engine_imports_no_other_layer() -> None:
    for path in sorted((ROOT / "engine").rglob("*.py")):
        assert not imported_names(path) & set(LAYERS) - {"engine"}, path


def test_no_top_level_name_shadows_the_standard_library() -> None:
    names = {path.stem for path in ROOT.glob("*.py")} | {
        path.name for path in ROOT.iterdir() if path.is_dir()
    }
    assert not names & set(sys.stdlib_module_names)


def test_every_top_level_folder_is_explained() -> None:
    """The layers are known, and any other folder has a page in docs/decisions."""
    documented_folders = {
        "schema",
        "resolvers",
        "operations",
        "privacy",
        "billing",
        "support",
        "accounts",
        "auth",
        "mail",
        "realtime",
        "storage",
        "models",
        "migrations",
        "web",
        "bench",
        "docs",
        "bin",
        "tests",
    }
    pages = "".join(
        page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "decisions").glob("*.md")
    )
    for layer in set(LAYERS) - documented_folders:
        assert f"`{layer}/`" in pages, layer


def test_queries_are_written_in_resolvers_and_models_only() -> None:
    """schema/ only describes the GraphQL schema."""
    for path in sorted((ROOT / "schema").rglob("*.py")):
        assert "tortoise" not in imported_names(path), path


def test_folders_of_layers_are_domains() -> None:
    """A domain has the same name in every layer."""
    technical_folders = {"database", "translations", "common", "templates", "__pycache__"}
    for layer in ("models", "resolvers", "schema"):
        folders = {path.name for path in (ROOT / layer).iterdir() if path.is_dir()}
        assert folders <= {*DOMAINS, *technical_folders}, layer


def test_schema_starts_no_transaction_and_reads_no_clock() -> None:
    """Use cases own their transactions. Access rules and the current time don't belong in
    schema/.
    """
    for layer, forbidden in {
        "resolvers": {"transaction"},
        "schema": {"transaction", "now"},
    }.items():
        for path in sorted((ROOT / layer).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            assert (
                not {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
                & forbidden
            ), path


@cache
def read_file(path: Path) -> tuple[set[str], list[int]]:
    """The names that a file gives to classes, functions, parameters and variables, and the lines
    of statements in functions that are nothing but a string literal.
    """
    names: set[str] = set()
    literals: list[int] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
            if not isinstance(node, ast.ClassDef):  # attributes may have docstrings
                literals += [each.lineno for each in node.body[1:] if is_literal(each)]
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return {name.strip("_") for name in names}, literals


def is_literal(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def test_no_string_literal_is_a_statement() -> None:
    """A string literal that continues the line above without parentheses is lost without a
    warning.
    """
    for path in [*sources(), *sorted((ROOT / "tests").rglob("*.py"))]:
        assert not read_file(path)[1], path


def test_no_retired_name_comes_back() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    section = (
        glossary.partition("## Retired names")[2].partition("\n## ")[0].partition("this list:")[2]
    )
    retired_names = set(re.findall(r"`(\w+)`", section))
    assert len(retired_names) > 30
    for path in [
        *sources(),
        *sorted((ROOT / "tests").rglob("*.py")),
        *sorted((ROOT / "bench").rglob("*.py")),
    ]:
        assert not read_file(path)[0] & retired_names, path


def test_rows_are_locked_only_through_the_transaction() -> None:
    """So that all locks have the same strength: see `Transaction.lock`."""
    locking_files = [
        path for path in sources() if ".select_for_update(" in path.read_text(encoding="utf-8")
    ]
    assert locking_files == [ROOT / "models" / "action.py"]
