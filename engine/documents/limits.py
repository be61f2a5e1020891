"""What a document and a request may be, and how a request that is not is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BAD_USER_INPUT = "BAD_USER_INPUT"
QUERY_TOO_COSTLY = "QUERY_TOO_COSTLY"
FORBIDDEN = "FORBIDDEN"
DOCUMENT_NOT_TRUSTED = "DOCUMENT_NOT_TRUSTED"
PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
TIMEOUT = "TIMEOUT"
INTERNAL = "INTERNAL"


@dataclass(frozen=True)
class Limits:
    """What one operation may ask for. Checked before anything is executed.

    `overlaps` is the budget of graphql-core's rule that same-named fields can be merged: the one rule whose work is
    quadratic. At 20,000 the worst document of 2,000 tokens takes some 40 ms; graphql-core's own 500,000 takes 700.
    """

    document_bytes: int = 32_768
    tokens: int = 2_000
    depth: int = 15  # fields below each other; GraphiQL's introspection needs them all
    nesting: int = 40  # selection sets in each other within one definition, inline fragments included
    aliases: int = 60  # occurrences, fragments expanded
    root_fields: int = 40  # occurrences, fragments expanded
    overlaps: int = 20_000
    number_digits: int = 400  # of one number in a document; JSON numbers end at the largest double
    cost: int = 10_000
    body_bytes: int = 1_048_576
    json_depth: int = 64
    seconds: float = 30.0  # for a query, and for each event of a subscription; mutations finish


class Rejected(Exception):
    """The request was refused and nothing was executed. `errors` are formatted, each with `extensions.code`."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(errors[0]["message"])
        self.errors = errors


def refuse(message: str, code: str = BAD_USER_INPUT, **extensions: Any) -> Rejected:
    return Rejected([{"message": message, "extensions": {"code": code, **extensions}}])


@dataclass(slots=True)  # not frozen: that is 1 µs more for each request
class Params:
    """A GraphQL request's parameters, of the right types. A document is brought (`query`) or named (persisted.py)."""

    query: str | None
    operation_name: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    extensions: dict[str, Any] = field(default_factory=dict)
    document_id: str | None = None

    @property
    def names_document(self) -> bool:
        """Whether a document is named, by whatever means."""
        return self.document_id is not None or "persistedQuery" in self.extensions

    @classmethod
    def of(cls, payload: Any) -> Params:
        """Read the parameters from a decoded JSON object. Raises `Rejected` when one has the wrong type."""
        if not isinstance(payload, dict):
            raise refuse("The request must be a JSON object; batches are not supported.")
        return cls(
            query=_typed(payload, "query", str, "a string"),
            operation_name=_typed(payload, "operationName", str, "a string") or None,
            variables=_typed(payload, "variables", dict, "an object") or {},
            extensions=_typed(payload, "extensions", dict, "an object") or {},
            document_id=_typed(payload, "documentId", str, "a string"),
        )


def _typed(payload: Mapping[str, Any], name: str, kind: type, noun: str) -> Any:
    value = payload.get(name)
    if value is not None and not isinstance(value, kind):
        raise refuse(f"The parameter '{name}' must be {noun}.")
    return value
