"""Renders emails in the recipient's language, as plain text and as HTML, from one template each.

`templates/<domain>/<name>.jinja` holds what an email says. It extends `layout.jinja` and uses the
macros of `blocks.jinja`. Both exist twice: in `templates/text/` and in `templates/html/`, where
values are escaped.
"""

import re
import textwrap
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models import translations
from models.locale import Locale

TEMPLATES = Path(__file__).parent / "templates"
_FORMATS = {"html", "text"}
PATHS = {
    path.stem: f"{path.parent.name}/{path.name}"
    for path in TEMPLATES.glob("*/*.jinja")
    if path.parent.name not in _FORMATS
}
_LINE_WIDTH = 72


class RenderedEmail(NamedTuple):
    """An email's subject line and its two bodies."""

    subject: str
    text: str
    html: str


def render(template_name: str, locale: Locale, /, **values: object) -> RenderedEmail:
    """Render the template of this name. All templates need `name`, the name in the greeting or "",
    and the URLs `privacy_policy` and `sign_in_url`.
    """
    values |= {"locale": locale.value}
    template = _TEXT_ENVIRONMENT.get_template(PATHS[template_name])
    subject = "".join(template.blocks["subject"](template.new_context(values))).strip()
    text = re.sub(r"\n{3,}", "\n\n", template.render(values).strip())
    html = _HTML_ENVIRONMENT.get_template(PATHS[template_name]).render(values, subject=subject)
    return RenderedEmail(subject, f"{text}\n", html)


def _wrap(text: str) -> str:
    return textwrap.fill(text.strip(), _LINE_WIDTH, break_long_words=False, break_on_hyphens=False)


def _environment(format: str, autoescape: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([TEMPLATES / format, TEMPLATES]),
        autoescape=autoescape,  # noqa: S701 - off for plain text only
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["wrap"] = _wrap
    translations.install(environment)
    return environment


_TEXT_ENVIRONMENT = _environment("text", autoescape=False)
_HTML_ENVIRONMENT = _environment("html", autoescape=True)
