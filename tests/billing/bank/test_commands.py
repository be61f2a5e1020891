"""The commands `import-statement` and `reconcile`, as processes of their own."""

from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.billing.bank.statement_fixtures import Transfer, camt
from tests.test_cli import SECRET_KEY, command


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    """A folder with a migrated database."""
    assert run(tmp_path, "migrate").returncode == 0
    return tmp_path


def run(folder: Path, *arguments: str) -> CompletedProcess[str]:
    settings = {"DATABASE_URL": f"sqlite://{folder}/bank.sqlite3", "SECRET_KEY": SECRET_KEY}
    return command(folder, *arguments, **settings)


def test_a_statement_is_imported_once(installation: Path) -> None:
    file = installation / "statement.xml"
    file.write_bytes(camt(Transfer(cents=3480, text="merci"), Transfer(cents=-100)))
    result = run(installation, "import-statement", str(file))
    assert (result.returncode, result.stdout) == (
        0,
        "2 lines, 2 of them new. 0 were matched; 1 wait for a person.\n",
    )
    result = run(installation, "import-statement", str(file))
    assert result.stdout == (
        "This file was imported before. 0 were matched; 1 wait for a person.\n"
    )
    result = run(installation, "reconcile")
    assert result.returncode == 0
    assert "€34.80 waiting in 1 bank lines" in result.stdout
    assert "There are no differences." in result.stdout


def test_each_fault_is_printed_with_its_line(installation: Path) -> None:
    file = installation / "statement.csv"
    file.write_text("Date;Libellé;Montant\n32/01/2026;x;1,00\n23/11/2026;y;abc\n", "utf-8")
    result = run(installation, "import-statement", str(file))
    assert result.returncode == 1
    first, second = result.stderr.splitlines()
    assert first == f"error: {file}: Line 2: “32/01/2026” isn’t a date."
    assert second.startswith(f"error: {file}: Line 3: “abc”")
    result = run(installation, "import-statement", str(installation / "missing.csv"))
    assert result.stderr == f"error: {installation}/missing.csv: No such file or directory\n"
