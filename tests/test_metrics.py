"""Metrics: the number of names is limited, and the alerts for Prometheus use only existing
metrics.
"""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml  # type: ignore[import-untyped]

from metrics import MAX_NAMES, OTHER, Metrics

ALERTS = Path(__file__).parents[1] / "docs" / "monitoring" / "alerts.yaml"


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


def test_p6_4_the_alerts_use_metrics_that_exist() -> None:
    metrics = Metrics()
    execute(metrics, "Mine")
    metrics.job_ended("emails", 0.1, succeeded=True)
    names = {sample.name for family in metrics.registry.collect() for sample in family.samples}
    rules = [
        rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    ]
    assert len(rules) == 8
    for rule in rules:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        used = set(re.findall(r"\bcamcha_\w+", rule["expr"]))
        assert used <= names, rule["alert"]
        assert used or rule["expr"].startswith("up{")
