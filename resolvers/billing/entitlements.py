"""What companies may use now."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from models.accounts.account import Account, AccountStatus
from models.billing.purchase import Purchase, PurchaseStatus
from models.clock import local_date
from resolvers.context import Context

# A late payment alone takes nothing away: the dunning schedule says when a purchase is suspended.
_USABLE = (PurchaseStatus.TRIALING, PurchaseStatus.ACTIVE, PurchaseStatus.PAST_DUE)


@dataclass(frozen=True)
class Entitlement:
    """Something that a company bought and may use now."""

    offer: str
    quantity: int
    status: PurchaseStatus
    since: date | None
    until: date | None
    ends_on: date | None


async def account_entitlements(
    context: Context, parents: Sequence[Account]
) -> list[list[Entitlement]]:
    """What each company may use, in the order of purchase, as far as the viewer may see its
    purchases. A deactivated company may use nothing.
    """
    purchases = (
        await Purchase.visible_to(context.viewer)
        .filter(
            account_id__in=[each.pk for each in parents],
            account__status=AccountStatus.ACTIVE,
            status__in=list(_USABLE),
        )
        .order_by("id")
        .select_related("price__offer")
    )
    by_account: dict[int, list[Entitlement]] = defaultdict(list)
    for purchase in purchases:
        by_account[purchase.account_id].append(_entitlement(purchase))
    return [by_account[each.pk] for each in parents]


def _first_day(purchase: Purchase) -> date | None:
    """The day of the activation. After a trial, a pause or a change, the anchor is a later day."""
    if purchase.anchor and purchase.activated_at:
        return local_date(purchase.activated_at)
    return purchase.anchor


def _entitlement(purchase: Purchase) -> Entitlement:
    until = purchase.bills_on or purchase.trial_ends_on
    return Entitlement(
        offer=purchase.price.offer.slug,
        quantity=purchase.quantity,
        status=purchase.status,
        since=_first_day(purchase),
        until=until,
        ends_on=until if purchase.cancel_at_period_end else purchase.ended_on,
    )
