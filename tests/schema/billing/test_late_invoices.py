"""P3.7: a customer pays a late invoice, and cancels a purchase or changes their mind."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from billing import charging, checkout, invoice_payments, payment_methods
from billing.bank.transfer import pay_by_transfer
from billing.corrections import CorrectedLine, CorrectionRequest, correct_invoice
from billing.dunning import dun_late_invoices
from billing.gateways.sandbox import Sandbox
from billing.payment_methods import NewMethod
from billing.renewals import bill_due_periods
from models.action import Action
from models.billing.invoice import Invoice, InvoiceLine
from models.billing.offer import Price
from models.billing.payment import Payment, PaymentStatus
from models.billing.payment_method import PaymentKind
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.receivable import Receivable
from models.identity.session import Session
from models.identity.user import Staff
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode
from tests.people import create_staff, record_step_up
from tests.schema.billing.test_invoice_emails import buy
from tests.schema.conftest import Dataset

if TYPE_CHECKING:
    from tests.schema.conftest import Execute

PAY = """mutation($i: InvoicePayInput!) { invoicePay(input: $i) {
    purchase { status suspendedAt pastDueSince billsOn } payment { status amount { amountCents } }
    userErrors { code field } } }"""
RETRY = """mutation($i: InvoiceRetryPaymentInput!) { invoiceRetryPayment(input: $i) {
    purchase { status } payment { status amount { amountCents } } userErrors { code field } } }"""
CANCEL = """mutation($i: PurchaseCancelInput!) { purchaseCancel(input: $i) {
    purchase { status cancelAtPeriodEnd billsOn } userErrors { code field } } }"""
UNDO = """mutation($i: PurchaseUndoCancellationInput!) { purchaseUndoCancellation(input: $i) {
    purchase { status cancelAtPeriodEnd canceledAt } userErrors { code field } } }"""


def on(action: Action, day: date) -> Action:
    return replace(action, at=datetime(day.year, day.month, day.day, 11, tzinfo=UTC))


@pytest.fixture
async def purchase(dataset: Dataset, action: Action, services: Services, price: Price) -> Purchase:
    """A purchase of Paul's company, bought on 23 November 2026."""
    await buy(action, services, price, dataset.paul.owner)
    purchase = await Purchase.filter(status=PurchaseStatus.ACTIVE).order_by("-id").first()
    assert purchase
    return purchase


async def suspend(purchase: Purchase, action: Action, services: Services) -> Invoice:
    """Makes the card fail for the period of 23 December, until the purchase is suspended."""
    await Payment.filter(purchase_id=purchase.pk).update(method="pm_sandbox_declined")
    checkout_services = services.checkout
    await bill_due_periods(on(action, date(2026, 12, 23)), checkout_services)
    await dun_late_invoices(on(action, date(2027, 1, 10)), checkout_services)
    assert (await Purchase.get(pk=purchase.pk)).status is PurchaseStatus.SUSPENDED
    return await Invoice.get(purchase_id=purchase.pk, receivable__open_cents__gt=0)


async def pay(
    execute: "Execute", viewer: Viewer, invoice: Invoice, method: str, key: str
) -> dict[str, Any]:
    values = {
        "invoiceId": encode("Invoice", invoice.pk),
        "paymentMethod": method,
        "idempotencyKey": key,
    }
    payload: dict[str, Any] = (await execute(viewer, PAY, i=values))["data"]["invoicePay"]
    return payload


async def test_p3_7_paying_a_late_invoice_makes_a_suspended_purchase_active(
    execute: "Execute", dataset: Dataset, purchase: Purchase, action: Action, services: Services
) -> None:
    invoice, owner = await suspend(purchase, action, services), dataset.paul.owner
    declined = await pay(execute, owner, invoice, "pm_sandbox_declined", "one")
    assert [error["code"] for error in declined["userErrors"]] == ["PAYMENT_DECLINED"]
    assert declined["purchase"]["status"] == "SUSPENDED"
    paid = await pay(execute, owner, invoice, "pm_sandbox_success", "two")
    assert paid == {
        "purchase": {
            "status": "ACTIVE",
            "suspendedAt": None,
            "pastDueSince": None,
            "billsOn": "2027-01-23",
        },
        "payment": {"status": "SUCCEEDED", "amount": {"amountCents": 3480}},
        "userErrors": [],
    }
    assert await pay(execute, owner, invoice, "pm_sandbox_success", "two") == paid
    again = await pay(execute, owner, invoice, "pm_sandbox_success", "three")
    assert [error["code"] for error in again["userErrors"]] == ["INVOICE_SETTLED"]


async def test_p2_5_an_agent_charges_a_late_invoice_again(
    execute: "Execute", dataset: Dataset, purchase: Purchase, action: Action, services: Services
) -> None:
    invoice, session = await suspend(purchase, action, services), dataset.alice.session
    assert session
    await record_step_up(action, session)
    agent = replace(dataset.alice, session=await Session.get(pk=session.pk))

    async def retry(key: str) -> dict[str, Any]:
        values = {"invoiceId": encode("Invoice", invoice.pk), "idempotencyKey": key}
        response = await execute(agent, RETRY, i=values)
        payload: dict[str, Any] = response["data"]["invoiceRetryPayment"]
        return payload

    declined = await retry("one")
    assert [error["code"] for error in declined["userErrors"]] == ["PAYMENT_DECLINED"]
    assert declined["purchase"]["status"] == "SUSPENDED"
    receivable = Receivable.filter(invoice_id=invoice.pk)
    await receivable.update(disputed_at=action.at)
    assert [each["code"] for each in (await retry("two"))["userErrors"]] == ["TRANSITION_ILLEGAL"]
    await receivable.update(disputed_at=None)
    # The bank refused this one for good, so it isn't charged again.
    first = Payment.filter(purchase_id=purchase.pk, invoice_id__not=invoice.pk)
    refused = Payment.filter(invoice_id=invoice.pk)
    await refused.update(decline_code="stolen_card", method="pm_sandbox_success")
    await first.update(method="pm_sandbox_success")
    codes = [each["code"] for each in (await retry("three"))["userErrors"]]
    assert codes == ["PAYMENT_METHOD_REQUIRED"]
    await refused.update(decline_code="insufficient_funds")
    paid = await retry("four")
    assert paid == {
        "purchase": {"status": "ACTIVE"},
        "payment": {"status": "SUCCEEDED", "amount": {"amountCents": 3480}},
        "userErrors": [],
    }
    assert await retry("four") == paid
    assert [each["code"] for each in (await retry("five"))["userErrors"]] == ["INVOICE_SETTLED"]
    charged = await Payment.filter(invoice_id=invoice.pk).order_by("-id").first()
    assert charged
    assert charged.is_off_session
    denied = await execute(dataset.paul.owner, RETRY, i={"invoiceId": "x", "idempotencyKey": "k"})
    assert denied["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_p3_7_an_order_that_has_not_begun_keeps_no_other_purchase_suspended(
    execute: "Execute",
    dataset: Dataset,
    action: Action,
    services: Services,
    price: Price,
    purchase: Purchase,
) -> None:
    account, buyer = dataset.paul.account, dataset.paul.owner.user
    assert buyer
    order = await checkout.draft(action, account, buyer, price, "order")
    await order.confirm_billing(action)
    await pay_by_transfer(action, services.checkout, order, "order")
    invoice = await suspend(purchase, action, services)
    late = on(action, date(2027, 1, 10))
    await invoice_payments.pay_invoice(late, services.checkout, invoice, "pm_sandbox_success", "k")
    assert (await Purchase.get(pk=purchase.pk)).status is PurchaseStatus.ACTIVE
    assert (await Purchase.get(pk=order.pk)).status is PurchaseStatus.PAYMENT_PENDING


async def test_p3_7_a_payment_of_an_invoice_that_was_corrected_meanwhile_pays_what_is_open(
    execute: "Execute", dataset: Dataset, action: Action, services: Services, purchase: Purchase
) -> None:
    invoice = await suspend(purchase, action, services)
    late = on(action, date(2027, 1, 10))
    pending = await invoice_payments.pay_invoice(
        late, services.checkout, invoice, "pm_sandbox_confirmation", "pay"
    )
    lines = [
        CorrectedLine(line.pk, label="Essentiel, site de Lyon")
        for line in await InvoiceLine.filter(invoice_id=invoice.pk)
    ]
    request = CorrectionRequest(invoice.pk, "Libellé", tuple(lines))
    operator = await create_staff(action, "Omar", Staff.OPERATOR)
    corrective = await correct_invoice(late, services.checkout, operator, request, "correct")
    assert isinstance(services.gateway, Sandbox)
    await services.gateway.decide(pending.provider_reference or "", is_approved=True)
    await charging.refresh(late, services.checkout, pending)
    assert (await Receivable.get(invoice_id=corrective.pk)).open_cents == 0
    assert (await Purchase.get(pk=purchase.pk)).status is PurchaseStatus.ACTIVE


async def test_an_unfinished_confirmation_is_left_for_another_payment_method(
    execute: "Execute", dataset: Dataset, purchase: Purchase, action: Action, services: Services
) -> None:
    invoice, owner = await suspend(purchase, action, services), dataset.paul.owner
    waiting = await pay(execute, owner, invoice, "pm_sandbox_confirmation", "one")
    assert waiting["payment"]["status"] == "REQUIRES_ACTION"
    assert waiting["purchase"]["status"] == "SUSPENDED"
    paid = await pay(execute, owner, invoice, "pm_sandbox_success", "two")
    assert paid["purchase"]["status"] == "ACTIVE"
    statuses = await Payment.filter(invoice_id=invoice.pk).order_by("id")
    assert [payment.status for payment in statuses][-2:] == [
        PaymentStatus.CANCELED,
        PaymentStatus.SUCCEEDED,
    ]


CONFIRM = """mutation($i: PaymentConfirmInput!) { paymentConfirm(input: $i) {
    payment { status confirmationUrl } purchase { status } userErrors { code } } }"""


async def unconfirmed_renewal(
    dataset: Dataset, purchase: Purchase, action: Action, services: Services
) -> Payment:
    """A renewal with a saved card that the bank wants confirmed."""
    session, user = dataset.paul.owner.session, dataset.paul.owner.user
    assert session
    assert user
    await Session.filter(pk=session.pk).update(step_up_expires_at=action.at + timedelta(days=1))
    new = NewMethod(PaymentKind.CARD, "pm_sandbox_reconfirmation")
    method, setup = await payment_methods.add(
        action, services.gateway, session, dataset.paul.account, user, new, "card"
    )
    assert isinstance(services.gateway, Sandbox)
    await services.gateway.decide_setup(setup.reference, is_approved=True)
    await payment_methods.refresh(action, services.gateway, method)
    await Purchase.filter(pk=purchase.pk).update(payment_method_id=method.pk)
    await bill_due_periods(on(action, date(2026, 12, 23)), services.checkout)
    payment = await Payment.filter(purchase_id=purchase.pk).order_by("-id").first()
    assert payment
    assert payment.status is PaymentStatus.REQUIRES_ACTION
    return payment


async def confirm(execute: "Execute", viewer: Viewer, payment: Payment) -> dict[str, Any]:
    response = await execute(viewer, CONFIRM, i={"paymentId": encode("Payment", payment.pk)})
    payload: dict[str, Any] = response["data"]["paymentConfirm"]
    return payload


async def test_a_confirmation_collects_nothing_once_the_invoice_is_settled(
    execute: "Execute", dataset: Dataset, purchase: Purchase, action: Action, services: Services
) -> None:
    payment = await unconfirmed_renewal(dataset, purchase, action, services)
    await Receivable.filter(invoice_id=payment.invoice_id).update(open_cents=0)  # by a credit note
    payload = await confirm(execute, dataset.paul.owner, payment)
    assert payload["payment"] == {"status": "CANCELED", "confirmationUrl": None}
    later = on(action, date(2026, 12, 24))
    await charging.reconcile(later, services.checkout)
    outcome = await services.gateway.find(f"camcha-payment-{payment.pk}")
    assert outcome
    assert outcome.status is PaymentStatus.CANCELED


async def test_a_confirmation_with_a_card_that_was_removed_is_declined(
    execute: "Execute", dataset: Dataset, purchase: Purchase, action: Action, services: Services
) -> None:
    payment = await unconfirmed_renewal(dataset, purchase, action, services)
    await services.gateway.remove_method(payment.method)
    payload = await confirm(execute, dataset.paul.owner, payment)
    assert payload["payment"]["status"] == "DECLINED"
    assert payload["purchase"]["status"] == "PAST_DUE"
    assert [error["code"] for error in payload["userErrors"]] == ["VALUE_INVALID"]


async def test_a_payment_without_a_purchase_can_be_looked_up(
    execute: "Execute", dataset: Dataset, action: Action
) -> None:
    payment = await Payment.create(
        account=dataset.paul.account,
        kind=PaymentKind.TRANSFER,
        status=PaymentStatus.SUCCEEDED,
        amount_cents=100,
        method="transfer",
        created_at=action.at,
    )
    values = {"paymentId": encode("Payment", payment.pk)}
    for name, codes in (("paymentRefresh", []), ("paymentCancel", ["TRANSITION_ILLEGAL"])):
        kind = f"{name[0].upper()}{name[1:]}Input"
        document = f"""mutation($i: {kind}!) {{ {name}(input: $i) {{
            purchase {{ id }} userErrors {{ code }} }} }}"""
        payload = (await execute(dataset.paul.owner, document, i=values))["data"][name]
        assert payload["purchase"] is None
        assert [error["code"] for error in payload["userErrors"]] == codes


async def test_the_invoice_of_another_company_does_not_exist(
    execute: "Execute", dataset: Dataset, purchase: Purchase, action: Action, services: Services
) -> None:
    invoice = await suspend(purchase, action, services)
    payload = await pay(execute, dataset.marie.owner, invoice, "pm_sandbox_success", "one")
    assert payload["userErrors"] == [{"code": "NOT_FOUND", "field": ["input", "invoiceId"]}]
    assert payload["payment"] is None


async def test_a_cancellation_takes_effect_at_the_end_of_the_period_and_can_be_undone(
    execute: "Execute", dataset: Dataset, purchase: Purchase, action: Action, services: Services
) -> None:
    owner, key = dataset.paul.owner, {"purchaseId": encode("Purchase", purchase.pk)}
    canceled = await execute(owner, CANCEL, i=key | {"reason": "Trop cher"})
    assert canceled["data"]["purchaseCancel"]["purchase"] == {
        "status": "ACTIVE",
        "cancelAtPeriodEnd": True,
        "billsOn": "2026-12-23",
    }
    undone = await execute(owner, UNDO, i=key)
    assert undone["data"]["purchaseUndoCancellation"]["purchase"] == {
        "status": "ACTIVE",
        "cancelAtPeriodEnd": False,
        "canceledAt": None,
    }
    await execute(owner, CANCEL, i=key)
    checkout_services = services.checkout
    await bill_due_periods(on(action, date(2026, 12, 24)), checkout_services)
    ended = await Purchase.get(pk=purchase.pk)
    assert (ended.status, ended.ended_on) == (PurchaseStatus.CANCELED, date(2026, 12, 23))
    late = await execute(owner, UNDO, i=key)
    errors = late["data"]["purchaseUndoCancellation"]["userErrors"]
    assert [error["code"] for error in errors] == ["TRANSITION_ILLEGAL"]
