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


async def refresh_answer_times(action: Action) -> None:
    """Measure the first responses of the last days, by channel. A channel without any responses
    keeps its former row. Chats that were answered after they had become tickets count as requests
    from the account, as they were promised.
    """
    since = action.at - timedelta(days=ANSWER_TIME_DAYS)
    rows = await execute(_MEASURES_BY_CHANNEL, since)
    async with action.transaction() as tx:
        for row in sorted(rows, key=lambda row: str(row["channel"])):
            await execute(
                _STORE_ANSWER_TIME,
                row["channel"],
                row["count"],
                *(float(row[name]) for name in _MEASURES),
                action.at,
                db=tx.db,
            )


_PROMISED_CHANNEL = f"""CASE WHEN EXISTS (
    SELECT 1 FROM live_chat WHERE live_chat.ticket_id = ticket.id
    AND live_chat.state = '{ChatState.DEFERRED}' AND live_chat.since <= sla_clock.stopped_at
) THEN '{Channel.WEB}' ELSE ticket.channel END"""  # noqa: S608 - constants


_COLUMNS = {"wall": "wall_time", "business": "business_time"}  # microseconds
_MEASURES = [f"{measure}_{name}" for name in _COLUMNS for measure in ("median", "p90")]  # seconds
_PLACES = ", ".join(
    f"ROW_NUMBER() OVER (PARTITION BY channel ORDER BY {column}) AS {column}_place"
    for column in _COLUMNS.values()
)
_PERCENTILES = ", ".join(
    f"AVG(CASE WHEN {column}_place IN ((answers + 1) / 2, answers / 2 + 1) THEN {column} END)"
    f" / 1000000.0 AS median_{name}, "
    f"MAX(CASE WHEN {column}_place = (9 * answers + 9) / 10 THEN {column} END)"
    f" / 1000000.0 AS p90_{name}"
    for name, column in _COLUMNS.items()
)
_MEASURES_BY_CHANNEL = f"""
    WITH chosen AS (
        SELECT {_PROMISED_CHANNEL} AS channel, business_time, wall_time
        FROM sla_clock JOIN ticket ON ticket.id = sla_clock.ticket_id
        WHERE sla_clock.state = '{ClockState.SETTLED}'
            AND sla_clock.measure = '{SlaMeasure.FIRST_RESPONSE}' AND sla_clock.stopped_at >= ?
    ), placed AS (
        SELECT *, COUNT(*) OVER (PARTITION BY channel) AS answers, {_PLACES} FROM chosen
    )
    SELECT channel, COUNT(*) AS count, {_PERCENTILES} FROM placed GROUP BY channel"""  # noqa: S608 - made of our own names only
_STORE_ANSWER_TIME = """
    INSERT INTO answer_time (channel, answers, median_seconds, p90_seconds, median_business_seconds,
    p90_business_seconds, measured_at) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (channel) DO UPDATE SET answers = excluded.answers,
    median_seconds = excluded.median_seconds, p90_seconds = excluded.p90_seconds,
    median_business_seconds = excluded.median_business_seconds,
    p90_business_seconds = excluded.p90_business_seconds, measured_at = excluded.measured_at"""
