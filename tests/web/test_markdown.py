"""Our subset of Markdown: how it renders our own texts, and that it never outputs any other
HTML.
"""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seed.policies import read_policies
from web.markdown import to_html

ALLOWED_TAGS = {"h1", "h2", "h3", "p", "ul", "li", "strong", "a"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# One\n## Two\nthree\nfour", "<h1>One</h1>\n<h2>Two</h2>\n<p>three four</p>"),
        ("- a\n- **b**\n\nc", "<ul><li>a</li><li><strong>b</strong></li></ul>\n<p>c</p>"),
        (
            "[a & b](https://x.example/?a=1&b=2)",
            '<p><a href="https://x.example/?a=1&amp;b=2">a &amp; b</a></p>',
        ),
        (
            "[w](mailto:a@b.example), [p](/policies/terms)",
            '<p><a href="mailto:a@b.example">w</a>, <a href="/policies/terms">p</a></p>',
        ),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>"),
        ("[x](//evil.example)", "<p>[x](//evil.example)</p>"),
        ("[x](http://plain.example)", "<p>[x](http://plain.example)</p>"),
        ('[x](https://a"onclick="b)', '<p><a href="https://a&quot;onclick=&quot;b">x</a></p>'),
        (
            "<script>alert(1)</script> ** no **",
            "<p>&lt;script&gt;alert(1)&lt;/script&gt; ** no **</p>",
        ),
        ("", ""),
    ],
)
def test_markdown_becomes_elements_and_other_text_is_escaped(text: str, expected: str) -> None:
    assert to_html(text) == expected


class ElementChecker(HTMLParser):
    """Collects elements and their attributes, and whether each is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED_TAGS
        assert [name for name, _ in attrs] == (["href"] if tag == "a" else [])
        self.links += [value or "" for _, value in attrs]
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)


MARKUP = st.sampled_from(
    [
        "**",
        "[",
        "](",
        ")",
        "https://",
        "javascript:",
        "/",
        "mailto:",
        "# ",
        "- ",
        "\n",
        "<a href=x>",
        '"',
        "&",
        "'",
    ]
)


@given(st.lists(st.one_of(MARKUP, st.text(max_size=5)), max_size=30).map("".join))
def test_no_text_produces_other_elements(text: str) -> None:
    page = ElementChecker()
    page.feed(to_html(text))
    page.close()
    assert page.open == []
    assert all(re.match(r"https://|mailto:|/(?!/)", link) for link in page.links)


def test_all_policies_render_completely() -> None:
    for content in read_policies():
        for text in (content.fr, content.en):
            html = to_html(text)
            assert "**" not in html
            assert "](" not in html
            assert html.count("<h1>") == 1
