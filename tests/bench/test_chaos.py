"""`bin/chaos`: two faults break nothing, and what is broken is found."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from bench.chaos.__main__ import main
from bench.chaos.clients import Load
from bench.chaos.deployment import Options, running_deployment
from bench.chaos.faults import FAULTS
from bench.chaos.invariants import broken_rules, connected
from bench.chaos.run import Outcome, cause_faults, table
from bench.chaos.world import create_world
from models.database.sql import execute
from tests.forked import ROOT, ForkedProcess
from tests.waiting import driver_url


def launch(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> ForkedProcess:
    return ForkedProcess(arguments, cwd=ROOT, env=environment, stdout=log, stderr=log)


@pytest.mark.parametrize("catalogue_url", ["postgres"], indirect=True)
async def test_p5_5_two_faults_break_nothing_and_what_is_broken_is_found(
    catalogue_url: str, tmp_path: Path
) -> None:
    options, faults = Options(1, launch, uses_redis=False), ["kill-worker", "terminate-connections"]
    url = driver_url(catalogue_url)
    world = await create_world(url, 2)
    async with running_deployment(url, tmp_path, options) as deployment:
        load = Load(world, deployment.urls, 0.05)
        try:
            await load.start()
            async with aclosing(
                cause_faults(deployment, load, faults, 0.4, renews=False)
            ) as outcomes:
                done = [each async for each in outcomes]
            assert [each.broken for each in done] == [[], []], table(done)
            assert all(each.acknowledged for each in done)
            assert min(map(len, (load.purchases, load.opened, load.files))) > 0
            load.messages["unknown", "message"] = 1
            load.readers[0].sequences.pop(1)
            load.files["unknown"] = "-"
            deployment.mail.arrivals["<unknown@camcha.example>"] += 1
            async with connected(url):
                await execute("UPDATE purchase SET next_period_index = 9")
                broken = await broken_rules(deployment, load)
        finally:
            await load.close()
    assert [each.partition(":")[0].lstrip("0123456789 ") for each in broken] == [
        "acknowledged messages are missing or repeated",
        "subscribers lack or repeat events",
        "purchases lack a period",
        "emails arrived that nobody stored",
        "uploaded files are missing or differ",
    ]


@pytest.mark.long  # some seconds for each fault, and as long for what it caused
@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_p5_5_no_fault_breaks_anything(database: str) -> None:
    assert main(["--database", database, "--seconds", "3"]) == 0


def test_the_table_tells_what_is_broken() -> None:
    names = [*FAULTS][:3]
    text = table(
        [
            Outcome(names[0], 9, 2, 1, 0.5, 0.75),
            Outcome(names[1], broken=["streams have gaps"]),
            Outcome(names[2], skipped="needs Redis"),
        ]
    )
    first, second, third = text.splitlines()[1:]
    assert first.split() == [names[0], "9", "2", "0.50", "s", "0.75", "s", "1", "ok"]
    assert second.endswith("BROKEN: streams have gaps")
    assert third.endswith("skipped: needs Redis")


def test_unknown_faults_are_refused() -> None:
    with pytest.raises(SystemExit):
        main(["--faults", "earthquake"])
