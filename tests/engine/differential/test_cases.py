"""Handwritten operations answer the same by plans as by graphql-core: the executor's contract, piece by piece.

Whatever test_generated.py or test_house.py finds becomes a case here.
"""

# ruff: noqa: E501 - tables read best with one entry a line

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.differential.answers import Both
from tests.engine.differential.handmade import WAYS, batch_of, handmade, item
from tests.engine.differential.scene import Scene

BOTH = Both(handmade(), batch_of)

pytestmark = pytest.mark.filterwarnings(
    "ignore:coroutine .* was never awaited:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

LEAVES = ("leaf", "leafMust", "float", "text", "flag", "ident", "odd", "colour")
LISTS = ("list", "listMust", "grid", "gridMust")
OBJECTS = (
    "objects { id name boom tell }",
    "rooms { id later boomMust }",
    "thing { __typename ... on Item { id tell } ... on Wall { length } }",
)
ABSTRACT = (
    "things { __typename ... on Tower { height boomMust } ... on Named { name } }",
    "tall { name height ... on Tower { boomMust } }",
)
BATCH_WAYS = (
    "right", "deferred", "boom", "later boom", "refuse", "deferred boom", "few", "many", "null", "number", "errors", "nulls",
    "tuple", "lists", "bad lists", "leaves", "wrong leaves", "generator",
)  # fmt: skip


@pytest.mark.parametrize("field", [*LEAVES, *LISTS, *OBJECTS, *ABSTRACT])
async def test_a_value(field: str) -> None:
    """Each value of each kind, alone, twice and beside others."""
    name, _, below = field.partition(" ")
    for way in WAYS:
        one = f'{name}(way: "{way}") {below}'
        await BOTH.agree(f"{{ {one} }}", {}, Scene)
        await BOTH.agree(f"{{ a: {one} tell b: {one} items {{ id }} }}", {}, Scene)


@pytest.mark.parametrize("field", ["edge%s { id name }", "edgeMust%s { id boomMust }", "edges%s", "number%s"])
async def test_a_batch(field: str) -> None:
    """For one parent, for many, for many in lists, beside its like."""
    for way in BATCH_WAYS:
        one = field % f'(way: "{way}")'
        await BOTH.agree(f"{{ {one} }}", {}, Scene)
        await BOTH.agree(f"{{ items {{ id {one} }} deep {{ {one} }} }}", {}, Scene)
        await BOTH.agree(f"{{ itemsAll {{ a: {one} id b: {one} }} }}", {}, Scene)
    await BOTH.agree('{ edge { edge { edge(way: "nulls") { id } id } edges(way: "lists") } }', {}, Scene)


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "an alias": ("{ a: id b: id id }", {}),
    "names of Python": ("{ None: id def: name class: id __a: id lambda: name rows: id v0: name size: later columns: id zip: id }", {}),
    "merged fields": ("{ deep { id } name deep { name id deep { id } } deep { deep { later } } }", {}),
    "merged by fragments": (
        "{ deep { id ...F } ...G } fragment F on Item { name deep { id } } fragment G on Query { deep { deep { name } later } id }",
        {},
    ),
    "the order of keys": ("{ name ... { id later } deep { later id } id b: boom a: id }", {}),
    "a fragment twice": ("{ ...F ...F deep { ...I } items { ...I } } fragment F on Query { id } fragment I on Item { id name }", {}),
    "nested fragments": ("{ ...A } fragment A on Query { ...B } fragment B on Query { deep { ...C } } fragment C on Named { name }", {}),
    "an inline fragment without a type": ("{ ... { id } ... @skip(if: true) { name } ... @include(if: true) { later } }", {}),
    "skip and include": ("{ id @skip(if: true) name @include(if: false) a: id @skip(if: false) @include(if: true) }", {}),
    "both": ("{ id @skip(if: true) @include(if: true) name @skip(if: false) @include(if: false) }", {}),
    "everything skipped": ("{ deep { id @skip(if: true) } ... @include(if: false) { name } }", {}),
    "skipped once, merged": ("{ deep @skip(if: true) { id } deep { name } deep @include(if: false) { later } }", {}),
    "by variable": ("query ($s: Boolean!) { id @skip(if: $s) name @include(if: $s) deep { later @skip(if: $s) } }", {"s": True}),
    "by the other": ("query ($s: Boolean!) { id @skip(if: $s) name @include(if: $s) deep { later @skip(if: $s) } }", {"s": False}),
    "by default": ("query ($s: Boolean = true) { id @skip(if: $s) name @include(if: $s) }", {}),
    "null for a directive": ("query ($s: Boolean = true) { id @skip(if: $s) name }", {"s": None}),
    "null for a directive below": ("query ($s: Boolean = true) { name deep { id @skip(if: $s) } deepMust { id } }", {"s": None}),
    "null for a directive in a list": ("query ($s: Boolean = true) { items { id @skip(if: $s) } itemsAll { name ...{ id @skip(if: $s) } } }", {"s": None}),
    "null for a directive in a list without nulls": (
        'query ($s: Boolean = true) { objects(way: "items") { id @skip(if: $s) } rooms(way: "rooms") { id @skip(if: $s) } }',
        {"s": None},
    ),
    "null for a directive of another type": (
        'query ($s: Boolean = true) { thing(way: "item") { ... on Tower { name @skip(if: $s) } ... on Item { id } } }',
        {"s": None},
    ),
    "null for a directive below a deferred null": (
        'query ($s: Boolean = true) { deferred(way: "deferred nothing") { id @skip(if: $s) } name }',
        {"s": None},
    ),
    "null for a directive below a deferred item": (
        'query ($s: Boolean = true) { deferred(way: "deferred item") { deep { id @skip(if: $s) } id } name }',
        {"s": None},
    ),
    "null for a directive below a batch of nulls": (
        'query ($s: Boolean = true) { items { edge(way: "nulls") { id @skip(if: $s) } } }',
        {"s": None},
    ),
    "arguments": ('{ given a: given(number: 7, wish: { must: 1 }, wishes: { must: 2, tags: "b" }, grid: 5, colours: GREEN, odd: 4) }', {}),
    "nulls for arguments": ("{ given(wish: null, wishes: null, grid: [[null], null], colours: null, odd: null, id: null) }", {}),
    "variables": (
        "query ($n: Int! = 8, $w: Wish, $ws: [Wish!], $g: [[Int]], $c: Colour!, $o: Odd, $i: ID, $f: Float) "
        "{ given(number: $n, wish: $w, wishes: $ws, grid: $g, colours: [$c], odd: $o, id: $i, float: $f) }",
        {"w": {"must": 1, "inner": {"must": 2, "colour": "RED"}}, "ws": {"must": 3}, "g": [1, [2, None]], "c": "RED", "o": [1], "i": 7, "f": 3},
    ),
    "absent variables": ("query ($w: Wish, $c: [Colour!], $f: Float) { given(wish: $w, colours: $c, float: $f) tell }", {}),
    "null variables": ("query ($w: Wish, $c: [Colour!], $f: Float) { given(wish: $w, colours: $c, float: $f) }", {"w": None, "c": None, "f": None}),
    "null where a default would do": ("query ($n: Int) { given(number: $n) deep { id } }", {"n": None}),
    "null in an input's default": ("query ($n: Int) { given(wish: { must: 1, usual: $n }) }", {"n": None}),
    "absent in an input": ("query ($n: Int, $c: Colour) { given(wish: { must: 1, usual: $n, colour: $c }) }", {}),
    "null in a list": ("query ($n: Colour = RED) { given(colours: [$n, GREEN]) name }", {"n": None}),
    "an argument that fails, in a list": ("query ($n: Int) { items { id tell } given(number: $n) given2: given(number: 1) }", {"n": None}),
    "typename": ("{ __typename t: __typename deep { __typename id } items { t: __typename } }", {}),
    "introspection": ('{ __schema { queryType { name } types { name kind } } __type(name: "Wish") { inputFields { name defaultValue type { name ofType { name } } } } }', {}),
    "introspection beside data": ('{ __type(name: "Item") { fields { name type { kind } args { name } } } nothing: __type(name: "X") { name } id }', {}),
    "null climbs one level": ("{ deep { id boomMust } name }", {}),
    "null climbs to the root": ("{ id deepMust { deepMust { laterBoom } } }", {}),
    "null climbs two levels": ("{ deep { deepMust { badMust { id } } id } name }", {}),
    "null climbs through a list": ("{ deep { itemsAll { id boomMust } } name }", {}),
    "null stays in a list": ("{ items { id boomMust } }", {}),
    "null ends a list": ("{ itemsMust { id } deep { itemsMust { later } } }", {}),
    "nothing for a must": ("{ deep { nothing } name }", {}),
    "several climb to one null": ("{ deep { id boomMust nothing laterBoom returned } name }", {}),
    "errors above and below one null": ("{ deep { boom deep { boom bad { id } } laterBoom } boom }", {}),
    "errors stay where null is allowed": ("{ boom bad { id } deep { boom bad { id } deep { boom } } items { boom } }", {}),
    "errors of aliases": ("{ a: boom b: boom deep { a: boom b: boom } }", {}),
    "an error of merged fields": ("{ bad { id } bad { name } ...F } fragment F on Query { bad { later } }", {}),
    "locations": ("{\n  a: boom\n  deep {\n    boom\n\n    ... on Item { b: boom }\n  }\n}", {}),
    "late errors before early ones": ("{ deep { laterBoom } boom items { later boom } bad { id } }", {}),
    "info": ("query Named($x: String = \"x\") { tell deep { tell(of: $x) t: tell } items { tell itemsAll { tell } } edge { tell } }", {}),
    "types by name": ('{ things(way: "things") { ... on Item { id } ... on Tower { h: height } ... on Wall { l: length } __typename } }', {}),
    "interfaces of interfaces": ('{ thing(way: "wall") { ... on Wall { sides { name ... on Tower { height } ... on Tall { h: height } } } } }', {}),
    "an interface on an object": ("{ deep { ... on Named { name ... on Item { id } ... on Named { n: name } } } named { name ... on Tall { height } } }", {}),
    "a union on a union": ('{ thing(way: "item") { ... on Thing { ... on Named { name } ... on Item { id } } } }', {}),
    "one type's nodes differ from another's": ('{ things(way: "things") { ... on Tower { name } ... on Named { name } ... on Wall { length name } } }', {}),
    "a mutation": ("mutation { a: step(turns: 3) b: step(turns: 0) c: step(turns: 2) }", {}),
    "a mutation's fields below": ("mutation { item { later laterA: later deepMust { later } } a: step item { id items { later } } b: step }", {}),
    "a mutation goes on after an error": ("mutation { a: step boom b: step }", {}),
    "a mutation stops at a null": ("mutation { a: step boomMust b: step }", {}),
    "a mutation stops at its own": ("mutation { a: stepMust b: stepMust(turns: 3, fail: true) c: stepMust item { id } }", {}),
    "a mutation merged": ("mutation { item { id } a: step item { name } }", {}),
    "a mutation skipped": ("mutation ($s: Boolean!) { a: step @skip(if: $s) b: step @include(if: $s) ... { c: step } }", {"s": True}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
async def test_a_case(name: str) -> None:
    for _ in range(2):  # the second time by the plan that was kept
        await BOTH.agree(*CASES[name], Scene)


@pytest.mark.parametrize(
    ("document", "root"),
    [
        ("subscription { event { id later boom } }", {"event": item(3)}),
        ("subscription { event { id boomMust } }", {"event": item(3)}),
        ("subscription { event { id } }", None),
        ("subscription { event { id } }", {"event": ValueError("returned")}),
        ("subscription { number }", {"number": "x"}),
        ("subscription { tell }", {"tell": 1}),
        ("subscription { boomMust }", {}),
        ("subscription { n: number }", {"number": lambda _info: 5}),
    ],
)
async def test_an_event(document: str, root: Any) -> None:
    await BOTH.agree(document, {}, Scene, root)


async def test_nothing_goes_to_graphql_core() -> None:
    both = Both(BOTH.schema, batch_of)
    for document, variables in CASES.values():
        await both.agree(document, variables, Scene)
    assert not both.compiled.fallbacks
    assert both.core.fallbacks["not compiled"] == len(CASES)
