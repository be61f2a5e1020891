"""Parsed documents are kept, and a flood can't push out those in daily use."""

from __future__ import annotations

import pytest
from graphql import GraphQLSchema

from engine import Limits, Rejected
from engine.documents import KEPT_BYTES, KEPT_DOCUMENTS, Document, Library, Shelf

DAILY = "query Daily { me { id } }"


@pytest.fixture
def library(schema: GraphQLSchema) -> Library:
    return Library(schema, Limits())


def test_a_document_is_read_once(library: Library) -> None:
    first = library.read(DAILY)
    assert library.read(DAILY) is first
    assert library.read(DAILY) is first
    assert library.read(DAILY + " ") is not first


def test_a_flood_of_new_documents_leaves_the_daily_ones(library: Library) -> None:
    library.read(DAILY)
    kept = library.read(DAILY)  # asked for again
    for number in range(KEPT_DOCUMENTS + 10):
        library.read(f"{{ a{number}: hello }}")
    assert library.read(DAILY) is kept


def test_a_flood_of_refused_documents_leaves_even_the_new_ones(library: Library) -> None:
    kept = library.read(DAILY)
    for number in range(KEPT_DOCUMENTS + 10):
        with pytest.raises(Rejected):
            library.read(f"{{ a{number} ")
    assert library.read(DAILY) is kept


def shelved(size: int) -> Document:
    return Document(None, size, {}, {}, {}, [], False)  # type: ignore[arg-type]  # a shelf looks at the size alone


def test_a_shelf_throws_out_the_least_recently_used() -> None:
    shelf = Shelf(documents=2, size=KEPT_BYTES)
    for key in (b"a", b"b"):
        shelf.put(key, shelved(1))
    shelf.get(b"a")
    shelf.put(b"c", shelved(1))
    assert [bool(shelf.get(key)) for key in (b"a", b"b", b"c")] == [True, False, True]


def test_a_shelf_holds_so_many_bytes() -> None:
    shelf = Shelf(documents=100, size=10)
    for key in (b"a", b"b", b"c"):
        shelf.put(key, shelved(4))
    assert [bool(shelf.get(key)) for key in (b"a", b"b", b"c")] == [False, True, True]
    shelf.put(b"c", shelved(4))  # again: its room is counted once
    assert shelf.get(b"b")
    shelf.take(b"b")
    shelf.put(b"d", shelved(6))
    assert shelf.get(b"c")
