"""All rules of validation as one, which looks up their methods once.

graphql-core looks up the methods of each rule for each kind of node again in every document: more
than a third of the time of validation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphql import ASTValidationRule, Node, VisitorAction
from graphql.language import BREAK
from graphql.language.visitor import EnterLeaveVisitor
from graphql.validation import ASTValidationContext

# The position of a rule, and its methods for nodes that are entered and left.
MethodNames = tuple[int, str | None, str | None]


def combined_rule(rules: Sequence[type[ASTValidationRule]]) -> type[ASTValidationRule]:
    """One rule that applies these rules in their order; none of them may replace nodes."""
    names: dict[str, list[MethodNames]] = {}  # by the kind of node

    class CombinedRule(ASTValidationRule):
        def __init__(self, context: ASTValidationContext) -> None:
            super().__init__(context)
            self._rules = [rule(context) for rule in rules]
            # What each rule skips: the children of a node, or the rest of the document.
            self._skipped: list[Any] = [None] * len(rules)

        def get_enter_leave_for_kind(self, kind: str) -> EnterLeaveVisitor:
            if kind not in self.enter_leave_map:
                if kind not in names:
                    names[kind] = _method_names(rules, kind)
                self.enter_leave_map[kind] = self._methods(names[kind])
            return self.enter_leave_map[kind]

        def _methods(self, names: list[MethodNames]) -> EnterLeaveVisitor:
            if not names:
                return EnterLeaveVisitor(None, None)
            skipped = self._skipped
            enters = [(i, getattr(self._rules[i], enter)) for i, enter, _ in names if enter]
            leaves = [(i, leave and getattr(self._rules[i], leave)) for i, _, leave in names]

            def enter(node: Node, *args: Any) -> None:
                for i, method in enters:
                    if skipped[i] is None:
                        skipped[i] = _what_to_skip(method(node, *args), node)

            def leave(node: Node, *args: Any) -> None:
                for i, method in leaves:
                    if skipped[i] is node:
                        skipped[i] = None
                    elif skipped[i] is None and method:
                        skipped[i] = _what_to_skip(method(node, *args), None)

            return EnterLeaveVisitor(enter, leave)

    return CombinedRule


def _method_names(rules: Sequence[type[ASTValidationRule]], kind: str) -> list[MethodNames]:
    """The rules that have methods for a kind of node, and their names."""
    found = [
        (i, _method_name(rule, "enter", kind), _method_name(rule, "leave", kind))
        for i, rule in enumerate(rules)
    ]
    return [each for each in found if any(each[1:])]


def _method_name(rule: type[ASTValidationRule], action: str, kind: str) -> str | None:
    return next((name for name in (f"{action}_{kind}", action) if hasattr(rule, name)), None)


def _what_to_skip(result: VisitorAction, node: Node | None) -> Any:
    if result is None:
        return None
    return BREAK if result in (BREAK, True) else node
