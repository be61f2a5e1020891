"""P6.2: everything about a customer in one query, as shown in docs/clients.md."""

import re
from pathlib import Path

from app import COST_LIMIT
from models.billing.invoice import Invoice
from models.support.ticket import Ticket
from tests.schema.conftest import Dataset, Execute

PAGE = (Path(__file__).parents[3] / "docs" / "clients.md").read_text(encoding="utf-8")


async def test_p6_2_one_query_has_everything_about_a_customer(
    execute: Execute, dataset: Dataset
) -> None:
    query = next(
        text for text in re.findall(r"```graphql\n(.+?)```", PAGE, re.S) if "AgentTicket" in text
    )
    paul = dataset.paul
    response = await execute(dataset.alice, query, number=paul.row(Ticket).number)
    assert "errors" not in response
    assert response["extensions"]["cost"]["requested"] * 3 < COST_LIMIT
    ticket = response["data"]["ticket"]
    account = ticket["account"]
    assert [message["body"] for message in ticket["messages"]["nodes"]] == ["PAULMARK body"]
    assert (ticket["requester"]["name"], account["legalName"]) == (
        "PAULMARK OWNER",
        "PAULMARK legal",
    )
    assert account["purchases"]["nodes"][0]["price"]["offer"]["name"] == "Essentiel"
    assert account["invoices"]["nodes"][0]["number"] == paul.row(Invoice).number
    assert {each["kind"] for each in account["moneyMovements"]["nodes"]} == {"INVOICE", "PAYMENT"}
    assert [each["number"] for each in account["tickets"]["nodes"]] == [ticket["number"]]
    assert ticket["notes"] == {"nodes": []}
