"""When the clock is set back, nothing waits until the clock has caught up."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs
from tortoise import Tortoise

from models.accounts.account import Account
from models.action import Action
from models.billing.delivery import PlatformCursor
from models.operations.email import Email
from models.support.classification import Category, Channel
from models.support.ticket import Ticket
from operations.clock_changes import TOLERANCE, WAITING, correct_waiting_times
from tests.people import create_account, create_user

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus

pytestmark = pytest.mark.usefixtures("db")

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class WaitingScenario:
    """Emails and companies that wait, and a clock that can be set back."""

    def __init__(self, clock: "MovableClock", bus: "RecordingBus") -> None:
        self.clock, self.bus = clock, bus

    async def run_job(self) -> timedelta:
        return await correct_waiting_times(Action(None, self.clock.now(), self.bus))

    async def store_email(self, delay: timedelta = timedelta()) -> Email:
        now = self.clock.now()
        facts: dict[str, Any] = {
            "template": "x",
            "recipient": "x@y.fr",
            "subject": "x",
            "text": "x",
            "html": "x",
        }
        return await Email.create(**facts, created_at=now, next_attempt_at=now + delay)

    async def remaining_delay(self, email: Email) -> timedelta:
        await email.refresh_from_db()
        assert email.next_attempt_at
        return email.next_attempt_at - self.clock.now()


@pytest.fixture
def waiting(clock: "MovableClock", bus: "RecordingBus") -> WaitingScenario:
    return WaitingScenario(clock, bus)


async def test_waiting_times_follow_a_clock_that_is_set_back(waiting: WaitingScenario) -> None:
    """What was due stays due, and what had to wait waits as long as before."""
    due, retried = await waiting.store_email(), await waiting.store_email(5 * MINUTE)
    platform = await PlatformCursor.create(
        platform="sandbox",
        updated_after=waiting.clock.now(),
        claimed_until=waiting.clock.now() + 2 * MINUTE,
    )
    account = await Account.create(
        legal_name="x",
        siren="404833048",
        created_at=waiting.clock.now(),
        registry_due_at=waiting.clock.now() + 2 * HOUR,
    )
    assert await waiting.run_job() == timedelta()
    waiting.clock.advance(MINUTE)
    await waiting.run_job()
    waiting.clock.advance(-HOUR)
    with capture_logs() as logged:
        assert await waiting.run_job() == HOUR
        assert await waiting.run_job() == timedelta()
    assert logged == [{"event": "clock.set_back", "log_level": "warning", "seconds": 3600}]
    assert await waiting.remaining_delay(due) <= timedelta()
    assert await waiting.remaining_delay(retried) == 4 * MINUTE
    await account.refresh_from_db()
    assert account.registry_due_at == waiting.clock.now() + 2 * HOUR - MINUTE
    await platform.refresh_from_db()
    assert platform.claimed_until == waiting.clock.now() + MINUTE


async def test_replies_that_were_just_written_are_emailed_after_their_delay(
    waiting: WaitingScenario, action: Action
) -> None:
    account, user = await create_account(action), await create_user(action)
    async with action.transaction() as tx:
        ticket = await Ticket.open(
            tx, account, user, subject="Aide", channel=Channel.WEB, category=Category.USAGE
        )
    await waiting.run_job()
    await Ticket.filter(pk=ticket.pk).update(reply_email_pending_since=waiting.clock.now())
    waiting.clock.advance(-HOUR)
    await waiting.run_job()
    await ticket.refresh_from_db()
    assert ticket.reply_email_pending_since == waiting.clock.now()


async def test_recent_emails_wait_at_most_their_original_delay(waiting: WaitingScenario) -> None:
    """The time is recorded at intervals, so the last seconds before the change are unknown."""
    await waiting.run_job()
    waiting.clock.advance(timedelta(seconds=9))
    email = await waiting.store_email()
    waiting.clock.advance(-HOUR)
    await waiting.run_job()
    assert await waiting.remaining_delay(email) == timedelta(seconds=9)


async def test_clocks_of_two_hosts_may_differ_a_little(waiting: WaitingScenario) -> None:
    await waiting.run_job()
    email = await waiting.store_email(MINUTE)
    waiting.clock.advance(-TOLERANCE)
    assert await waiting.run_job() == timedelta()
    assert await waiting.remaining_delay(email) == MINUTE + TOLERANCE


async def test_waiting_emails_are_rescheduled_and_sent_ones_unchanged(
    waiting: WaitingScenario,
) -> None:
    emails = [await waiting.store_email(HOUR) for _ in range(7)]
    await emails[3].mark_sent(waiting.clock.now())
    await waiting.run_job()
    waiting.clock.advance(-HOUR)
    await waiting.run_job()
    for email in emails[:3] + emails[4:]:
        assert await waiting.remaining_delay(email) == HOUR
    await emails[3].refresh_from_db()
    assert emails[3].next_attempt_at is None


def test_whatever_is_tried_again_later_is_among_them() -> None:
    names = ("next_attempt_at", "next_check_at")
    assert {(model, column) for model, column in WAITING if column in names} == {
        (model, name)
        for model in Tortoise.apps["models"].values()
        for name in names
        if name in model._meta.fields_map
    }
