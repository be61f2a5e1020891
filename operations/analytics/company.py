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
    held = _held_offer(day, dialect)
    return dimensions | {
        "OFFER": Dimension(
            "held_offer.slug",
            "The slug of the offer that the company held on the day: the most recent one if it "
            "held several. Null when it held none.",
            join=held,
        ),
        "SEGMENT": Dimension(
            "held_offer.segment",
            "The segment of the offer that the company held on the day. Null when it held none.",
            Segment,
            join=held,
        ),
    }


def _held_offer(day: str, dialect: str) -> str:
    """The SQL that joins the offer that the company held on a day. What a company holds changes on
    the days on which one of its purchases becomes active or ends, so it is found for these days
    instead of for each fact.
    """
    activated = paris_day("held.activated_at", dialect)
    return (
        "LEFT JOIN (SELECT change.account_id, change.day AS since, LEAD(change.day) OVER "  # noqa: S608 - made of our own names only
        "(PARTITION BY change.account_id ORDER BY change.day) AS until, (SELECT price.offer_id "
        "FROM purchase AS held JOIN price ON price.id = held.price_id "
        "WHERE held.account_id = change.account_id AND held.activated_at IS NOT NULL "
        f"AND {activated} <= change.day AND (held.ended_on IS NULL OR held.ended_on > change.day) "
        "ORDER BY held.activated_at DESC, held.id DESC LIMIT 1) AS offer_id "
        f"FROM (SELECT account_id, {activated} AS day FROM purchase AS held "
        "WHERE activated_at IS NOT NULL UNION SELECT account_id, ended_on FROM purchase "
        "WHERE activated_at IS NOT NULL AND ended_on IS NOT NULL) AS change"
        f") AS holding ON holding.account_id = {COMPANY}.id AND holding.since <= {day} "
        f"AND (holding.until IS NULL OR holding.until > {day}) "
        "LEFT JOIN offer AS held_offer ON held_offer.id = holding.offer_id"
    )
