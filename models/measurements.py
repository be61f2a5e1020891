"""What a process counts and measures of its own work, for its metrics (metrics.py).

Counting costs less than a microsecond, so it is done whether or not anybody reads the metrics. All
numbers begin at 0 when the process starts. They are written by the thread of the event loop, and
may be read by any other.

Labels have few values, none of which comes from a person: they are names of our own code and of the
operator's settings.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import product

Labels = tuple[str, ...]

_QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_PATIENT = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0)


class LabeledCounter:
    """How often something happened, by the values of its labels.

    `values` has for each label the values that are known beforehand: their combinations begin at 0,
    so that the first increase is seen as one. Other values appear with their first count.
    """

    def __init__(
        self,
        name: str,
        description: str,
        labels: Sequence[str],
        values: Sequence[Iterable[str]] = (),
    ) -> None:
        self.name, self.description, self.labels = name, description, tuple(labels)
        self._counts: dict[Labels, int] = dict.fromkeys(product(*values), 0) if values else {}

    def add(self, *labels: str, number: int = 1) -> None:
        """Count something with these values of the labels."""
        self._counts[labels] = self._counts.get(labels, 0) + number

    @property
    def counts(self) -> Mapping[Labels, int]:
        """The counts so far, by the values of the labels."""
        return self._counts.copy()


class DurationHistogram:
    """How long something took, in buckets of seconds with these upper bounds."""

    def __init__(self, name: str, description: str, bounds: Sequence[float]) -> None:
        self.name, self.description, self.bounds = name, description, tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, duration: timedelta) -> None:
        """Add a duration. One below zero, which clocks that differ can cause, counts as zero."""
        self.observe_seconds(max(0.0, duration.total_seconds()))

    def observe_seconds(self, seconds: float) -> None:
        """Add a duration of at least zero seconds."""
        self._counts[bisect_left(self.bounds, seconds)] += 1
        self._sum += seconds

    def read(self) -> tuple[list[int], float]:
        """The number of durations in each bucket, the last of which has no bound, and the sum of
        all durations in seconds.
        """
        return self._counts.copy(), self._sum


EVENTS = LabeledCounter(
    "camcha_events",
    "Events that were stored, by the kind of their stream.",
    ["stream"],
    [("ticket", "account", "agent", "inbox")],
)
EVENT_DELIVERY = DurationHistogram(
    "camcha_event_delivery_seconds",
    "The time from an event to its delivery to the live subscriptions of this process.",
    _QUICK,
)
EMAILS = LabeledCounter(
    "camcha_emails",
    "Attempts to send an email: sent, failed, or given_up after the last one.",
    ["result"],
    [("sent", "failed", "given_up")],
)
EMAIL_DELIVERY = DurationHistogram(
    "camcha_email_delivery_seconds",
    "The time from the storing of an email to its acceptance by the mail server.",
    _PATIENT,
)
WEBHOOKS = LabeledCounter(
    "camcha_webhooks",
    "Requests with a webhook: accepted, refused by their status, or failed without a response.",
    ["result"],
    [("accepted", "refused", "failed")],
)
WEBHOOK_DELIVERY = DurationHistogram(
    "camcha_webhook_delivery_seconds",
    "The time from the storing of a webhook, or its replay, to its acceptance by the receiver.",
    _PATIENT,
)
NOTIFICATIONS = LabeledCounter(
    "camcha_notifications",
    "Notifications sent to devices, by push service: accepted, gone when the device no longer "
    "exists, refused as unusable, or failed.",
    ["service", "result"],
)
NOTIFICATION_DELIVERY = DurationHistogram(
    "camcha_notification_delivery_seconds",
    "The time from the event of a notification to its acceptance by the push service.",
    _PATIENT,
)
PAYMENTS = LabeledCounter(
    "camcha_payments", "Payments that got a final status.", ["provider", "status"]
)
DUNNING_STEPS = LabeledCounter(
    "camcha_dunning_steps",
    "Steps of the dunning schedule that were taken for late invoices.",
    ["action"],
    [("REMIND", "RETRY", "SUSPEND", "CANCEL")],
)
SLA_BREACHES = LabeledCounter(
    "camcha_sla_breaches",
    "Targets of tickets that were missed, by measure.",
    ["measure"],
    [("FIRST_RESPONSE", "NEXT_RESPONSE", "RESOLUTION")],
)

COUNTERS = (EVENTS, EMAILS, WEBHOOKS, NOTIFICATIONS, PAYMENTS, DUNNING_STEPS, SLA_BREACHES)
HISTOGRAMS = (EVENT_DELIVERY, EMAIL_DELIVERY, WEBHOOK_DELIVERY, NOTIFICATION_DELIVERY)
