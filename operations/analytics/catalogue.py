"""All fact tables by name."""

from collections.abc import Mapping
from datetime import date
from functools import lru_cache

from operations.analytics.billing_facts import billing_facts
from operations.analytics.facts import Fact
from operations.analytics.support_facts import support_facts


@lru_cache(4)
def fact_tables(dialect: str, today: date = date.min) -> Mapping[str, Fact]:
    """The fact tables in a dialect of SQL, as they are today in Europe/Paris."""
    # What was due ninety days before the first day of all doesn't matter to a description.
    day = max(today, date(2000, 1, 1))
    facts = [*support_facts(dialect), *billing_facts(dialect, day)]
    return {fact.name: fact for fact in facts}
