"""The version of the program."""

import tomllib
from pathlib import Path

VERSION: str = tomllib.loads(
    Path(__file__).parents[1].joinpath("pyproject.toml").read_text("utf-8")
)["project"]["version"]
