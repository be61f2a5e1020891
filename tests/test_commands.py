"""The commands and lock files of a fresh clone."""

import os
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = [
    "requirements.lock",
    "requirements-dev.lock",
    "package-lock.json",
    "bench/package-lock.json",
]
PINNED_PACKAGE = re.compile(r"^([a-z0-9.-]+)==(\S+)", re.MULTILINE)


@pytest.mark.parametrize("name", LOCKS)
def test_lock_files_contain_no_host(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "resolved" not in text
    assert "--index-url" not in text


def test_every_locked_python_package_has_hashes() -> None:
    for name in ["requirements.lock", "requirements-dev.lock"]:
        entries = re.split(r"\n(?=\S)", (ROOT / name).read_text().strip())
        assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_development_lock_includes_the_production_lock() -> None:
    production, development = (
        dict(PINNED_PACKAGE.findall((ROOT / name).read_text())) for name in LOCKS[:2]
    )
    assert production.items() <= development.items()


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    locked = dict(PINNED_PACKAGE.findall((ROOT / "requirements-dev.lock").read_text()))
    dependencies = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = [re.split(r"[\[<>=; ]", each)[0].lower() for each in dependencies]
    assert [name for name in names if name not in locked] == []


def test_every_dependency_has_a_reason() -> None:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    start = lines.index("dependencies = [")
    dependency_lines = [
        line for line in lines[start : lines.index("[tool.ruff]")] if line.startswith('    "')
    ]
    assert dependency_lines
    assert [line for line in dependency_lines if not re.search(r'",\s+# \S', line)] == []


@pytest.mark.parametrize(
    "command",
    ["bin/serve", "bin/cli", "bin/check", "bin/bench", "bin/lock", "bin/_python", ".ci/run"],
)
def test_a_command_can_be_run(command: str) -> None:
    assert os.access(ROOT / command, os.X_OK)
    assert (ROOT / command).read_text().startswith("#!/bin/sh\n")
