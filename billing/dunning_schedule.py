"""When a late invoice is charged again, when the customer is reminded, and when the purchase is
suspended and canceled: dated configuration, in days after the due date.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum


class DunningAction(StrEnum):
    """The action taken for a late invoice."""

    REMIND = "REMIND"
    RETRY = "RETRY"
    SUSPEND = "SUSPEND"
    CANCEL = "CANCEL"


@dataclass(frozen=True, order=True)
class DunningStep:
    """One step: the action, and how many days after the due date it is taken."""

    days: int
    action: DunningAction


@dataclass(frozen=True)
class DunningSchedule:
    """The steps in force from a date on. On a day with a retry, the reminder is sent only when the
    retry fails, or when there is nothing to charge.
    """

    since: date
    steps: tuple[DunningStep, ...]

    @classmethod
    def read(
        cls,
        since: date,
        reminder_days: Collection[int],
        retry_days: Collection[int],
        suspend_days: int,
        cancel_days: int,
    ) -> "DunningSchedule":
        """The schedule with these numbers of days. Raises ValueError when they are negative or not
        in order.
        """
        last_days = max([*reminder_days, *retry_days], default=0)
        if min([0, *reminder_days, *retry_days]) < 0 or not last_days < suspend_days < cancel_days:
            raise ValueError(
                "dunning days must be positive, and in this order: reminders and retries, "
                "suspension, cancellation"
            )
        retries = {DunningStep(days, DunningAction.RETRY) for days in retry_days}
        reminders = {
            DunningStep(days, DunningAction.REMIND) for days in set(reminder_days) - set(retry_days)
        }
        ends = {
            DunningStep(suspend_days, DunningAction.SUSPEND),
            DunningStep(cancel_days, DunningAction.CANCEL),
        }
        return cls(since, tuple(sorted(retries | reminders | ends)))

    def due_steps(self, days_late: int, completed_days: Collection[int]) -> list[DunningStep]:
        """The steps to take now for an invoice that is this many days late, in order. After
        downtime there may be several.
        """
        return [
            step
            for step in self.steps
            if step.days <= days_late and step.days not in completed_days
        ]

    def next_date(self, due_on: date, completed_days: Collection[int]) -> date | None:
        """The day of the next step for an invoice. None after the last one."""
        remaining_days = [step.days for step in self.steps if step.days not in completed_days]
        return due_on + timedelta(days=remaining_days[0]) if remaining_days else None
