"""The HTML of received emails: sanitized, and as plain text.

Sanitized HTML has no scripts, styles, forms and event handlers, and loads nothing from elsewhere:
pictures from other servers, which would tell a sender that an email was read, are left out. A
picture that came with the email is `<img src="cid:...">`.
"""

import re
from html.parser import HTMLParser

import nh3

MAX_HTML_LENGTH = 1_000_000
MAX_DEPTH = 500  # of nested elements: reading them takes the square of it
# An element that holds others however deep, not one that the next of its kind ends.
_TAG = re.compile(r"<(/?)([a-z][^\s/>]*)", re.I)
_NEVER_NESTED = {
    *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "wbr"),
    *("dd", "dt", "li", "option", "p", "td", "th", "tr", "tbody", "tfoot", "thead"),
}
_TAGS = {
    *("a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "del", "div", "dl", "dt"),
    *("em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "li", "ol", "p", "pre"),
    *("s", "small", "span", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th"),
    *("thead", "tr", "u", "ul"),
}
_ATTRIBUTES = {"a": {"href"}, "img": {"src", "alt"}, "td": {"colspan", "rowspan"}}
_ATTRIBUTES["th"] = _ATTRIBUTES["td"]
_DROPPED_WITH_CONTENT = {"script", "style", "title", "head", "object", "iframe", "noscript", "svg"}
_LINES = {"br", "div", "p", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table", "pre", "dt"}
_PARAGRAPHS = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "table", "ul", "ol"}


def sanitize_html(html: str) -> str:
    """Return HTML that is safe to show. What is nested deeper than MAX_DEPTH is cut off, together
    with what follows.
    """
    return nh3.clean(
        _cut_where_too_deep(html[:MAX_HTML_LENGTH]),
        tags=_TAGS,
        clean_content_tags=_DROPPED_WITH_CONTENT,
        attributes=_ATTRIBUTES,
        attribute_filter=_filter_attribute,
        url_schemes={"http", "https", "mailto", "tel", "cid"},
        link_rel="noopener noreferrer nofollow",
    )


def _cut_where_too_deep(html: str) -> str:
    depth = 0
    for tag in _TAG.finditer(html):
        if tag[2].lower() not in _NEVER_NESTED:
            depth = max(0, depth - 1) if tag[1] else depth + 1
        if depth > MAX_DEPTH:
            return html[: tag.start()]
    return html


def _filter_attribute(tag: str, name: str, value: str) -> str | None:
    is_own_picture = value.strip().lower().startswith("cid:")
    if name == "src":
        return value if is_own_picture else None
    return None if is_own_picture else value


def html_to_text(html: str) -> str:
    """The text of sanitized HTML, with quotes marked by `>`, and the addresses of links."""
    reader = _TextReader()
    reader.feed(html)
    reader.close()
    return reader.text()


class _TextReader(HTMLParser):
    """Collects lines. A quote inside a quote is marked by `> >`."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = [""]
        self._depth = 0
        self._preformatted = 0
        self._href, self._label = "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _LINES or tag in _PARAGRAPHS:
            self._break(tag in _PARAGRAPHS, is_forced=tag == "br")
        if tag == "blockquote":
            self._depth = min(self._depth + 1, 20)
            self._break(is_paragraph=False)
        values = dict(attrs)
        if tag == "li":
            self._write("- ")
        elif tag == "img" and values.get("alt"):
            self._write(f"[{values['alt']}]")
        elif tag == "a":
            self._href, self._label = values.get("href") or "", ""
        elif tag == "pre":
            self._preformatted += 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._write_address()
        elif tag == "pre":
            self._preformatted = max(0, self._preformatted - 1)
        elif tag in ("td", "th"):
            self._write(" ")
        if tag in _LINES or tag in _PARAGRAPHS:
            self._break(tag in _PARAGRAPHS)
        if tag == "blockquote":
            self._depth = max(0, self._depth - 1)
            self._lines.append(self._prefix)

    def _write_address(self) -> None:
        address = self._href.removeprefix("mailto:")
        if address and address.rstrip("/") not in self._label and "://" in self._href:
            self._write(f" ({address})")
        self._href = ""

    def handle_data(self, data: str) -> None:
        self._label += data
        if self._preformatted:
            first, *others = data.split("\n")
            self._write(first)
            for line in others:
                self._lines.append(self._prefix + line)
            return
        text = " ".join(data.replace("\xa0", " ").split())
        if data[:1].isspace() and self._lines[-1] != self._prefix:
            self._write(" ")
        self._write(text)
        if text and data[-1:].isspace():
            self._write(" ")

    @property
    def _prefix(self) -> str:
        return "> " * self._depth

    def _write(self, text: str) -> None:
        if text.isspace() and self._lines[-1][-1:] in ("", " "):
            return
        self._lines[-1] += text

    def _break(self, is_paragraph: bool, *, is_forced: bool = False) -> None:
        is_empty = self._lines[-1].strip("> ") == ""
        if is_empty and not is_forced:
            self._lines[-1] = self._prefix
        else:
            self._lines.append(self._prefix)
        if is_paragraph and len(self._lines) > 1 and self._lines[-2].strip("> "):
            self._lines.append(self._prefix)

    def text(self) -> str:
        """The lines, with at most one blank line between two others."""
        result: list[str] = []
        for line in (line.rstrip() for line in self._lines):
            if line.strip("> ") or (result and result[-1].strip("> ")):
                result.append(line)
        return "\n".join(result).strip("\n ")
