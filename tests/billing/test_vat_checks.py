"""VAT numbers are checked again before an invoice, so that nobody learns from it that their number
isn't valid any more.
"""

from dataclasses import replace
from datetime import timedelta

from accounts.vat_numbers import NoVatService, VatAnswer, check_due_numbers
from billing.renewals import bill_due_periods
from billing.vat_checks import NOTICE, schedule_checks
from models.accounts.account import Account
from models.accounts.vat_number import RECHECK_INTERVAL, VatCheck, VatNumberStatus
from models.action import Action
from models.billing.billing_profile import BillingProfile
from models.billing.invoice import Invoice
from models.billing.purchase import Purchase
from models.operations.email import Email
from tests.billing.purchase_fixtures import Shop

NUMBER = "BE0697449992"


class Authorities:
    """Answers that no number is valid."""

    is_configured = True

    async def check(self, number: str) -> VatAnswer:
        return VatAnswer(False)


async def test_a_number_that_becomes_invalid_is_told_before_the_next_invoice(
    shop: Shop, action: Action
) -> None:
    await Account.filter(pk=shop.account.pk).update(
        siren=None, country="BE", vat_number=NUMBER, postal_code="1000", city="Bruxelles"
    )
    check = await VatCheck.create(
        account=shop.account,
        vat_number=NUMBER,
        status=VatNumberStatus.VALID,
        checked_at=action.at,
        due_at=action.at + RECHECK_INTERVAL,
    )
    payment = await shop.buy(action, "a")
    purchase = await Purchase.get(pk=payment.purchase_id)
    assert purchase.bills_on
    assert payment.amount_cents == 2_900  # reverse charge
    billed_at = action.at + (purchase.bills_on - action.day)
    early = replace(action, at=billed_at - NOTICE - timedelta(days=1))
    assert await schedule_checks(early) == 0
    soon = replace(action, at=billed_at - NOTICE)
    # The authorities don't answer: the next attempt stays where it is.
    await VatCheck.filter(pk=check.pk).update(failures=1)
    assert await schedule_checks(soon) == 0
    await VatCheck.filter(pk=check.pk).update(failures=0)
    assert [await schedule_checks(soon) for _ in range(2)] == [1, 0]
    assert await check_due_numbers(soon, NoVatService()) == 0
    assert await check_due_numbers(soon, Authorities()) == 1
    assert await Email.filter(template="vat_number_invalid.fr").count() == 1
    assert await bill_due_periods(replace(action, at=billed_at), shop.services) == 1
    first, renewal = await Invoice.all().order_by("id")
    assert (first.vat_cents, renewal.vat_cents) == (0, 580)
    profile = await BillingProfile.get(pk=renewal.billing_profile_id)
    assert (profile.vat_number, profile.vat_checked_at) == (NUMBER, None)
    assert renewal.xml
    assert NUMBER not in renewal.xml.decode()
