"""Parsed documents are cached, and a flood of new ones doesn't evict those in daily use."""

from __future__ import annotations

import pytest
from graphql import GraphQLSchema

from engine import Limits, RequestError
from engine.documents.document import Document
from engine.documents.store import MAX_BYTES, MAX_DOCUMENTS, DocumentCache, DocumentStore

DAILY_QUERY = "query Daily { me { id } }"


@pytest.fixture
def store(schema: GraphQLSchema) -> DocumentStore:
    return DocumentStore(schema, Limits())


def test_a_document_is_parsed_once(store: DocumentStore) -> None:
    first = store.read(DAILY_QUERY)
    assert store.read(DAILY_QUERY) is first
    assert store.read(DAILY_QUERY) is first
    assert store.read(DAILY_QUERY + " ") is not first


def test_a_flood_of_new_documents_does_not_evict_used_ones(store: DocumentStore) -> None:
    store.read(DAILY_QUERY)
    used_document = store.read(DAILY_QUERY)  # the second request
    for number in range(MAX_DOCUMENTS + 10):
        store.read(f"{{ a{number}: hello }}")
    assert store.read(DAILY_QUERY) is used_document


def test_a_flood_of_invalid_documents_evicts_nothing(store: DocumentStore) -> None:
    cached_document = store.read(DAILY_QUERY)
    for number in range(MAX_DOCUMENTS + 10):
        with pytest.raises(RequestError):
            store.read(f"{{ a{number} ")
    assert store.read(DAILY_QUERY) is cached_document


def document(text: str, size: int) -> Document:
    return Document(None, text, size, text, {}, {}, {}, [], False)  # type: ignore[arg-type]  # the cache doesn't use the node


def test_the_least_recently_used_document_is_evicted() -> None:
    cache = DocumentCache(max_documents=2, max_bytes=MAX_BYTES)
    for text in "ab":
        cache.put(document(text, 1))
    cache.get("a")
    cache.put(document("c", 1))
    assert [bool(cache.get(text)) for text in "abc"] == [True, False, True]
    assert [cache.get_text(text) for text in "abc"] == ["a", None, "c"]


def test_the_size_of_the_cache_is_limited() -> None:
    cache = DocumentCache(max_documents=100, max_bytes=10)
    for text in "abc":
        cache.put(document(text, 4))
    assert [bool(cache.get(text)) for text in "abc"] == [False, True, True]
    cache.put(document("c", 4))  # again: its size is counted once
    assert cache.get("b")
    cache.pop("b")
    cache.put(document("d", 6))
    assert cache.get("c")
