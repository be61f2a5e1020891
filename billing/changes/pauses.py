"""Pauses of purchases. A pause begins when the period that is paid ends, and lasts until a chosen
day or until the customer resumes the purchase (billing/changes/plan.py). Nothing is billed
meanwhile.
"""

from datetime import date, timedelta

from billing.changes.applying import cancel_changes, lock_pending_changes, scheduled
from billing.changes.notices import ChangeNotice, notify
from billing.changes.plan import require_changeable
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.periods import months_after
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.purchase_change import PurchaseChange, PurchaseChangeKind
from models.errors import CommonErrorCode, Refusal
from models.translations import _

_MAX_MONTHS = 12


async def pause(action: Action, purchase: Purchase, resumes_on: date | None) -> Purchase:
    """Pause a purchase at the end of the period, until a day if there is one. It replaces an
    earlier scheduled change. For a purchase that is paused it sets that day. A repeat changes
    nothing. Raises TRANSITION_ILLEGAL unless the purchase is active and renews, and VALUE_INVALID
    for a day out of range.
    """
    async with action.transaction() as tx:
        purchase = await tx.lock(Purchase, purchase.pk)
        if purchase.status is PurchaseStatus.PAUSED:
            _require_day(resumes_on, action.day)
            await _set_end(tx, purchase, resumes_on)
            return purchase
        require_changeable(purchase, action.day)
        purchase.require_status(PurchaseStatus.ACTIVE)
        assert purchase.bills_on is not None, "the purchase renews"  # noqa: S101
        _require_day(resumes_on, purchase.bills_on)
        pending = scheduled(await lock_pending_changes(tx, purchase))
        if not any(_is_same(change, resumes_on) for change in pending):
            await cancel_changes(tx, pending)
            await _schedule(tx, purchase, purchase.bills_on, resumes_on)
    return purchase


def _is_same(change: PurchaseChange, resumes_on: date | None) -> bool:
    return change.kind is PurchaseChangeKind.PAUSE and change.resumes_on == resumes_on


def _require_day(resumes_on: date | None, start: date) -> None:
    last = months_after(start, _MAX_MONTHS)
    if resumes_on and not start < resumes_on <= last:
        raise Refusal(
            CommonErrorCode.VALUE_INVALID,
            "input",
            "resumesOn",
            message=_("Choose a day from %(first)s to %(last)s."),
            first=start + timedelta(days=1),
            last=last,
        )


async def _set_end(tx: Transaction, purchase: Purchase, resumes_on: date | None) -> None:
    if purchase.resumes_on != resumes_on:
        purchase.resumes_on = purchase.bills_on = resumes_on
        await purchase.transition_to(tx, purchase.status)
        tx.audit(BillingAuditAction.PURCHASE_PAUSE, purchase)


async def _schedule(
    tx: Transaction, purchase: Purchase, start: date, resumes_on: date | None
) -> None:
    change = await PurchaseChange.create(
        using_db=tx.db,
        purchase=purchase,
        kind=PurchaseChangeKind.PAUSE,
        effective_on=start,
        resumes_on=resumes_on,
        created_at=tx.action.at,
    )
    await notify(tx, purchase, change, ChangeNotice.SCHEDULED)
    await purchase.transition_to(tx, purchase.status)
    tx.audit(BillingAuditAction.PURCHASE_PAUSE, purchase)
