"""Persisted documents: which one a request names, and the manifests of trusted ones. See docs/decisions/0007."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from engine.documents.limits import Params, refuse

PREFIX = "sha256:"  # of the ids that are the hash of their text, as GraphQL over HTTP spells them
_HASH = re.compile(r"[0-9a-f]{64}")
_APOLLO = "apollo-persisted-query-manifest"


class Unusable(Exception):
    """A manifest can't be trusted as it is. `faults` are sentences, each naming its document where it is one's."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def hashed(text: str) -> str:
    """The id of a document by its text: "sha256:" and 64 lower-case hexadecimal digits."""
    return PREFIX + sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def named(params: Params) -> str | None:
    """The id by which a request names its document; None when it names none. Raises `Rejected` for two that differ.

    By `documentId`, or by `extensions.persistedQuery` as Apollo's clients do. Hashes may be in upper case.
    """
    ids = {_lowered(params.document_id)} if params.document_id is not None else set()
    if "persistedQuery" in params.extensions:
        ids.add(_apollo_hash(params.extensions["persistedQuery"]))
    if len(ids) > 1:
        raise refuse("The request names two documents.")
    return ids.pop() if ids else None


def _apollo_hash(given: Any) -> str:
    if not isinstance(given, dict) or given.get("version") != 1:
        raise refuse("Unsupported persisted query version: it must be 1.")
    name = _lowered(f"{PREFIX}{given.get('sha256Hash')}")
    if not _HASH.fullmatch(name.removeprefix(PREFIX)):
        raise refuse("The persisted query's sha256Hash must be 64 hexadecimal digits.")
    return name


def _lowered(name: str) -> str:
    return name.lower() if name.lower().startswith(PREFIX) else name


def manifest(path: Path) -> dict[str, str]:
    """The documents of a manifest file, by id. Raises `Unusable` with every fault.

    Read are `{id: text}`, as Relay writes it, and Apollo's `{"format": ..., "version": 1, "operations": [{"id", "body"}]}`.
    An id of 64 hexadecimal digits must be the SHA-256 of its text.
    """
    try:
        entries = list(_entries(orjson.loads(path.read_bytes())))
    except (OSError, ValueError) as error:
        raise Unusable([f"{path}: {error.strerror if isinstance(error, OSError) else error}"]) from None
    documents: dict[str, str] = {}
    faults = []
    for name, text in entries:
        if fault := _fault(name, text, documents):
            faults.append(f"{name}: {fault}")
        else:
            documents[name] = text
    if faults or not documents:
        raise Unusable(faults or [f"{path}: it holds no documents"])
    return documents


def _entries(content: Any) -> Iterator[tuple[Any, Any]]:
    if not isinstance(content, dict):
        raise ValueError("a manifest is a JSON object")
    if content.get("format") != _APOLLO:
        yield from content.items()
        return
    operations = content.get("operations")
    if content.get("version") != 1 or not isinstance(operations, list):
        raise ValueError("of Apollo's manifests, version 1 is understood")
    for operation in operations:
        yield (operation.get("id"), operation.get("body")) if isinstance(operation, dict) else (operation, None)


def _fault(name: Any, text: Any, others: dict[str, str]) -> str | None:
    if not isinstance(name, str) or not name or not isinstance(text, str):
        return "an id and a text are needed"
    if others.get(name, text) != text:
        return "stands for two documents"
    digits = _lowered(name).removeprefix(PREFIX)
    if (name != digits or _HASH.fullmatch(digits.lower())) and PREFIX + digits.lower() != hashed(text):
        return f"is not the SHA-256 of its text, which is {hashed(text).removeprefix(PREFIX)}"
    return None
