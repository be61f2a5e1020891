"""Promotion codes: creating them, and applying and redeeming them for purchases.

A draft refers to the code that its buyer entered. The code is redeemed in the transaction that
begins a payment or starts the purchase, under the lock of its row: of two buyers who want the last
redemption at once, one gets it, and the other one isn't charged. From then on the draft keeps it
until it is discarded or expires.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import IntegrityError

from models.accounts.account import Account
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.company import company_hash
from models.billing.errors import BillingErrorCode
from models.billing.offer import Interval, Price, Segment
from models.billing.promotion import Promotion, PromotionRedemption
from models.billing.purchase import Purchase, PurchaseStatus
from models.errors import Refusal, TransactionConflict
from models.idempotency import earlier_result, owner_of, store_result


@dataclass(frozen=True, kw_only=True)
class PromotionTerms:
    """The terms of a new promotion; the fields are columns of models/billing/promotion.py."""

    code: str
    valid_from: datetime
    basis_points: int | None = None
    amount_cents: int | None = None
    periods: int | None = None
    valid_until: datetime | None = None
    max_redemptions: int | None = None
    once_per_company: bool = True
    segment: Segment | None = None
    interval: Interval | None = None
    offer_ids: tuple[int, ...] = ()
    minimum_quantity: int = 1


async def create_promotion(
    action: Action, terms: PromotionTerms, key: str, arguments: Mapping[str, Any] | None = None
) -> Promotion:
    """Create a code. The same key with the same arguments returns the same one. Raises CODE_TAKEN
    and IDEMPOTENCY_MISMATCH.
    """
    owner = owner_of(action)
    async with action.transaction() as tx:
        if earlier_id := await earlier_result(tx, owner, "promotionCreate", key, arguments):
            return await Promotion.get(pk=earlier_id, using_db=tx.db)
        if await Promotion.filter(code=terms.code).using_db(tx.db).exists():
            raise Refusal(BillingErrorCode.CODE_TAKEN, "input", "code")
        columns = vars(terms) | {"offer_ids": list(terms.offer_ids)}
        try:
            promotion = await Promotion.create(using_db=tx.db, created_at=action.at, **columns)
        except IntegrityError:  # somebody else was faster
            raise TransactionConflict("the code was taken") from None
        await store_result(tx, owner, "promotionCreate", key, promotion.pk)
        tx.audit(BillingAuditAction.PROMOTION_CREATE, promotion, account_id=None)
    return promotion


async def deactivate_promotion(action: Action, promotion: Promotion) -> Promotion:
    """Deactivate a code, so that nobody can redeem it any more. A repeat changes nothing."""
    async with action.transaction() as tx:
        promotion = await tx.lock(Promotion, promotion.pk)
        if promotion.deactivated_at is None:
            promotion.deactivated_at = action.at
            await promotion.save(using_db=tx.db, update_fields=["deactivated_at"])
            tx.audit(BillingAuditAction.PROMOTION_DEACTIVATE, promotion, account_id=None)
    return promotion


async def apply_promotion(
    action: Action, purchase: Purchase, promotion: Promotion | None
) -> Purchase:
    """Apply a code to a draft, in place of any other; None removes it. Raises TRANSITION_ILLEGAL,
    and what `Promotion.require_applicable` raises.
    """
    async with action.transaction() as tx:
        purchase = await tx.lock(Purchase, purchase.pk)
        purchase.require_status(PurchaseStatus.DRAFT, PurchaseStatus.BILLING_CONFIRMED)
        if purchase.promotion_id != (promotion.pk if promotion else None):
            await purchase.release_promotion(tx)
            if promotion:
                price = await Price.get(pk=purchase.price_id, using_db=tx.db).select_related(
                    "offer"
                )
                await require_redeemable(tx, promotion, purchase, price, "promotionCode")
            set_promotion(purchase, promotion)
            await purchase.transition_to(tx, purchase.status)
            tx.audit(BillingAuditAction.PURCHASE_APPLY_PROMOTION, purchase)
    return purchase


def set_promotion(purchase: Purchase, promotion: Promotion | None) -> None:
    """Let a promotion take something off the first periods of a draft."""
    purchase.promotion_id = promotion.pk if promotion else None
    purchase.promotion_periods_left = promotion.periods if promotion else None


async def promotion_of(db: BaseDBAsyncClient | None, purchase: Purchase) -> Promotion | None:
    """The promotion of a purchase, None once all its periods are billed."""
    if not purchase.is_discounted:
        return None
    return await Promotion.get(pk=purchase.promotion_id, using_db=db)


async def current_promotion(
    db: BaseDBAsyncClient | None, purchase: Purchase, price: Price
) -> Promotion | None:
    """The promotion that takes something off the next period of a purchase at a price, whose
    `offer` has to be fetched. None when the purchase was changed to an offer that the code isn't
    valid for.
    """
    promotion = await promotion_of(db, purchase)
    return promotion if promotion and promotion.fits(price, purchase.quantity) else None


async def redeem_promotion(tx: Transaction, purchase: Purchase) -> None:
    """Redeem the code of a locked purchase, unless it has already been redeemed. Raises what
    `Promotion.require_applicable` raises.
    """
    if purchase.promotion_id is None:
        return
    promotion = await tx.lock(Promotion, purchase.promotion_id)
    price = await Price.get(pk=purchase.price_id, using_db=tx.db).select_related("offer")
    if await require_redeemable(tx, promotion, purchase, price, "purchaseId"):
        await _store_redemption(tx, promotion, purchase)


async def keep_paid_terms(tx: Transaction, purchase: Purchase, paid: Mapping[str, Any]) -> None:
    """Give a locked draft the price and the code of the line that was paid. They differ when the
    customer left the payment, changed the draft, and completed the payment nevertheless. The
    redemption counts even if somebody else had the last one meanwhile: the discount was given.
    """
    promotion_id = paid.get("promotion")
    promotion = await tx.lock(Promotion, promotion_id) if promotion_id else None
    if purchase.promotion_id != promotion_id:
        await purchase.release_promotion(tx)
        set_promotion(purchase, promotion)
    purchase.price_id = paid.get("price", purchase.price_id)
    redemption = PromotionRedemption.filter(purchase_id=purchase.pk)
    if promotion and not await redemption.using_db(tx.db).exists():
        await _store_redemption(tx, promotion, purchase)


async def _store_redemption(tx: Transaction, promotion: Promotion, purchase: Purchase) -> None:
    account = await Account.get(pk=purchase.account_id, using_db=tx.db)
    await PromotionRedemption.create(
        using_db=tx.db,
        promotion=promotion,
        purchase=purchase,
        account=account,
        company=company_hash(account),
        redeemed_at=tx.action.at,
    )


async def require_redeemable(
    tx: Transaction, promotion: Promotion, purchase: Purchase, price: Price, field: str
) -> bool:
    """Raise what `Promotion.require_applicable` raises unless the code can be redeemed for a
    purchase at this price. Returns False when it has already been redeemed.
    """
    if await PromotionRedemption.filter(purchase_id=purchase.pk).using_db(tx.db).exists():
        return False
    account = await Account.get(pk=purchase.account_id, using_db=tx.db)
    await promotion.require_applicable(
        tx.db, price, purchase.quantity, account, tx.action.at, field
    )
    return True
