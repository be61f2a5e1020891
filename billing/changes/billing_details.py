"""Changing the billing address or the order number of purchases that renew. Issued invoices keep
theirs.
"""

from accounts.contacts import billing_contacts
from mail import emails
from models.accounts.account import Account
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.billing_profile import BillingProfile
from models.billing.purchase import RENEWING_STATUSES, Purchase


async def update_billing(
    action: Action,
    purchase: Purchase,
    billing_address: dict[str, str],
    order_number: str | None,
    *,
    all_purchases: bool = False,
) -> Purchase:
    """Set the billing address and the order number of a purchase that renews, for its next
    invoices; with `all_purchases`, also the address of the company's other purchases. None keeps
    the order number, and an empty one removes it. A repeat changes nothing. Raises
    TRANSITION_ILLEGAL for what doesn't renew.
    """
    async with action.transaction() as tx:
        account = await tx.lock(Account, purchase.account_id)
        rows = Purchase.filter(pk=purchase.pk)
        if all_purchases:
            rows = Purchase.filter(account_id=account.pk, status__in=RENEWING_STATUSES)
        purchases = {each.pk: each for each in await tx.lock_rows(rows)}
        purchase = purchases.get(purchase.pk) or await Purchase.get(pk=purchase.pk, using_db=tx.db)
        purchase.require_status(*RENEWING_STATUSES)
        changed = []
        for each in purchases.values():
            number = order_number if each.pk == purchase.pk else None
            if await _change_profile(tx, account, each, billing_address, number):
                changed.append(each)
        for each in changed:
            await each.transition_to(tx, each.status)
            tx.audit(BillingAuditAction.PURCHASE_UPDATE_BILLING, each)
        if changed:
            for user in await billing_contacts(tx, account.pk):
                await emails.send_billing_details_changed(tx, user, account, billing_address)
    return purchase


async def _change_profile(
    tx: Transaction,
    account: Account,
    purchase: Purchase,
    billing_address: dict[str, str],
    order_number: str | None,
) -> bool:
    """Set the billing profile of a purchase's next invoices. Returns whether it changed."""
    former = await BillingProfile.get(pk=purchase.billing_profile_id, using_db=tx.db)
    if order_number is None:
        order_number = former.order_number
    profile = await BillingProfile.store(tx, account, billing_address, order_number or None)
    purchase.billing_profile_id = profile.pk
    return bool(profile.pk != former.pk)
