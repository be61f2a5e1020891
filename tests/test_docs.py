"""The documentation refers only to pages, source files, settings, commands and log events that
exist, and its GraphQL documents are valid.
"""

import re
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from cli import _parser
from settings import VARIABLES

ROOT = Path(__file__).parents[1]
OPERATING = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "bench").glob("*.md"),
    *(ROOT / "engine").glob("*.md"),
]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub creates for a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        if not re.match(r"[a-z]+:", target):
            file = (page.parent / path).resolve() if path else page
            assert file.exists(), target
            assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name != "glossary.md"],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_named_source_files_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"(?<![\w/.-])((?:[\w-]+/)+[\w-]+\.(?:py|toml|ts|txt))\b", text)
    missing = [
        path
        for path in paths
        if not any((folder / path).exists() for folder in (ROOT, page.parent))
    ]
    assert missing == []


def test_graphql_documents_are_valid() -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text(encoding="utf-8"))
    documents = [
        document
        for page in (ROOT / "README.md", ROOT / "docs" / "clients.md")
        for document in re.findall(r"```graphql\n(.+?)```", page.read_text(encoding="utf-8"), re.S)
    ]
    assert len(documents) == 12
    assert [
        (document, validate(schema, parse(document)))
        for document in documents
        if validate(schema, parse(document))
    ] == []


def test_operating_lists_all_settings() -> None:
    rows = re.findall(r"^\| (`CAMCHA_.+?) \|", OPERATING, re.M)
    assert set(re.findall(r"CAMCHA_\w+", " ".join(rows))) == VARIABLES


def test_operating_lists_all_commands() -> None:
    commands = re.findall(r"^    ([a-z-]+)", _parser().format_help(), re.M)
    table = OPERATING.partition("## Commands")[2].partition("\n## ")[0]
    assert len(commands) > 8
    assert sorted(re.findall(r"^\| `([a-z-]+)", table, re.M)) == sorted(commands)


def test_log_events_in_operating_exist() -> None:
    events = set(re.findall(r"`([a-z]+\.[a-z_]+)`", OPERATING)) - {
        "recovery.signal",
        "versions.toml",
        "schema.graphql",
    }
    sources = "".join(
        path.read_text(encoding="utf-8")
        for path in (*ROOT.glob("*.py"), *ROOT.glob("[a-z]*/**/*.py"))
        if "node_modules" not in path.parts
    )
    assert len(events) > 8
    assert {event for event in events if f'"{event}"' not in sources} == set()


def test_the_commands_in_operating_can_be_run_as_written() -> None:
    """Each command works in a fresh clone: it is a file of the repository, with a known command."""
    commands = set(re.findall(r"^    ([a-z-]+)", _parser().format_help(), re.M))
    typed = re.findall(r"(?:^    |`)(bin/\w+)(?: ([a-z-]+))?", OPERATING, re.M)
    assert {program for program, _ in typed} == {"bin/chaos", "bin/cli", "bin/serve"}
    assert {name for program, name in typed if program == "bin/cli" and name} <= commands
    assert all((ROOT / program).exists() for program, _ in typed)
    assert ".venv/bin" not in OPERATING
    assert "python -m" not in OPERATING
