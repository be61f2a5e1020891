"""Purchases: a state machine from draft to active, and the periods in which they renew."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.accounts.account import Account, AccountStatus
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.billing_profile import BillingProfile
from models.billing.offer import Price
from models.billing.periods import Period, Schedule
from models.billing.promotion import PromotionRedemption
from models.errors import CommonErrorCode, Refusal
from models.event import EventKind, account_stream
from models.numbers import number_in_range
from models.translations import _

if TYPE_CHECKING:
    from models.billing.payment import Payment
    from models.billing.payment_method import PaymentMethod
    from models.billing.promotion import Promotion
    from models.identity.user import User
    from models.viewer import Viewer


MAX_QUANTITY = 1_000


def parse_quantity(value: int, *path: str) -> int:
    """The number of units of a purchase, from the field at this path. Raises VALUE_INVALID unless
    it is 1 to MAX_QUANTITY.
    """
    return number_in_range(value, 1, MAX_QUANTITY, *path)


class PurchaseStatus(StrEnum):
    """The status of a purchase."""

    DRAFT = "DRAFT"
    BILLING_CONFIRMED = "BILLING_CONFIRMED"
    PAYMENT_PENDING = "PAYMENT_PENDING"
    TRIALING = "TRIALING"
    ACTIVE = "ACTIVE"
    PAST_DUE = "PAST_DUE"
    PAUSED = "PAUSED"
    SUSPENDED = "SUSPENDED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


_EXPIRED_AT_ONCE = 500
RENEWING_STATUSES = (
    PurchaseStatus.TRIALING,
    PurchaseStatus.ACTIVE,
    PurchaseStatus.PAST_DUE,
    PurchaseStatus.PAUSED,
    PurchaseStatus.SUSPENDED,
)
# in which the billing run has something to do on the day when a period ends
BILLED_STATUSES = (
    PurchaseStatus.TRIALING,
    PurchaseStatus.ACTIVE,
    PurchaseStatus.PAST_DUE,
    PurchaseStatus.PAUSED,  # a pause ends on the day that was chosen
)
_NEXT_STEPS = {
    PurchaseStatus.DRAFT: _("Confirm the billing details before you pay."),
    PurchaseStatus.BILLING_CONFIRMED: _(
        "The billing details are confirmed. The purchase can now be paid."
    ),
    PurchaseStatus.PAYMENT_PENDING: _(
        "A payment for this purchase is in progress. Wait for its result."
    ),
    PurchaseStatus.TRIALING: _("This purchase is in its trial period."),
    PurchaseStatus.ACTIVE: _("This purchase has already been paid."),
    PurchaseStatus.PAST_DUE: _("An invoice of this purchase is overdue. Pay the invoice."),
    PurchaseStatus.PAUSED: _("This purchase is paused. Resume it first."),
    PurchaseStatus.SUSPENDED: _(
        "This purchase is suspended because an invoice is overdue. Pay the invoice."
    ),
    PurchaseStatus.CANCELED: _("This purchase has been canceled. Start another one."),
    PurchaseStatus.EXPIRED: _("This draft has expired. Accept its current price first."),
}


class Purchase(Model):
    """An offer that an account bought, in a quantity, at the price version with which the purchase
    was drafted.

    `billing_profile` is what the buyer confirmed. Periods are counted from `anchor`, from period
    `base_index` on, which starts `base_months` later (`Schedule`). `next_period_index` is the first
    one that isn't billed yet, and `bills_on` the day on which the billing run has to do something,
    null for never. It is the start of that period or, while the purchase is paused, `resumes_on`. A
    draft ends at `expires_at`. Days are in Europe/Paris.

    A promotion takes something off the next `promotion_periods_left` periods that are billed, null
    for all. `trial_reminded_at` is when the end of the trial was announced, and
    `resume_reminded_for` the last end of a pause that was announced.
    """

    id = fields.BigIntField(primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField(
        "models.Account", related_name="purchases", on_delete=fields.RESTRICT
    )
    buyer: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    price: fields.ForeignKeyRelation[Price] = fields.ForeignKeyField(
        "models.Price", related_name="purchases", on_delete=fields.RESTRICT
    )
    quantity = fields.IntField(default=1)
    billing_profile: fields.ForeignKeyNullableRelation["BillingProfile"] = fields.ForeignKeyField(
        "models.BillingProfile", null=True, related_name="purchases", on_delete=fields.RESTRICT
    )
    payment_method: fields.ForeignKeyNullableRelation["PaymentMethod"] = fields.ForeignKeyField(
        "models.PaymentMethod",
        null=True,
        related_name="purchases",
        db_index=True,
        on_delete=fields.RESTRICT,
    )
    promotion: fields.ForeignKeyNullableRelation["Promotion"] = fields.ForeignKeyField(
        "models.Promotion",
        null=True,
        related_name="purchases",
        db_index=True,
        on_delete=fields.RESTRICT,
    )
    promotion_periods_left: int | None = fields.IntField(null=True)
    status = fields.CharEnumField(
        PurchaseStatus, max_length=20, default=PurchaseStatus.DRAFT, description="status"
    )
    anchor: date | None = fields.DateField(null=True)
    base_index = fields.IntField(default=0, db_default=0)
    base_months = fields.IntField(default=0, db_default=0)
    next_period_index: int | None = fields.IntField(null=True)
    bills_on: date | None = fields.DateField(null=True)
    trial_ends_on: date | None = fields.DateField(null=True)
    trial_reminded_at: datetime | None = fields.DatetimeField(null=True)
    cancel_at_period_end = fields.BooleanField(default=False)
    cancel_reason = fields.CharField(max_length=200, null=True)
    canceled_at: datetime | None = fields.DatetimeField(null=True)
    ended_on: date | None = fields.DateField(null=True)
    paused_at: datetime | None = fields.DatetimeField(null=True)
    resumes_on: date | None = fields.DateField(null=True)
    resume_reminded_for: date | None = fields.DateField(null=True)
    past_due_since: date | None = fields.DateField(null=True)
    suspended_at: datetime | None = fields.DatetimeField(null=True)
    expires_at: datetime | None = fields.DatetimeField(null=True)
    created_at: datetime = fields.DatetimeField()
    activated_at = fields.DatetimeField(null=True)

    account_id: int
    buyer_id: int | None
    price_id: int
    billing_profile_id: int | None
    payment_method_id: int | None
    promotion_id: int | None
    payments: fields.ReverseRelation["Payment"]

    class Meta:
        table = "purchase"
        indexes = (("account_id", "created_at"), ("status", "bills_on"), ("created_at", "id"))

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Purchase"]:
        """Agents see all purchases, buyers those of their account."""
        if viewer.is_agent:
            return QuerySet(cls)
        return (
            cls.filter(account_id=viewer.billing_account_id)
            if viewer.billing_account_id is not None
            else cls.filter(id=None)
        )

    @classmethod
    def due_on(cls, day: date) -> QuerySet["Purchase"]:
        """The purchases of active companies with which the billing run has to do something by this
        day.
        """
        return cls.filter(
            bills_on__lte=day, status__in=BILLED_STATUSES, account__status=AccountStatus.ACTIVE
        )

    async def confirm_billing(
        self,
        action: Action,
        billing_address: dict[str, str] | None = None,
        order_number: str | None = None,
    ) -> "Purchase":
        """Set the billing details. The billing address is the account's registered address when it
        is omitted. Raises TRANSITION_ILLEGAL once payment has begun.
        """
        async with action.transaction() as tx:
            account = await tx.lock(Account, self.account_id)
            purchase = await tx.lock(Purchase, self.pk)
            purchase.require_status(PurchaseStatus.DRAFT, PurchaseStatus.BILLING_CONFIRMED)
            profile = await BillingProfile.store(tx, account, billing_address, order_number)
            purchase.billing_profile_id = profile.pk
            await purchase.transition_to(tx, PurchaseStatus.BILLING_CONFIRMED)
            tx.audit(BillingAuditAction.PURCHASE_CONFIRM_BILLING, purchase)
        return purchase

    async def discard(self, action: Action) -> "Purchase":
        """Discard a draft that isn't paid. A repeat changes nothing. Raises TRANSITION_ILLEGAL
        while a payment is in progress and afterwards.
        """
        async with action.transaction() as tx:
            purchase = await tx.lock(Purchase, self.pk)
            if purchase.status is PurchaseStatus.CANCELED and purchase.activated_at is None:
                return purchase
            purchase.require_status(
                PurchaseStatus.DRAFT, PurchaseStatus.BILLING_CONFIRMED, PurchaseStatus.EXPIRED
            )
            await purchase.release_promotion(tx)
            await purchase.cancel_draft(tx)
        return purchase

    async def cancel_draft(self, tx: Transaction) -> None:
        """Cancel a purchase that never began. The caller has released its promotion."""
        self.canceled_at, self.expires_at = tx.action.at, None
        await self.transition_to(tx, PurchaseStatus.CANCELED)
        tx.audit(BillingAuditAction.PURCHASE_DISCARD, self)

    @classmethod
    async def expire_drafts(cls, action: Action) -> int:
        """Expire the drafts whose price is no longer kept. Returns how many."""
        expired_count = 0
        statuses = (PurchaseStatus.DRAFT, PurchaseStatus.BILLING_CONFIRMED)
        due = cls.filter(status__in=statuses, expires_at__lte=action.at).order_by("id")
        for key in await due.limit(_EXPIRED_AT_ONCE).values_list("id", flat=True):
            async with action.transaction() as tx:
                purchase = await tx.lock(cls, int(str(key)))
                if purchase.status in statuses and purchase.is_expired(action.at):
                    await purchase.release_promotion(tx)
                    await purchase.transition_to(tx, PurchaseStatus.EXPIRED)
                    expired_count += 1
        return expired_count

    async def release_promotion(self, tx: Transaction) -> None:
        """Release the code that was redeemed for a draft, so that somebody else can redeem it."""
        redemption = PromotionRedemption.filter(purchase_id=self.pk)
        await redemption.using_db(tx.db).delete()

    @property
    def is_discounted(self) -> bool:
        """Whether the promotion takes something off the next period."""
        return self.promotion_id is not None and self.promotion_periods_left != 0

    def use_promotion(self) -> None:
        """Count a billed period against the promotion."""
        if self.promotion_periods_left:
            self.promotion_periods_left -= 1

    def is_expired(self, at: datetime) -> bool:
        """Whether the price of a draft is no longer kept."""
        return self.expires_at is not None and self.expires_at <= at

    def require_status(self, *allowed: PurchaseStatus) -> None:
        """Raise TRANSITION_ILLEGAL, with what is possible instead, unless the purchase has one of
        these statuses.
        """
        if self.status not in allowed:
            raise Refusal(
                CommonErrorCode.TRANSITION_ILLEGAL,
                "input",
                "purchaseId",
                message=_NEXT_STEPS[self.status],
            )

    def require_payable(self, at: datetime) -> None:
        """Raise TRANSITION_ILLEGAL unless the billing details are confirmed and the draft hasn't
        expired.
        """
        if self.is_expired(at):
            self.status = PurchaseStatus.EXPIRED
        self.require_status(PurchaseStatus.BILLING_CONFIRMED)

    async def transition_to(self, tx: Transaction, status: PurchaseStatus) -> None:
        """Save the purchase with a new status, and append an event to the account's stream."""
        self.status = status
        await self.save(using_db=tx.db)
        await tx.append(
            account_stream(self.account_id),
            EventKind.PURCHASE_CHANGED,
            purchase_id=self.pk,
            status=status.value,
        )

    async def pause(self, tx: Transaction, resumes_on: date | None) -> None:
        """Stop the billing and the service until the purchase is resumed."""
        self.paused_at, self.resumes_on = tx.action.at, resumes_on
        self.bills_on = resumes_on
        await self.transition_to(tx, PurchaseStatus.PAUSED)

    def resume(self, day: date) -> None:
        """End a pause: the next period starts on a day, which is the new anchor. The caller saves
        and announces the purchase.
        """
        assert self.next_period_index is not None, "the purchase was active"  # noqa: S101
        self.anchor = self.bills_on = day
        self.base_index, self.base_months = self.next_period_index, 0
        self.paused_at = self.resumes_on = self.past_due_since = None
        self.status = PurchaseStatus.ACTIVE

    def move_to_next_period(self, months: int) -> None:
        """Count the next period as billed. The caller saves the purchase."""
        billed = self.next_period(months)
        self.next_period_index, self.bills_on = billed.index + 1, billed.end

    async def start_trial(self, tx: Transaction, days: int) -> None:
        """Let the purchase be used free of charge for a number of days. The anchor is the day on
        which the first period is billed.
        """
        self.trial_ends_on = self.anchor = tx.action.day + timedelta(days=days)
        self.next_period_index, self.bills_on = 0, self.trial_ends_on
        self.activated_at, self.expires_at = tx.action.at, None
        await self.transition_to(tx, PurchaseStatus.TRIALING)

    async def suspend(self, tx: Transaction) -> None:
        """Stop the service until every overdue invoice is paid."""
        self.suspended_at = tx.action.at
        await self.transition_to(tx, PurchaseStatus.SUSPENDED)

    async def restore(self, tx: Transaction) -> None:
        """Make a purchase that is past due or suspended active again. The anchor stays, and periods
        that passed entirely during the suspension are not billed.
        """
        if self.suspended_at:
            price = await Price.get(pk=self.price_id, using_db=tx.db)
            self.skip_past_periods(price.interval.months, tx.action.day)
        self.suspended_at = self.past_due_since = None
        await self.transition_to(tx, PurchaseStatus.ACTIVE)
        tx.audit(BillingAuditAction.PURCHASE_RESTORE, self)

    def skip_past_periods(self, months: int, day: date) -> None:
        """Bill next the period that contains a day, and none that passed entirely before it. A
        purchase that ends with its period still ends on its day.
        """
        if self.anchor is None or self.next_period_index is None or self.cancel_at_period_end:
            return
        schedule = self.schedule(months)
        if day < schedule.start(self.base_index):
            return
        current = schedule.period_at(day)
        if current.index > self.next_period_index:
            self.next_period_index, self.bills_on = current.index, current.start

    @classmethod
    async def skip_inactive_periods(cls, tx: Transaction, account_id: int) -> None:
        """Never bill the periods that passed entirely while an account, which is locked, wasn't
        active.
        """
        statuses = (PurchaseStatus.TRIALING, PurchaseStatus.ACTIVE, PurchaseStatus.PAST_DUE)
        billed = cls.filter(account_id=account_id, status__in=statuses)
        for purchase in await tx.lock_rows(billed):
            price = await Price.get(pk=purchase.price_id, using_db=tx.db)
            purchase.skip_past_periods(price.interval.months, tx.action.day)
            await purchase.save(using_db=tx.db, update_fields=["next_period_index", "bills_on"])

    async def end(self, tx: Transaction, day: date) -> None:
        """End the purchase on a day, from which it no longer renews."""
        self.canceled_at = self.canceled_at or tx.action.at
        self.ended_on = day
        self.next_period_index = self.bills_on = None
        await self.transition_to(tx, PurchaseStatus.CANCELED)

    def schedule(self, months: int) -> Schedule:
        """How the periods of the purchase, which is active, are counted at an interval of this many
        months.
        """
        assert self.anchor is not None, "a purchase that renews has an anchor"  # noqa: S101
        return Schedule(self.anchor, months, self.base_index, self.base_months)

    def next_period(self, months: int) -> Period:
        """The period to bill next, from the day on which the last one ends. The one before
        `base_index` is short.
        """
        assert self.bills_on is not None, "the purchase renews"  # noqa: S101
        assert self.next_period_index is not None, "the purchase renews"  # noqa: S101
        index = self.next_period_index
        end = self.schedule(months).start(index + 1)
        billed = Period(index, self.bills_on, end)
        return billed.shortened(months) if index < self.base_index else billed

    def change_interval(self, former_months: int) -> None:
        """From the next period on, count periods at another interval. The anchor stays."""
        assert self.next_period_index is not None, "the purchase renews"  # noqa: S101
        schedule = self.schedule(former_months)
        self.base_months = schedule.months_until(self.next_period_index)
        self.base_index = self.next_period_index

    def change_anchor(self, anchor: date) -> None:
        """Make the next period a short one, up to a day from which periods are counted."""
        assert self.next_period_index is not None, "the purchase renews"  # noqa: S101
        self.anchor, self.base_months = anchor, 0
        self.base_index = self.next_period_index + 1
