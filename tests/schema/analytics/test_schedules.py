"""P6.3: the answers to saved queries are sent by email when they are due: once, and to analysts
only.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from auth.tokens import Signer
from mail.delivery import deliver_due
from models.action import Action
from models.analytics.query_schedule import QueryFrequency, QuerySchedule, QueryScheduleEnd
from models.analytics.saved_query import SavedQuery
from models.identity.user import Staff, User
from models.locale import Locale
from models.operations.email import Email
from operations.analytics import schedules
from operations.analytics.schedules import MAX_FAILURES, send_due_reports
from realtime.hub import Hub
from tests.schema.analytics.query_fixtures import (
    NOW,
    Analyst,
    analyst_client,
    create_market,
    rows_of,
    support,
)
from tests.schema.analytics.test_saved_queries import mutate, save
from tests.story.server_fixtures import SECRET_KEY

SIGNER = Signer(SECRET_KEY)
SCHEDULE = """querySchedule { id nextDueAt endedAt endReason weekday dayOfMonth
    owner { name } recipient { name } }"""
LAST_MONTH = {"last": {"number": 1, "period": "MONTH"}, "by": ["CHANNEL", "CATEGORY"]}
QUERY = {"tickets": {**LAST_MONTH, "measures": [{"function": "COUNT"}]}}
EIGHT = datetime(2026, 11, 24, 7, tzinfo=UTC)  # in Paris, on the day after NOW


@pytest.fixture
async def nadia(db: str) -> AsyncIterator[Analyst]:
    async with analyst_client() as analyst:
        await User.filter(name="Nadia").update(second_factor_at=NOW)
        yield analyst


async def schedule(
    analyst: Analyst, saved: dict[str, Any], key: str = "k", **fields: Any
) -> dict[str, Any]:
    values = {"savedQueryId": saved["id"], "frequency": "DAILY", "hour": 8, "idempotencyKey": key}
    return await mutate(analyst, "queryScheduleCreate", SCHEDULE, **values | fields)


async def run(at: datetime, minimum_companies: int = 5) -> int:
    return await send_due_reports(Action(None, at, Hub()), SIGNER, minimum_companies)


async def emails() -> list[Email]:
    return await Email.all().order_by("id")


async def templates() -> list[str]:
    return [email.template for email in await emails()]


async def test_p6_3_a_report_is_sent_at_its_hour_and_opens_after_sign_in(nadia: Analyst) -> None:
    await support(await create_market())
    saved = await save(nadia, "Canaux", QUERY)
    first = await schedule(nadia, saved)
    assert await schedule(nadia, saved) == first
    assert first["querySchedule"]["nextDueAt"] == "2026-11-24T07:00:00+00:00"
    assert await run(EIGHT - timedelta(seconds=1)) == 0
    # Two workers at the same time send it once.
    assert sorted(await asyncio.gather(run(EIGHT), run(EIGHT))) == [0, 1]
    assert await run(EIGHT + timedelta(minutes=1)) == 0
    (email,) = await emails()
    assert email.template == "query_report.fr"
    assert "1 oct. 2026 au 31 oct. 2026" in email.subject
    assert "Chat · Utilisation\n  Nombre – 10" in email.text
    # After three days only the newest of them is sent, and the next one at the next hour.
    assert await run(EIGHT + timedelta(days=3, hours=5)) == 1
    assert len(await emails()) == 2
    row = await QuerySchedule.get()
    assert row.next_due_at == EIGHT + timedelta(days=4)
    # The link shows the whole answer, to its recipient only.
    token = re.findall(r"/analytics\?report=([^\s#\"]+)", email.text)[0]
    document = """query($token: String!) { analyticsReport(token: $token) { name query table {
        since rows { keys cells { number amount { amountCents } isHidden } } } } }"""
    response = await nadia.post(document, variables={"token": token})
    report = response["data"]["analyticsReport"]
    assert report["name"] == "Canaux"
    assert report["table"]["since"] == "2026-10-01"
    assert rows_of(report["table"]) == [("CHAT", "USAGE", 10)]
    async with analyst_client(name="Basile") as basile:
        response = await basile.post(document, variables={"token": token})
        assert response["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    forged = await nadia.post(document, variables={"token": f"{token}x"})
    assert forged["errors"][0]["extensions"]["code"] == "TOKEN_INVALID"
    stranger = await nadia.http.post(
        "/graphql",
        json={"query": document, "variables": {"token": token}},
        headers={"Authorization": ""},
    )
    # It costs more than strangers may ask for.
    assert stranger.json()["errors"][0]["extensions"]["code"] == "QUERY_TOO_COSTLY"


async def test_p6_3_who_may_read_a_report_is_checked_when_it_is_sent(nadia: Analyst) -> None:
    await support(await create_market())
    saved = await save(nadia, "Canaux", QUERY)
    async with analyst_client(name="Basile") as basile:
        email = "basile@camcha.example"
        refused = await schedule(nadia, saved, recipientEmail=email)
        assert [each["code"] for each in refused["userErrors"]] == ["NOT_ANALYST"]
        await User.filter(name="Basile").update(second_factor_at=NOW, locale=Locale.EN)
        refused = await schedule(nadia, saved, recipientEmail=email)
        assert [each["code"] for each in refused["userErrors"]] == ["QUERY_NOT_SHARED"]
        shared = {"savedQueryId": saved["id"], "isShared": True}
        await mutate(nadia, "savedQueryUpdate", "savedQuery { id }", **shared)
        created = await schedule(nadia, saved, recipientEmail=email.upper())
        assert created["querySchedule"]["recipient"] == {"name": "Basile"}
        assert await run(EIGHT) == 1
        (sent,) = await emails()
        assert (sent.recipient, sent.template) == (email, "query_report.en")
        assert "Nadia has this report sent to you" in sent.text
        listed = await basile.post("{ querySchedules { nodes { owner { name } } } }")
        assert listed["data"]["querySchedules"]["nodes"] == [{"owner": {"name": "Nadia"}}]
        # Nobody but its owner changes it.
        key = {"queryScheduleId": created["querySchedule"]["id"]}
        refused = await mutate(basile, "queryScheduleUpdate", SCHEDULE, **key, hour=9)
        assert [each["code"] for each in refused["userErrors"]] == ["NOT_FOUND"]

        # An email that waits is not delivered to a colleague who has another role meanwhile.
        await User.filter(name="Basile").update(staff=Staff.AGENT)
        assert await deliver_due(_NoTransport(), NOW + timedelta(days=9), 10, sender=None) == 0  # type: ignore[arg-type]
        assert await emails() == []
        assert await run(EIGHT + timedelta(days=1)) == 0
        (told,) = await emails()
        assert (told.recipient, told.template) == (
            "nadia@camcha.example",
            "query_schedule_ended.fr",
        )
        assert "n’est plus analyste" in " ".join(told.text.split())
        row = await QuerySchedule.get()
        assert (row.next_due_at, row.end_reason) == (None, QueryScheduleEnd.RECIPIENT_LEFT)
        assert await run(EIGHT + timedelta(days=2)) == 0

        # It is resumed when they are back, and ends when the owner leaves.
        await User.filter(name="Basile").update(staff=Staff.ANALYST)
        resumed = await mutate(nadia, "queryScheduleUpdate", SCHEDULE, **key, isActive=True)
        assert resumed["querySchedule"]["endReason"] is None
        await User.filter(name="Nadia").update(staff=None)
        await run(EIGHT + timedelta(days=3))
        assert (await emails())[-1].recipient == email
        assert (await QuerySchedule.get()).end_reason is QueryScheduleEnd.OWNER_LEFT


class _NoTransport:
    """A transport that nothing may be sent with."""

    async def close(self) -> None:
        pass


async def test_p6_3_a_query_that_fails_is_reported_once_and_then_ends(nadia: Analyst) -> None:
    saved = await save(nadia, "Canaux", QUERY)
    created = await schedule(nadia, saved, frequency="WEEKLY", weekday="TUESDAY")
    assert created["querySchedule"]["weekday"] == "TUESDAY"
    row = await SavedQuery.get()
    working = row.query
    await SavedQuery.all().update(query={**working, "dimensions": ["POSTAGE"]})
    for week in range(MAX_FAILURES):
        await run(EIGHT + timedelta(weeks=week))
    assert await templates() == ["query_failed.fr", "query_schedule_ended.fr"]
    assert (await QuerySchedule.get()).end_reason is QueryScheduleEnd.FAILING
    await run(EIGHT + timedelta(weeks=MAX_FAILURES))
    assert len(await emails()) == 2
    # Failures are counted in a row.
    key = {"queryScheduleId": created["querySchedule"]["id"]}
    await mutate(nadia, "queryScheduleUpdate", SCHEDULE, **key, isActive=True)
    weeks = iter(range(2 * MAX_FAILURES))
    for _ in range(MAX_FAILURES - 1):
        await run(EIGHT + timedelta(weeks=next(weeks)))
    await SavedQuery.all().update(query=working)
    await run(EIGHT + timedelta(weeks=next(weeks)))
    assert (await QuerySchedule.get()).failures == 0
    assert (await templates())[2:] == ["query_failed.fr", "query_report.fr"]


async def test_p6_3_a_killed_worker_neither_loses_nor_repeats_a_report(nadia: Analyst) -> None:
    saved = await save(nadia, "Canaux", QUERY)
    await schedule(nadia, saved)
    action, key = Action(None, EIGHT, Hub()), (await QuerySchedule.get()).pk
    claimed = await schedules._claim(action, key)
    assert claimed  # and the worker is killed
    assert await run(EIGHT + timedelta(minutes=4)) == 0
    assert await run(EIGHT + timedelta(minutes=6)) == 1
    assert await templates() == ["query_report.fr"]
    # It was only slow: another one has sent it.
    answered = await schedules._answer(claimed[1], EIGHT, 5)
    assert not await schedules._deliver(action, SIGNER, claimed[0], answered, EIGHT)
    assert await templates() == ["query_report.fr"]


async def test_p6_3_schedules_end_with_their_query(nadia: Analyst) -> None:
    saved = await save(nadia, "Canaux", QUERY, isShared=True)
    async with analyst_client(name="Basile") as basile:
        await User.filter(name="Basile").update(second_factor_at=NOW)
        await schedule(nadia, saved)
        await schedule(basile, saved)
        hidden = {"savedQueryId": saved["id"], "isShared": False}
        await mutate(nadia, "savedQueryUpdate", "savedQuery { id }", **hidden)
        await run(EIGHT)
        assert sorted([(each.recipient, each.template) for each in await emails()]) == [
            ("basile@camcha.example", "query_schedule_ended.fr"),
            ("nadia@camcha.example", "query_report.fr"),
        ]
        await mutate(
            nadia,
            "savedQueryUpdate",
            "savedQuery { id }",
            savedQueryId=saved["id"],
            isShared=True,
        )
        await schedule(basile, saved, "again")
        gone = await mutate(nadia, "savedQueryDelete", "deleted", savedQueryId=saved["id"])
        assert gone["deleted"]
        assert await QuerySchedule.all().count() == 0
        last = (await emails())[-1]
        assert last.recipient == "basile@camcha.example"
        assert "a été supprimée" in " ".join(last.text.split())


async def test_p6_3_due_times_are_checked(nadia: Analyst) -> None:
    saved = await save(nadia, "Canaux", QUERY)
    for fields, codes in (
        ({"hour": 24}, [("VALUE_INVALID", "hour")]),
        ({"frequency": "WEEKLY"}, [("BLANK", "weekday")]),
        (
            {"frequency": "MONTHLY", "hour": -1},
            [("VALUE_INVALID", "hour"), ("BLANK", "dayOfMonth")],
        ),
        ({"frequency": "MONTHLY", "dayOfMonth": 32}, [("VALUE_INVALID", "dayOfMonth")]),
    ):
        refused = await schedule(nadia, saved, **fields)
        assert [(each["code"], each["field"][-1]) for each in refused["userErrors"]] == codes


def due_times(begin: datetime, count: int, **columns: Any) -> list[str]:
    """The first due times after a time."""
    row, times = QuerySchedule(**{"weekday": None, "day": None} | columns), [begin]
    for _ in range(count):
        times.append(row.due_after(times[-1]))
        assert row.due_until(times[-1]) == times[-1]
        assert row.due_until(times[-1] - timedelta(seconds=1)) < times[-1]
    return [each.isoformat()[:16] for each in times[1:]]


def test_an_hour_is_that_of_paris_when_the_clocks_change() -> None:
    daily = QueryFrequency.DAILY
    # Summer time begins on 29 March 2026: at 2:00, which doesn't exist, it is 3:00.
    march = datetime(2026, 3, 27, 12, tzinfo=UTC)
    assert due_times(march, 3, frequency=daily, hour=8) == [
        "2026-03-28T07:00",
        "2026-03-29T06:00",
        "2026-03-30T06:00",
    ]
    assert due_times(march, 3, frequency=daily, hour=2) == [
        "2026-03-28T01:00",
        "2026-03-29T01:00",
        "2026-03-30T00:00",
    ]
    # It ends on 25 October 2026: the hour from 2:00 is repeated.
    october = datetime(2026, 10, 23, 12, tzinfo=UTC)
    assert due_times(october, 3, frequency=daily, hour=2) == [
        "2026-10-24T00:00",
        "2026-10-25T00:00",
        "2026-10-26T01:00",
    ]
    assert due_times(october, 2, frequency=QueryFrequency.WEEKLY, hour=23, weekday=7) == [
        "2026-10-25T22:00",
        "2026-11-01T22:00",
    ]
    january = datetime(2028, 1, 30, 12, tzinfo=UTC)
    assert due_times(january, 3, frequency=QueryFrequency.MONTHLY, hour=8, day=31) == [
        "2028-01-31T07:00",
        "2028-02-29T07:00",
        "2028-03-31T06:00",
    ]
