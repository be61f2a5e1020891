"""The days on which reminders of a late invoice are sent, its payment is retried, and the service
ends.
"""

from datetime import date

import pytest

from billing.dunning_schedule import DunningAction, DunningSchedule, DunningStep
from billing.seller import seller
from settings import PACKAGED_SELLER

SCHEDULE = seller(PACKAGED_SELLER).dunning_on(date(2026, 12, 1))


def test_the_schedule_of_the_handbook() -> None:
    assert SCHEDULE.steps == (
        DunningStep(0, DunningAction.REMIND),
        DunningStep(1, DunningAction.RETRY),
        DunningStep(3, DunningAction.RETRY),
        DunningStep(7, DunningAction.RETRY),
        DunningStep(14, DunningAction.SUSPEND),
        DunningStep(45, DunningAction.CANCEL),
    )


@pytest.mark.parametrize(
    ("days_late", "completed_days", "due_days"),
    [
        (-1, set(), []),
        (0, set(), [0]),
        (2, {0}, [1]),
        (2, {0, 1}, []),
        (20, {0, 1}, [3, 7, 14]),
        (400, set(), [0, 1, 3, 7, 14, 45]),
        (400, {0, 1, 3, 7, 14, 45}, []),
    ],
)
def test_no_step_is_skipped_or_repeated(
    days_late: int, completed_days: set[int], due_days: list[int]
) -> None:
    assert [step.days for step in SCHEDULE.due_steps(days_late, completed_days)] == due_days


def test_the_date_of_the_next_step() -> None:
    due_on = date(2026, 12, 30)
    assert SCHEDULE.next_date(due_on, set()) == due_on
    assert SCHEDULE.next_date(due_on, {0, 1}) == date(2027, 1, 2)
    assert SCHEDULE.next_date(due_on, {0, 1, 3, 7, 14, 45}) is None


@pytest.mark.parametrize(
    ("reminders", "retries", "suspend", "cancel"),
    [([-1], [], 14, 45), ([0], [14], 14, 45), ([0], [1], 45, 45), ([0], [1], 14, 7)],
)
def test_days_that_are_not_in_order_are_refused(
    reminders: list[int], retries: list[int], suspend: int, cancel: int
) -> None:
    with pytest.raises(ValueError, match="in this order"):
        DunningSchedule.read(date(2026, 1, 1), reminders, retries, suspend, cancel)
