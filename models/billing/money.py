"""Money is an integer number of cents and a currency, never a float. VAT is rounded once per rate,
as EN 16931 requires.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Protocol

from babel.numbers import format_currency, get_currency_precision


@dataclass(slots=True, unsafe_hash=True)
class Money:
    """An immutable amount in the currency's minor unit (cents for EUR). Mixing currencies raises
    ValueError.
    """

    # Not `frozen=True`, which doubles the time to create one: a page of invoices has thousands.

    cents: int
    currency: str = "EUR"

    def __add__(self, other: "Money") -> "Money":
        return Money(self.cents + self._cents_of(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.cents - self._cents_of(other), self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.cents, self.currency)

    def formatted(self, locale: str = "fr") -> str:
        """Format the amount for a locale: `29,00 €` with a no-break space in fr, `€29.00` in en."""
        return format_currency(to_decimal(self.cents, self.currency), self.currency, locale=locale)

    def _cents_of(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} can't be added")
        return other.cents


def to_decimal(cents: int, currency: str = "EUR") -> Decimal:
    """Return the exact amount in the currency's major unit: 2900 cents are Decimal("29.00")."""
    return Decimal(cents).scaleb(-get_currency_precision(currency))


class Taxable(Protocol):
    """What `totals` needs to know about an invoice line."""

    @property
    def net_cents(self) -> int: ...

    @property
    def vat_basis_points(self) -> int: ...


@dataclass(frozen=True, slots=True)
class VatBand:
    """The VAT of all lines that share a rate: 2000 basis points are 20 %."""

    basis_points: int
    net_cents: int
    vat_cents: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums in cents and their VAT bands, highest rate first."""

    net_cents: int
    vat_cents: int
    bands: tuple[VatBand, ...]

    @property
    def gross_cents(self) -> int:
        """Net plus VAT."""
        return self.net_cents + self.vat_cents


def totals(lines: Iterable[Taxable]) -> Totals:
    """Sum the lines: net amounts per rate, VAT on each sum, rounded once (EN 16931 BR-CO-17), never
    per line.
    """
    net_by_rate: defaultdict[int, int] = defaultdict(int)
    for line in lines:
        net_by_rate[line.vat_basis_points] += line.net_cents
    bands = tuple(
        VatBand(rate, net, vat_amount(net, rate))
        for rate, net in sorted(net_by_rate.items(), reverse=True)
    )
    return Totals(sum(net_by_rate.values()), sum(band.vat_cents for band in bands), bands)


def vat_amount(net_cents: int, rate_basis_points: int) -> int:
    """Return the VAT on a net amount, in cents, rounded half away from zero, so that a credit note
    mirrors its invoice.
    """
    exact_amount = Decimal(net_cents * rate_basis_points).scaleb(-4)
    return int(exact_amount.quantize(Decimal(1), ROUND_HALF_UP))
