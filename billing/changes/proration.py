"""What is invoiced for a change during a paid period: the rest of the period, at the former price
with a negative quantity, and at the new price.
"""

from dataclasses import dataclass, replace
from datetime import date

from tortoise.backends.base.client import BaseDBAsyncClient

from billing.invoicing import DraftLine
from billing.proration import Proration, proportional_cents, prorate
from billing.quotes import Quote, designation, discount_line, upcoming
from billing.seller import Seller
from billing.tax import decide_tax
from models.billing.billing_period import BillingItem, BillingItemKind, BillingPeriod
from models.billing.billing_profile import BillingProfile
from models.billing.errors import BillingErrorCode
from models.billing.invoice import DocumentType, Invoice, InvoiceLine
from models.billing.money import totals
from models.billing.offer import Price
from models.billing.periods import Period, Schedule
from models.billing.promotion import Promotion
from models.billing.purchase import Purchase
from models.billing.receivable import Receivable
from models.billing.tax import TaxDecision, is_pending, is_verified
from models.errors import CommonErrorCode, Refusal
from models.locale import Locale
from models.translations import Translatable, _, text

Terms = tuple[Price, int]
_CREDIT = _("Deduction of the unused days: %(days)s of %(all_days)s")
_CHARGE = _("Remaining days of the period: %(days)s of %(all_days)s")
_IN_PROGRESS = _("A payment for this purchase is in progress. Wait for its result.")
_DISPUTED = _("An invoice of this purchase is disputed. Wait for the decision.")
_CREDITED = _("An invoice of this period was credited. Contact support to change the purchase.")


async def current_period(db: BaseDBAsyncClient | None, purchase: Purchase) -> BillingPeriod:
    """The billed period of a purchase. Raises PAYMENT_IN_PROGRESS while it is being paid, and
    TRANSITION_ILLEGAL when its invoice was credited or an invoice is disputed.
    """
    rows = BillingPeriod.filter(
        purchase_id=purchase.pk, index=(purchase.next_period_index or 0) - 1
    )
    billed = await rows.using_db(db).select_related("invoice__billing_profile").first()
    if billed is None:
        raise Refusal(
            BillingErrorCode.PAYMENT_IN_PROGRESS, "input", "purchaseId", message=_IN_PROGRESS
        )
    since = Receivable.filter(
        invoice__purchase_id=purchase.pk, invoice_id__gte=billed.invoice_id or 0
    )
    receivables = await since.using_db(db).select_related("invoice")
    # A corrective invoice of the same amount gives nothing back: it has another wording or buyer.
    replaced_cents = {
        each.invoice.original_id: each.invoice.gross_cents
        for each in receivables
        if each.invoice.type is DocumentType.CORRECTIVE_INVOICE
    }
    for receivable in receivables:
        if receivable.disputed_at:
            raise _illegal(_DISPUTED)
        if receivable.credited_cents > replaced_cents.get(receivable.invoice_id, 0):
            raise _illegal(_CREDITED)
    return billed


def _illegal(message: Translatable) -> Refusal:
    return Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "purchaseId", message=message)


@dataclass(frozen=True, kw_only=True)
class PeriodChange:
    """A change from one price and quantity to others on a day of a billed period."""

    purchase: Purchase
    billed: BillingPeriod
    former: Terms
    new: Terms
    day: date
    locale: Locale

    @property
    def schedule(self) -> Schedule:
        """The schedule of the purchase's periods."""
        return self.purchase.schedule(self.new[0].interval.months)

    @property
    def period(self) -> Period:
        """The whole period of which a part is billed."""
        billed = self.billed
        period = Period(billed.index, billed.starts_on, billed.ends_on)
        if period.index < self.purchase.base_index:
            return period.shortened(self.new[0].interval.months)
        return period

    def text(self, reason: Translatable) -> str:
        """`_CREDIT` or `_CHARGE` with the days that are left."""
        days = (self.period.end - self.day).days
        return text(reason, self.locale, days=days, all_days=self.period.days)


async def prorated_quote(
    db: BaseDBAsyncClient | None, seller: Seller, change: PeriodChange, profile: BillingProfile
) -> tuple[Quote, BillingProfile]:
    """The invoice of a change for the rest of the period, and the profile to which it is issued:
    the current one, or the billed one.
    """
    invoice = change.billed.invoice
    assert invoice is not None, "the period is billed"  # noqa: S101
    buyer = _same_buyer(profile, invoice.billing_profile)
    billed_line = await InvoiceLine.filter(invoice_id=invoice.pk, position=1).using_db(db).first()
    assert billed_line is not None, "an invoice has lines"  # noqa: S101
    category = change.new[0].tax_category
    tax = await decide_tax(db, seller, buyer, category, change.day, is_renewal=True)
    if tax.treatment is not invoice.treatment:
        tax = _tax_of(invoice, billed_line)
    former_cents, new_cents = (price.net_cents for price, _ in (change.former, change.new))
    rest = prorate(change.period, change.day, former_cents, new_cents)
    credit, charge = _lines(change, rest, billed_line.vat_rate, tax)
    discounts = await _discounts(db, change, credit, charge)
    lines = (*((credit,) if rest.credit_cents else ()), charge, *discounts)
    index = change.billed.index
    quoted = Quote(
        lines=lines,
        totals=totals(map(DraftLine.printed, lines)),
        tax=tax,
        is_vat_number_pending=is_pending(buyer),
        period=Period(index, rest.start, rest.end),
        next_dates=upcoming(change.schedule, index),
    )
    return quoted, buyer


def _lines(
    change: PeriodChange, rest: Proration, billed_rate: int, tax: TaxDecision
) -> tuple[DraftLine, DraftLine]:
    """The line that credits the rest of the period, and the one that charges it."""
    (former_price, former_quantity), (price, quantity) = change.former, change.new
    credit = DraftLine(
        label=former_price.offer.text(change.locale)["name"],
        description=change.text(_CREDIT),
        unit_net_cents=rest.credit_cents,
        quantity=-former_quantity,
        vat_basis_points=billed_rate,
        tax_category=former_price.tax_category,
        starts_on=rest.start,
        ends_on=rest.end,
        kind=BillingItemKind.PRORATION,
        description_key="proration_credit",
        data={"price": former_price.pk},
    )
    charge = replace(
        credit,
        label=price.offer.text(change.locale)["name"],
        description=f"{change.text(_CHARGE)} · {designation(price, change.locale)}",
        unit_net_cents=rest.charge_cents,
        quantity=quantity,
        vat_basis_points=tax.rate_basis_points,
        tax_category=price.tax_category,
        description_key="proration_charge",
        data={"price": price.pk},
    )
    return credit, charge


async def _discounts(
    db: BaseDBAsyncClient | None, change: PeriodChange, credit: DraftLine, charge: DraftLine
) -> list[DraftLine]:
    """The lines that charge the discount on the credited days again, and take it off the charged
    days, when a promotion took something off the billed period.
    """
    rows = BillingItem.filter(billing_period_id=change.billed.pk, kind=BillingItemKind.DISCOUNT)
    item = await rows.using_db(db).first()
    if item is None:
        return []
    promotion = await Promotion.get(pk=item.data["promotion"], using_db=db)
    lines = []
    parts = ((credit, change.former, 1, _CREDIT), (charge, change.new, -1, _CHARGE))
    for line, (price, quantity), sign, reason in parts:
        fits = promotion.fits(price, quantity)
        whole_cents = price.net_cents * quantity
        cents = promotion.discount_cents(whole_cents) if fits else 0
        part_cents = abs(line.printed().net_cents)
        if rest := proportional_cents(cents, part_cents, whole_cents):
            discount = discount_line(line, promotion, rest, sign, change.locale)
            description = f"{discount.description} · {change.text(reason)}"
            data = {**discount.data, "whole_cents": cents}
            lines.append(replace(discount, description=description, data=data))
    return lines


def _same_buyer(current: BillingProfile, billed: BillingProfile) -> BillingProfile:
    """The current billing profile, or the one that the period was billed to if VAT treats them
    differently: another territory or VAT number counts from the next period on.
    """
    is_same = (current.territory, is_verified(current)) == (billed.territory, is_verified(billed))
    return current if is_same else billed


def _tax_of(invoice: Invoice, line: InvoiceLine) -> TaxDecision:
    """The VAT treatment of the billed period, because an invoice has only one."""
    return TaxDecision(
        line.vat_rate,
        invoice.treatment,
        invoice.facts.get("exemption_code") or None,
        invoice.facts.get("vat_mention") or "",
    )
