"""The dimensions of the company concerned by a fact."""

from models.billing.offer import Segment
from operations.analytics.facts import AGE_LIMITS, AccountAge, Dimension
from operations.analytics.periods import days_between, paris_day

COMPANY = "account"  # the alias of the company's table in every fact


def company_dimensions(day: str, dialect: str, *, has_offer: bool = False) -> dict[str, Dimension]:
    """The dimensions of the company on a day. `has_offer` is whether the fact is about an offer, in
    which case it declares the dimensions of the offer itself.
    """
    age = days_between(paris_day(f"{COMPANY}.created_at", dialect), day, dialect)
    cases = " ".join(f"WHEN {age} < {days} THEN '{each}'" for each, days in AGE_LIMITS.items())
    dimensions = {
        "ACCOUNT_AGE": Dimension(
            f"CASE {cases} ELSE '{AccountAge.OVER_2_YEARS}' END",
            "How long the company had been signed up.",
            AccountAge,
        ),
        "COUNTRY": Dimension(
            f"{COMPANY}.country", "The country of the company, as an ISO 3166-1 code."
        ),
    }
    if has_offer:
        return dimensions
    return dimensions | {
        "OFFER": Dimension(
            _held_offer_column("slug", day, dialect),
            "The slug of the offer that the company held on the day: the most recent one if it "
            "held several. Null when it held none.",
        ),
        "SEGMENT": Dimension(
            _held_offer_column("segment", day, dialect),
            "The segment of the offer that the company held on the day. Null when it held none.",
            Segment,
        ),
    }


def _held_offer_column(column: str, day: str, dialect: str) -> str:
    """The SQL of a column of the offer that the company held on a day."""
    return (
        f"(SELECT held_offer.{column} FROM purchase AS held "  # noqa: S608 - made of our own names only
        "JOIN price AS held_price ON held_price.id = held.price_id "
        "JOIN offer AS held_offer ON held_offer.id = held_price.offer_id "
        f"WHERE held.account_id = {COMPANY}.id AND held.activated_at IS NOT NULL "
        f"AND {paris_day('held.activated_at', dialect)} <= {day} "
        f"AND (held.ended_on IS NULL OR held.ended_on > {day}) "
        "ORDER BY held.activated_at DESC, held.id DESC LIMIT 1)"
    )
