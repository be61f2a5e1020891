"""What an email says about the answer to a saved query."""

from dataclasses import dataclass


@dataclass(frozen=True)
class QueryReport:
    """The first rows of an answer, in the recipient's language. `head` and each of `rows` have as
    many texts: the group, which is empty when there is only one, and its numbers. `more_rows` and
    `more_measures` are how many are left out, `hidden` is how many of the numbers are hidden
    because they are about fewer than `minimum_companies` companies.
    """

    name: str
    table: str
    days: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more_rows: int
    more_measures: int
    hidden: int
    minimum_companies: int
