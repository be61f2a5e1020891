"""The database itself refuses to change or delete what is issued, whoever tries."""

import pytest
from asyncpg import PostgresError
from tortoise.exceptions import BaseORMException

from models.action import Action
from models.database.sql import execute
from tests.billing.purchase_fixtures import Shop


@pytest.mark.parametrize("table", ["invoice", "invoice_line", "ledger_entry", "ledger_line"])
async def test_nothing_changes_what_is_issued(shop: Shop, action: Action, table: str) -> None:
    """Neither SQL by hand nor the deletion of the company or of its purchase does."""
    await shop.buy(action, "1")
    before = await execute(f"SELECT * FROM {table}")  # noqa: S608 - a name from above
    statements = [
        f"UPDATE {table} SET id = id",  # noqa: S608
        f"DELETE FROM {table}",  # noqa: S608
        "DELETE FROM purchase",
        "DELETE FROM account",
    ]
    for statement in statements:
        with pytest.raises((BaseORMException, PostgresError)):
            await execute(statement)
    assert await execute(f"SELECT * FROM {table}") == before  # noqa: S608
