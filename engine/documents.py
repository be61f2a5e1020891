"""Parsed and validated documents, kept: parsing and validating is most of a small query's time."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from graphql import (
    ASTValidationRule,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    TokenKind,
    ValidationContext,
    parse,
    specified_rules,
    validate,
)
from graphql.execution.collect_fields import FragmentDetails
from graphql.validation import OverlappingFieldsCanBeMergedRule

from engine.limits import QUERY_TOO_COSTLY, Limits, Rejected, refuse
from engine.masking import coded
from engine.measure import check, measure, order, spreads_of
from engine.plan import Plan

MAX_ERRORS = 20  # validation errors named in one answer
KEPT_DOCUMENTS = 1_000
KEPT_BYTES = 300_000  # of source text; parsed, a document of short names takes some 170 times its text


@dataclass
class Document:
    """A valid document within the limits, and what is worked out once for all its executions."""

    node: DocumentNode
    size: int  # bytes of source text
    operations: dict[str | None, OperationDefinitionNode]
    fragments: dict[str, FragmentDefinitionNode]
    details: dict[str, FragmentDetails]  # the fragments as graphql-core's executor wants them
    ordered: list[str]  # fragments, each after those it spreads
    introspects: bool
    costs: dict[str | None, int] = field(default_factory=dict)  # of operations without variables
    switches: dict[str | None, tuple[str, ...]] = field(default_factory=dict)  # variables of @skip and @include, by operation
    plans: dict[tuple[Any, ...], Plan] = field(default_factory=dict)

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation to execute. Raises `Rejected` when the name is unknown, or missing among several."""
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        if name is None:
            raise refuse("The document holds several operations: operationName must choose one.")
        if name not in self.operations:
            raise refuse(f"The document holds no operation named '{name}'.")
        return self.operations[name]


class Library:
    """Reads documents and keeps those it may be asked for again, by the hash of their text.

    Documents asked for once and documents asked for again live apart, each in least-recently-used order. A flood of new
    documents, valid or not, can so never push out those in daily use; refused ones are not kept at all.
    """

    def __init__(self, schema: GraphQLSchema, limits: Limits, rules: Sequence[type[ASTValidationRule]] = ()) -> None:
        self._schema = schema
        self._limits = limits
        self._rules = [*(r for r in specified_rules if r is not OverlappingFieldsCanBeMergedRule), _overlaps(limits), *rules]
        self._new = Shelf(KEPT_DOCUMENTS // 4, KEPT_BYTES // 4)
        self._proven = Shelf(KEPT_DOCUMENTS, KEPT_BYTES)

    def read(self, text: str, *, suggest: bool = True) -> Document:
        """The document of a text. `suggest`: errors may name similar fields. Raises `Rejected`."""
        source = text.encode("utf-8", "surrogatepass")
        if len(source) > self._limits.document_bytes:
            limit = self._limits.document_bytes
            raise refuse(f"The document is larger than {limit} bytes.", QUERY_TOO_COSTLY, bytes=len(source), limit=limit)
        key = sha256(source).digest()
        if known := self._proven.get(key):
            return known
        document = self._new.take(key)
        if document:
            self._proven.put(key, document)
        else:
            document = self._read(text, len(source), suggest)
            self._new.put(key, document)
        return document

    def _read(self, text: str, size: int, suggest: bool) -> Document:
        node = _parsed(text, self._limits)
        _check_numbers(node, text, self._limits.number_digits)
        shape = measure(node)
        check(shape, self._limits)
        if errors := validate(self._schema, node, self._rules, MAX_ERRORS, hide_suggestions=not suggest):
            raise _invalid(errors)
        operations = [d for d in node.definitions if isinstance(d, OperationDefinitionNode)]
        fragments = {d.name.value: d for d in node.definitions if isinstance(d, FragmentDefinitionNode)}
        return Document(
            node=node,
            size=size,
            operations={o.name.value if o.name else None: o for o in operations},
            fragments=fragments,
            details={name: FragmentDetails(fragment, None) for name, fragment in fragments.items()},
            ordered=order({name: spreads_of(fragment) for name, fragment in fragments.items()}),
            introspects=shape.introspects,
        )


class Shelf:
    """Documents by key, the least recently used thrown out once there are too many or too large ones."""

    def __init__(self, documents: int, size: int) -> None:
        self._documents, self._room = documents, size
        self._kept: OrderedDict[bytes, Document] = OrderedDict()

    def get(self, key: bytes) -> Document | None:
        document = self._kept.get(key)
        if document:
            self._kept.move_to_end(key)
        return document

    def take(self, key: bytes) -> Document | None:
        document = self._kept.pop(key, None)
        if document:
            self._room += document.size
        return document

    def put(self, key: bytes, document: Document) -> None:
        self.take(key)
        self._kept[key] = document
        self._room -= document.size
        while self._room < 0 or len(self._kept) > self._documents:
            self.take(next(iter(self._kept)))


def _parsed(text: str, limits: Limits) -> DocumentNode:
    try:
        return parse(text, max_lexical_tokens=limits.tokens, max_comments=limits.tokens)
    except GraphQLError as error:
        # The parser tells these two apart from any other syntax error by their text alone; a test holds it to that.
        if "tokens. Parsing aborted" in error.message or "comments. Parsing aborted" in error.message:
            raise refuse(error.message, QUERY_TOO_COSTLY, limit=limits.tokens) from None
        if "nested too deeply" in error.message:
            raise refuse(error.message, QUERY_TOO_COSTLY, limit=limits.depth) from None
        raise Rejected([coded(error)]) from None


def _check_numbers(node: DocumentNode, text: str, limit: int) -> None:
    # Python itself refuses to read an integer of more than 4,300 digits, in words that are not for our callers.
    if not re.search(rf"[0-9]{{{limit + 1}}}", text):
        return  # nearly always; digits may still lie in a string or a comment
    token = node.loc.start_token if node.loc else None
    while token:
        if token.kind in {TokenKind.INT, TokenKind.FLOAT} and token.end - token.start > limit:
            raise refuse(f"A number has more than {limit} digits.", limit=limit)
        token = token.next


def _overlaps(limits: Limits) -> type[ASTValidationRule]:
    class OverlappingFieldsWithinBudget(OverlappingFieldsCanBeMergedRule):
        """graphql-core's rule with our budget: its own, a module constant, lets one document take most of a second."""

        def __init__(self, context: ValidationContext) -> None:
            super().__init__(context)
            self.rule_context.remaining_complexity_budget = limits.overlaps

    return OverlappingFieldsWithinBudget


def _invalid(errors: list[GraphQLError]) -> Rejected:
    if errors[-1].message == "Validation aborted.":  # a rule's budget is spent
        return refuse("The document repeats too many fields to be validated.", QUERY_TOO_COSTLY)
    return Rejected([coded(error) for error in errors])
