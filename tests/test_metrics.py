"""Metrics: the number of names is limited, and the alerts for Prometheus and the dashboard for
Grafana use only existing metrics.
"""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import promql_parser
import yaml  # type: ignore[import-untyped]

from engine import RequestError
from metrics import MAX_NAMES, OTHER, Metrics

MONITORING = Path(__file__).parents[1] / "docs" / "monitoring"
ALERTS, DASHBOARD = MONITORING / "alerts.yaml", MONITORING / "dashboard.json"
TARGET_LABELS = {"job", "instance"}  # of Prometheus


def execute(metrics: Metrics, name: str | None, *, signed_in: bool = True) -> None:
    operation: Any = SimpleNamespace(name=name, kind="query", cost=1)
    viewer = SimpleNamespace(user=object() if signed_in else None)
    context: Any = SimpleNamespace(viewer=viewer)
    metrics.executed(operation, context, {"data": None}, 0.01)


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


def exported_labels() -> dict[str, set[str]]:
    """The labels of each sample that a process exports, and those that Prometheus adds to it."""
    metrics = Metrics()
    execute(metrics, "Mine")
    metrics.refused(RequestError([{"message": "no"}]))
    metrics.job_ended("emails", 0.1, succeeded=True)
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
    assert len(rules) == 8
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
