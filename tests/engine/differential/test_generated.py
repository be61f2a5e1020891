"""Generated operations answer the same by plans as by graphql-core.

`CAMCHA_CASES=50000 pytest tests/engine/differential` looks longer, at other operations each time; the number is shared out
among the tests. graphql-core leaves coroutines behind when it cancels what failed, hence the ignored warning.
"""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given

from tests.engine.differential import berries, nasty
from tests.engine.differential.answers import Both
from tests.engine.differential.operations import Case, operations
from tests.engine.differential.runs import cases
from tests.engine.differential.scene import Scene

NASTY = Both(nasty.nasty(), nasty.batch_of)
BERRIES = Both(berries.strawberries(), berries.batch_of)
SCENES = [(salt, wildness) for wildness in (0, 3, 10, 30) for salt in range(2)]

pytestmark = pytest.mark.filterwarnings(
    "ignore:coroutine .* was never awaited:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


async def agrees_in_all_scenes(both: Both, case: Case) -> None:
    for salt, wildness in SCENES:
        await both.agree(*(case.flipped() if salt else case), partial(Scene, salt, wildness))
    assert not both.compiled.fallbacks


@cases(0.5, len(SCENES))
@given(operations(NASTY.schema, NASTY.compiled))
async def test_over_a_nasty_schema(case: Case) -> None:
    await agrees_in_all_scenes(NASTY, case)


@cases(0.25, len(SCENES))
@given(operations(BERRIES.schema, BERRIES.compiled))
async def test_over_a_strawberry_schema(case: Case) -> None:
    await agrees_in_all_scenes(BERRIES, case)
