"""Which VAT applies to a supply: dated rules by territory and category, which are data
(seed/tax_rules.toml), and the decision for one buyer on one day.

docs/tax.md explains the same to accountants. Sources are articles of the CGI (Code général des
impôts) and of Directive 2006/112/EC.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from models.billing.errors import BillingErrorCode
from models.billing.tax_rule import TaxCategory, TaxRule, Treatment
from models.billing.territory import Territory
from models.errors import Refusal


class TaxableBuyer(Protocol):
    """What the decision needs to know about a buyer. `vat_number` counts only if there is also the
    time at which the tax authorities confirmed it.
    """

    @property
    def territory(self) -> Territory: ...

    @property
    def vat_number(self) -> str | None: ...

    @property
    def vat_checked_at(self) -> datetime | None: ...


class UnverifiedBuyers(StrEnum):
    """What applies to a company of another member state without a confirmed VAT number: the
    seller's own VAT (Regulation 282/2011, Article 18(2)), or no sale.
    """

    LOCAL_RATE = "local-rate"
    REFUSE = "refuse"


@dataclass(frozen=True)
class TaxOptions:
    """What the seller decides from a day on: whether it is exempt (CGI, Article 293 B), what
    applies to unverified buyers of other member states, and whether it opted to pay VAT on services
    when they are invoiced (Article 269, 2, c).
    """

    since: date = date.min
    exempt_seller: bool = False
    unverified_buyers: UnverifiedBuyers = UnverifiedBuyers.LOCAL_RATE
    on_debits: bool = False


@dataclass(frozen=True)
class TaxDecision:
    """The VAT of a supply: the rate in hundredths of a percent, and what an invoice states when
    none is charged. `exemption_code` is a code of the VATEX list (EN 16931 BT-121).
    """

    rate_basis_points: int
    treatment: Treatment
    exemption_code: str | None = None
    mention: str = ""


EXEMPT_SELLER = TaxDecision(
    0,
    Treatment.EXEMPT_SELLER,
    "VATEX-FR-FRANCHISE",
    "TVA non applicable, art. 293 B du CGI",
)


def tax_for(
    rules: Iterable[TaxRule],
    buyer: TaxableBuyer,
    category: TaxCategory,
    day: date,
    options: TaxOptions | None = None,
) -> TaxDecision:
    """The VAT of a supply of this category to a buyer, whose tax point is `day`.

    The exemption of the seller applies wherever French VAT would (CGI, Article 293 B), not to
    supplies whose place is elsewhere. Raises VAT_NUMBER_REQUIRED or VAT_NUMBER_PENDING when
    the options refuse the buyer, and LookupError without a rule.
    """
    options, rules = options or TaxOptions(), tuple(rules)
    rule = _rule_on(rules, buyer.territory, category, day)
    if rule.treatment is Treatment.REVERSE_CHARGE and not is_verified(buyer):
        if options.unverified_buyers is UnverifiedBuyers.REFUSE:
            raise _refusal(buyer)
        rule = _rule_on(rules, Territory.METROPOLITAN_FRANCE, category, day)
    if rule.treatment is Treatment.STANDARD and options.exempt_seller:
        return EXEMPT_SELLER
    return TaxDecision(rule.rate, rule.treatment, rule.exemption_code, rule.mention or "")


def _refusal(buyer: TaxableBuyer) -> Refusal:
    is_pending = buyer.vat_number is not None
    code = (
        BillingErrorCode.VAT_NUMBER_PENDING if is_pending else BillingErrorCode.VAT_NUMBER_REQUIRED
    )
    return Refusal(code, "input")


def is_verified(buyer: TaxableBuyer) -> bool:
    """Whether the buyer has a VAT number that the tax authorities confirmed."""
    return buyer.vat_number is not None and buyer.vat_checked_at is not None


def is_pending(buyer: TaxableBuyer) -> bool:
    """Whether the buyer is charged VAT only because their VAT number isn't confirmed yet."""
    is_foreign = buyer.territory is Territory.EUROPEAN_UNION
    return is_foreign and buyer.vat_number is not None and buyer.vat_checked_at is None


def _rule_on(
    rules: Iterable[TaxRule], territory: Territory, category: TaxCategory, day: date
) -> TaxRule:
    candidates = [
        rule
        for rule in rules
        if (rule.territory, rule.category) == (territory, category) and rule.valid_since <= day
    ]
    if not candidates:
        raise LookupError(f"no tax rule for {territory.value}, {category.value} on {day}")
    return max(candidates, key=lambda rule: rule.valid_since)


def tax_point(starts_on: date, ends_on: date, billed_on: date) -> date:
    """The day whose rate applies to a period of a service (half-open), billed on a day.

    A period that is billed and paid ahead is taxed on that day, as a payment on account; one that
    is billed later on its last day, when the service is completed (CGI, Article 269, 1, a bis and
    2, c; Directive, Articles 64 and 65).
    """
    last_day = max(ends_on - timedelta(days=1), starts_on)
    return min(billed_on, last_day)


@dataclass(frozen=True)
class Buyer:
    """A buyer who has no billing profile yet. Without any details it is a company in metropolitan
    France.
    """

    territory: Territory = Territory.METROPOLITAN_FRANCE
    vat_number: str | None = None
    vat_checked_at: datetime | None = None
