"""Analysts' figures of recurring revenue, churn, revenue and collection, from purchases that were
billed as customers are.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
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
from tests.schema.analytics.query_fixtures import Analyst, analyst_client

YEAR = {"since": "2026-11-01", "until": "2027-03-01"}
TODAY = datetime(2027, 2, 28, 12, tzinfo=UTC)
COUNT = {"function": "COUNT"}


@pytest.fixture
async def nadia(db: str) -> AsyncIterator[Analyst]:
    """An analyst on 28 February 2027, from whom nothing is hidden."""
    async with analyst_client(now=TODAY, min_companies=1) as analyst:
        yield analyst


def of(function: str, *names: str) -> list[dict[str, Any]]:
    return [{"function": function, "of": name} for name in names]


def later(action: Action, days: int) -> Action:
    return replace(action, at=action.at + timedelta(days=days))


async def test_recurring_revenue_and_churn_are_those_of_the_billed_periods(
    shop: Shop, action: Action, nadia: Analyst
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
    mrr = [*of("DISTINCT", "PURCHASE"), *of("SUM", "MRR")]
    rows = await nadia.rows(mrr={**YEAR, "by": ["MONTH", "OFFER"], "measures": mrr})
    assert rows == [
        ("2026-11-01", "essentiel", 2, 6_633),
        ("2026-12-01", "essentiel", 2, 6_633),
        ("2027-01-01", "essentiel", 1, 833),
        ("2027-02-01", "essentiel", 1, 833),
    ]
    churn = [COUNT, *of("SUM", "LOST"), *of("MEAN", "LOST"), *of("SUM", "MRR", "MRR_LOST")]
    months = {**YEAR, "by": ["MONTH"], "fillGaps": True}
    assert await nadia.rows(churn={**months, "measures": churn}) == [
        ("2026-11-01", 0, 0, None, 0, 0),
        ("2026-12-01", 2, 0, 0, 6_633, 0),
        ("2027-01-01", 2, 1, 0.5, 6_633, 5_800),
        ("2027-02-01", 1, 0, 0, 833, 0),
    ]
    later_years = {"since": "2028-01-01", "until": "2028-02-01", "by": ["MONTH"]}
    assert await nadia.rows(mrr={**later_years, "measures": mrr}) == []
    assert await nadia.rows(churn={**later_years, "measures": churn}) == []


async def test_an_upgrade_counts_from_the_day_on_which_it_is_billed(
    shop: Shop, action: Action, nadia: Analyst
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
    months = {**YEAR, "by": ["MONTH"]}
    mrr = [*of("DISTINCT", "PURCHASE"), *of("SUM", "MRR")]
    assert await nadia.rows(mrr={**months, "measures": mrr}) == [
        ("2026-11-01", 1, 8_700),
        ("2026-12-01", 1, 8_700),
    ]
    churn = await nadia.rows(churn={**months, "measures": of("SUM", "MRR_LOST")})
    assert churn == [("2026-12-01", 0), ("2027-01-01", 8_700)]


async def test_revenue_is_of_the_offer_that_was_billed_and_counts_corrections_once(
    shop: Shop, action: Action, nadia: Analyst
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
    revenue = {**YEAR, "by": ["INTERVAL", "MONTH"]}
    measures = [*of("DISTINCT", "INVOICE"), *of("SUM", "NET", "VAT", "GROSS")]
    assert await nadia.rows(revenue={**revenue, "measures": measures}) == [
        ("MONTH", "2026-11-01", 1, 5_800, 1_160, 6_960),
        ("MONTH", "2026-12-01", 0, -1_000, -200, -1_200),
        # 4,000 instead of the 4,800 that were left
        ("MONTH", "2027-01-01", 1, -800, -160, -960),
    ]
    mrr = await nadia.rows(mrr={**YEAR, "by": ["MONTH"], "measures": of("SUM", "MRR")})
    assert mrr[0] == ("2026-11-01", 4_000)


async def test_a_discount_counts_for_the_price_that_was_billed_also_after_a_correction(
    shop: Shop, action: Action, nadia: Analyst
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
    revenue = {**YEAR, "by": ["INTERVAL"], "measures": of("SUM", "NET")}
    assert await nadia.rows(revenue=revenue) == [("MONTH", 2_000)]
    operator = await create_staff(action, "Omar", Staff.OPERATOR)
    request = CorrectionRequest((await Invoice.get()).pk, "Commande", order_number="PO 9")
    by_operator = replace(action, actor=operator)
    await correct_invoice(by_operator, shop.services, operator, request, "correct")
    mrr = await nadia.rows(mrr={**YEAR, "by": ["MONTH"], "measures": of("SUM", "MRR")})
    assert mrr[0] == ("2026-11-01", 2_000)
    assert await nadia.rows(revenue=revenue) == [("MONTH", 2_000)]


async def test_failed_payments_are_counted_by_reason(
    shop: Shop, action: Action, nadia: Analyst
) -> None:
    for key in ("1", "2"):
        await shop.buy(action, key, "pm_sandbox_declined")
    code = (await Payment.all().first()).decline_code  # type: ignore[union-attr] # there are two
    failed = {"by": ["KIND", "REASON"], "where": {"status": {"eq": "DECLINED"}}}
    measures = [COUNT, *of("SUM", "AMOUNT")]
    rows = await nadia.rows(payments={**YEAR, **failed, "measures": measures})
    assert rows == [("CARD", code, 2, 6_960)]


async def test_dunning_and_what_is_unpaid_are_counted_by_step_and_by_age(
    shop: Shop, action: Action, nadia: Analyst
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
    outcome = of("SUM", "RECOVERED", "CREDITED", "SUSPENDED", "CANCELED", "PAID", "OPEN")
    assert await nadia.rows(dunning={**YEAR, "by": ["STEP"], "measures": outcome}) == [
        ("3", 1, 0, 0, 0, 3_480, 0),
        ("14", 0, 0, 1, 0, 0, 3_480),
        ("45", 0, 0, 0, 1, 0, 3_480),
    ]
    unpaid = {"by": ["DUE_AGE"], "where": {"openRange": {"gte": 1}}}
    measures = [COUNT, *of("SUM", "OPEN", "DISPUTED")]
    assert await nadia.rows(invoices={**YEAR, **unpaid, "measures": measures}) == [
        ("NOT_DUE", 1, 3_480, 0),
        ("UNTIL_30", 1, 3_480, 0),
        ("UNTIL_60", 1, 3_480, 3_480),
        ("OVER_90", 1, 3_480, 0),
    ]
