"""P2.3: a customer pays by bank transfer, from the choice to the line on the bank's statement."""

from base64 import b64encode
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from auth.tokens import Purpose
from billing import charging, checkout
from billing.bank import matching
from billing.bank.account import TransferStart
from billing.dunning import dun_late_invoices
from billing.invoice_payments import pay_invoice
from billing.reconciliation import reconciliation
from models.accounts.account import Account, AccountStatus
from models.action import Action
from models.billing.bank import BankLine
from models.billing.errors import BillingErrorCode
from models.billing.invoice import Invoice
from models.billing.offer import Price
from models.billing.payment import Payment, PaymentStatus
from models.billing.receivable import Receivable
from models.billing.refund import Refund
from models.errors import Refusal
from models.identity.session import Session
from models.identity.user import Staff
from models.operations.email import Email
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode
from tests.billing.bank.statement_fixtures import IBAN, PAYER_IBAN, Entry, Transfer, camt
from tests.conftest import MovableClock
from tests.people import create_staff_viewer
from tests.schema.conftest import Dataset

if TYPE_CHECKING:
    from tests.schema.conftest import Execute

PAY = """mutation($i: PurchasePayByTransferInput!) { purchasePayByTransfer(input: $i) {
    purchase { id status anchor }
    invoice { id number dueOn gross { amountCents }
        transfer { holder iban bic reference amount { amountCents } dueOn } }
    userErrors { code field } } }"""
IMPORT = """mutation($i: BankStatementImportInput!) { bankStatementImport(input: $i) {
    statement { lineCount newCount importer { name } } isRepeated
    userErrors { code field message } } }"""
QUEUE = """{ bankLines(filter: {status: {eq: UNMATCHED}}) { totalCount nodes {
    id problem amount { amountCents } counterpartyName account { id } } } }"""
MATCH = """mutation($i: BankLineMatchInput!) { bankLineMatch(input: $i) {
    line { status match account { id } payment { amount { amountCents } } decider { name } }
    userErrors { code field } } }"""
PURCHASE = """query($id: ID!) { purchase(id: $id) { status anchor periods { start }
    invoices { number transfer { reference } } } }"""
MOVEMENTS = """query($f: MoneyMovementFilter) { moneyMovements(filter: $f) { nodes {
    kind day document amount { amountCents } balance { amountCents } invoice { number }
    payment { status } } } }"""


@pytest.fixture
async def oscar(db: str, action: Action) -> Viewer:
    """An operator with a recent step-up."""
    viewer = await create_staff_viewer(action, "Oscar", Staff.OPERATOR)
    assert viewer.session
    await Session.filter(pk=viewer.session.pk).update(
        step_up_expires_at=action.at + timedelta(days=5)
    )
    return viewer


async def confirmed_purchase(
    action: Action, dataset: Dataset, price: Price, execute: "Execute", key: str = "new"
) -> str:
    """A purchase of Paul's company whose billing details are confirmed."""
    paul = dataset.paul
    assert paul.owner.user
    purchase = await checkout.draft(action, paul.account, paul.owner.user, price, key)
    mutation = """mutation($i: PurchaseConfirmBillingInput!) { purchaseConfirmBilling(input: $i) {
        userErrors { code field } } }"""
    address = {"street": "1 rue X", "postalCode": "75001", "city": "Paris", "country": "FR"}
    purchase_id = encode("Purchase", purchase.pk)
    response = await execute(
        paul.owner, mutation, i={"purchaseId": purchase_id, "billingAddress": address}
    )
    assert response["data"]["purchaseConfirmBilling"]["userErrors"] == [], response
    return purchase_id


async def pay(execute: "Execute", viewer: Viewer, purchase: str, key: str = "k") -> Any:
    response = await execute(viewer, PAY, i={"purchaseId": purchase, "idempotencyKey": key})
    assert "errors" not in response, response
    return response["data"]["purchasePayByTransfer"]


async def import_statement(
    execute: "Execute", viewer: Viewer, content: bytes, key: str = "k"
) -> Any:

    values = {"fileName": "a.xml", "content": b64encode(content).decode(), "idempotencyKey": key}
    response = await execute(viewer, IMPORT, i=values)
    return response["data"]["bankStatementImport"]


async def test_p2_3_a_transfer_pays_the_invoice_and_starts_the_purchase(
    dataset: Dataset,
    action: Action,
    price: Price,
    execute: "Execute",
    oscar: Viewer,
    clock: MovableClock,
) -> None:
    owner = dataset.paul.owner
    purchase = await confirmed_purchase(action, dataset, price, execute)
    chosen = await pay(execute, owner, purchase)
    assert chosen["userErrors"] == []
    assert chosen["purchase"]["status"] == "PAYMENT_PENDING"
    invoice = chosen["invoice"]
    instructions = invoice["transfer"]
    assert (instructions["iban"], instructions["bic"]) == (IBAN, "BNKAFRPPXXX")
    assert instructions["amount"] == invoice["gross"] == {"amountCents": 3480}
    assert instructions["dueOn"] == invoice["dueOn"] == "2026-12-23"
    assert (await pay(execute, owner, purchase))["invoice"]["number"] == invoice["number"]
    clock.advance(timedelta(days=3))
    transfer = Transfer(cents=3480, reference=instructions["reference"])
    imported = await import_statement(execute, oscar, camt(transfer))
    assert imported["userErrors"] == []
    assert imported["statement"] == {
        "lineCount": 1,
        "newCount": 1,
        "importer": {"name": "Oscar"},
    }
    response = await execute(owner, PURCHASE, id=purchase)
    assert response["data"]["purchase"] == {
        "status": "ACTIVE",
        "anchor": "2026-11-26",
        "periods": [{"start": "2026-11-26"}, {"start": "2026-12-26"}, {"start": "2027-01-26"}],
        "invoices": [{"number": invoice["number"], "transfer": None}],
    }
    repeated = await import_statement(execute, oscar, camt(transfer), "again")
    assert repeated["isRepeated"] is True


CREDIT = """mutation($i: InvoiceCreditInput!) { invoiceCredit(input: $i) {
    creditNote { id number refunds { status } } userErrors { code field } } }"""
REFUNDS = """query($s: RefundStatus!) { refunds(filter: {status: {eq: $s}}) { totalCount nodes {
    id status amount { amountCents } bankLine { counterpartyName counterpartyIban } } } }"""
MARK_SENT = """mutation($i: RefundMarkSentInput!) { refundMarkSent(input: $i) {
    refund { status } userErrors { code field } } }"""
MARK_FAILED = """mutation($i: RefundMarkFailedInput!) { refundMarkFailed(input: $i) {
    refund { status } userErrors { code field } } }"""


async def paid_by_transfer(
    dataset: Dataset, action: Action, price: Price, execute: "Execute", oscar: Viewer
) -> dict[str, Any]:
    """A purchase's first invoice, paid by a transfer."""
    purchase = await confirmed_purchase(action, dataset, price, execute)
    invoice: dict[str, Any] = (await pay(execute, dataset.paul.owner, purchase))["invoice"]
    transfer = Transfer(cents=3480, reference=invoice["transfer"]["reference"])
    await import_statement(execute, oscar, camt(transfer))
    return invoice


async def credit(
    execute: "Execute", viewer: Viewer, invoice: dict[str, Any], refund: str
) -> dict[str, Any]:
    values = {
        "invoiceId": invoice["id"],
        "whole": True,
        "reason": "Geste",
        "refund": refund,
        "idempotencyKey": "credit",
    }
    payload: dict[str, Any] = (await execute(viewer, CREDIT, i=values))["data"]["invoiceCredit"]
    assert payload["userErrors"] == []
    return payload


async def refunds(execute: "Execute", viewer: Viewer, status: str) -> Any:
    return (await execute(viewer, REFUNDS, s=status))["data"]["refunds"]["nodes"]


async def kinds_of_movements(execute: "Execute", viewer: Viewer) -> list[tuple[str, int]]:
    """The three most recent movements, each with the balance after it."""
    nodes = (await execute(viewer, MOVEMENTS))["data"]["moneyMovements"]["nodes"]
    return [(each["kind"], each["balance"]["amountCents"]) for each in nodes[:3]]


async def test_p3_2_an_operator_transfers_money_back_that_came_by_transfer(
    dataset: Dataset, action: Action, price: Price, execute: "Execute", oscar: Viewer
) -> None:
    owner = dataset.paul.owner
    invoice = await paid_by_transfer(dataset, action, price, execute, oscar)
    credited = await credit(execute, oscar, invoice, "PAYMENT")
    assert credited["creditNote"]["refunds"] == [{"status": "PENDING"}]
    (refund,) = await refunds(execute, oscar, "PENDING")
    assert refund["amount"] == {"amountCents": 3480}
    assert refund["bankLine"] == {
        "counterpartyName": "Le Fournil d'Aubry",
        "counterpartyIban": PAYER_IBAN,
    }
    values = {"refundId": refund["id"], "reference": "VIR 42"}
    for _ in range(2):
        sent = (await execute(oscar, MARK_SENT, i=values))["data"]["refundMarkSent"]
        assert sent == {"refund": {"status": "SUCCEEDED"}, "userErrors": []}
    assert await refunds(execute, oscar, "PENDING") == []
    assert await kinds_of_movements(execute, owner) == [
        ("REFUND", 0),
        ("CREDIT_NOTE", -3480),
        ("PAYMENT", 0),
    ]
    # The money comes back: the account was closed.
    for _ in range(2):
        failed = await execute(oscar, MARK_FAILED, i={"refundId": refund["id"]})
        assert failed["data"]["refundMarkFailed"]["refund"] == {"status": "FAILED"}
    assert (await kinds_of_movements(execute, owner))[0] == ("REFUND_FAILED", -3480)
    assert (await reconciliation()).errors == ()
    again = (await execute(oscar, MARK_SENT, i=values))["data"]["refundMarkSent"]
    assert [error["code"] for error in again["userErrors"]] == ["TRANSITION_ILLEGAL"]
    emails = await Email.filter(template__startswith="refund_failed")
    assert [email.recipient for email in emails] == [owner.user.email] if owner.user else []


async def test_only_operators_send_refunds_and_none_of_a_provider(
    dataset: Dataset, action: Action, execute: "Execute", oscar: Viewer
) -> None:
    payment = dataset.paul.row(Payment)
    refund = await Refund.create(
        account=dataset.paul.account, payment=payment, amount_cents=1, created_at=action.at
    )
    values = {"refundId": encode("Refund", refund.pk), "reference": "VIR 42"}
    sent = (await execute(oscar, MARK_SENT, i=values))["data"]["refundMarkSent"]
    assert [error["code"] for error in sent["userErrors"]] == ["TRANSITION_ILLEGAL"]
    for viewer in (dataset.paul.owner, dataset.alice):
        response = await execute(viewer, MARK_SENT, i=values)
        assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_a_transfer_that_was_refunded_is_not_taken_back_by_itself(
    dataset: Dataset, action: Action, price: Price, execute: "Execute", oscar: Viewer
) -> None:
    invoice = await paid_by_transfer(dataset, action, price, execute, oscar)
    await credit(execute, oscar, invoice, "PAYMENT")
    reference = str((await Invoice.get(number=invoice["number"])).reference)
    returned = Entry(transfers=(Transfer(cents=-3480, reference=reference),), is_reversal=True)
    await import_statement(execute, oscar, camt(returned), "r")
    (line,) = (await execute(oscar, QUEUE))["data"]["bankLines"]["nodes"]
    assert line["problem"] == "ORIGINAL_NOT_FOUND"
    original = await BankLine.get(amount_cents=3480)
    with pytest.raises(Refusal) as refusal:
        await matching.undo(action, original.pk)
    assert refusal.value.code is BillingErrorCode.BANK_LINE_DECIDED


async def test_money_for_a_purchase_that_ended_waits_for_a_person(
    dataset: Dataset, action: Action, price: Price, execute: "Execute", oscar: Viewer
) -> None:
    purchase = await confirmed_purchase(action, dataset, price, execute)
    invoice = (await pay(execute, dataset.paul.owner, purchase))["invoice"]
    await credit(execute, oscar, invoice, "NONE")
    transfer = Transfer(cents=3480, reference=invoice["transfer"]["reference"])
    await import_statement(execute, oscar, camt(transfer))
    (line,) = (await execute(oscar, QUEUE))["data"]["bankLines"]["nodes"]
    assert (line["problem"], line["account"]) == ("PURCHASE_ENDED", None)


async def test_an_order_that_is_never_paid_is_canceled_and_nothing_is_due(
    dataset: Dataset,
    action: Action,
    price: Price,
    execute: "Execute",
    oscar: Viewer,
    services: Services,
) -> None:
    """Nothing was supplied, so the invoice is credited, and money that comes nevertheless waits for
    a person. A partial payment stays on the balance.
    """
    owner = dataset.paul.owner
    purchase = await confirmed_purchase(action, dataset, price, execute)
    invoice = (await pay(execute, owner, purchase))["invoice"]
    reference = invoice["transfer"]["reference"]
    await import_statement(execute, oscar, camt(Transfer(cents=1000, reference=reference)))
    row = await Invoice.get(number=invoice["number"])
    await pay_invoice(action, services.checkout, row, "pm_sandbox_confirmation", "card")
    for days in (30, 74, 75, 76):
        await dun_late_invoices(
            replace(action, at=action.at + timedelta(days=days)), services.checkout
        )
    query = """query($id: ID!) { purchase(id: $id) { status invoices { type state } }
        viewer { account { balance { amountCents } } } }"""
    found = (await execute(owner, query, id=purchase))["data"]
    assert found["purchase"] == {
        "status": "CANCELED",
        "invoices": [
            {"type": "INVOICE", "state": "CREDITED"},
            {"type": "CREDIT_NOTE", "state": None},
        ],
    }
    assert found["viewer"]["account"]["balance"] == {"amountCents": -1000}
    emails = await Email.filter(template__startswith="order_canceled_unpaid")
    assert [email.recipient for email in emails] == [owner.user.email if owner.user else ""]
    await import_statement(execute, oscar, camt(Transfer(cents=2480, reference=reference)), "late")
    (line,) = (await execute(oscar, QUEUE))["data"]["bankLines"]["nodes"]
    assert line["problem"] == "PURCHASE_ENDED"
    assert (await reconciliation()).errors == ()


DISCARD = """mutation($i: PurchaseDiscardInput!) { purchaseDiscard(input: $i) {
    purchase { status invoices { type state } } userErrors { code } } }"""


async def test_an_order_that_waits_for_a_transfer_can_be_discarded(
    dataset: Dataset,
    action: Action,
    price: Price,
    execute: "Execute",
    oscar: Viewer,
    services: Services,
) -> None:
    owner = dataset.paul.owner
    purchase = await confirmed_purchase(action, dataset, price, execute)
    invoice = (await pay(execute, owner, purchase))["invoice"]
    row = await Invoice.get(number=invoice["number"])
    waiting = await pay_invoice(action, services.checkout, row, "pm_sandbox_confirmation", "card")
    for _ in range(2):
        response = await execute(owner, DISCARD, i={"purchaseId": purchase})
        assert response["data"]["purchaseDiscard"] == {
            "purchase": {
                "status": "CANCELED",
                "invoices": [
                    {"type": "INVOICE", "state": "CREDITED"},
                    {"type": "CREDIT_NOTE", "state": None},
                ],
            },
            "userErrors": [],
        }
    assert (await Payment.get(pk=waiting.pk)).status is PaymentStatus.CANCELED
    transfer = Transfer(cents=3480, reference=invoice["transfer"]["reference"])
    await import_statement(execute, oscar, camt(transfer))
    (line,) = (await execute(oscar, QUEUE))["data"]["bankLines"]["nodes"]
    assert line["problem"] == "PURCHASE_ENDED"
    assert (await reconciliation()).errors == ()


async def test_an_order_is_not_discarded_while_it_is_charged_or_disputed(
    dataset: Dataset, action: Action, price: Price, execute: "Execute", services: Services
) -> None:
    owner = dataset.paul.owner
    purchase = await confirmed_purchase(action, dataset, price, execute)
    invoice = (await pay(execute, owner, purchase))["invoice"]
    row = await Invoice.get(number=invoice["number"])
    await pay_invoice(action, services.checkout, row, "pm_sandbox_processing", "card")

    async def codes() -> list[str]:
        response = await execute(owner, DISCARD, i={"purchaseId": purchase})
        return [each["code"] for each in response["data"]["purchaseDiscard"]["userErrors"]]

    assert await codes() == ["PAYMENT_IN_PROGRESS"]
    await Payment.filter(invoice_id=row.pk).update(status=PaymentStatus.DECLINED)
    await Receivable.filter(invoice_id=row.pk).update(disputed_at=action.at)
    assert await codes() == ["TRANSITION_ILLEGAL"]


async def test_p2_3_a_balance_pays_the_next_invoice_when_it_is_issued(
    dataset: Dataset, action: Action, price: Price, execute: "Execute", oscar: Viewer
) -> None:
    invoice = await paid_by_transfer(dataset, action, price, execute, oscar)
    twice = Transfer(cents=3480, reference=str(await _reference(invoice)), text="encore")
    await import_statement(execute, oscar, camt(twice), "twice")
    second = await confirmed_purchase(action, dataset, price, execute, "second")
    chosen = await pay(execute, dataset.paul.owner, second, "second")
    assert chosen["purchase"]["status"] == "ACTIVE"
    assert chosen["invoice"]["transfer"] is None
    assert (await kinds_of_movements(execute, dataset.paul.owner))[:2] == [
        ("INVOICE", 0),
        ("PAYMENT", -3480),
    ]
    assert (await reconciliation()).errors == ()


async def _reference(invoice: dict[str, Any]) -> str | None:
    return (await Invoice.get(number=invoice["number"])).reference


async def test_a_partial_transfer_starts_nothing_until_the_rest_arrives(
    dataset: Dataset, action: Action, price: Price, execute: "Execute", oscar: Viewer
) -> None:
    purchase = await confirmed_purchase(action, dataset, price, execute)
    invoice = (await pay(execute, dataset.paul.owner, purchase))["invoice"]
    reference = invoice["transfer"]["reference"]
    await import_statement(execute, oscar, camt(Transfer(cents=1000, reference=reference)))
    response = await execute(dataset.paul.owner, PURCHASE, id=purchase)
    assert response["data"]["purchase"]["status"] == "PAYMENT_PENDING"
    rest = camt(Transfer(cents=2480, reference=reference))
    await import_statement(execute, oscar, rest, "rest")
    response = await execute(dataset.paul.owner, PURCHASE, id=purchase)
    assert response["data"]["purchase"]["status"] == "ACTIVE"


async def test_a_seller_can_let_purchases_start_at_once(
    dataset: Dataset, action: Action, price: Price, execute: "Execute", services: Services
) -> None:
    bank = services.seller.bank
    assert bank
    seller = replace(services.seller, bank=replace(bank, starts=TransferStart.ORDER))
    object.__setattr__(services, "seller", seller)
    purchase = await confirmed_purchase(action, dataset, price, execute)
    chosen = await pay(execute, dataset.paul.owner, purchase)
    assert chosen["purchase"]["status"] == "ACTIVE"
    assert chosen["purchase"]["anchor"] == "2026-11-23"
    assert chosen["invoice"]["transfer"]["dueOn"] == "2026-12-23"


async def test_transfers_are_refused_without_an_account(
    dataset: Dataset, action: Action, price: Price, execute: "Execute", services: Services
) -> None:
    purchase = await confirmed_purchase(action, dataset, price, execute)
    object.__setattr__(services, "seller", replace(services.seller, bank=None))
    chosen = await pay(execute, dataset.paul.owner, purchase)
    assert [error["code"] for error in chosen["userErrors"]] == ["TRANSFER_UNAVAILABLE"]


async def test_a_card_payment_that_succeeds_late_pays_the_same_invoice(
    dataset: Dataset, action: Action, price: Price, execute: "Execute", services: Services
) -> None:
    purchase_id = await confirmed_purchase(action, dataset, price, execute)
    checkout_services = services.checkout
    paul = dataset.paul
    assert paul.owner.user
    purchase = await checkout.draft(action, paul.account, paul.owner.user, price, "new")
    payment = await checkout.pay(
        action, checkout_services, purchase, "pm_sandbox_confirmation", "card"
    )
    chosen = await pay(execute, paul.owner, purchase_id)
    assert chosen["userErrors"] == []
    await services.gateway.decide(payment.provider_reference, is_approved=True)  # type: ignore[attr-defined] # the sandbox
    await charging.refresh(action, checkout_services, await Payment.get(pk=payment.pk))
    assert await Invoice.filter(purchase_id=purchase.pk).count() == 1
    response = await execute(paul.owner, PURCHASE, id=purchase_id)
    assert response["data"]["purchase"]["status"] == "ACTIVE"


async def test_the_queue_is_read_by_agents_and_decided_by_operators_with_a_step_up(
    dataset: Dataset, action: Action, price: Price, execute: "Execute", oscar: Viewer
) -> None:
    purchase = await confirmed_purchase(action, dataset, price, execute)
    invoice = (await pay(execute, dataset.paul.owner, purchase))["invoice"]
    await import_statement(execute, oscar, camt(Transfer(cents=3480, text="merci")))
    (line,) = (await execute(dataset.alice, QUEUE))["data"]["bankLines"]["nodes"]
    assert (line["problem"], line["amount"]["amountCents"]) == ("NO_REFERENCE", 3480)
    for viewer in (dataset.paul.owner, dataset.nadia):
        assert (await execute(viewer, QUEUE))["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    values = {
        "lineId": line["id"],
        "invoices": [{"invoiceId": invoice["id"]}],
        "idempotencyKey": "k",
    }
    response = await execute(dataset.alice, MATCH, i=values)
    assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    late = await create_staff_viewer(action, "Olga", Staff.OPERATOR)
    payload = (await execute(late, MATCH, i=values))["data"]["bankLineMatch"]
    assert [error["code"] for error in payload["userErrors"]] == ["STEP_UP_REQUIRED"]
    payload = (await execute(oscar, MATCH, i=values))["data"]["bankLineMatch"]
    assert payload["line"] == {
        "status": "MATCHED",
        "match": "MANUAL",
        "account": {"id": encode("Account", dataset.paul.account.pk)},
        "payment": {"amount": {"amountCents": 3480}},
        "decider": {"name": "Oscar"},
    }
    assert (await execute(dataset.alice, QUEUE))["data"]["bankLines"]["totalCount"] == 0


async def test_each_fault_of_a_file_is_an_error_with_its_line(
    dataset: Dataset, execute: "Execute", oscar: Viewer
) -> None:
    content = "Date;Libellé;Montant\n32/01/2026;x;1,00\n23/11/2026;y;abc\n".encode()
    payload = await import_statement(execute, oscar, content)
    assert [error["code"] for error in payload["userErrors"]] == ["STATEMENT_INVALID"] * 2
    messages = [error["message"] for error in payload["userErrors"]]
    assert messages[0].startswith("Ligne 2")
    assert messages[1].startswith("Ligne 3")


async def test_p3_4_the_history_of_money_has_the_balance_after_each_movement(
    dataset: Dataset, action: Action, price: Price, execute: "Execute", oscar: Viewer
) -> None:
    owner = dataset.paul.owner
    purchase = await confirmed_purchase(action, dataset, price, execute)
    invoice = (await pay(execute, owner, purchase))["invoice"]
    transfer = Transfer(cents=5000, reference=invoice["transfer"]["reference"])
    await import_statement(execute, oscar, camt(transfer))
    nodes = (await execute(owner, MOVEMENTS))["data"]["moneyMovements"]["nodes"]
    assert [
        (node["kind"], node["amount"]["amountCents"], node["balance"]["amountCents"])
        for node in nodes
    ] == [
        ("PAYMENT", -5000, -1520),
        ("INVOICE", 3480, 3480),
        ("PAYMENT", -3480, 0),
        ("INVOICE", 3480, 3480),
    ]
    assert nodes[1]["invoice"]["number"] == nodes[1]["document"] == invoice["number"]
    day = f"{date(2026, 11, 23)}"
    for values, count in (
        ({"kind": {"eq": "INVOICE"}}, 2),
        ({"day": {"gte": day}}, 4),
        ({"day": {"lt": day}}, 0),
        ({"isOpen": True}, 0),
    ):
        found = (await execute(owner, MOVEMENTS, f=values))["data"]["moneyMovements"]["nodes"]
        assert len(found) == count
    marie = (await execute(dataset.marie.owner, MOVEMENTS))["data"]["moneyMovements"]["nodes"]
    assert len(marie) == 2


EXPORT = """mutation($i: AccountExportMovementsInput!) { accountExportMovements(input: $i) {
    url userErrors { code field } } }"""


async def test_p3_4_only_those_who_see_the_invoices_get_a_link_to_them(
    dataset: Dataset, execute: "Execute", services: Services, clock: MovableClock
) -> None:
    marie = encode("Account", dataset.marie.account.pk)
    values = {"since": "2026-01-01", "until": "2027-01-01"}
    payload = (await execute(dataset.paul.owner, EXPORT, i=values))["data"]
    url = payload["accountExportMovements"]["url"]
    data = services.auth.signer.read(Purpose.DOWNLOAD, url.rpartition("/")[2], clock.now())
    assert data == {
        "movements": dataset.paul.account.pk,
        "since": "2026-01-01",
        "before": "2027-01-01",
        "locale": "fr",
    }
    values["accountId"] = marie
    payload = (await execute(dataset.paul.owner, EXPORT, i=values))["data"]
    (error,) = payload["accountExportMovements"]["userErrors"]
    assert (error["code"], error["field"]) == ("NOT_FOUND", ["input", "accountId"])
    agents_payload = (await execute(dataset.alice, EXPORT, i=values))["data"]
    assert agents_payload["accountExportMovements"]["url"]
    response = await execute(dataset.paul.member, EXPORT, i=values)
    assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_nobody_exports_the_invoices_of_an_erased_company(
    dataset: Dataset, execute: "Execute"
) -> None:
    await Account.filter(pk=dataset.marie.account.pk).update(status=AccountStatus.ERASED)
    marie = encode("Account", dataset.marie.account.pk)
    movements = {"accountId": marie, "since": "2026-01-01", "until": "2026-12-31"}
    for name, values in (
        ("accountExportMovements", movements),
        ("accountExportInvoices", {"accountId": marie, "year": 2026}),
    ):
        type_name = f"{name[0].upper()}{name[1:]}Input"
        mutation = (
            f"mutation($i: {type_name}!) {{ {name}(input: $i) {{ url userErrors {{ code }} }} }}"
        )
        payload = (await execute(dataset.alice, mutation, i=values))["data"][name]
        assert payload == {"url": None, "userErrors": [{"code": "NOT_FOUND"}]}
    found = (await execute(dataset.alice, ACCOUNT, id=marie))["data"]["account"]
    assert found["balance"] is None


ACCOUNT = """query($id: ID!) { account(id: $id) { balance { amountCents }
    moneyMovements(first: 1) { totalCount nodes { balance { amountCents } } }
    entitlements { offer quantity status since until endsOn } } }"""


async def test_p3_4_a_company_shows_its_balance_and_what_it_may_use(
    dataset: Dataset, action: Action, price: Price, execute: "Execute"
) -> None:
    owner, account = dataset.paul.owner, encode("Account", dataset.paul.account.pk)
    purchase = await confirmed_purchase(action, dataset, price, execute)
    await pay(execute, owner, purchase)
    for viewer in (owner, dataset.alice):
        found = (await execute(viewer, ACCOUNT, id=account))["data"]["account"]
        assert found["balance"] == {"amountCents": 3480}
        assert found["moneyMovements"]["totalCount"] == 3
        assert found["moneyMovements"]["nodes"][0]["balance"] == {"amountCents": 3480}
        # The second purchase isn't paid yet.
        assert found["entitlements"] == [
            {
                "offer": "essentiel",
                "quantity": 1,
                "status": "ACTIVE",
                "since": "2026-11-23",
                "until": "2026-12-23",
                "endsOn": None,
            }
        ]
    found = (await execute(dataset.paul.member, ACCOUNT, id=account))["data"]["account"]
    assert found["balance"] is None
    assert found["entitlements"] == found["moneyMovements"]["nodes"] == []
    await Account.filter(pk=dataset.paul.account.pk).update(status=AccountStatus.DEACTIVATED)
    found = (await execute(dataset.alice, ACCOUNT, id=account))["data"]["account"]
    assert found["entitlements"] == []


QUOTE = """query($id: ID!) { purchaseQuote(priceId: $id) {
    transfer { iban bic dueOn startsOnPayment } } }"""


async def test_a_quote_says_how_to_pay_by_transfer(
    dataset: Dataset, price: Price, execute: "Execute", services: Services
) -> None:
    price_id = encode("Price", price.pk)
    response = await execute(dataset.paul.owner, QUOTE, id=price_id)
    assert response["data"]["purchaseQuote"]["transfer"] == {
        "iban": IBAN,
        "bic": "BNKAFRPPXXX",
        "dueOn": "2026-12-23",
        "startsOnPayment": True,
    }
    object.__setattr__(services, "seller", replace(services.seller, bank=None))
    response = await execute(dataset.paul.owner, QUOTE, id=price_id)
    assert response["data"]["purchaseQuote"]["transfer"] is None
