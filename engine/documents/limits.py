"""Limits of documents, operations and requests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The largest values accepted. All but `timeout` and `response_bytes` are checked before
    anything is executed.

    `overlap_budget` is the budget of graphql-core's rule that fields with the same response name
    must be mergeable, the only rule whose work is quadratic. With 20,000 the worst document of
    2,000 tokens takes about 40 ms; with graphql-core's own 500,000 it takes 700 ms.
    """

    document_bytes: int = 32_768
    tokens: int = 2_000
    depth: int = 15  # nested fields; GraphiQL's introspection query needs all of them
    nesting: int = 40  # nested selection sets within one definition, inline fragments included
    aliases: int = 60  # occurrences, with fragments expanded
    root_fields: int = 40  # occurrences, with fragments expanded
    overlap_budget: int = 20_000
    number_digits: int = (
        400  # of one number in a document; numbers in JSON end at the largest double
    )
    cost: int = 10_000
    response_bytes: int = 8_388_608  # of a response, encoded as JSON and before compression
    body_bytes: int = 1_048_576
    json_depth: int = 64
    timeout: float = (
        30.0  # seconds, for a query and for each event of a subscription; mutations always finish
    )
