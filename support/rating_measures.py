"""Measures of ratings (CSAT), computed by the database: how many there are, and how many of them
are 4 or 5.
"""

from models.support.rating import SATISFIED_SCORE


def rating_measures_statement(select_list: str, keys: int, where: str, tail: str = "") -> str:
    """A statement for the measures of ratings that meet a condition, in a row for each combination
    of the keys `key0`, `key1`, ... of a select list. This and the condition may refer to
    `ticket_rating` and `ticket`; `tail` orders and limits the rows.

    A row has `count`, and `satisfied`, the number of ratings of 4 and 5.
    """
    names = ", ".join(f"key{index}" for index in range(keys))
    return f"""
        WITH chosen AS (
            SELECT {select_list}, ticket_rating.score
            FROM ticket_rating JOIN ticket ON ticket.id = ticket_rating.ticket_id
            WHERE ticket_rating.score IS NOT NULL AND {where}
        )
        SELECT {names}, COUNT(*) AS count,
            COUNT(CASE WHEN score >= {SATISFIED_SCORE} THEN 1 END) AS satisfied
        FROM chosen GROUP BY {names} {tail}"""  # noqa: S608 - made of our own names only
