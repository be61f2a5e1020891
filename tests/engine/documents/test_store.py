"""Parsed documents are kept, and a flood can't push out those in daily use."""

from __future__ import annotations

import pytest
from graphql import GraphQLSchema

from engine import Limits, RequestError
from engine.documents.document import Document
from engine.documents.store import MAX_BYTES, MAX_DOCUMENTS, DocumentCache, DocumentStore

DAILY = "query Daily { me { id } }"


@pytest.fixture
def library(schema: GraphQLSchema) -> DocumentStore:
    return DocumentStore(schema, Limits())


def test_a_document_is_read_once(library: DocumentStore) -> None:
    first = library.read(DAILY)
    assert library.read(DAILY) is first
    assert library.read(DAILY) is first
    assert library.read(DAILY + " ") is not first


def test_a_flood_of_new_documents_leaves_the_daily_ones(library: DocumentStore) -> None:
    library.read(DAILY)
    kept = library.read(DAILY)  # asked for again
    for number in range(MAX_DOCUMENTS + 10):
        library.read(f"{{ a{number}: hello }}")
    assert library.read(DAILY) is kept


def test_a_flood_of_refused_documents_leaves_even_the_new_ones(library: DocumentStore) -> None:
    kept = library.read(DAILY)
    for number in range(MAX_DOCUMENTS + 10):
        with pytest.raises(RequestError):
            library.read(f"{{ a{number} ")
    assert library.read(DAILY) is kept


def shelved(text: str, size: int) -> Document:
    return Document(None, text, size, text, {}, {}, {}, [], False)  # type: ignore[arg-type]  # a shelf looks at no node


def test_a_shelf_throws_out_the_least_recently_used() -> None:
    shelf = DocumentCache(max_documents=2, max_bytes=MAX_BYTES)
    for text in "ab":
        shelf.put(shelved(text, 1))
    shelf.get("a")
    shelf.put(shelved("c", 1))
    assert [bool(shelf.get(text)) for text in "abc"] == [True, False, True]
    assert [shelf.text_of(text) for text in "abc"] == ["a", None, "c"]


def test_a_shelf_holds_so_many_bytes() -> None:
    shelf = DocumentCache(max_documents=100, max_bytes=10)
    for text in "abc":
        shelf.put(shelved(text, 4))
    assert [bool(shelf.get(text)) for text in "abc"] == [False, True, True]
    shelf.put(shelved("c", 4))  # again: its room is counted once
    assert shelf.get("b")
    shelf.pop("b")
    shelf.put(shelved("d", 6))
    assert shelf.get("c")
