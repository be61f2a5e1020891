"""The part of Markdown that our own texts use, converted to HTML: headings, paragraphs, lists, bold
text, links.

Everything else is escaped first, so that no other element can appear, whatever the text contains.
Only links to https, mailto or a page of this server become links.
"""

import re
from collections.abc import Iterator
from html import escape

from markupsafe import Markup

_BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*")
_LINK = re.compile(r"\[([^\[\]]+)\]\(((?:https://|mailto:|/(?![/\\]))[^\s()<>\\]*)\)")
_HEADING = re.compile(r"(#{1,3}) +(.*)")


def to_html(text: str) -> Markup:
    """The text as HTML block elements."""
    return Markup("\n".join(_block(lines) for lines in _blocks(text)))  # noqa: S704 - made of escaped parts


def _blocks(text: str) -> Iterator[list[str]]:
    """The blocks of the text: lines between empty ones, with headings separate."""
    lines: list[str] = []
    for line in [*text.splitlines(), ""]:
        if lines and (not line.strip() or _HEADING.fullmatch(line)):
            yield lines
            lines = []
        if _HEADING.fullmatch(line):
            yield [line]
        elif line.strip():
            lines.append(line)


def _block(lines: list[str]) -> str:
    if heading := _HEADING.fullmatch(lines[0]):
        level = len(heading[1])
        return f"<h{level}>{_inline(heading[2])}</h{level}>"
    if all(line.startswith("- ") for line in lines):
        return f"<ul>{''.join(f'<li>{_inline(line[2:])}</li>' for line in lines)}</ul>"
    return f"<p>{_inline(' '.join(lines))}</p>"


def _inline(text: str) -> str:
    parts, position = [], 0
    for link in _LINK.finditer(text):
        parts += [
            _render_bold(text[position : link.start()]),
            f'<a href="{escape(link[2])}">{_render_bold(link[1])}</a>',
        ]
        position = link.end()
    return "".join([*parts, _render_bold(text[position:])])


def _render_bold(text: str) -> str:
    return _BOLD.sub(r"<strong>\1</strong>", escape(text))
