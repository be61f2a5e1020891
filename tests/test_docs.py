"""The documentation's links, source files and GraphQL documents exist and are valid."""

import re
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").glob("*.md"), *(ROOT / "engine").glob("*.md")]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        if not re.match(r"[a-z]+:", target):
            file = (page.parent / path).resolve() if path else page
            assert file.exists(), target
            assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name != "glossary.md"], ids=lambda page: str(page.relative_to(ROOT))
)
def test_named_source_files_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"(?<![\w/.-])((?:[\w-]+/)+[\w-]+\.(?:py|toml|ts|txt))\b", text)
    missing = [path for path in paths if not any((folder / path).exists() for folder in (ROOT, page.parent))]
    assert missing == []


def test_graphql_documents_are_valid() -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text(encoding="utf-8"))
    documents = [
        document
        for page in (ROOT / "README.md", ROOT / "docs" / "clients.md")
        for document in re.findall(r"```graphql\n(.+?)```", page.read_text(encoding="utf-8"), re.S)
    ]
    assert len(documents) == 4
    assert [(document, validate(schema, parse(document))) for document in documents if validate(schema, parse(document))] == []
