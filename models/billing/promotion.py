"""Promotion codes: what they take off, for which purchases, and how often they can be redeemed."""

import re
import unicodedata
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.billing.company import company_hash
from models.billing.errors import BillingErrorCode
from models.billing.money import Money
from models.billing.offer import Interval, Price, Segment
from models.errors import Refusal
from models.identity.user import Staff
from models.translations import _

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.billing.purchase import Purchase
    from models.viewer import Viewer

CODE_LENGTH = 40
_TOO_FEW = _("This promotion code is for at least %(minimum)s units.")
_CODE = re.compile(r"[A-Z0-9]+([-_][A-Z0-9]+)*")


def folded_code(text: str) -> str:
    """A code as it is stored, however it was typed: in capitals and without spaces. Empty when it
    can't be one.
    """
    if len(text) > 4 * CODE_LENGTH:
        return ""
    code = "".join(unicodedata.normalize("NFKC", text).upper().split())
    return code if len(code) <= CODE_LENGTH and _CODE.fullmatch(code) else ""


class Promotion(Model):
    """A code that takes a share (`basis_points`: 2000 is 20 %) or an amount in cents off the net
    price of each period, for the first `periods` of a purchase, null for all.

    It can be redeemed from `valid_from` up to `valid_until`, `max_redemptions` times in all, for
    purchases of `minimum_quantity` units or more. It can be restricted to prices of an interval, a
    segment or certain offers. A redeemed code stays in effect for its purchase, whatever happens to
    the code later.
    """

    id = fields.BigIntField(primary_key=True)
    code = fields.CharField(max_length=CODE_LENGTH, unique=True)
    basis_points: int | None = fields.IntField(null=True)
    amount_cents: int | None = fields.BigIntField(null=True)
    periods: int | None = fields.IntField(null=True)
    valid_from: datetime = fields.DatetimeField()
    valid_until: datetime | None = fields.DatetimeField(null=True)
    max_redemptions: int | None = fields.IntField(null=True)
    once_per_company = fields.BooleanField(default=True)
    segment: Any = fields.CharEnumField(Segment, max_length=3, null=True, description="segment")
    interval: Any = fields.CharEnumField(Interval, max_length=5, null=True, description="interval")
    offer_ids: list[int] = fields.JSONField(default=list)
    minimum_quantity = fields.IntField(default=1)
    created_at: datetime = fields.DatetimeField()
    deactivated_at: datetime | None = fields.DatetimeField(null=True)

    redemptions: fields.ReverseRelation["PromotionRedemption"]

    class Meta:
        table = "promotion"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Promotion"]:
        """Operators see promotions. Buyers see what a code does on their own purchases only."""
        return QuerySet(cls) if viewer.staff is Staff.OPERATOR else cls.filter(id=None)

    @property
    def amount(self) -> Money | None:
        return None if self.amount_cents is None else Money(self.amount_cents)

    def discount_cents(self, net_cents: int) -> int:
        """What is taken off a net amount of a period, rounded once, half up, and never more than
        the amount.
        """
        if self.basis_points is None:
            return min(self.amount_cents or 0, net_cents)
        share = Decimal(net_cents * self.basis_points).scaleb(-4)
        return min(int(share.quantize(Decimal(1), ROUND_HALF_UP)), net_cents)

    async def require_applicable(
        self,
        db: BaseDBAsyncClient | None,
        price: Price,
        quantity: int,
        account: "Account",
        at: datetime,
        *field: str,
    ) -> None:
        """Raise one of PROMOTION_UNKNOWN, PROMOTION_EXPIRED, PROMOTION_NOT_APPLICABLE,
        PROMOTION_REDEEMED and PROMOTION_EXHAUSTED at a field, unless the company can redeem the
        code now. `price.offer` has to be fetched.
        """
        code = self._obstacle(price, quantity, at)
        if code is None and self.once_per_company:
            redeemed = self._redemptions(db).filter(company=company_hash(account))
            code = BillingErrorCode.PROMOTION_REDEEMED if await redeemed.exists() else None
        if code is None and self.max_redemptions is not None:
            is_exhausted = await self._redemptions(db).count() >= self.max_redemptions
            code = BillingErrorCode.PROMOTION_EXHAUSTED if is_exhausted else None
        if code:
            is_too_few = quantity < self.minimum_quantity and self.fits(
                price, self.minimum_quantity
            )
            raise Refusal(
                code,
                "input",
                *field,
                message=_TOO_FEW if is_too_few else None,
                minimum=self.minimum_quantity,
            )

    def _redemptions(self, db: BaseDBAsyncClient | None) -> QuerySet["PromotionRedemption"]:
        return PromotionRedemption.filter(promotion_id=self.pk).using_db(db)

    def _obstacle(self, price: Price, quantity: int, at: datetime) -> BillingErrorCode | None:
        if at < self.valid_from:  # nobody is to know of it yet
            return BillingErrorCode.PROMOTION_UNKNOWN
        if self.deactivated_at or (self.valid_until and at >= self.valid_until):
            return BillingErrorCode.PROMOTION_EXPIRED
        fits = self.fits(price, quantity)
        return None if fits else BillingErrorCode.PROMOTION_NOT_APPLICABLE

    def fits(self, price: Price, quantity: int) -> bool:
        """Whether the code is for purchases of this many units at a price, whose `offer` has to be
        fetched.
        """
        return (
            self.interval in (None, price.interval)
            and self.segment in (None, price.offer.segment)
            and (not self.offer_ids or price.offer_id in self.offer_ids)
            and quantity >= self.minimum_quantity
        )


class PromotionRedemption(Model):
    """The use of a code for a purchase. It is stored when the purchase is paid for or starts, and
    deleted when the purchase is discarded or expires without having started. `company` is a hash
    (models/billing/company.py).
    """

    id = fields.BigIntField(primary_key=True)
    promotion: fields.ForeignKeyRelation[Promotion] = fields.ForeignKeyField(
        "models.Promotion", related_name="redemptions", on_delete=fields.RESTRICT
    )
    purchase: fields.OneToOneRelation["Purchase"] = fields.OneToOneField(
        "models.Purchase", related_name="promotion_redemption", on_delete=fields.RESTRICT
    )
    account: fields.ForeignKeyRelation["Account"] = fields.ForeignKeyField(
        "models.Account", related_name="promotion_redemptions", on_delete=fields.RESTRICT
    )
    company = fields.CharField(max_length=64)
    redeemed_at: datetime = fields.DatetimeField()

    promotion_id: int
    purchase_id: int
    account_id: int

    class Meta:
        table = "promotion_redemption"
        indexes = (("promotion_id", "company"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["PromotionRedemption"]:
        """Operators see redemptions."""
        return QuerySet(cls) if viewer.staff is Staff.OPERATOR else cls.filter(id=None)
