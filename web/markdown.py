"""As much of Markdown as our own long texts use, as HTML: headings, paragraphs, lists, bold, links.

Every character that is not one of these marks is escaped first, so whatever the text holds, no other element comes out. Links
lead to https, to mail, or to a page of this server; others stay words.
"""

import re
from collections.abc import Iterator
from html import escape

from markupsafe import Markup

_BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*")
_LINK = re.compile(r"\[([^\[\]]+)\]\(((?:https://|mailto:|/(?![/\\]))[^\s()<>\\]*)\)")
_HEADING = re.compile(r"(#{1,3}) +(.*)")


def html(text: str) -> Markup:
    """The text as elements that stand below each other."""
    return Markup("\n".join(_block(lines) for lines in _blocks(text)))  # noqa: S704 - made of escaped parts


def _blocks(text: str) -> Iterator[list[str]]:
    """Runs of lines between empty ones, headings apart."""
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
    services, place = [], 0
    for link in _LINK.finditer(text):
        services += [_words(text[place : link.start()]), f'<a href="{escape(link[2])}">{_words(link[1])}</a>']
        place = link.end()
    return "".join([*services, _words(text[place:])])


def _words(text: str) -> str:
    return _BOLD.sub(r"<strong>\1</strong>", escape(text))
