"""How many SQL statements a page takes: one per list and level, regardless of the number of
rows.
"""

import logging
from typing import TYPE_CHECKING, Any

import pytest

from models.action import Action
from models.billing.invoice import InvoiceLine
from models.billing.offer import Price
from models.billing.payment import Payment
from models.billing.purchase import Purchase
from models.support.classification import Category, Channel
from models.support.ticket import Ticket
from support.assignment import claim
from tests.invoices import create_invoice

if TYPE_CHECKING:
    from tests.schema.conftest import Company, Dataset, Execute

INBOX = """{ tickets(first: 50) {
    nodes { subject account { legalName } requester { name } assignee { name }
    lastMessage { body author { name } } }
    pageInfo { hasNextPage }
} }"""
INBOX_STATEMENTS = (
    6  # tickets, companies, requesters, assignees, their latest messages, the authors
)
INVOICES = (
    "{ invoices(first: 50) { nodes { number lines { label } purchase { price { interval } } } } }"
)
INVOICE_STATEMENTS = 4  # invoices, lines, purchases, prices


async def open_tickets(action: Action, dataset: "Dataset", tickets: int) -> None:
    user, agent = dataset.paul.owner.user, dataset.alice.user
    assert user is not None
    assert agent is not None
    for number in range(tickets):
        async with action.transaction() as tx:
            ticket = await Ticket.open(
                tx,
                dataset.paul.account,
                user,
                subject=f"Aide {number}",
                channel=Channel.WEB,
                category=Category.BUG,
            )
        await claim(action, ticket, agent)
        await ticket.reply(action, user, f"Bonjour {number}", f"m{number}")


async def invoice(
    action: Action, company: "Company", price: Price, invoices: int, first: int = 1_000
) -> None:
    for number in range(first, first + invoices):
        purchase = await Purchase.create(account=company.account, price=price, created_at=action.at)
        await Payment.create(
            account=company.account,
            purchase=purchase,
            amount_cents=3480,
            method="card",
            created_at=action.at,
        )
        invoice = await create_invoice(action, company.account, purchase, number)
        await InvoiceLine.create(
            invoice=invoice,
            position=1,
            label="Essentiel",
            quantity=1,
            unit_net_cents=2900,
            net_cents=2900,
            vat_rate=2000,
        )


def statements(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The statements sent to the database since the last call."""
    sent = [record.getMessage() for record in caplog.records if record.name == "tortoise.db_client"]
    caplog.clear()
    return [each for each in sent if each.lstrip().startswith("SELECT")]


async def count_statements(
    execute: "Execute", viewer: Any, query: str, caplog: pytest.LogCaptureFixture
) -> tuple[int, int]:
    """The number of rows of a list, and of the statements that it took."""
    with caplog.at_level(logging.DEBUG, "tortoise.db_client"):
        statements(caplog)
        response = await execute(viewer, query)
    assert "errors" not in response
    (page,) = response["data"].values()
    return len(page["nodes"]), len(statements(caplog))


async def test_the_inbox_takes_a_fixed_number_of_statements(
    execute: "Execute", dataset: "Dataset", action: Action, caplog: pytest.LogCaptureFixture
) -> None:
    await open_tickets(action, dataset, 3)
    assert await count_statements(execute, dataset.alice, INBOX, caplog) == (5, INBOX_STATEMENTS)
    await open_tickets(action, dataset, 45)
    assert await count_statements(execute, dataset.alice, INBOX, caplog) == (50, INBOX_STATEMENTS)


async def test_invoices_with_lines_take_a_fixed_number_of_statements(
    execute: "Execute",
    dataset: "Dataset",
    action: Action,
    price: Price,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await invoice(action, dataset.paul, price, 4)
    assert await count_statements(execute, dataset.paul.owner, INVOICES, caplog) == (
        5,
        INVOICE_STATEMENTS,
    )
    await invoice(action, dataset.paul, price, 45, first=2_000)
    assert await count_statements(execute, dataset.paul.owner, INVOICES, caplog) == (
        50,
        INVOICE_STATEMENTS,
    )
