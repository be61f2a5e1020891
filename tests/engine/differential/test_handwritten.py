"""Handwritten operations get the same response by plans as by graphql-core: the executor's contract, case by case.

Every difference that a test with generated operations finds becomes a case here.
"""

# ruff: noqa: E501 - tables are most readable with one entry per line

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.differential.comparison import Comparison
from tests.engine.differential.named_values_schema import (
    NAMED_VALUES,
    batch_of,
    item,
    named_values_schema,
)
from tests.engine.differential.seeded_context import SeededContext

COMPARISON = Comparison(named_values_schema(), batch_of)

pytestmark = pytest.mark.filterwarnings(
    "ignore:coroutine .* was never awaited:RuntimeWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)

LEAVES = ("leaf", "leafNonNull", "float", "text", "flag", "identifier", "odd", "colour")
LISTS = ("list", "listNonNull", "grid", "gridNonNull")
OBJECTS = (
    "objects { id name fails describe }",
    "itemGrid { id later failsNonNull }",
    "thing { __typename ... on Item { id describe } ... on Wall { length } }",
)
ABSTRACT = (
    "things { __typename ... on Tower { height failsNonNull } ... on Named { name } }",
    "tall { name height ... on Tower { failsNonNull } }",
)
BATCH_RESULTS = (
    "valid", "deferred", "raised error", "later error", "raised GraphQLError", "deferred error", "too few", "too many", "null", "number", "errors", "nulls",
    "tuple", "lists", "invalid lists", "leaves", "invalid leaves", "generator",
)  # fmt: skip


@pytest.mark.parametrize("field", [*LEAVES, *LISTS, *OBJECTS, *ABSTRACT])
async def test_values_in_each_kind_of_field_match_graphql_core(field: str) -> None:
    """Each named value in each kind of field: alone, twice, and next to others."""
    name, _, below = field.partition(" ")
    for value in NAMED_VALUES:
        selection = f'{name}(value: "{value}") {below}'
        await COMPARISON.check(f"{{ {selection} }}", {}, SeededContext)
        await COMPARISON.check(
            f"{{ a: {selection} describe b: {selection} items {{ id }} }}", {}, SeededContext
        )


@pytest.mark.parametrize(
    "field", ["edge%s { id name }", "edgeNonNull%s { id failsNonNull }", "edges%s", "number%s"]
)
async def test_batches_match_graphql_core(field: str) -> None:
    """Batches for one parent, for several, for several in lists, and twice in one selection set."""
    for value in BATCH_RESULTS:
        selection = field % f'(value: "{value}")'
        await COMPARISON.check(f"{{ {selection} }}", {}, SeededContext)
        await COMPARISON.check(
            f"{{ items {{ id {selection} }} deep {{ {selection} }} }}", {}, SeededContext
        )
        await COMPARISON.check(
            f"{{ itemsAll {{ a: {selection} id b: {selection} }} }}", {}, SeededContext
        )
    await COMPARISON.check(
        '{ edge { edge { edge(value: "nulls") { id } id } edges(value: "lists") } }',
        {},
        SeededContext,
    )


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "an alias": ("{ a: id b: id id }", {}),
    "names of Python keywords and variables": ("{ None: id def: name class: id __a: id lambda: name rows: id v0: name size: later columns: id zip: id }", {}),
    "merged fields": ("{ deep { id } name deep { name id deep { id } } deep { deep { later } } }", {}),
    "merged by fragments": (
        "{ deep { id ...F } ...G } fragment F on Item { name deep { id } } fragment G on Query { deep { deep { name } later } id }",
        {},
    ),
    "the order of keys": ("{ name ... { id later } deep { later id } id b: fails a: id }", {}),
    "a fragment spread twice": ("{ ...F ...F deep { ...I } items { ...I } } fragment F on Query { id } fragment I on Item { id name }", {}),
    "nested fragments": ("{ ...A } fragment A on Query { ...B } fragment B on Query { deep { ...C } } fragment C on Named { name }", {}),
    "an inline fragment without a type": ("{ ... { id } ... @skip(if: true) { name } ... @include(if: true) { later } }", {}),
    "skip and include": ("{ id @skip(if: true) name @include(if: false) a: id @skip(if: false) @include(if: true) }", {}),
    "both directives": ("{ id @skip(if: true) @include(if: true) name @skip(if: false) @include(if: false) }", {}),
    "a selection set without fields left": ("{ deep { id @skip(if: true) } ... @include(if: false) { name } }", {}),
    "skipped once, merged": ("{ deep @skip(if: true) { id } deep { name } deep @include(if: false) { later } }", {}),
    "directives by variable": ("query ($s: Boolean!) { id @skip(if: $s) name @include(if: $s) deep { later @skip(if: $s) } }", {"s": True}),
    "directives by the variable's other value": ("query ($s: Boolean!) { id @skip(if: $s) name @include(if: $s) deep { later @skip(if: $s) } }", {"s": False}),
    "directives by a default value": ("query ($s: Boolean = true) { id @skip(if: $s) name @include(if: $s) }", {}),
    "null for a directive": ("query ($s: Boolean = true) { id @skip(if: $s) name }", {"s": None}),
    "null for a directive below": ("query ($s: Boolean = true) { name deep { id @skip(if: $s) } deepNonNull { id } }", {"s": None}),
    "null for a directive in a list": ("query ($s: Boolean = true) { items { id @skip(if: $s) } itemsAll { name ...{ id @skip(if: $s) } } }", {"s": None}),
    "null for a directive in a list without nulls": (
        'query ($s: Boolean = true) { objects(value: "items") { id @skip(if: $s) } itemGrid(value: "itemGrid") { id @skip(if: $s) } }',
        {"s": None},
    ),
    "null for a directive of another type": (
        'query ($s: Boolean = true) { thing(value: "item") { ... on Tower { name @skip(if: $s) } ... on Item { id } } }',
        {"s": None},
    ),
    "null for a directive below a deferred null": (
        'query ($s: Boolean = true) { deferred(value: "deferred null object") { id @skip(if: $s) } name }',
        {"s": None},
    ),
    "null for a directive below a deferred item": (
        'query ($s: Boolean = true) { deferred(value: "deferred item") { deep { id @skip(if: $s) } id } name }',
        {"s": None},
    ),
    "null for a directive below a batch of nulls": (
        'query ($s: Boolean = true) { items { edge(value: "nulls") { id @skip(if: $s) } } }',
        {"s": None},
    ),
    "arguments": ('{ arguments a: arguments(number: 7, options: { required: 1 }, optionsList: { required: 2, tags: "b" }, grid: 5, colours: GREEN, odd: 4) }', {}),
    "nulls for arguments": ("{ arguments(options: null, optionsList: null, grid: [[null], null], colours: null, odd: null, id: null) }", {}),
    "variables": (
        "query ($n: Int! = 8, $w: Options, $ws: [Options!], $g: [[Int]], $c: Colour!, $o: Odd, $i: "
        "ID, $f: Float) { arguments(number: $n, options: $w, optionsList: $ws, grid: $g, colours: "
        "[$c], odd: $o, id: $i, float: $f) }",
        {"w": {"required": 1, "inner": {"required": 2, "colour": "RED"}}, "ws": {"required": 3}, "g": [1, [2, None]], "c": "RED", "o": [1], "i": 7, "f": 3},
    ),
    "absent variables": ("query ($w: Options, $c: [Colour!], $f: Float) { arguments(options: $w, colours: $c, float: $f) describe }", {}),
    "null variables": ("query ($w: Options, $c: [Colour!], $f: Float) { arguments(options: $w, colours: $c, float: $f) }", {"w": None, "c": None, "f": None}),
    "null for an argument with a default": ("query ($n: Int) { arguments(number: $n) deep { id } }", {"n": None}),
    "null for an input field with a default": ("query ($n: Int) { arguments(options: { required: 1, withDefault: $n }) }", {"n": None}),
    "an absent variable in an input object": ("query ($n: Int, $c: Colour) { arguments(options: { required: 1, withDefault: $n, colour: $c }) }", {}),
    "a null variable in a list": ("query ($n: Colour = RED) { arguments(colours: [$n, GREEN]) name }", {"n": None}),
    "an argument that fails, in a list": ("query ($n: Int) { items { id describe } arguments(number: $n) arguments2: arguments(number: 1) }", {"n": None}),
    "typename": ("{ __typename t: __typename deep { __typename id } items { t: __typename } }", {}),
    "introspection": ('{ __schema { queryType { name } types { name kind } } __type(name: "Options") { inputFields { name defaultValue type { name ofType { name } } } } }', {}),
    "introspection beside data": ('{ __type(name: "Item") { fields { name type { kind } args { name } } } nothing: __type(name: "X") { name } id }', {}),
    "null propagates one level": ("{ deep { id failsNonNull } name }", {}),
    "null propagates to the root": ("{ id deepNonNull { deepNonNull { failsLater } } }", {}),
    "null propagates two levels": ("{ deep { deepNonNull { failingObjectNonNull { id } } id } name }", {}),
    "null propagates through a list": ("{ deep { itemsAll { id failsNonNull } } name }", {}),
    "null as an item of a list": ("{ items { id failsNonNull } }", {}),
    "null in place of a list": ("{ itemsNonNull { id } deep { itemsNonNull { later } } }", {}),
    "null for a non-null field": ("{ deep { missing } name }", {}),
    "several errors propagate to one null": ("{ deep { id failsNonNull missing failsLater returned } name }", {}),
    "errors above and below one null": ("{ deep { fails deep { fails failingObject { id } } failsLater } fails }", {}),
    "errors of nullable fields": ("{ fails failingObject { id } deep { fails failingObject { id } deep { fails } } items { fails } }", {}),
    "errors of aliases": ("{ a: fails b: fails deep { a: fails b: fails } }", {}),
    "an error of merged fields": ("{ failingObject { id } failingObject { name } ...F } fragment F on Query { failingObject { later } }", {}),
    "locations": ("{\n  a: fails\n  deep {\n    fails\n\n    ... on Item { b: fails }\n  }\n}", {}),
    "late errors in front of early ones": ("{ deep { failsLater } fails items { later fails } failingObject { id } }", {}),
    "the info": ("query Named($x: String = \"x\") { describe deep { describe(of: $x) t: describe } items { describe itemsAll { describe } } edge { describe } }", {}),
    "runtime types by name": ('{ things(value: "mixed types") { ... on Item { id } ... on Tower { h: height } ... on Wall { l: length } __typename } }', {}),
    "interfaces of interfaces": ('{ thing(value: "wall") { ... on Wall { sides { name ... on Tower { height } ... on Tall { h: height } } } } }', {}),
    "an interface on an object": ("{ deep { ... on Named { name ... on Item { id } ... on Named { n: name } } } named { name ... on Tall { height } } }", {}),
    "a union on a union": ('{ thing(value: "item") { ... on Thing { ... on Named { name } ... on Item { id } } } }', {}),
    "different fields for each runtime type": ('{ things(value: "mixed types") { ... on Tower { name } ... on Named { name } ... on Wall { length name } } }', {}),
    "a mutation": ("mutation { a: step(iterations: 3) b: step(iterations: 0) c: step(iterations: 2) }", {}),
    "fields below a mutation's": ("mutation { item { later laterA: later deepNonNull { later } } a: step item { id items { later } } b: step }", {}),
    "a mutation continues after an error": ("mutation { a: step fails b: step }", {}),
    "a mutation stops at a null": ("mutation { a: step failsNonNull b: step }", {}),
    "a mutation stops at its own error": ("mutation { a: stepNonNull b: stepNonNull(iterations: 3, fail: true) c: stepNonNull item { id } }", {}),
    "a mutation merged": ("mutation { item { id } a: step item { name } }", {}),
    "a mutation skipped": ("mutation ($s: Boolean!) { a: step @skip(if: $s) b: step @include(if: $s) ... { c: step } }", {"s": True}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
async def test_handwritten_operations_match_graphql_core(name: str) -> None:
    for _ in range(2):  # the second time by the cached plan
        await COMPARISON.check(*CASES[name], SeededContext)


@pytest.mark.parametrize(
    ("document", "root"),
    [
        ("subscription { event { id later fails } }", {"event": item(3)}),
        ("subscription { event { id failsNonNull } }", {"event": item(3)}),
        ("subscription { event { id } }", None),
        ("subscription { event { id } }", {"event": ValueError("returned")}),
        ("subscription { number }", {"number": "x"}),
        ("subscription { describe }", {"describe": 1}),
        ("subscription { failsNonNull }", {}),
        ("subscription { n: number }", {"number": lambda _info: 5}),
    ],
)
async def test_events_match_graphql_core(document: str, root: Any) -> None:
    await COMPARISON.check(document, {}, SeededContext, root)
