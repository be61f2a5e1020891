"""P4.1: ten years after the end of their year, an operator's run removes the buyers from invoices,
and nothing else. The numbering and the ledger stay provable, and so does what was removed.
"""

import asyncio
import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from auth.tokens import Signer
from billing.credit_notes import remainder
from billing.document_requests import document_of
from billing.documents.facts import InvoiceFacts, Note
from billing.exports.invoices_zip import invoices_zip
from billing.invoicing import DraftLine, InvoiceRequest, PaymentTerms, prepare
from models.action import Action
from models.audit import AuditEntry
from models.billing.bank import BankLine, BankLineStatus, BankStatement, StatementFormat
from models.billing.billing_profile import BillingProfile
from models.billing.delivery import (
    DeliveryChannel,
    DeliveryState,
    InvoiceDelivery,
    PlatformStatus,
)
from models.billing.invoice import Counter, Invoice, InvoiceDocument
from models.billing.platform_status import PlatformStatusCode
from models.billing.receivable import Receivable
from models.errors import Refusal
from models.identity.user import Staff
from models.locale import Locale
from models.privacy.buyer_erasure import BuyerErasure, InvoiceTombstone
from models.privacy.erasure import ERASED
from models.viewer import Viewer
from operations.audit_proof import audit_proof
from operations.invoice_numbering import numbering_errors
from operations.retention import due_rows
from privacy import buyer_erasures
from privacy.buyer_erasures import erase_buyers, facts_hash
from resolvers.ids import encode
from tests.billing.purchase_fixtures import ADDRESS, Shop
from tests.billing.purchase_fixtures import checkout_services as checkout_services
from tests.billing.purchase_fixtures import shop as shop
from tests.people import create_staff_viewer, record_step_up
from tests.schema.billing.catalogue_fixtures import codes, mutate

if TYPE_CHECKING:
    from tests.schema.conftest import Execute

PDF, XML = b"%PDF of an invoice", b"<xml>of an invoice</xml>"
PREVIEW = "{ buyerErasurePreview { until digest counts { kind count } } }"
RUN = "run { reason until finishedAt plannedCounts { kind count } operator { name } }"
RUNS = "{ buyerErasures { nodes { reason finishedAt removedCounts { kind count } } } }"
NAMES = ("Boulangerie", "rue du Four", "PO 7", "4242", "Erreur de Mme Roux")


async def add_invoices(shop: Shop, action: Action, days: list[date]) -> list[Invoice]:
    """Stores an invoice with its document for each day, as if it had been issued then."""
    async with action.transaction() as tx:
        account = await tx.lock(type(shop.account), shop.account.pk)
        profile = await BillingProfile.store(tx, account, ADDRESS, "PO 7")
    line = DraftLine(label="Essentiel", unit_net_cents=1_000, quantity=1, vat_basis_points=2_000)
    terms = PaymentTerms(text="30 jours", due_days=30)
    request = InvoiceRequest(profile=profile, lines=[line], on=action.day, payment=terms)
    draft = await prepare(shop.services.seller, request, trial=False)
    return [
        await add_invoice(shop, profile, draft.facts, day, position)
        for position, day in enumerate(days, 1)
    ]


async def add_invoice(
    shop: Shop, profile: BillingProfile, facts: InvoiceFacts, day: date, position: int
) -> Invoice:
    at = datetime(day.year, day.month, day.day, 11, tzinfo=UTC)
    number = f"FA-{day.year}-{position:06d}"
    payment = facts.payment and replace(facts.payment, card_last4="4242")
    notes = (Note(text="Erreur de Mme Roux"), *facts.notes)
    values: dict[str, Any] = {
        "number": number,
        "issued_on": day,
        "due_on": day,
        "payment": payment,
        "notes": notes,
    }
    invoice = await Invoice.create(
        position=position,
        number=number,
        account=shop.account,
        billing_profile=profile,
        issued_at=at,
        issued_on=day,
        due_on=day,
        net_cents=1_000,
        vat_cents=200,
        gross_cents=1_200,
        facts=replace(facts, **values).to_json(),
        xml=XML,
    )
    await InvoiceDocument.create(
        invoice=invoice, pdf=PDF, sha256=hashlib.sha256(PDF).hexdigest(), created_at=at
    )
    counted: Any = {"last_position": position, "last_issued_at": at}
    await Counter.update_or_create(counted, series="FA")
    return invoice


async def add_bank_lines(days: list[date], action: Action) -> list[BankLine]:
    statement = await BankStatement.create(
        sha256="1",
        name="statement.xml",
        format=StatementFormat.CAMT_053,
        created_at=action.at,
        line_count=2,
        new_count=2,
        pending_count=0,
    )
    return [
        await BankLine.create(
            statement=statement,
            position=number,
            fingerprint=f"{number}",
            iban="FR7630006000011234567890189",
            booked_on=day,
            amount_cents=1_200,
            text="VIR Boulangerie Roux",
            counterparty_name="Boulangerie Roux",
            counterparty_iban="FR7630004000031234567890143",
            status=BankLineStatus.MATCHED,
            created_at=action.at,
        )
        for number, day in enumerate(days, 1)
    ]


async def add_status(invoice: Invoice) -> PlatformStatus:
    """A status that the buyer's platform reported with a reason."""
    delivery = await InvoiceDelivery.create(
        invoice=invoice,
        account_id=invoice.account_id,
        channel=DeliveryChannel.PLATFORM,
        state=DeliveryState.SENT,
        reason="Erreur de Mme Roux",
        created_at=invoice.issued_at,
    )
    return await PlatformStatus.create(
        delivery=delivery,
        flow_id="1",
        status=PlatformStatusCode.DISPUTED,
        at=invoice.issued_at,
        reason="Erreur de Mme Roux",
        stored_at=invoice.issued_at,
    )


@pytest.fixture
async def operator(db: str, action: Action) -> Viewer:
    return await create_staff_viewer(action, "Omar", Staff.OPERATOR)


async def start(execute: "Execute", operator: Viewer, digest: str, **fields: str) -> dict[str, Any]:
    values = {"reason": "Durée légale", "idempotencyKey": "2026", "digest": digest} | fields
    return await mutate(execute, operator, "buyerErasureStart", RUN, **values)


def counted(counts: list[dict[str, Any]]) -> dict[str, int]:
    return {each["kind"]: each["count"] for each in counts}


async def test_p4_1_after_ten_years_the_buyer_goes_and_the_proof_stays(
    execute: "Execute",
    shop: Shop,
    operator: Viewer,
    action: Action,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(buyer_erasures, "BATCH_SIZE", 1)
    days = [date(2014, 5, 2), date(2015, 12, 31), date(2015, 12, 31), date(2016, 1, 1)]
    first, second, unpaid, young = await add_invoices(shop, action, days)
    await Receivable.create(
        invoice=unpaid, account=shop.account, due_on=days[2], gross_cents=1_200, open_cents=1
    )
    status = await add_status(first)
    old_line, young_line = await add_bank_lines([date(2015, 12, 31), date(2016, 1, 1)], action)
    assert operator.session
    preview = (await execute(operator, PREVIEW))["data"]["buyerErasurePreview"]
    expected = {"invoices": 2, "invoice documents": 2, "billing profiles": 0, "bank lines": 1}
    assert (preview["until"], counted(preview["counts"])) == ("2015-12-31", expected)
    due = {
        rows.table: rows.count
        async for rows in due_rows(action.at, shop.services.seller.retention[0])
    }
    assert (due["invoice"], due["bank_line"]) == (2, 1)

    digest = preview["digest"]
    payload = await start(execute, operator, digest)
    assert [each["code"] for each in payload["userErrors"]] == ["STEP_UP_REQUIRED"]
    await record_step_up(action, operator.session)
    assert codes(await start(execute, operator, "0" * 64)) == [("PLAN_CHANGED", "digest")]
    for _ in range(2):
        payload = await start(execute, operator, digest)
        assert counted(payload["run"]["plannedCounts"]) == expected
        assert (payload["run"]["operator"]["name"], payload["run"]["finishedAt"]) == ("Omar", None)
    while await BuyerErasure.filter(finished_at=None).exists():  # as in several processes
        await asyncio.gather(*(erase_buyers(action) for _ in range(2)))
    [run] = (await execute(operator, RUNS))["data"]["buyerErasures"]["nodes"]
    assert (run["reason"], counted(run["removedCounts"])) == ("Durée légale", expected)
    preview = (await execute(operator, PREVIEW))["data"]["buyerErasurePreview"]
    assert set(counted(preview["counts"]).values()) == {0}
    payload = await start(execute, operator, preview["digest"], idempotencyKey="again")
    assert codes(payload) == [("NOTHING_TO_ERASE", "digest")]

    for before in (first, second):
        await assert_without_buyer(before, action)
    for kept in (unpaid, young):
        assert (await Invoice.get(pk=kept.pk)).facts == kept.facts
        assert await InvoiceDocument.filter(invoice_id=kept.pk).exists()
    assert (await PlatformStatus.get(pk=status.pk)).reason is None
    assert (await InvoiceDelivery.get(invoice_id=first.pk)).reason is None
    assert "Roux" not in str(await BankLine.filter(pk=old_line.pk).values())
    assert (await BankLine.get(pk=young_line.pk)).counterparty_name == "Boulangerie Roux"
    assert await numbering_errors() == []
    assert (await audit_proof()).error is None
    entries = await AuditEntry.filter(object_type="BuyerErasure").order_by("id")
    assert [entry.action for entry in entries] == ["buyer_erasure.start", "buyer_erasure.finish"]
    details = [orjson.loads(entry.details) for entry in entries]
    assert (entries[0].actor_id, details[0]["digest"]) == (operator.user_id, digest)
    assert details[1]["invoice"] == 2


async def assert_without_buyer(before: Invoice, action: Action) -> None:
    """Nothing names the buyer any more, and who kept a copy can prove that it is the original."""
    after = await Invoice.get(pk=before.pk)
    facts, issued = InvoiceFacts.from_json(after.facts), InvoiceFacts.from_json(before.facts)
    for name in NAMES:
        assert name not in str(after.facts)
    assert facts.buyer.name == ERASED
    assert (facts.totals, facts.lines, facts.seller) == (issued.totals, issued.lines, issued.seller)
    assert after.xml is None
    for name in ("number", "issued_at", "net_cents", "vat_cents", "gross_cents"):
        assert getattr(after, name) == getattr(before, name)
    assert facts.totals.gross_cents == after.gross_cents
    tombstone = await InvoiceTombstone.get(invoice_id=before.pk)
    assert tombstone.facts_sha256 == facts_hash(before.facts)
    assert tombstone.xml_sha256 == hashlib.sha256(XML).hexdigest()
    assert tombstone.pdf_sha256 == hashlib.sha256(PDF).hexdigest()
    assert await document_of(action, Signer("x" * 32), before.pk) is None
    with pytest.raises(Refusal, match="NOT_CREDITABLE"):
        await remainder(after)

    async def no_document(invoice: Invoice) -> None:
        assert invoice.pk == before.pk or invoice.is_without_buyer is False

    year = before.issued_on.year
    archive = invoices_zip(before.account_id, year, Locale.FR, no_document)
    assert before.number.encode() not in b"".join([part async for part in archive])[:200]


async def test_p4_1_a_profile_goes_with_the_last_invoice_that_names_it(
    execute: "Execute", shop: Shop, operator: Viewer, action: Action
) -> None:
    [invoice] = await add_invoices(shop, action, [date(2015, 6, 1)])
    assert operator.session
    await record_step_up(action, operator.session)
    preview = (await execute(operator, PREVIEW))["data"]["buyerErasurePreview"]
    assert counted(preview["counts"])["billing profiles"] == 1
    await start(execute, operator, preview["digest"])
    for _ in range(2):
        await erase_buyers(action)
    profile = await BillingProfile.get(pk=invoice.billing_profile_id)
    assert (profile.legal_name, profile.siren, profile.city) == (ERASED, None, "")
    node = "query($id: ID!) { node(id: $id) { ... on Invoice { number sha256 buyerErasedAt } } }"
    account = shop.account
    await type(account).filter(pk=account.pk).update(status="ERASED")
    variables = {"id": encode("Invoice", invoice.pk)}
    answer = (await execute(operator, node, **variables))["data"]["node"]
    assert (answer["number"], answer["sha256"]) == (invoice.number, None)
    assert answer["buyerErasedAt"] is not None


async def test_the_database_refuses_to_remove_a_buyer_otherwise(
    shop: Shop, operator: Viewer, action: Action
) -> None:
    year = datetime.now(UTC).year  # by the database's own clock
    old, young = await add_invoices(shop, action, [date(year - 11, 12, 31), date(year - 10, 1, 1)])
    run = await BuyerErasure.create(
        operator_id=operator.user_id,
        reason="-",
        until=old.issued_on,
        created_at=action.at,
        planned_counts={},
    )
    values: dict[str, Any] = {"run": run, "facts_sha256": "", "erased_at": action.at}
    status = await add_status(old)
    erased = buyer_erasures.without_buyer(old.facts)
    changed_total = {**erased, "totals": {**erased["totals"], "net_cents": 1}}
    rows = Invoice.filter(pk=old.pk)

    async def refused(change: Any) -> None:
        with pytest.raises(Exception, match=r"append-only|ten years"):
            await change

    await refused(InvoiceTombstone.create(invoice=young, **values))
    await refused(rows.update(facts=erased, xml=None))  # without a tombstone
    await refused(InvoiceDocument.filter(invoice_id=old.pk).delete())
    await refused(PlatformStatus.filter(pk=status.pk).update(reason=None))
    await InvoiceTombstone.create(invoice=old, **values)
    await refused(rows.update(facts=erased))  # with its XML
    await refused(rows.update(facts=erased, xml=None, gross_cents=1))
    await refused(rows.update(facts=changed_total, xml=None))
    await refused(rows.update(facts=old.facts, xml=None))
    await refused(rows.delete())
    await refused(InvoiceTombstone.all().delete())
    await refused(InvoiceTombstone.all().update(facts_sha256="x"))
    await refused(PlatformStatus.filter(pk=status.pk).update(reason=None, at=action.at))
    await rows.update(facts=erased, xml=None)
    await refused(rows.update(facts=erased, xml=None))  # once only
    await InvoiceDocument.filter(invoice_id=old.pk).delete()
    await refused(
        InvoiceDocument.create(invoice_id=old.pk, pdf=b"", sha256="", created_at=action.at)
    )
