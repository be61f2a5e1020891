"""The store of parsed and validated documents: parsing and validating takes most of a small query's
time.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence

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
from graphql.validation import OverlappingFieldsCanBeMergedRule, ValuesOfCorrectTypeRule

from engine.documents.document import Document
from engine.documents.limits import Limits
from engine.documents.measure import check_limits, measure, spread_names, topological_order
from engine.documents.params import Params
from engine.documents.persisted import ManifestError, document_id, requested_id
from engine.documents.rules import combined_rule
from engine.documents.value_errors import ValuesOfCorrectType, syntax_message
from engine.errors import (
    DOCUMENT_NOT_TRUSTED,
    PERSISTED_QUERY_NOT_FOUND,
    QUERY_TOO_COSTLY,
    RequestError,
    error_with_code,
    request_error,
)

MAX_ERRORS = 20  # validation errors in one response
MAX_DOCUMENTS = 1_000
# of source text; a parsed document with short names takes about 170 times the size of its text
MAX_BYTES = 300_000
_REPLACED_RULES = {OverlappingFieldsCanBeMergedRule, ValuesOfCorrectTypeRule}
_TOO_MANY_TOKENS = re.compile(
    r"Syntax Error: Document contains more than \d+ (?:tokens|comments)\. Parsing aborted\."
)
_TOO_DEEP = "Syntax Error: Document is nested too deeply. Parsing aborted."


class DocumentStore:
    """Parses and validates documents, and keeps those that are likely to come again, by their text
    and by its hash.

    Documents requested once and documents requested repeatedly are kept apart, each in a
    least-recently-used cache. So a flood of new documents can't evict those in daily use. Invalid
    documents are not kept.

    `trusted_documents` (texts by id) are read immediately and never evicted. Raises `ManifestError`
    when some are invalid.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        limits: Limits,
        rules: Sequence[type[ASTValidationRule]] = (),
        trusted_documents: Mapping[str, str] | None = None,
    ) -> None:
        self._schema = schema
        self._limits = limits
        self._rule = combined_rule(
            [
                *(rule for rule in specified_rules if rule not in _REPLACED_RULES),
                _overlap_rule(limits),
                ValuesOfCorrectType,
                *rules,
            ]
        )
        self._once = DocumentCache(MAX_DOCUMENTS // 4, MAX_BYTES // 4)
        self._repeated = DocumentCache(MAX_DOCUMENTS, MAX_BYTES)
        texts = trusted_documents or {}
        self._trusted = self._parse_trusted(texts)
        self._trusted_by_id = {id_: self._trusted[text] for id_, text in texts.items()}
        self._trusted_by_id |= {document.id: document for document in self._trusted.values()}

    def _parse_trusted(self, texts: Mapping[str, str]) -> dict[str, Document]:
        documents: dict[str, Document] = {}
        problems = []
        for id_, text in texts.items():
            try:
                documents[text] = documents.get(text) or self._parse(text)
            except RequestError as error:
                problems.append(f"{id_}: {error}")
        if problems:
            raise ManifestError(problems)
        return documents

    def find(
        self, params: Params, *, suggest_names: bool = True, trusted_only: bool = False
    ) -> Document:
        """The document that a request sends or references.

        With `trusted_only`, every document that is not in the manifest is rejected. `suggest_names`
        as in `read`. Raises `RequestError`.
        """
        text = params.query
        id_ = requested_id(params) if params.has_document_id else None
        if not text:
            return self._by_id(id_, trusted_only)
        if trusted := self._trusted.get(text):
            document = trusted
        elif trusted_only:
            raise _untrusted_document_error()
        else:
            document = self.read(text, suggest_names=suggest_names)
        if id_ not in (None, document.id) and self._trusted_by_id.get(str(id_)) is not document:
            raise request_error("provided sha does not match query")  # the message of Apollo Server
        return document

    def _by_id(self, id_: str | None, trusted_only: bool) -> Document:
        if id_ is None:
            raise request_error("The parameter 'query' is missing.")
        if trusted := self._trusted_by_id.get(id_):
            return trusted
        if trusted_only:
            raise _untrusted_document_error()
        text = self._repeated.get_text(id_) or self._once.get_text(id_)
        if text is None:  # Apollo's clients know this code and then send the text
            raise request_error("PersistedQueryNotFound", PERSISTED_QUERY_NOT_FOUND)
        return self.read(text)

    def read(self, text: str, *, suggest_names: bool = True) -> Document:
        """The document with this text. With `suggest_names`, errors may suggest names of the
        schema. Raises `RequestError`.
        """
        if cached := self._repeated.get(text):
            return cached
        document = self._once.pop(text)
        if document:
            self._repeated.put(document)
        else:
            document = self._parse(text, suggest_names)
            self._once.put(document)
        return document

    def _parse(self, text: str, suggest_names: bool = True) -> Document:
        size, limit = len(text.encode("utf-8", "surrogatepass")), self._limits.document_bytes
        if size > limit:
            raise request_error(
                f"The document is larger than {limit} bytes.",
                QUERY_TOO_COSTLY,
                bytes=size,
                limit=limit,
            )
        node = _parse_text(text, self._limits)
        _check_numbers(node, text, self._limits.number_digits)
        counts = measure(node)
        check_limits(counts, self._limits)
        if errors := validate(
            self._schema, node, [self._rule], MAX_ERRORS, hide_suggestions=not suggest_names
        ):
            raise _validation_error(errors)
        operations = [
            each for each in node.definitions if isinstance(each, OperationDefinitionNode)
        ]
        fragments = {
            each.name.value: each
            for each in node.definitions
            if isinstance(each, FragmentDefinitionNode)
        }
        return Document(
            node=node,
            text=text,
            size=size,
            id=document_id(text),
            operations={each.name.value if each.name else None: each for each in operations},
            fragments=fragments,
            fragment_details={
                name: FragmentDetails(fragment, None) for name, fragment in fragments.items()
            },
            fragment_order=topological_order(
                {name: spread_names(fragment) for name, fragment in fragments.items()}
            ),
            uses_introspection=counts.uses_introspection,
        )


class DocumentCache:
    """Documents by text. The least recently used ones are evicted when there are too many, or too
    many bytes of text.
    """

    def __init__(self, max_documents: int, max_bytes: int) -> None:
        self._max_documents, self._free_bytes = max_documents, max_bytes
        self._documents: OrderedDict[str, Document] = OrderedDict()
        self._texts: dict[str, str] = {}  # by id

    def get_text(self, id_: str) -> str | None:
        """The text whose hash is this id; None when it is not cached."""
        return self._texts.get(id_)

    def get(self, text: str) -> Document | None:
        """The document, which becomes the most recently used; None when it is not cached."""
        document = self._documents.get(text)
        if document:
            self._documents.move_to_end(text)
        return document

    def pop(self, text: str) -> Document | None:
        """Remove a document and return it; None when it is not cached."""
        document = self._documents.pop(text, None)
        if document:
            del self._texts[document.id]
            self._free_bytes += document.size
        return document

    def put(self, document: Document) -> None:
        """Add a document as the most recently used, and evict others if necessary."""
        self.pop(document.text)
        self._documents[document.text] = document
        self._texts[document.id] = document.text
        self._free_bytes -= document.size
        while self._free_bytes < 0 or len(self._documents) > self._max_documents:
            self.pop(next(iter(self._documents)))


def _untrusted_document_error() -> RequestError:
    return request_error(
        "Only trusted documents are accepted: send the id of one in the manifest.",
        DOCUMENT_NOT_TRUSTED,
    )


def _parse_text(text: str, limits: Limits) -> DocumentNode:
    try:
        return parse(text, max_lexical_tokens=limits.tokens, max_comments=limits.tokens)
    except GraphQLError as error:
        # Only the message tells these two from any other syntax error. A test checks the parser's
        # wording.
        if _TOO_MANY_TOKENS.fullmatch(error.message):
            raise request_error(error.message, QUERY_TOO_COSTLY, limit=limits.tokens) from None
        if error.message == _TOO_DEEP:
            raise request_error(error.message, QUERY_TOO_COSTLY, limit=limits.depth) from None
        error.message = syntax_message(error.message)
        raise RequestError([error_with_code(error)]) from None


def _check_numbers(node: DocumentNode, text: str, limit: int) -> None:
    # Python itself refuses to convert an integer of more than 4,300 digits, with a message that is
    # not for our callers.
    if not re.search(rf"[0-9]{{{limit + 1}}}", text):
        # true of nearly all documents; the digits found may still be part of a string or a comment
        return
    token = node.loc.start_token if node.loc else None
    while token:
        if token.kind in {TokenKind.INT, TokenKind.FLOAT} and token.end - token.start > limit:
            raise request_error(f"A number has more than {limit} digits.", limit=limit)
        token = token.next


def _overlap_rule(limits: Limits) -> type[ASTValidationRule]:
    class OverlappingFieldsWithinBudget(OverlappingFieldsCanBeMergedRule):
        """graphql-core's rule with a smaller budget: its own is a module constant, enough for most
        of a second.
        """

        def __init__(self, context: ValidationContext) -> None:
            super().__init__(context)
            self.rule_context.remaining_complexity_budget = limits.overlap_budget

    return OverlappingFieldsWithinBudget


def _validation_error(errors: list[GraphQLError]) -> RequestError:
    if errors[-1].message == "Validation aborted.":  # a rule's budget is exhausted
        return request_error(
            "The document repeats too many fields to be validated.", QUERY_TOO_COSTLY
        )
    return RequestError([error_with_code(error) for error in errors])
