"""Medians and 90th percentiles of settled SLA clocks, computed by the database, and the job that
refreshes those that customers see.

The median of n measures is the mean of the middle two when n is even; p90 is the value of rank
ceil(0.9 n) (nearest rank).
"""

from datetime import timedelta

from models.action import Action
from models.database.sql import execute
from models.support.classification import Channel
from models.support.live_chat import ChatState
from models.support.sla_clock import ClockState
from models.support.sla_policy import SlaMeasure

ANSWER_TIME_DAYS = 30


def measures_statement(select_list: str, keys: int, where: str, tail: str = "") -> str:
    """A statement for the measures of settled clocks that meet a condition, in a row for each
    combination of the keys `key0`, `key1`, ... of a select list. This and the condition may refer
    to `sla_clock`, `ticket` and `team`; `tail` orders and limits the rows.

    A row has `count`, `breached` (those with a missed target), and `median_business`,
    `p90_business`, `median_wall` and `p90_wall` in seconds.
    """
    names = ", ".join(f"key{index}" for index in range(keys))
    places = ", ".join(
        f"ROW_NUMBER() OVER (PARTITION BY {names} ORDER BY {column}) AS {column}_place"
        for column in _COLUMNS.values()
    )
    percentiles = ", ".join(
        f"AVG(CASE WHEN {column}_place IN ((answers + 1) / 2, answers / 2 + 1) THEN {column} END)"
        f" / 1000000.0 AS median_{name}, "
        f"MAX(CASE WHEN {column}_place = (9 * answers + 9) / 10 THEN {column} END)"
        f" / 1000000.0 AS p90_{name}"
        for name, column in _COLUMNS.items()
    )
    return f"""
        WITH chosen AS (
            SELECT {select_list}, business_time, wall_time, breached_at
            FROM sla_clock JOIN ticket ON ticket.id = sla_clock.ticket_id
            LEFT JOIN team ON team.id = ticket.team_id
            WHERE sla_clock.state = '{ClockState.SETTLED}' AND {where}
        ), placed AS (
            SELECT *, COUNT(*) OVER (PARTITION BY {names}) AS answers, {places} FROM chosen
        )
        SELECT {names}, COUNT(*) AS count, COUNT(breached_at) AS breached, {percentiles}
        FROM placed GROUP BY {names} {tail}"""  # noqa: S608 - made of our own names only


_COLUMNS = {"business": "business_time", "wall": "wall_time"}  # microseconds


async def refresh_answer_times(action: Action) -> None:
    """Measure the first responses of the last days, by channel. A channel without any responses
    keeps its former row. Chats that were answered after they had become tickets count as requests
    from the account, as they were promised.
    """
    since = action.at - timedelta(days=ANSWER_TIME_DAYS)
    where = f"sla_clock.measure = '{SlaMeasure.FIRST_RESPONSE}' AND sla_clock.stopped_at >= ?"
    rows = await execute(measures_statement(f"{_PROMISED_CHANNEL} AS key0", 1, where), since)
    async with action.transaction() as tx:
        for row in sorted(rows, key=lambda row: str(row["key0"])):
            await execute(
                _STORE_ANSWER_TIME,
                row["key0"],
                row["count"],
                *(float(row[name]) for name in _MEASURES),
                action.at,
                db=tx.db,
            )


_PROMISED_CHANNEL = f"""CASE WHEN EXISTS (
    SELECT 1 FROM live_chat WHERE live_chat.ticket_id = ticket.id
    AND live_chat.state = '{ChatState.DEFERRED}' AND live_chat.since <= sla_clock.stopped_at
) THEN '{Channel.WEB}' ELSE ticket.channel END"""  # noqa: S608 - constants
_MEASURES = ("median_wall", "p90_wall", "median_business", "p90_business")
_STORE_ANSWER_TIME = """
    INSERT INTO answer_time (channel, answers, median_seconds, p90_seconds, median_business_seconds,
    p90_business_seconds, measured_at) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (channel) DO UPDATE SET answers = excluded.answers,
    median_seconds = excluded.median_seconds, p90_seconds = excluded.p90_seconds,
    median_business_seconds = excluded.median_business_seconds,
    p90_business_seconds = excluded.p90_business_seconds, measured_at = excluded.measured_at"""
