"""Generated operations get the same response by plans as by graphql-core.

`CAMCHA_CASES=50000 pytest tests/engine/differential` tries more, and different ones each time; the
number is divided among the tests. graphql-core leaves coroutines unawaited when it cancels an
execution, hence the ignored warning.
"""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given

from tests.engine.differential import faulty_schema, strawberry_schema
from tests.engine.differential.comparison import Comparison
from tests.engine.differential.example_counts import examples
from tests.engine.differential.generated_operations import GeneratedOperation, operations
from tests.engine.differential.seeded_context import SeededContext

FAULTY = Comparison(faulty_schema.faulty_schema(), faulty_schema.batch_of)
STRAWBERRY = Comparison(strawberry_schema.strawberry_schema(), strawberry_schema.batch_of)
SEEDS_AND_FAULT_RATES = [(seed, percentage) for percentage in (0, 3, 10, 30) for seed in range(2)]

pytestmark = pytest.mark.filterwarnings(
    "ignore:coroutine .* was never awaited:RuntimeWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)


async def check_in_all_contexts(comparison: Comparison, operation: GeneratedOperation) -> None:
    for seed, percentage in SEEDS_AND_FAULT_RATES:
        new_context = partial(SeededContext, seed, percentage)
        await comparison.check(
            *(operation.with_negated_booleans() if seed else operation), new_context
        )


@examples(0.3, len(SEEDS_AND_FAULT_RATES))
@given(operations(FAULTY.schema, FAULTY.engine))
async def test_generated_operations_match_graphql_core_on_a_faulty_schema(
    operation: GeneratedOperation,
) -> None:
    await check_in_all_contexts(FAULTY, operation)


@examples(0.15, len(SEEDS_AND_FAULT_RATES))
@given(operations(STRAWBERRY.schema, STRAWBERRY.engine))
async def test_generated_operations_match_graphql_core_on_a_strawberry_schema(
    operation: GeneratedOperation,
) -> None:
    await check_in_all_contexts(STRAWBERRY, operation)
