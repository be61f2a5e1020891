"""Messages about invalid values and documents that never repeat a value.

graphql-core's messages quote what is wrong. That may be a password, and messages end up in the logs
of clients and of proxies. Here only the names and types in them are kept, by a list of what is
known to be harmless: a message that isn't in the list becomes a general one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLInputType,
    ValueNode,
    VisitorAction,
    get_named_type,
    get_nullable_type,
    is_input_object_type,
    is_list_type,
)
from graphql.language import SKIP
from graphql.utilities import validate_input_literal
from graphql.validation import ValuesOfCorrectTypeRule


class InvalidValueError(GraphQLError):
    """Raised by a scalar to say what it expects. Its message is shown, so it must not repeat the
    value.
    """


_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]{0,99}")
_TYPE = r"'[\[\]!_0-9A-Za-z]+'"
_FIELD = rf"'{_NAME.pattern}'"
_SUGGESTION = r"(?:\.? Did you mean (?:the enum value )?'[^?]*'\?)?"
_VALUE_MESSAGE = re.compile(
    rf"""(?P<object>Expected\ value\ of\ type\ {_TYPE}\ to\ be\ an\ object),
       | (?P<missing>Expected\ value\ of\ type\ {_TYPE}\ to\ include\ required\ field\ {_FIELD}),
       | (?P<unknown>Expected\ value\ of\ type\ {_TYPE}\ not\ to\ include\ unknown\ field\ {_FIELD}
         {_SUGGESTION.replace(" ", chr(92) + " ")})
       | (?P<null>Expected\ (?:a\ )?value\ of\ non-null\ type\ {_TYPE}
         \ (?:not\ to\ be\ None|to\ be\ provided))\.$
       | (?P<variable>Expected\ variable\ '\$\w+'\ provided\ to\ [^\n]*
         (?:not\ to\ be\ None|to\ provide\ a\ runtime\ value))\.$
       | (?P<built_in>(?:Int|Float|String|Boolean|ID)\ cannot\ represent\ [-a-z0-9\ ]*value):
       | (?P<one_of>Within\ OneOf\ Input\ Object\ type\ {_TYPE},\ exactly\ one\ [^\n]*non-null)\.$
    """,
    re.VERBOSE,
)
_ENUM_SUGGESTION = re.compile(rf"does not exist in {_TYPE} enum\.(?P<suggestion>{_SUGGESTION})$")
_TOKEN = r"Name|Int|Float|String|BlockString|<EOF>|'[!$&().:=@\[\]{|}]{1,3}'"  # noqa: S105
_SYNTAX_MESSAGE = re.compile(
    rf"""(?:Expected\ (?:{_TOKEN}|'\w+'),\ found|Unexpected)\ (?:{_TOKEN})
       | Invalid\ number | Invalid\ character\ within\ String | Unterminated\ string
       | Invalid\ (?:character|Unicode)\ escape\ sequence | Unexpected\ variable
       | Unexpected\ character | Unexpected\ single\ quote\ character | Unexpected\ '\.\.'
       | Unexpected\ description,[^\n]*(?=\.$)
    """,
    re.VERBOSE,
)


def is_name(text: str) -> bool:
    """Whether the text can be a name in GraphQL, so that a message may repeat it."""
    return _NAME.fullmatch(text) is not None


def value_message(
    error: GraphQLError, type_: GraphQLInputType, path: Sequence[str | int] = ()
) -> str:
    """The error of the value at a path within a value of this type, in names and types."""
    if isinstance(error, InvalidValueError):
        return error.message
    if match := _VALUE_MESSAGE.match(error.message):
        message = next(group for group in match.groups() if group)
        return message if message.endswith("?") else f"{message}."
    for key in path:
        type_ = _inner_type(type_, key)
    suggestion = _ENUM_SUGGESTION.search(error.message)
    return f"{get_named_type(type_)} cannot represent this value." + (
        suggestion["suggestion"] if suggestion else ""
    )


def _inner_type(type_: Any, key: str | int) -> Any:
    type_ = get_nullable_type(type_)
    while isinstance(key, str) and is_list_type(type_):  # an object where a list is expected
        type_ = get_nullable_type(type_.of_type)
    if is_list_type(type_):
        return type_.of_type
    return type_.fields[key].type if is_input_object_type(type_) else type_


def syntax_message(message: str) -> str:
    """The syntax error of a document, without its text."""
    match = _SYNTAX_MESSAGE.match(message.removeprefix("Syntax Error: "))
    return f"Syntax Error: {match[0]}." if match else "Syntax Error."


class ValuesOfCorrectType(ValuesOfCorrectTypeRule):
    """graphql-core's rule, with messages that don't repeat the values."""

    def is_valid_value_node(
        self, node: ValueNode, input_type: GraphQLInputType | None
    ) -> VisitorAction:
        """Report what is wrong with a literal."""
        if input_type:
            report = self._reporter(input_type)
            hide_suggestions = self.context.hide_suggestions
            validate_input_literal(node, input_type, report, None, None, hide_suggestions)
        return SKIP

    def _reporter(self, type_: GraphQLInputType) -> Callable[[GraphQLError, list[str | int]], None]:
        def report(error: GraphQLError, path: list[str | int]) -> None:
            self.report_error(GraphQLError(value_message(error, type_, path), error.nodes))

        return report
