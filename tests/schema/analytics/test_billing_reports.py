"""The analysts' reports of recurring revenue, churn and collection, from purchases that were billed
as customers are.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from billing import checkout
from billing.changes.ordering import Agreement, order_change
from billing.changes.plan import ChangeRequest, plan_change
from billing.corrections import CorrectedLine, CorrectionRequest, correct_invoice
from billing.credit_notes import CreditRequest, credit_invoice
from billing.renewals import bill_due_periods
from models.action import Action
from models.billing.dunning import CompletedDunningStep
from models.billing.invoice import Invoice, InvoiceLine
from models.billing.offer import Interval, Price
from models.billing.payment import Payment
from models.billing.promotion import Promotion
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.receivable import Receivable
from models.billing.refund import RefundDestination
from models.identity.user import Staff
from tests.billing.purchase_fixtures import Shop
from tests.billing.purchase_fixtures import checkout_services as checkout_services
from tests.billing.purchase_fixtures import shop as shop
from tests.people import create_staff
from tests.schema.analytics.report_fixtures import report_info
from tests.schema.analytics.test_reports import run_report, staff_viewer

YEAR = 'since: "2026-11-01", until: "2027-03-01"'


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reports are read on 28 February 2027."""
    clock = type(report_info().context.services.clock)
    monkeypatch.setattr(clock, "now", lambda _self: datetime.fromisoformat("2027-02-28T12:00Z"))


async def report(fields: str) -> Any:
    answer = await run_report(f"{{ report: {fields} }}", staff_viewer(Staff.ANALYST))
    assert "errors" not in answer, answer
    return answer["data"]["report"]


def later(action: Action, days: int) -> Action:
    return replace(action, at=action.at + timedelta(days=days))


async def test_recurring_revenue_and_churn_are_those_of_the_billed_periods(
    shop: Shop, action: Action
) -> None:
    await shop.buy(action, "1", quantity=2)  # 58.00 a month
    monthly = await Purchase.get()
    yearly = await Price.create(
        offer_id=shop.price.offer_id,
        interval=Interval.YEAR,
        net_cents=10_000,
        vat_rate=2000,
        valid_from=action.at,
    )
    await replace(shop, price=yearly).buy(action, "2")  # 8.33 a month
    await bill_due_periods(later(action, 31), shop.services)
    await Purchase.filter(pk=monthly.pk).update(ended_on=date(2027, 1, 23))
    fields = "month day purchases mrr { amountCents } offer { slug }"
    rows = await report(f"mrrReport({YEAR}, byOffer: true) {{ {fields} }}")
    assert [
        (row["month"], row["day"], row["purchases"], row["mrr"]["amountCents"]) for row in rows
    ] == [
        ("2026-11-01", "2026-11-30", 2, 6_633),
        ("2026-12-01", "2026-12-31", 2, 6_633),
        ("2027-01-01", "2027-01-31", 1, 833),
        ("2027-02-01", "2027-02-28", 1, 833),
    ]
    assert {row["offer"]["slug"] for row in rows} == {"essentiel"}
    assert (await report(f"mrrReport({YEAR}) {{ offer {{ slug }} }}"))[0] == {"offer": None}
    churn = await report(
        f"churnReport({YEAR}) {{ month purchasesBefore purchasesLost rate "
        "mrrBefore { amountCents } mrrLost { amountCents } }"
    )
    assert [(row["purchasesBefore"], row["purchasesLost"], row["rate"]) for row in churn] == [
        (0, 0, None),
        (2, 0, 0.0),
        (2, 1, 0.5),
        (1, 0, 0.0),
    ]
    assert churn[2]["mrrLost"] == {"amountCents": 5_800}
    assert churn[2]["mrrBefore"] == {"amountCents": 6_633}
    for name in ("mrr", "churn"):
        query = f'{name}Report(since: "2028-01-01", until: "2028-02-01") {{ month }}'
        assert await report(query) == []


async def test_an_upgrade_counts_from_the_day_on_which_it_is_billed(
    shop: Shop, action: Action
) -> None:
    await shop.buy(action, "1")
    purchase, request, upgraded_on = (
        await Purchase.get(),
        ChangeRequest(quantity=3),
        later(action, 2),
    )
    plan = await plan_change(
        None, shop.services.seller, purchase, shop.account, request, upgraded_on.day
    )
    agreement = Agreement(plan.quote.totals.gross_cents)
    await order_change(upgraded_on, shop.services, purchase, request, agreement, "k")
    await bill_due_periods(later(action, 31), shop.services)
    await Purchase.all().update(ended_on=date(2027, 1, 20))
    rows = await report(f"mrrReport({YEAR}) {{ purchases mrr {{ amountCents }} }}")
    assert rows == [{"purchases": 1, "mrr": {"amountCents": 8_700}}] * 2
    churn = await report(f"churnReport({YEAR}) {{ mrrLost {{ amountCents }} }}")
    assert churn[2] == {"mrrLost": {"amountCents": 8_700}}


async def test_revenue_is_of_the_offer_that_was_billed_and_counts_corrections_once(
    shop: Shop, action: Action
) -> None:
    await shop.buy(action, "1", quantity=2)
    invoice = await Invoice.get()
    operator = await create_staff(action, "Omar", Staff.OPERATOR)
    credit = CreditRequest(invoice.pk, "Geste", RefundDestination.BALANCE, gross_cents=1_200)
    await credit_invoice(later(action, 31), shop.services, operator, credit, "credit")
    line = await InvoiceLine.get(invoice_id=invoice.pk)
    request = CorrectionRequest(
        invoice.pk,
        "Erreur",
        (CorrectedLine(line.pk, unit_net_cents=2_000),),
        refund=RefundDestination.BALANCE,
    )
    corrected_on = later(action, 62)
    await correct_invoice(
        replace(corrected_on, actor=operator), shop.services, operator, request, "correct"
    )
    # The purchase has another price since, which changes nothing in what was billed.
    other = await Price.create(
        offer_id=shop.price.offer_id,
        interval=Interval.YEAR,
        net_cents=1,
        vat_rate=2000,
        valid_from=action.at,
    )
    await Purchase.all().update(price_id=other.pk)
    rows = await report(
        f"revenueReport(groupBy: [INTERVAL, MONTH], {YEAR}) "
        "{ interval month invoices net { amountCents } vat { amountCents } }"
    )
    assert [
        (row["interval"], row["month"], row["invoices"], row["net"]["amountCents"]) for row in rows
    ] == [
        ("MONTH", "2026-11-01", 1, 5_800),
        ("MONTH", "2026-12-01", 0, -1_000),
        ("MONTH", "2027-01-01", 1, -800),  # 4,000 instead of the 4,800 that were left
    ]
    assert sum(row["vat"]["amountCents"] for row in rows) == 800
    mrr = await report(f"mrrReport({YEAR}) {{ mrr {{ amountCents }} }}")
    assert mrr[0] == {"mrr": {"amountCents": 4_000}}


async def test_a_discount_counts_for_the_price_that_was_billed_also_after_a_correction(
    shop: Shop, action: Action
) -> None:
    promotion = await Promotion.create(
        code="LAUNCH", amount_cents=900, valid_from=action.at, created_at=action.at
    )
    draft = await checkout.draft(action, shop.account, shop.buyer, shop.price, "d", 1, promotion)
    draft = await draft.confirm_billing(action)
    await checkout.pay(action, shop.services, draft, "pm_sandbox_success", "p")
    yearly = await Price.create(
        offer_id=shop.price.offer_id,
        interval=Interval.YEAR,
        net_cents=1,
        vat_rate=2000,
        valid_from=action.at,
    )
    await Purchase.all().update(price_id=yearly.pk)
    revenue = f"revenueReport(groupBy: [INTERVAL], {YEAR}) {{ interval net {{ amountCents }} }}"
    assert await report(revenue) == [{"interval": "MONTH", "net": {"amountCents": 2_000}}]
    operator = await create_staff(action, "Omar", Staff.OPERATOR)
    request = CorrectionRequest((await Invoice.get()).pk, "Commande", order_number="PO 9")
    by_operator = replace(action, actor=operator)
    await correct_invoice(by_operator, shop.services, operator, request, "correct")
    mrr = await report(f"mrrReport({YEAR}) {{ mrr {{ amountCents }} }}")
    assert mrr[0] == {"mrr": {"amountCents": 2_000}}
    assert await report(revenue) == [{"interval": "MONTH", "net": {"amountCents": 2_000}}]


async def test_failed_payments_are_counted_by_reason(shop: Shop, action: Action) -> None:
    for key in ("1", "2"):
        await shop.buy(action, key, "pm_sandbox_declined")
    code = (await Payment.all().first()).decline_code  # type: ignore[union-attr] # there are two
    rows = await report(
        f"failedPaymentReport({YEAR}) {{ kind reason payments amount {{ amountCents }} }}"
    )
    assert rows == [
        {"kind": "CARD", "reason": code, "payments": 2, "amount": {"amountCents": 6_960}}
    ]
    assert await report('failedPaymentReport(until: "2026-11-01") { payments }') == []


async def test_dunning_and_what_is_unpaid_are_reported_by_step_and_by_age(
    shop: Shop, action: Action
) -> None:
    outcomes = [
        (3, 0, PurchaseStatus.ACTIVE, 97),  # paid after the first reminder
        (14, 3_480, PurchaseStatus.SUSPENDED, 20),
        (45, 3_480, PurchaseStatus.CANCELED, 91),
        (None, 3_480, PurchaseStatus.PAST_DUE, 45),
        (None, 3_480, PurchaseStatus.ACTIVE, -5),  # not due yet
    ]
    for index, (step, open_cents, status, age) in enumerate(outcomes):
        payment = await shop.buy(action, str(index))
        await Purchase.filter(pk=payment.purchase_id).update(status=status)
        invoice = await Invoice.get(purchase_id=payment.purchase_id)
        await Receivable.filter(invoice_id=invoice.pk).update(
            open_cents=open_cents,
            due_on=date(2027, 2, 28) - timedelta(days=age),
            disputed_at=action.at if age == 45 else None,
        )
        for days in (3, step) if step else ():
            await CompletedDunningStep.get_or_create(
                {"completed_at": action.at}, invoice_id=invoice.pk, days=days
            )
    rows = await report(
        f"dunningReport({YEAR}) {{ step invoices recovered credited suspended canceled "
        "recoveredAmount { amountCents } openAmount { amountCents } }"
    )
    names = ("step", "invoices", "recovered", "credited", "suspended", "canceled")
    assert [tuple(row[name] for name in names) for row in rows] == [
        (3, 1, 1, 0, 0, 0),
        (14, 1, 0, 0, 1, 0),
        (45, 1, 0, 0, 0, 1),
    ]
    assert rows[0]["recoveredAmount"] == rows[1]["openAmount"] == {"amountCents": 3_480}
    ages = await report(
        "unpaidReport { age invoices open { amountCents } disputed { amountCents } }"
    )
    assert [(row["age"], row["invoices"], row["disputed"]["amountCents"]) for row in ages] == [
        ("NOT_DUE", 1, 0),
        ("UNTIL_30", 1, 0),
        ("UNTIL_60", 1, 3_480),
        ("OVER_90", 1, 0),
    ]


@pytest.mark.parametrize("name", ["mrr", "churn", "failedPayment", "dunning", "unpaid"])
async def test_only_analysts_read_them(name: str) -> None:
    answer = await run_report(f"{{ {name}Report {{ __typename }} }}", staff_viewer(Staff.AGENT))
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["FORBIDDEN"]
