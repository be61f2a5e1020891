"""The rule that combines the others finds the same errors as graphql-core with each of them."""

from typing import Any

import pytest
from graphql import ASTValidationRule, GraphQLError, Node, parse, specified_rules, validate
from graphql.language import BREAK, SKIP

from engine.documents.rules import combined_rule
from tests.engine.differential.named_values_schema import named_values_schema

SCHEMA = named_values_schema()
DOCUMENTS = (
    "{ id ...F } fragment F on Query { deep { ...I } } fragment I on Item { name }",
    "{ nothing deep { nothing { id } } id { name } }",
    "{ id } { name } query Q { id } query Q { name }",
    "query ($a: Int, $a: Int, $b: Nothing, $c: Item) { id }",
    "query ($x: String!) { leaf(value: $x) number(value: $y) arguments(number: $x) }",
    '{ leaf leaf(value: 1) float(nothing: 1, value: "x", value: "y") }',
    "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A ...C } fragment D on Nothing "
    "{ id } fragment D on Item { id }",
    "{ deep { ... on Query { id } ... on Wall { length } } ... on Int { id } }",
    "{ id @skip deep @include(if: 3) { name @nothing } name @skip(if: true) @skip(if: true) }",
    "{ id: name id x: leaf(value: 1) x: leaf(value: 2) }",
    'mutation @skip(if: true) { step(iterations: "x") stepNonNull(iterations: null) }',
    "subscription { event { id } number }",
    "{ arguments(options: { tags: 3, nothing: 1, required: 1, required: 2 }, colours: [BLUE]) }",
    "type Query { id: ID }",
)


def found_errors(document: str, *rules: type[ASTValidationRule]) -> list[tuple[str, Any]]:
    errors = validate(SCHEMA, parse(document), rules, max_errors=5)
    return [(error.message, error.locations) for error in errors]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_errors_are_the_same_in_the_same_order(document: str) -> None:
    expected = found_errors(document, *specified_rules)
    assert found_errors(document, combined_rule(specified_rules)) == expected
    assert (document is DOCUMENTS[0]) == (expected == [])


class ReportingRule(ASTValidationRule):
    """Reports nodes, and acts on fields by their names."""

    def report(self, action: str, node: Any) -> Any:
        name = node.name.value if node.kind == "field" else node.kind
        self.report_error(GraphQLError(f"{type(self).__name__}: {action} {name}", node))
        if action == "enter":
            return {"deep": SKIP, "objects": False, "later": BREAK}.get(name)
        return {"failsLater": True, "fails": False}.get(name)


class NodesRule(ReportingRule):
    """Has methods for all nodes."""

    def enter(self, node: Node, *_: Any) -> Any:
        return self.report("enter", node)

    def leave(self, node: Node, *_: Any) -> Any:
        return self.report("leave", node)


class FieldsRule(ReportingRule):
    """Has methods for fields that are entered, and names that are left."""

    def enter_field(self, node: Node, *_: Any) -> Any:
        return self.report("enter", node)

    def leave_name(self, node: Node, *_: Any) -> Any:
        return self.report("leave", node)


@pytest.mark.parametrize(
    "document",
    [
        "{ id deep { name } name }",
        '{ objects(value: "items") { id deep { name } } id }',
        "{ fails id failsLater name }",
        "{ deep { later } named { name } later name }",
    ],
)
def test_a_rule_may_skip_the_children_of_a_node_or_the_rest(document: str) -> None:
    rules = [NodesRule, FieldsRule]
    expected = validate(SCHEMA, parse(document), rules)
    errors = validate(SCHEMA, parse(document), [combined_rule(rules)])
    assert [error.message for error in errors] == [error.message for error in expected]
    assert len({error.message for error in errors}) > 5
