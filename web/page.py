"""A simple page: sender, title, a sentence, and optional fields and buttons. It loads nothing from
other servers.
"""

import hashlib
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
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
from models.errors import DomainError, Throttled, message_for
from models.identity.user import User
from models.locale import Locale, preferred_locale
from models.translations import Translatable, _, text
from resolvers.content.policies import page_url
from resolvers.context import Services

_TEMPLATE_FOLDER = Path(__file__).parent / "templates"
# A password of 128 characters takes up to 1,536 bytes, as browsers write it.
PASSWORD_FORM_BYTES = 4_096
_MAX_EMAIL_LENGTH = 254
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
    """A line of a form. `autocomplete` is its HTML autocomplete value. A field that `is_fixed`
    can't be changed: it tells the reader, and their password manager, whose account it is.
    """

    name: str
    label: Translatable
    kind: str = "text"
    autocomplete: str = "off"
    value: str = ""
    required: bool = True
    is_fixed: bool = False


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
    its reader accepts. `links` (labels and URLs) and `details` below them say what to do next; with
    `continues`, a button leads to the customer space. `image` is an SVG above the text, `codes`
    is a list below it.
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
    links: tuple[tuple[str, str], ...] = ()
    details: str = ""
    continues: bool = False
    image: Markup | None = None
    codes: tuple[str, ...] = ()


def page_response(request: Request, page: Page, status: int = 200) -> Response:
    """The page as a response in the reader's language."""
    locale = language(request)
    title, sender = text(page.title, locale), text(page.sender, locale) if page.sender else "CAMCHA"
    home = f"{request.scope.get('root_path', '')}/"
    html = render(request, "page.html", locale, title=title, sender=sender, page=page, home=home)
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


def client_host(request: Request) -> str:
    """The network address of the reader, empty when it isn't known."""
    return request.client.host if request.client else ""


def too_large(request: Request) -> Response:
    """The response to a form that is too large."""
    return page_response(request, UNREADABLE_FORM_PAGE, 413)


def language(request: Request) -> Locale:
    """The reader's language according to the browser."""
    return preferred_locale(request.headers.get("accept-language"))


def not_found(request: Request, advice: Translatable | None = None) -> Response:
    """The page for an invalid link: forged, expired and used links look the same. `advice` says how
    to get another one.
    """
    return page_response(
        request, replace(_NOT_FOUND_PAGE, text=advice or _NOT_FOUND_PAGE.text), 404
    )


LinkRequest = Callable[[str], Awaitable[None]]


def link_token(request: Request) -> str:
    """The token in the link that was opened; empty when there is none."""
    return request.query_params.get("token", "")


def refusal_status(error: DomainError) -> int:
    """The status of a page that shows a form again because of an error."""
    return 429 if isinstance(error, Throttled) else 422


async def link_invalid(
    request: Request, form: dict[str, str] | None = None, request_link: LinkRequest | None = None
) -> Response:
    """The page for an invalid link whose reader can get another one by email. With the address in
    the submitted `form`, `request_link` sends it; the response doesn't tell who is known.
    """
    email = (form or {}).get("email", "")
    if request_link is None or not email:
        return page_response(request, _LINK_INVALID_PAGE, 404)
    try:
        await request_link(email)
    except DomainError as error:
        field = replace(_LINK_INVALID_PAGE.fields[0], value=email[:_MAX_EMAIL_LENGTH])
        notice = message_for(error, language(request))
        page = replace(_LINK_INVALID_PAGE, fields=(field,), notice=notice)
        return page_response(request, page, refusal_status(error))
    return page_response(request, replace(_LINK_REQUESTED_PAGE, highlight=email))


def username_field(email: str) -> Field:
    """The field with the account's address, next to a password."""
    return Field("username", _("Email address"), "email", "username", email, is_fixed=True)


UNREADABLE_FORM_PAGE = Page(
    _("We couldn’t read your answer"), _("Go back and use one of the buttons.")
)
_NOT_FOUND_PAGE = Page(
    _("This link is no longer valid"),
    _("It may have expired, or part of it may be missing. Request a new one."),
    continues=True,
)
_LINK_INVALID_PAGE = Page(
    _("This link is no longer valid"),
    _("It may have expired, or part of it may be missing. We can send you a new one."),
    buttons=(("request", _("Send me a new link")),),
    fields=(Field("email", _("Email address"), "email", "username"),),
    continues=True,
)
_LINK_REQUESTED_PAGE = Page(
    _("Check your inbox"),
    _("If this address is known and needs a link, a message with a new one is on its way to it."),
    continues=True,
)
