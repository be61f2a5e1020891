"""Calculates what is credited and charged when a purchase changes during a paid period.

The rest of the period, counted in days from the day of the change, is credited at the old price and
charged at the new one. Each amount is rounded once, half up, to the cent.
"""

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from models.billing.periods import Period


@dataclass(frozen=True)
class Proration:
    """The unit amounts, excluding VAT, for the days from `start` up to, not including, `end`. Both
    are positive: an invoice credits with a negative quantity (EN 16931 BR-27).
    """

    start: date
    end: date
    credit_cents: int
    charge_cents: int

    @property
    def net_cents(self) -> int:
        """The net cost for a quantity of one, negative when it is less than before."""
        return self.charge_cents - self.credit_cents


def prorate(period: Period, day: date, old_cents: int, new_cents: int) -> Proration:
    """The proration of a change on `day` from one price for the whole period to another, in net
    cents. Raises ValueError when the day isn't in the period.
    """
    if not period.start <= day < period.end:
        raise ValueError("the day of the change is not in the period")
    return Proration(
        day,
        period.end,
        prorated_cents(old_cents, period, day),
        prorated_cents(new_cents, period, day),
    )


def proportional_cents(cents: int, part_cents: int, whole_cents: int) -> int:
    """The share of an amount that belongs to a part of a line that amounts to `whole_cents`, in
    cents, rounded half up: all of it for the whole line, and never more than the part when it isn't
    more than the whole.

    A part of the line is the rounded price of a unit, times the quantity. So a share that is
    counted in days would differ from it by half a cent for each unit.
    """
    share = Decimal(cents * part_cents) / Decimal(whole_cents)
    return int(share.quantize(Decimal(1), ROUND_HALF_UP))


def prorated_cents(cents: int, period: Period, day: date) -> int:
    """The share of an amount for the whole period that falls on the days from `day` on, in cents,
    rounded half up.
    """
    share = Decimal(cents * (period.end - day).days) / Decimal(period.days)
    return int(share.quantize(Decimal(1), ROUND_HALF_UP))
