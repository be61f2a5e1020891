"""Parsed and validated documents, kept: parsing and validating is most of a small query's time."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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

from engine.documents.limits import (
    DOCUMENT_NOT_TRUSTED,
    PERSISTED_QUERY_NOT_FOUND,
    QUERY_TOO_COSTLY,
    Limits,
    Params,
    Rejected,
    refuse,
)
from engine.documents.measure import check, measure, order, spreads_of
from engine.documents.persisted import Unusable, hashed, named
from engine.documents.variables import Wanted
from engine.errors import coded

MAX_ERRORS = 20  # validation errors named in one answer
KEPT_DOCUMENTS = 1_000
KEPT_BYTES = 300_000  # of source text; parsed, a document of short names takes some 170 times its text


@dataclass
class Document:
    """A valid document within the limits, and what is worked out once for all its executions."""

    node: DocumentNode
    text: str
    size: int  # bytes of source text
    id: str  # its hash (engine/documents/persisted.py)
    operations: dict[str | None, OperationDefinitionNode]
    fragments: dict[str, FragmentDefinitionNode]
    details: dict[str, FragmentDetails]  # the fragments as graphql-core's executor wants them
    ordered: list[str]  # fragments, each after those it spreads
    introspects: bool
    wanted: dict[str | None, list[Wanted]] = field(default_factory=dict)  # variables, by operation
    weights: tuple[str, ...] | None = None  # the variables that costs depend on, once asked for
    costs: dict[tuple[Any, ...], int] = field(default_factory=dict)  # by operation and the weights' values
    switches: dict[str | None, tuple[str, ...]] = field(default_factory=dict)  # variables of @skip and @include, by operation

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
    """Reads documents and keeps those it may be asked for again, by their text and by its hash.

    Documents asked for once and documents asked for again live apart, each in least-recently-used order. A flood of new
    documents, valid or not, can so never push out those in daily use; refused ones are not kept at all. `trusted` ones
    (texts by id) are read at once and kept for ever; raises `Unusable` with what is wrong with them.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        limits: Limits,
        rules: Sequence[type[ASTValidationRule]] = (),
        trusted: Mapping[str, str] | None = None,
    ) -> None:
        self._schema = schema
        self._limits = limits
        self._rules = [*(r for r in specified_rules if r is not OverlappingFieldsCanBeMergedRule), _overlaps(limits), *rules]
        self._new = Shelf(KEPT_DOCUMENTS // 4, KEPT_BYTES // 4)
        self._proven = Shelf(KEPT_DOCUMENTS, KEPT_BYTES)
        self._trusted = self._trust(trusted or {})
        self._named = {name: self._trusted[text] for name, text in (trusted or {}).items()}
        self._named |= {document.id: document for document in self._trusted.values()}

    def _trust(self, texts: Mapping[str, str]) -> dict[str, Document]:
        documents: dict[str, Document] = {}
        faults = []
        for name, text in texts.items():
            try:
                documents[text] = documents.get(text) or self._read(text)
            except Rejected as error:
                faults.append(f"{name}: {error}")
        if faults:
            raise Unusable(faults)
        return documents

    def find(self, params: Params, *, suggest: bool = True, trusted_only: bool = False) -> Document:
        """The document that a request brings or names, as `read`. `trusted_only`: refuse whatever no manifest holds."""
        text = params.query
        name = named(params) if params.names_document else None
        if not text:
            return self._known(name, trusted_only)
        if trusted := self._trusted.get(text):
            document = trusted
        elif trusted_only:
            raise _untrusted()
        else:
            document = self.read(text, suggest=suggest)
        if name not in (None, document.id) and self._named.get(str(name)) is not document:
            raise refuse("provided sha does not match query")  # in the words of Apollo's servers
        return document

    def _known(self, name: str | None, trusted_only: bool) -> Document:
        if name is None:
            raise refuse("The parameter 'query' is missing.")
        if trusted := self._named.get(name):
            return trusted
        if trusted_only:
            raise _untrusted()
        text = self._proven.text_of(name) or self._new.text_of(name)
        if text is None:  # Apollo's clients know this code, and bring the text
            raise refuse("PersistedQueryNotFound", PERSISTED_QUERY_NOT_FOUND)
        return self.read(text)

    def read(self, text: str, *, suggest: bool = True) -> Document:
        """The document of a text. `suggest`: errors may name similar fields. Raises `Rejected`."""
        if known := self._proven.get(text):
            return known
        document = self._new.take(text)
        if document:
            self._proven.put(document)
        else:
            document = self._read(text, suggest)
            self._new.put(document)
        return document

    def _read(self, text: str, suggest: bool = True) -> Document:
        size, limit = len(text.encode("utf-8", "surrogatepass")), self._limits.document_bytes
        if size > limit:
            raise refuse(f"The document is larger than {limit} bytes.", QUERY_TOO_COSTLY, bytes=size, limit=limit)
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
            text=text,
            size=size,
            id=hashed(text),
            operations={o.name.value if o.name else None: o for o in operations},
            fragments=fragments,
            details={name: FragmentDetails(fragment, None) for name, fragment in fragments.items()},
            ordered=order({name: spreads_of(fragment) for name, fragment in fragments.items()}),
            introspects=shape.introspects,
        )


class Shelf:
    """Documents by text, the least recently used thrown out once there are too many or too large ones."""

    def __init__(self, documents: int, size: int) -> None:
        self._documents, self._room = documents, size
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._texts: dict[str, str] = {}

    def text_of(self, name: str) -> str | None:
        """The text whose hash is this id."""
        return self._texts.get(name)

    def get(self, text: str) -> Document | None:
        document = self._kept.get(text)
        if document:
            self._kept.move_to_end(text)
        return document

    def take(self, text: str) -> Document | None:
        document = self._kept.pop(text, None)
        if document:
            del self._texts[document.id]
            self._room += document.size
        return document

    def put(self, document: Document) -> None:
        self.take(document.text)
        self._kept[document.text] = document
        self._texts[document.id] = document.text
        self._room -= document.size
        while self._room < 0 or len(self._kept) > self._documents:
            self.take(next(iter(self._kept)))


def _untrusted() -> Rejected:
    return refuse("Only trusted documents are taken here: name one of the manifest's.", DOCUMENT_NOT_TRUSTED)


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
