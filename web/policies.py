"""The policies as public pages: `/policies/privacy` and `/policies/terms`.

`?version=` shows another version than the one in force, `?locale=` another language than the
browser's.
"""

from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from models.clock import local_date
from models.content.policy import Policy, PolicyKind
from models.locale import Locale
from models.text import can_be_stored
from models.translations import _, _p, text
from resolvers.context import Services
from web.markdown import to_html
from web.page import HEADERS, language, not_found, policy_path, render
from web.ranges import is_unchanged

_KINDS_BY_NAME = {kind.lower(): kind for kind in PolicyKind}
# Like those of the other pages, but public: may be cached and indexed.
_HEADERS = {name: value for name, value in HEADERS.items() if name != "X-Robots-Tag"} | {
    "Cache-Control": "public, no-cache"
}


def routes(services: Services) -> list[Route]:
    """The pages."""
    return [Route("/policies/{kind}", _PolicyPages(services).show)]


@dataclass(frozen=True)
class _PolicyPages:
    """Serves the versions of policies."""

    services: Services

    async def show(self, request: Request) -> Response:
        """The requested version, or the one in force; 304 when the client has it already, 404 when
        it doesn't exist.
        """
        kind = _KINDS_BY_NAME.get(request.path_params["kind"])
        if kind is None:
            return not_found(request)
        today = local_date(self.services.clock.now())
        policies_in_force = (
            await Policy.in_force_by(today)
            .filter(kind=kind)
            .order_by("-effective_on", "-id")
            .only("id", "kind", "version", "effective_on")
        )
        requested_version = request.query_params.get("version")
        policy = (
            await _find(kind, requested_version)
            if requested_version
            else (await Policy.get(pk=policies_in_force[0].pk) if policies_in_force else None)
        )
        return _page(request, policy, policies_in_force, today) if policy else not_found(request)


async def _find(kind: PolicyKind, version: str) -> Policy | None:
    if not can_be_stored(version, 20):
        return None
    return await Policy.get_or_none(kind=kind, version=version)


def _page(
    request: Request, policy: Policy, policies_in_force: list[Policy], today: date
) -> Response:
    locale = _locale(request)
    other_locale = Locale.EN if locale is Locale.FR else Locale.FR
    values: dict[str, Any] = {
        "policy": to_html(policy.text(locale)),
        "validity": _validity(policy, policies_in_force, today, locale),
        "sha256": policy.sha256,
        "other": {
            "address": _address(request, policy, other_locale),
            "label": text(_LANGUAGE_LINK_TEXT, other_locale),
            "locale": other_locale.value,
        },
        "versions": [
            {"address": _address(request, each, locale), "label": _version_label(each, locale)}
            for each in policies_in_force
            if each.pk != policy.pk
        ],
    }
    page = render(request, "policy.html", locale, title=policy.title(locale), **values)
    headers = _HEADERS | {
        "Content-Language": locale.value,
        "ETag": f'"{sha256(page.encode()).hexdigest()}"',
    }
    if is_unchanged(request, headers["ETag"]):
        return Response(None, 304, headers)
    return HTMLResponse(page, headers=headers)


def _locale(request: Request) -> Locale:
    requested_locale = request.query_params.get("locale", "").lower()
    return Locale(requested_locale) if requested_locale in set(Locale) else language(request)


def _address(request: Request, policy: Policy, locale: Locale) -> str:
    return policy_path(request, policy.kind, policy.version, locale.value)


def _version_label(policy: Policy, locale: Locale) -> str:
    return text(
        _("Version %(version)s of %(day)s"), locale, version=policy.version, day=policy.effective_on
    )


def _validity(policy: Policy, policies_in_force: list[Policy], today: date, locale: Locale) -> str:
    message = _("Version %(version)s, in force from %(day)s and since replaced.")
    if policy.effective_on > today:
        message = _("Version %(version)s, which takes effect on %(day)s.")
    elif policy.pk == policies_in_force[0].pk:
        message = _("Version %(version)s, in force since %(day)s.")
    return text(message, locale, version=policy.version, day=policy.effective_on)


_LANGUAGE_LINK_TEXT = _p("link to this page in the language of this text", "Read in English")
