"""A small page: sender, title, a sentence, and possibly fields and buttons. It loads nothing from
other servers.
"""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from models import translations
from models.action import Action, Origin, network_address
from models.content.policy import PolicyKind
from models.identity.user import User
from models.locale import Locale, preferred_locale
from models.translations import Translatable, _, text
from resolvers.content.policies import page_url
from resolvers.context import Services

_TEMPLATE_FOLDER = Path(__file__).parent / "templates"
_STYLE = (_TEMPLATE_FOLDER / "page.css").read_text(encoding="utf-8")
TEMPLATES = Environment(
    loader=FileSystemLoader(_TEMPLATE_FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
translations.install(TEMPLATES)


@pass_context
def _text(
    context: Context, message: Translatable, values: Mapping[str, object] | None = None
) -> str:
    return text(message, Locale(context["locale"]), **(values or {}))


TEMPLATES.filters["text"] = _text
_STYLE_HASH = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    f"form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # addresses carry tokens
    "Vary": "Accept-Language",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


@dataclass(frozen=True)
class Field:
    """A line of a form. `autocomplete` is its HTML autocomplete value."""

    name: str
    label: Translatable
    kind: str = "text"
    autocomplete: str = "off"
    value: str = ""
    required: bool = True


@dataclass(frozen=True)
class PolicyConsent:
    """The policies that pressing the button accepts: the sentence that says so, their titles and
    URLs, and their IDs.
    """

    text: Translatable
    links: tuple[tuple[Translatable, str], ...]
    ids: str


@dataclass(frozen=True)
class Page:
    """The content of a page. `highlight` is emphasised, `notice` says what went wrong; `fields` and
    `buttons` (values and labels) make a form that posts to the same URL, with the `consent` that
    its reader accepts.
    """

    title: Translatable
    text: Translatable
    highlight: str = ""
    buttons: tuple[tuple[str, Translatable], ...] = ()
    sender: Translatable | None = None
    notice: str = ""
    fields: tuple[Field, ...] = ()
    consent: PolicyConsent | None = None
    values: Mapping[str, object] = field(default_factory=dict)


def page_response(request: Request, page: Page, status: int = 200) -> Response:
    """The page as a response in the reader's language."""
    locale = language(request)
    title, sender = text(page.title, locale), text(page.sender, locale) if page.sender else "CAMCHA"
    html = render(request, "page.html", locale, title=title, sender=sender, page=page)
    return HTMLResponse(html, status, headers=HEADERS | {"Content-Language": locale.value})


def render(
    request: Request,
    template: str,
    locale: Locale,
    *,
    title: str,
    sender: str = "CAMCHA",
    **values: object,
) -> str:
    """A template inside our layout, whose footer links to the policies in the page's language."""
    requested_locale = locale.value if "locale" in request.query_params else ""
    style = Markup(_STYLE)  # noqa: S704 - our own file
    return TEMPLATES.get_template(template).render(
        values,
        title=title,
        sender=sender,
        locale=locale.value,
        style=style,
        privacy=policy_path(request, PolicyKind.PRIVACY, locale=requested_locale),
        terms=policy_path(request, PolicyKind.TERMS, locale=requested_locale),
    )


def policy_path(request: Request, kind: PolicyKind, version: str = "", locale: str = "") -> str:
    """The path of a policy's page: by default of the version in force in the reader's language."""
    parameters = {
        name: value for name, value in (("version", version), ("locale", locale)) if value
    }
    return page_url(request.scope.get("root_path", ""), kind, **parameters)


async def read_form(request: Request, max_bytes: int = 1024) -> dict[str, str] | None:
    """The fields of a form, the first value of each name; None when the body has more than
    `max_bytes` bytes.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            return None
    return {
        name: values[0]
        for name, values in parse_qs(body.decode("latin-1"), errors="replace").items()
    }


def page_action(request: Request, services: Services, user: User | None = None) -> Action:
    """An action of a page: by the user who authenticated there, otherwise by no one."""
    origin = Origin(address=network_address(request.client.host) if request.client else None)
    return Action(user, services.clock.now(), services.hub, origin)


def too_large(request: Request) -> Response:
    """The response to a form that is too large."""
    return page_response(request, UNREADABLE_FORM_PAGE, 413)


def language(request: Request) -> Locale:
    """The reader's language according to the browser."""
    return preferred_locale(request.headers.get("accept-language"))


def not_found(request: Request) -> Response:
    """The page for an invalid link: forged, expired and used links look the same."""
    return page_response(request, _NOT_FOUND_PAGE, 404)


UNREADABLE_FORM_PAGE = Page(
    _("We couldn’t read your answer"), _("Go back and use one of the buttons.")
)
_NOT_FOUND_PAGE = Page(
    _("This link is no longer valid"),
    _("It may have expired, or part of it may be missing. Request a new one."),
)
