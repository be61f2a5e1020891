"""Metrics: the number of names is limited, what is counted and read is correct, and the alerts for
Prometheus and the dashboard for Grafana use only existing metrics.
"""

import asyncio
import json
import re
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import promql_parser
import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client import generate_latest

from engine import RequestError
from metrics import MAX_NAMES, OTHER, Metrics
from models.action import Action
from models.database.fair_queue import FairQueue
from models.database.options import DatabaseOptions
from models.database.pool import Pools, PoolUsage
from models.database.workload import Workload
from models.errors import ServiceUnavailable
from models.event import INBOX, EventKind
from models.measurements import EVENTS, NOTIFICATIONS, PAYMENTS, DurationHistogram
from models.operations.email import Email
from models.operations.installation import Installation
from models.operations.webhook import WebhookDelivery, WebhookEndpoint
from models.support.classification import Category, Channel
from models.support.live_chat import ChatState, LiveChat
from models.support.ticket import Ticket
from operations.database_metrics import DESCRIPTIONS
from realtime.broadcast import SubscriptionCounts
from tests.people import add_member, create_account, create_user

MONITORING = Path(__file__).parents[1] / "docs" / "monitoring"
ALERTS, DASHBOARD = MONITORING / "alerts.yaml", MONITORING / "dashboard.json"
TARGET_LABELS = {"job", "instance"}  # of Prometheus


def execute(metrics: Metrics, name: str | None, *, signed_in: bool = True) -> None:
    operation: Any = SimpleNamespace(name=name, kind="query", cost=1)
    viewer = SimpleNamespace(user=object() if signed_in else None)
    context: Any = SimpleNamespace(viewer=viewer)
    metrics.operations.executed(operation, context, {"data": None}, 0.01)


def counted_names(metrics: Metrics) -> set[str]:
    return {
        sample.labels["operation"]
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "camcha_operations_total"
    }


def test_strangers_choose_no_names_and_others_a_limited_number() -> None:
    metrics = Metrics({"SignIn"})
    execute(metrics, "SignIn", signed_in=False)
    execute(metrics, "Junk", signed_in=False)
    execute(metrics, None)
    assert counted_names(metrics) == {"SignIn", OTHER}
    for number in range(2 * MAX_NAMES):
        execute(metrics, f"Name{number}")
    assert len(counted_names(metrics)) == MAX_NAMES + 2


class NoSockets:
    """An endpoint without websockets."""

    open_count = 0

    def subscription_counts(self) -> SubscriptionCounts:
        return SubscriptionCounts(0, 0, 0)


def exported_labels() -> dict[str, set[str]]:
    """The labels of each sample that a process exports, and those that Prometheus adds to it."""
    metrics = Metrics()
    execute(metrics, "Mine")
    metrics.operations.refused(RequestError([{"message": "no"}]))
    metrics.job_ended("emails", 0.1, succeeded=True)
    metrics.watch_websockets(NoSockets())
    metrics.watch_connections(Pools(DatabaseOptions(), {"database": "-"}).usage)
    metrics.database.values = dict.fromkeys(DESCRIPTIONS, 0.0)
    PAYMENTS.add("sandbox", "SUCCEEDED")
    NOTIFICATIONS.add("push.example", "accepted")
    labels = {"up": {*TARGET_LABELS}}
    for family in metrics.registry.collect():
        for sample in family.samples:
            # Prometheus would rename ours to `exported_job`.
            assert not TARGET_LABELS & sample.labels.keys(), sample.name
            labels[sample.name] = {*sample.labels, *TARGET_LABELS}
    return labels


def verify_expression(text: str, exported: dict[str, set[str]]) -> None:
    """The expression is valid, and selects metrics and labels that are exported."""
    selected = []

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            selected.append(node)

    promql_parser.walk(promql_parser.parse(text), visit)
    assert selected, text
    for each in selected:
        assert each.name in exported, text
        assert {matcher.name for matcher in each.matchers.matchers} <= exported[each.name], text


def test_p6_4_the_alerts_use_metrics_that_exist() -> None:
    exported = exported_labels()
    rules = [
        rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    ]
    assert len(rules) == 15
    for rule in rules:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        verify_expression(rule["expr"], exported)
        for label in re.findall(r"\$labels\.(\w+)", str(rule["annotations"])):
            assert f"by ({label})" in rule["expr"] or label in TARGET_LABELS, rule["alert"]


def test_p6_4_the_dashboard_shows_metrics_that_exist() -> None:
    exported, dashboard = exported_labels(), json.loads(DASHBOARD.read_text())
    shown = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    for panel in shown:
        assert panel["title"]
        assert panel["description"]
        for target in panel["targets"]:
            expression = re.sub(r"\$__rate_interval", "5m", target["expr"])
            verify_expression(re.sub(r"\$(job|instance)", "camcha", expression), exported)
    texts = str([target["expr"] for panel in shown for target in panel["targets"]])
    families = {re.sub("_(created|bucket|sum|count|total)$", "", name) for name in exported}
    hidden = {name for name in families if name.startswith("camcha_") and name not in texts}
    assert hidden == set()


async def create_numbers(action: Action) -> None:
    """Stores one of everything that is counted, and as much that isn't."""
    long_ago, just_now = action.at - timedelta(hours=2), action.at - timedelta(minutes=10)
    content: dict[str, Any] = {
        "template": "x.fr",
        "recipient": "a@b.example",
        "subject": "",
        "text": "",
        "html": "",
    }
    await Email.create(**content, created_at=long_ago, next_attempt_at=just_now)
    await Email.create(**content, created_at=long_ago, sent_at=action.at)
    account, user = await create_account(action), await create_user(action)
    await add_member(action, account, user)
    for disabled_at in (None, action.at):
        endpoint = await WebhookEndpoint.create(
            account=account,
            url="https://receiver.example",
            secret="-",
            stream="account:1",
            sequence=0,
            created_at=action.at,
            disabled_at=disabled_at,
        )
        for number, next_attempt_at in enumerate((just_now, None)):
            await WebhookDelivery.create(
                endpoint=endpoint,
                message_id=f"{endpoint.pk}-{number}",
                type="-",
                subject="account",
                body="{}",
                created_at=long_ago,
                started_at=long_ago,
                next_attempt_at=next_attempt_at,
            )
    for state in (ChatState.WAITING, ChatState.ACTIVE):
        async with action.transaction() as tx:
            ticket = await Ticket.open(
                tx,
                account,
                user,
                subject="Aide",
                channel=Channel.WEB,
                category=Category.USAGE,
            )
        await LiveChat.create(ticket=ticket, state=state, queued_at=just_now, since=just_now)


async def test_the_database_is_read_by_a_job(db: str, action: Action) -> None:
    await create_numbers(action)
    metrics = Metrics()
    assert b"camcha_emails_waiting" not in generate_latest(metrics.registry)
    await metrics.read_database(action.at)
    values = {name: value for name, value in metrics.database.values.items() if value}
    assert values == {
        "camcha_emails_waiting": 1,
        "camcha_oldest_waiting_email_seconds": 7_200,
        "camcha_oldest_email_seconds": 600,
        "camcha_tickets_unassigned": 2,
        "camcha_chats_waiting": 1,
        "camcha_oldest_chat_wait_seconds": 600,
        "camcha_webhooks_waiting": 1,
        "camcha_oldest_webhook_seconds": 7_200,
    }
    await Installation.record_backup(action.at)
    await metrics.read_database(action.at)
    text = generate_latest(metrics.registry).decode()
    assert metrics.database.values.keys() == DESCRIPTIONS.keys()
    assert all(f"\n{name} " in text for name in DESCRIPTIONS)


async def test_only_what_is_committed_is_counted(db: str, action: Action) -> None:
    before = EVENTS.counts["inbox",]

    async def fail() -> None:
        async with action.transaction() as tx:
            await tx.append(INBOX, EventKind.TICKET_UPDATED)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert EVENTS.counts["inbox",] == before
    async with action.transaction() as tx:
        await tx.append(INBOX, EventKind.TICKET_UPDATED)
    assert EVENTS.counts["inbox",] == before + 1


async def test_who_waits_for_a_connection_is_counted() -> None:
    queue = FairQueue(1, share=1, transactions=1, wait=0.01)
    admission = await queue.enter(None, transaction=False)
    waiting = asyncio.create_task(queue.enter(None, transaction=False))
    await asyncio.sleep(0)
    usage = PoolUsage.of(Workload.CHAT, queue)
    assert (usage.size, usage.used, usage.waiting, usage.waits) == (1, 1, 1, 1)
    with pytest.raises(ServiceUnavailable):
        await waiting
    usage = PoolUsage.of(Workload.CHAT, queue)
    assert (usage.waiting, usage.waits, usage.refusals) == (0, 1, 1)
    assert usage.waited_seconds > 0
    queue.leave(admission)
    assert queue.used == 0


def test_durations_are_counted_in_buckets() -> None:
    histogram = DurationHistogram("seconds", "-", [1, 10])
    for seconds in (-1, 1, 2, 10, 11):
        histogram.observe(timedelta(seconds=seconds))
    assert histogram.read() == ([2, 2, 1], 24)
