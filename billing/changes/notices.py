"""Emails about changes, to the members who manage the billing: what changes, when, and what it
costs.
"""

from accounts.contacts import billing_contacts
from mail import emails
from mail.emails import ChangeNotice
from models.action import Transaction
from models.billing.money import Money
from models.billing.offer import Price
from models.billing.purchase import Purchase
from models.billing.purchase_change import PurchaseChange

__all__ = ["ChangeNotice", "notify"]


async def notify(
    tx: Transaction,
    purchase: Purchase,
    change: PurchaseChange,
    notice: ChangeNotice,
) -> None:
    """Notify the billing contacts of a change of a purchase: `about` is what it has from then
    on.
    """
    is_undone = notice is ChangeNotice.UNDONE
    price_id = purchase.price_id if is_undone else change.price_id or purchase.price_id
    quantity = purchase.quantity if is_undone else change.quantity or purchase.quantity
    price = await Price.get(pk=price_id, using_db=tx.db).select_related("offer")
    for user in await billing_contacts(tx, purchase.account_id):
        await emails.send_purchase_changed(
            tx,
            user,
            notice,
            change,
            offer=price.offer.text(user.locale)["name"],
            quantity=quantity,
            amount=Money(change.gross_cents) if change.gross_cents is not None else None,
        )
