"""The parameters of a GraphQL request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import request_error


@dataclass(slots=True)  # not frozen, which would take 1 µs more per request
class Params:
    """The parameters of one request, each of the right type.

    The document is either sent (`query`) or referenced by its id (`document_id`, or
    `persistedQuery` in `extensions`).
    """

    query: str | None
    operation_name: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    extensions: dict[str, Any] = field(default_factory=dict)
    document_id: str | None = None

    @property
    def has_document_id(self) -> bool:
        """Whether the request references a document by an id, in either way."""
        return self.document_id is not None or "persistedQuery" in self.extensions

    @classmethod
    def from_json(cls, payload: Any) -> Params:
        """Read the parameters from decoded JSON. Raises `RequestError` when one has the wrong
        type.
        """
        if not isinstance(payload, dict):
            raise request_error("The request must be a JSON object; batches are not supported.")
        return cls(
            query=_get_typed(payload, "query", str, "a string"),
            operation_name=_get_typed(payload, "operationName", str, "a string") or None,
            variables=_get_typed(payload, "variables", dict, "an object") or {},
            extensions=_get_typed(payload, "extensions", dict, "an object") or {},
            document_id=_get_typed(payload, "documentId", str, "a string"),
        )


def _get_typed(payload: Mapping[str, Any], name: str, python_type: type, description: str) -> Any:
    value = payload.get(name)
    if value is not None and not isinstance(value, python_type):
        raise request_error(f"The parameter '{name}' must be {description}.")
    return value
