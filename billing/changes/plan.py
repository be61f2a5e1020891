"""What a change of a purchase does and costs: one function calculates both the preview that a
customer sees and the change itself, so that they are equal to the cent.

A change that costs more takes effect at once: the rest of the period is credited at the former
price and charged at the new one. One that costs less, and every change of the interval, takes
effect when the period that is paid ends, and is planned as the renewal will bill it. Nothing is
stored here.
"""

from copy import copy
from dataclasses import dataclass
from datetime import date, timedelta

from tortoise.backends.base.client import BaseDBAsyncClient

from billing.changes.proration import PeriodChange, current_period, prorated_quote
from billing.contacts import reader_of
from billing.gateways.gateway import MIN_CHARGE_CENTS
from billing.quotes import Quote, quote_next_period
from billing.seller import Seller
from models.accounts.account import Account
from models.billing.billing_profile import BillingProfile
from models.billing.errors import BillingErrorCode
from models.billing.offer import Price
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.purchase_change import PurchaseChange, PurchaseChangeKind
from models.billing.receivable import Receivable
from models.errors import CommonErrorCode, Refusal
from models.locale import Locale
from models.translations import Translatable, _

_PAID = PurchaseStatus.ACTIVE
_CHANGEABLE = (PurchaseStatus.TRIALING, PurchaseStatus.ACTIVE)


@dataclass(frozen=True)
class ChangeRequest:
    """What to change: the price, the quantity or the anchor of a purchase. None keeps a value.
    `resume` ends a pause.
    """

    price: Price | None = None
    quantity: int | None = None
    anchor: date | None = None
    resume: bool = False


@dataclass(frozen=True, kw_only=True)
class ChangePlan:
    """What a change does. `quote` is its invoice: that of the change itself if it is immediate,
    else that of the first period with the change. `renewal` is the first whole period with the
    change.
    """

    kind: PurchaseChangeKind
    is_immediate: bool
    effective_on: date
    quote: Quote
    renewal: Quote
    price: Price
    quantity: int
    anchor: date | None = None
    profile: BillingProfile
    locale: Locale

    @property
    def gross_cents(self) -> int:
        """The total with VAT to which the customer agrees."""
        return self.quote.totals.gross_cents

    def change_of(self, purchase: Purchase) -> PurchaseChange:
        """The change, not stored yet."""
        return PurchaseChange(
            purchase=purchase,
            kind=self.kind,
            is_immediate=self.is_immediate,
            price=self.price,
            quantity=self.quantity,
            former_price_id=purchase.price_id,
            former_quantity=purchase.quantity,
            anchor=self.anchor,
            gross_cents=self.gross_cents,
            effective_on=self.effective_on,
        )


async def plan_change(
    db: BaseDBAsyncClient | None,
    seller: Seller,
    purchase: Purchase,
    account: Account,
    request: ChangeRequest,
    day: date,
) -> ChangePlan:
    """Plan a change on a day. Raises TRANSITION_ILLEGAL unless the purchase is active and renews,
    NOTHING_TO_CHANGE, VALUE_INVALID for an anchor out of range, and PAYMENT_IN_PROGRESS while the
    period is being paid.
    """
    if request.resume:
        await _require_resumable(db, purchase, day)
    else:
        require_changeable(purchase, day)
    price = await Price.get(pk=purchase.price_id, using_db=db).select_related("offer")
    profile = await current_profile(db, purchase, account)
    locale = (await reader_of(db, purchase)).locale
    planning = _Planning(db, seller, purchase, price, profile, locale)
    if request.resume:
        return await planning.resumption(day)
    if request.anchor:
        return await planning.anchor_change(request.anchor)
    new_price, quantity = request.price or price, request.quantity or purchase.quantity
    if (new_price.pk, quantity) == (price.pk, purchase.quantity):
        raise Refusal(BillingErrorCode.NOTHING_TO_CHANGE, "input")
    is_more = planning.costs_more(new_price, quantity)
    if is_more and new_price.interval is price.interval and purchase.status is _PAID:
        immediate = await planning.immediate_change(new_price, quantity, day)
        if immediate and immediate.gross_cents >= MIN_CHARGE_CENTS:
            return immediate
    return await planning.later_change(new_price, quantity)


def require_changeable(purchase: Purchase, day: date) -> None:
    """Raise TRANSITION_ILLEGAL unless the purchase is active, renews, and its period is paid."""
    purchase.require_status(*_CHANGEABLE)
    if purchase.cancel_at_period_end:
        raise _illegal(_("This purchase was canceled. Undo the cancellation first."))
    if purchase.bills_on is None or purchase.bills_on <= day:
        raise _illegal(_("The next period is being billed. Try again in a few minutes."))


async def _require_resumable(db: BaseDBAsyncClient | None, purchase: Purchase, day: date) -> None:
    if purchase.status is not PurchaseStatus.PAUSED:
        raise _illegal(_("Only a paused purchase can be resumed."))
    overdue = Receivable.filter(
        invoice__purchase_id=purchase.pk, open_cents__gt=0, due_on__lte=day, disputed_at=None
    )
    if await overdue.using_db(db).exists():
        raise _illegal(_("An invoice of this purchase is overdue. Pay the invoice."))


def _illegal(message: Translatable) -> Refusal:
    return Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "purchaseId", message=message)


async def current_profile(
    db: BaseDBAsyncClient | None, purchase: Purchase, account: Account
) -> BillingProfile:
    """The billing profile for the next invoices of a purchase, which may not be stored yet."""
    profile = await BillingProfile.get(pk=purchase.billing_profile_id, using_db=db)
    return await profile.as_of(account, db)


@dataclass(frozen=True)
class _Planning:
    db: BaseDBAsyncClient | None
    seller: Seller
    purchase: Purchase
    price: Price
    profile: BillingProfile
    locale: Locale

    async def immediate_change(self, price: Price, quantity: int, day: date) -> ChangePlan | None:
        """A change for the rest of the period. None when nothing was billed for it."""
        billed = await current_period(self.db, self.purchase)
        if billed.invoice_id is None:
            return None
        change = PeriodChange(
            purchase=self.purchase,
            billed=billed,
            former=(self.price, self.purchase.quantity),
            new=(price, quantity),
            day=day,
            locale=self.locale,
        )
        prorated, profile = await prorated_quote(self.db, self.seller, change, self.profile)
        changed = self._changed(price, quantity)
        return ChangePlan(
            kind=self._kind(price, quantity),
            is_immediate=True,
            effective_on=day,
            quote=prorated,
            renewal=await self._next_period(changed, price),
            price=price,
            quantity=quantity,
            profile=profile,
            locale=self.locale,
        )

    async def later_change(self, price: Price, quantity: int) -> ChangePlan:
        """A change from the next period on."""
        changed = self._changed(price, quantity)
        if price.interval is not self.price.interval:
            changed.change_interval(self.price.interval.months)
        quoted = await self._next_period(changed, price)
        return ChangePlan(
            kind=self._kind(price, quantity),
            is_immediate=False,
            effective_on=quoted.period.start,
            quote=quoted,
            renewal=quoted,
            price=price,
            quantity=quantity,
            profile=self.profile,
            locale=self.locale,
        )

    async def anchor_change(self, anchor: date) -> ChangePlan:
        """A change to another anchor: a short period after the current one, then whole periods from
        the anchor on.
        """
        await self._require_anchor(anchor)
        changed = self._changed(self.price, self.purchase.quantity)
        changed.change_anchor(anchor)
        short = await self._next_period(changed, self.price)
        changed.move_to_next_period(self.price.interval.months)
        changed.use_promotion()
        return ChangePlan(
            kind=PurchaseChangeKind.ANCHOR,
            is_immediate=False,
            effective_on=short.period.start,
            quote=short,
            renewal=await self._next_period(changed, self.price),
            price=self.price,
            quantity=self.purchase.quantity,
            anchor=anchor,
            profile=self.profile,
            locale=self.locale,
        )

    async def resumption(self, day: date) -> ChangePlan:
        """The end of a pause: a period that starts now, with a new anchor."""
        changed = self._changed(self.price, self.purchase.quantity)
        changed.resume(day)
        first = await self._next_period(changed, self.price)
        changed.move_to_next_period(self.price.interval.months)
        changed.use_promotion()
        return ChangePlan(
            kind=PurchaseChangeKind.RESUME,
            is_immediate=True,
            effective_on=day,
            quote=first,
            renewal=await self._next_period(changed, self.price),
            price=self.price,
            quantity=self.purchase.quantity,
            profile=self.profile,
            locale=self.locale,
        )

    async def _require_anchor(self, anchor: date) -> None:
        following = self.purchase.next_period(self.price.interval.months)
        if not following.start < anchor < following.end:
            raise Refusal(
                CommonErrorCode.VALUE_INVALID,
                "input",
                "anchor",
                message=_("Choose a day from %(first)s to %(last)s."),
                first=following.start + timedelta(days=1),
                last=following.end - timedelta(days=1),
            )
        moved = PurchaseChange.filter(
            purchase_id=self.purchase.pk,
            kind=PurchaseChangeKind.ANCHOR,
            anchor=following.start,
            applied_at__not_isnull=True,
        )
        if await moved.using_db(self.db).exists():
            raise _illegal(
                _("The billing day was changed for this period. Change it again in the next one.")
            )

    def _changed(self, price: Price, quantity: int) -> Purchase:
        changed = copy(self.purchase)
        changed.price_id, changed.quantity = price.pk, quantity
        return changed

    def _kind(self, price: Price, quantity: int) -> PurchaseChangeKind:
        if price.interval is not self.price.interval:
            return PurchaseChangeKind.INTERVAL
        if price.pk == self.price.pk:
            return PurchaseChangeKind.QUANTITY
        is_more = self.costs_more(price, quantity)
        return PurchaseChangeKind.UPGRADE if is_more else PurchaseChangeKind.DOWNGRADE

    def costs_more(self, price: Price, quantity: int) -> bool:
        """Whether a whole period costs more than now, at the same interval."""
        return bool(price.net_cents * quantity > self.price.net_cents * self.purchase.quantity)

    async def _next_period(self, changed: Purchase, price: Price) -> Quote:
        return await quote_next_period(
            self.db, self.seller, changed, price, self.profile, self.locale
        )
