"""P4.1: who reads invoices that are kept of an erased company is in the audit log: which operator,
which invoice and when.
"""

from typing import TYPE_CHECKING

import pytest
from graphql import get_named_type

from models.accounts.account import Account, AccountStatus
from models.action import Action
from models.audit import AuditEntry
from models.billing.invoice import Invoice, InvoiceLine
from models.viewer import Viewer
from resolvers.billing.kept_invoices import RecordedInvoices
from resolvers.context import Context
from resolvers.ids import encode
from schema.fields import batch_of
from tests.schema.billing.catalogue_fixtures import create_operator
from tests.schema.test_isolation import GRAPH

if TYPE_CHECKING:
    from resolvers.context import Services
    from tests.schema.conftest import Dataset, Execute

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
QUERIES = {
    "list": "{ found: invoices { nodes { number } } }",
    "edges": "{ found: invoices { edges { node { id } } } }",
    "number": '{ found: invoice(number: "%(number)s") { gross { amountCents } } }',
    "id": '{ found: node(id: "%(invoice)s") { ... on Invoice { number } } }',
    "ids": '{ found: nodes(ids: ["%(other)s", "%(invoice)s"]) { id } }',
    "line": '{ found: node(id: "%(line)s") { ... on InvoiceLine { label } } }',
}


@pytest.fixture
async def operator(db: str, action: Action) -> Viewer:
    return await create_operator(action)


async def readings() -> list[tuple[int | None, int | None, int | None, str | None]]:
    entries = await AuditEntry.filter(action="kept_invoice.read").order_by("id")
    return [(each.actor_id, each.object_id, each.account_id, each.object_type) for each in entries]


@pytest.mark.parametrize("path", QUERIES)
async def test_p4_1_each_reading_of_a_kept_invoice_is_recorded(
    execute: "Execute", dataset: "Dataset", operator: Viewer, path: str
) -> None:
    paul, marie = dataset.paul, dataset.marie
    invoice = paul.row(Invoice)
    line = await InvoiceLine.filter(invoice_id=invoice.pk).first()
    line_key = line.pk if line else 0
    values = {
        "number": invoice.number,
        "invoice": encode("Invoice", invoice.pk),
        "other": encode("Invoice", marie.row(Invoice).pk),
        "line": encode("InvoiceLine", line_key),
    }
    query = QUERIES[path] % values
    await execute(operator, query)
    await execute(paul.owner, query)
    assert await readings() == []  # of a company that isn't erased
    await Account.filter(pk=paul.account.pk).update(status=AccountStatus.ERASED)
    for viewer in (dataset.alice, marie.owner, Viewer()):
        answer = await execute(viewer, query)
        assert invoice.number not in str(answer)
    assert await readings() == []
    answer = (await execute(operator, query))["data"]["found"]
    assert answer
    assert await readings() == [(operator.user_id, invoice.pk, paul.account.pk, "Invoice")]
    if path == "list":  # counting reads none
        await execute(operator, "{ invoices { totalCount } }")
        assert len(await readings()) == 1


@ON_SQLITE
async def test_p4_1_every_field_that_leads_to_invoices_records_them(
    operator: Viewer, services: "Services"
) -> None:
    """So that a new field can't be forgotten."""
    context, unrecorded = Context(operator, services), set()
    for kind in GRAPH.type_map.values():
        for name, field in getattr(kind, "fields", {}).items():
            is_invoice = get_named_type(field.type).name in ("Invoice", "InvoiceConnection")
            batch = batch_of(field) if is_invoice else None
            if batch and not isinstance(batch(context, []), RecordedInvoices):
                unrecorded.add(f"{kind.name}.{name}")
    # Disputes of erased companies are hidden.
    assert unrecorded == {"Dispute.invoice", "Dispute.creditNote"}
