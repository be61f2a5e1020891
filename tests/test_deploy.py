"""P6.4: the files for containers and systemd name commands, settings and packages that exist."""

import json
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from cli import _parser
from settings import VARIABLES

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "root_packages"
]


def test_the_dockerfile_follows_the_rules_of_hadolint() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    command = [str(hadolint), "--format", "json", str(DEPLOY / "Dockerfile")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert json.loads(result.stdout) == []


def test_the_image_contains_and_compiles_the_whole_program() -> None:
    compiled = re.search(r"compileall -q (.+?) &&", DOCKERFILE.replace("\\\n", ""))
    assert compiled
    assert {*compiled[1].split()} == {*PACKAGES, "migrations", "./*.py"}
    ignored = (ROOT / ".dockerignore").read_text().split()
    for name in (*PACKAGES, "migrations", "pyproject.toml", "cli.py", "schema.graphql"):
        assert not any(fnmatch(name, pattern.removeprefix("**/")) for pattern in ignored), name


def test_the_commands_exist() -> None:
    images = re.search(r"^CMD (.+)$", DOCKERFILE, re.MULTILINE)
    assert images
    commands = [json.loads(images[1]), COMPOSE["services"]["worker"]["command"]]
    commands += [words.split() for words in re.findall(r"-m cli (\w+)", str(COMPOSE))]
    for unit in (DEPLOY / "systemd").iterdir():
        start = re.search(r"-m cli (.+)$", unit.read_text(), re.MULTILINE)
        assert start
        commands.append(start[1].replace("%i", "8001").split())
    assert [command[0] for command in commands[:4]] == ["serve", "work", "migrate", "seed"]
    for command in commands:
        _parser().parse_args(command)


@pytest.mark.parametrize("name", ["compose.yaml", "settings.example.env", "Dockerfile"])
def test_the_settings_exist(name: str) -> None:
    used = {*re.findall(r"CAMCHA_\w+", (DEPLOY / name).read_text())}
    assert used - {"CAMCHA_HOST"} <= VARIABLES


def test_only_the_proxy_can_be_reached_and_nothing_else_has_rights() -> None:
    services = COMPOSE["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    for name in ("migrate", "web", "worker"):
        service = services[name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert re.findall(r"^USER (\w+)", DOCKERFILE, re.MULTILINE) == ["10001"]
