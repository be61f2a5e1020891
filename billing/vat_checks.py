"""Checking VAT numbers again before they are used for an invoice.

The tax authorities are asked about a confirmed number every 30 days. A company whose number is
withdrawn in between would learn it from an invoice with VAT. So the answer is renewed in the week
before a purchase is billed: the company is told in time (accounts/vat_numbers.py), and the proof
that is kept with the invoice is recent (Regulation 282/2011, Article 18).
"""

from datetime import timedelta

from models.accounts.vat_number import VatCheck, VatNumberStatus
from models.action import Action
from models.billing.purchase import RENEWING_STATUSES

NOTICE = timedelta(days=7)


async def schedule_checks(action: Action) -> int:
    """Make the confirmed numbers due whose companies are billed within the next days, unless they
    were checked in that time. Returns how many. While the tax authorities don't answer
    (`VatCheck.failures`), the next attempt stays as it is.
    """
    checks = VatCheck.filter(
        status=VatNumberStatus.VALID,
        failures=0,
        due_at__gt=action.at,
        checked_at__lte=action.at - NOTICE,
        account__purchases__bills_on__lte=action.day + NOTICE,
        account__purchases__status__in=RENEWING_STATUSES,
    )
    keys = {check.pk for check in await checks}
    due = VatCheck.filter(pk__in=keys, failures=0, due_at__gt=action.at)
    return await due.update(due_at=action.at) if keys else 0
