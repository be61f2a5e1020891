"""Persisted documents: ids of documents, the id in a request, and manifests of trusted
documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from engine.documents.params import Params
from engine.errors import request_error

# of ids that are the hash of the text, in the spelling of the GraphQL over HTTP specification
HASH_PREFIX = "sha256:"
_HASH_PATTERN = re.compile(r"[0-9a-f]{64}")
_APOLLO_FORMAT = "apollo-persisted-query-manifest"


class ManifestError(Exception):
    """A manifest is not usable. `problems` are sentences; one that concerns a document begins with
    its id.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def document_id(text: str) -> str:
    """The id of a document with this text: "sha256:" and 64 lower-case hexadecimal digits."""
    return HASH_PREFIX + sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def requested_id(params: Params) -> str | None:
    """The id by which a request references its document; None when it doesn't.

    It comes from `documentId`, or from `extensions.persistedQuery` as sent by Apollo's clients.
    Hashes may be in upper case. Raises `RequestError` when the two differ.
    """
    ids = {_normalize_id(params.document_id)} if params.document_id is not None else set()
    if "persistedQuery" in params.extensions:
        ids.add(_apollo_id(params.extensions["persistedQuery"]))
    if len(ids) > 1:
        raise request_error("The request names two documents.")
    return ids.pop() if ids else None


def _apollo_id(extension: Any) -> str:
    if not isinstance(extension, dict) or extension.get("version") != 1:
        raise request_error("Unsupported persisted query version: it must be 1.")
    id_ = _normalize_id(f"{HASH_PREFIX}{extension.get('sha256Hash')}")
    if not _HASH_PATTERN.fullmatch(id_.removeprefix(HASH_PREFIX)):
        raise request_error("The persisted query's sha256Hash must be 64 hexadecimal digits.")
    return id_


def _normalize_id(id_: str) -> str:
    return id_.lower() if id_.lower().startswith(HASH_PREFIX) else id_


def load_manifest(path: Path) -> dict[str, str]:
    """The texts in a manifest file, by document id. Raises `ManifestError` with all problems found.

    Two formats are read: `{id: text}`, as written by Relay, and Apollo's `{"format": ...,
    "version": 1, "operations": [{"id", "body"}]}`. An id of 64 hexadecimal digits must be the
    SHA-256 of its text.
    """
    try:
        entries = list(_entries(orjson.loads(path.read_bytes())))
    except (OSError, ValueError) as error:
        raise ManifestError(
            [f"{path}: {error.strerror if isinstance(error, OSError) else error}"]
        ) from None
    documents: dict[str, str] = {}
    problems = []
    for id_, text in entries:
        if problem := _entry_problem(id_, text, documents):
            problems.append(f"{id_}: {problem}")
        else:
            documents[id_] = text
    if problems or not documents:
        raise ManifestError(problems or [f"{path}: the manifest contains no documents"])
    return documents


def _entries(content: Any) -> Iterator[tuple[Any, Any]]:
    if not isinstance(content, dict):
        raise ValueError("a manifest must be a JSON object")
    if content.get("format") != _APOLLO_FORMAT:
        yield from content.items()
        return
    operations = content.get("operations")
    if content.get("version") != 1 or not isinstance(operations, list):
        raise ValueError("only version 1 of Apollo's manifests is supported")
    for operation in operations:
        yield (
            (operation.get("id"), operation.get("body"))
            if isinstance(operation, dict)
            else (operation, None)
        )


def _entry_problem(id_: Any, text: Any, documents: dict[str, str]) -> str | None:
    if not isinstance(id_, str) or not id_ or not isinstance(text, str):
        return "an id and a text are required"
    if documents.get(id_, text) != text:
        return "is the id of two documents"
    digits = _normalize_id(id_).removeprefix(HASH_PREFIX)
    is_hash = id_ != digits or _HASH_PATTERN.fullmatch(digits.lower())
    expected_digits = document_id(text).removeprefix(HASH_PREFIX)
    if is_hash and digits.lower() != expected_digits:
        return f"is not the SHA-256 of its text, which is {expected_digits}"
    return None
