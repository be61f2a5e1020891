"""Emails ahead of the end of a pause: nobody is charged without notice for what they haven't used
for months.
"""

from datetime import timedelta
from functools import partial

from tortoise.expressions import F, Q

from accounts.contacts import billing_contacts
from billing.checkout_services import CheckoutServices
from billing.payment_methods import chargeable_method
from billing.simulation import next_charge
from mail import emails
from models.accounts.account import AccountStatus
from models.action import Action
from models.billing.audit_actions import BillingAuditAction
from models.billing.offer import Price
from models.billing.purchase import Purchase, PurchaseStatus
from models.due_rows import handle_each

REMINDER_DAYS = 3


async def send_resume_reminders(action: Action, services: CheckoutServices) -> int:
    """Notify the members who manage the billing three days before a paused purchase resumes by
    itself: when, and what is charged then. Each chosen day is announced once. Returns how many were
    announced.
    """
    due = Purchase.filter(
        Q(resume_reminded_for=None) | ~Q(resume_reminded_for=F("resumes_on")),
        status=PurchaseStatus.PAUSED,
        resumes_on__gt=action.day,
        resumes_on__lte=action.day + timedelta(days=REMINDER_DAYS),
        account__status=AccountStatus.ACTIVE,
    )
    return await handle_each(due, partial(_remind, action, services), "resume.not_announced")


async def _remind(action: Action, services: CheckoutServices, key: int) -> bool:
    amount = await next_charge(await Purchase.get(pk=key), services.seller, action.day)
    async with action.transaction() as tx:
        purchase = await tx.lock(Purchase, key)
        resumes_on = purchase.resumes_on
        is_paused = purchase.status is PurchaseStatus.PAUSED
        if not is_paused or resumes_on is None or purchase.resume_reminded_for == resumes_on:
            return False
        purchase.resume_reminded_for = resumes_on
        await purchase.save(using_db=tx.db, update_fields=["resume_reminded_for"])
        price = await Price.get(pk=purchase.price_id, using_db=tx.db).select_related("offer")
        means = await chargeable_method(tx.db, services.gateway, purchase)
        for user in await billing_contacts(tx, purchase.account_id):
            name = price.offer.text(user.locale)["name"]
            await emails.send_purchase_resumes(
                tx, user, name, resumes_on, amount, is_charged=means is not None
            )
        tx.audit(BillingAuditAction.PURCHASE_REMIND_RESUMPTION, purchase)
    return True
