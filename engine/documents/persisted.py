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
PREFIX = "sha256:"
_HASH = re.compile(r"[0-9a-f]{64}")
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
    return PREFIX + sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def requested_id(params: Params) -> str | None:
    """The id by which a request references its document; None when it doesn't.

    It comes from `documentId`, or from `extensions.persistedQuery` as sent by Apollo's clients.
    Hashes may be in upper case. Raises `RequestError` when the two differ.
    """
    ids = {_lower_hash(params.document_id)} if params.document_id is not None else set()
    if "persistedQuery" in params.extensions:
        ids.add(_apollo_id(params.extensions["persistedQuery"]))
    if len(ids) > 1:
        raise request_error("The request names two documents.")
    return ids.pop() if ids else None


def _apollo_id(extension: Any) -> str:
    if not isinstance(extension, dict) or extension.get("version") != 1:
        raise request_error("Unsupported persisted query version: it must be 1.")
    id_ = _lower_hash(f"{PREFIX}{extension.get('sha256Hash')}")
    if not _HASH.fullmatch(id_.removeprefix(PREFIX)):
        raise request_error("The persisted query's sha256Hash must be 64 hexadecimal digits.")
    return id_


def _lower_hash(id_: str) -> str:
    return id_.lower() if id_.lower().startswith(PREFIX) else id_


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
        if problem := _problem(id_, text, documents):
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


def _problem(id_: Any, text: Any, others: dict[str, str]) -> str | None:
    if not isinstance(id_, str) or not id_ or not isinstance(text, str):
        return "an id and a text are required"
    if others.get(id_, text) != text:
        return "is the id of two documents"
    digits = _lower_hash(id_).removeprefix(PREFIX)
    if (
        id_ != digits or _HASH.fullmatch(digits.lower())
    ) and PREFIX + digits.lower() != document_id(text):
        return f"is not the SHA-256 of its text, which is {document_id(text).removeprefix(PREFIX)}"
    return None
