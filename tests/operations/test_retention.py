"""P4.1: what is kept no longer than the privacy policy says is deleted by a job, in batches, and
`cli retention` says beforehand what is due.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from models.action import Action
from models.content.policy import Policy, PolicyAcceptance
from models.data_map import SCHEDULED
from models.event import INBOX, Event, EventKind
from models.identity.access_links import PasswordReset
from models.identity.session import RefreshToken, Session
from models.operations.email import Email
from models.privacy.consent import ConsentChange, ConsentChannel, ConsentPurpose
from models.privacy.data_request import DataRequest, DataRequestKind
from models.privacy.incident import Incident, IncidentEntry, IncidentStatus
from operations import retention
from operations.retention import PLAN, delete_due, due_rows
from privacy.data_map import DATA_MAP
from tests.people import create_user

if TYPE_CHECKING:
    from models.identity.user import User

YEAR = timedelta(days=365)


def test_p4_1_the_plan_has_each_kind_that_the_data_map_limits() -> None:
    assert {rule.kept for rule in PLAN} == SCHEDULED
    assert len(PLAN) == len(SCHEDULED)
    planned = {table: rule.kept for rule in PLAN for table in rule.tables}
    assert {
        name: table.kept for name, table in DATA_MAP.items() if table.kept in SCHEDULED
    } == planned


async def add_session(user: "User", ended_at: datetime) -> Session:
    session = await Session.create(
        user=user,
        access_hash=f"{user.pk} {ended_at}",
        access_expires_at=ended_at,
        expires_at=ended_at,
        created_at=ended_at - timedelta(days=90),
    )
    await RefreshToken.create(session=session, token_hash=f"{user.pk} {ended_at}")
    return session


async def add_email(user: "User", action: Action, **columns: Any) -> Email:
    email = await Email.create(
        template="verification.fr",
        recipient=user.email,
        subject="",
        text="",
        html="",
        user=user,
        created_at=action.at,
    )
    await Email.filter(pk=email.pk).update(**columns)
    return email


async def keys(model: Any) -> Sequence[int]:
    return [int(str(key)) for key in await model.all().order_by("id").values_list("id", flat=True)]


async def test_p4_1_what_is_too_old_is_deleted_and_nothing_else(
    db: str, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_BATCH_SIZE", 2)
    now, user = action.at, await create_user(action)
    other = await create_user(action, "Denis Roche")
    sessions = [
        await add_session(user, now - age)
        for age in (YEAR * 3, YEAR * 2, YEAR, timedelta(days=31), timedelta())
    ]
    away = await add_session(other, now - YEAR * 2)
    restricted = await create_user(action, "Odile", restricted_at=now)
    claimed = [await add_session(restricted, now - YEAR * years) for years in (3, 2)]
    for days in (0, 1, 2):
        await PasswordReset.create(
            user=user, token_hash=f"{days}", expires_at=now - timedelta(days=days)
        )
    waiting = await add_email(user, action, created_at=now - YEAR * 2, next_attempt_at=now)
    recent = await add_email(user, action, sent_at=now - YEAR)
    await add_email(user, action, sent_at=now - YEAR * 2)
    await add_email(user, action, created_at=now - YEAR * 2)
    for sequence, days in enumerate((500, 450, 401, 394, 0), 1):
        await Event.create(
            stream=INBOX,
            sequence=sequence,
            kind=EventKind.CALL_UNMATCHED,
            at=now - timedelta(days=days),
        )
    due = {rows.table: rows.count async for rows in due_rows(now)}
    assert due == {
        **{table: 0 for rule in PLAN for table in rule.tables},
        "session": 2,
        "refresh_token": 7,
        "password_reset": 1,
        "email": 2,
        "event": 3,
    }
    counts = await delete_due(now)
    # Tokens of the deleted sessions went with them.
    assert dict(+counts) == {table: count for table, count in due.items() if count} | {
        "refresh_token": 5
    }
    assert await keys(Session) == [each.pk for each in (*sessions[2:], away, *claimed)]
    assert await keys(Email) == [waiting.pk, recent.pk]
    assert {event.sequence for event in await Event.all()} == {4, 5}
    assert +(await delete_due(now)) == {}


async def test_p4_2_the_ledger_forgets_a_consent_five_years_after_it_ended(
    db: str, action: Action
) -> None:
    user = await create_user(action)
    years_ago = {years: datetime.now(UTC) - years * YEAR for years in (9, 8, 7, 6, 4, 1)}

    async def record(purpose: ConsentPurpose, years: int, *, given: bool) -> ConsentChange:
        return await ConsentChange.create(
            user=user,
            purpose=purpose,
            given=given,
            at=years_ago[years],
            channel=ConsentChannel.WEB,
        )

    await record(ConsentPurpose.OFFERS, 9, given=True)
    await record(ConsentPurpose.OFFERS, 8, given=False)
    await record(ConsentPurpose.OFFERS, 7, given=True)
    await record(ConsentPurpose.OFFERS, 6, given=False)
    applies = await record(ConsentPurpose.NEWSLETTER, 9, given=True)
    ended = [
        await record(ConsentPurpose.SURVEYS, 8, given=True),
        await record(ConsentPurpose.SURVEYS, 4, given=False),
        await record(ConsentPurpose.SURVEYS, 1, given=True),
    ]
    assert (await delete_due(datetime.now(UTC)))["consent_change"] == 4
    assert await keys(ConsentChange) == [applies.pk, *(each.pk for each in ended)]
    assert not await ConsentChange.is_given(user.pk, ConsentPurpose.OFFERS)
    with pytest.raises(Exception, match="append-only"):
        await ConsentChange.filter(purpose=ConsentPurpose.SURVEYS, given=False).delete()
    with pytest.raises(Exception, match="append-only"):
        await ConsentChange.filter(pk=applies.pk).update(given=False)


async def test_p4_1_registers_and_acceptances_are_deleted_five_years_after_they_ended(
    db: str, action: Action
) -> None:
    now = datetime.now(UTC)
    users = [await create_user(action, name) for name in ("Camille", "Denis", "Odile")]
    policies = [
        await Policy.create(
            kind="PRIVACY",
            version=f"{number}",
            effective_on=now.date(),
            text_fr="",
            text_en="",
            sha256="",
            installed_at=now,
        )
        for number in range(3)
    ]
    replaced, erased, active = users
    for policy, years in zip(policies, (9, 6, 1), strict=True):
        await PolicyAcceptance.create(
            user=replaced,
            policy=policy,
            accepted_at=now - years * YEAR,
            locale="fr",
            channel="SIGN_UP",
        )
    for user, erased_at in ((erased, now - 6 * YEAR), (active, None)):
        await PolicyAcceptance.create(
            user=user,
            policy=policies[0],
            accepted_at=now - 9 * YEAR,
            locale="fr",
            channel="SIGN_UP",
        )
        user.erased_at = erased_at
        await user.save()
    for closed_at in (None, now - 4 * YEAR, now - 6 * YEAR):
        await DataRequest.create(
            user=active,
            kind=DataRequestKind.ACCESS,
            details="",
            received_at=now - 7 * YEAR,
            deadline_at=now,
            decided_at=closed_at,
        )
        incident = await Incident.create(
            description="",
            reported_at=now - 7 * YEAR,
            aware_at=now - 7 * YEAR,
            deadline_at=now,
            status=IncidentStatus.CLOSED,
            closed_at=closed_at,
        )
        await IncidentEntry.create(incident=incident, at=now - 7 * YEAR, kind="NOTE", text="")
    counts = await delete_due(replace(action, at=now).at)
    assert dict(+counts) == {
        "policy_acceptance": 2,
        "data_request": 1,
        "incident_entry": 1,
        "incident": 1,
    }
    assert await PolicyAcceptance.filter(user=replaced).count() == 2
    assert await PolicyAcceptance.filter(user=active).count() == 1
