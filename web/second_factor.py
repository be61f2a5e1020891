"""The page where a person without a second factor sets up an authenticator app, such as the first
operator, whose role becomes active with it.

The reader signs in with the password. The session that this starts is in a cookie for this page
alone, and ends with the last step.
"""

import re
from dataclasses import dataclass, replace

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from auth import sessions
from auth.authentication import authenticate
from auth.factors import enrolment, totp
from models.errors import Refusal, Throttled, message_for
from models.identity.errors import IdentityErrorCode
from models.identity.user import User
from models.locale import Locale
from models.translations import _, text
from resolvers.context import Services
from web.page import (
    PASSWORD_FORM_BYTES,
    Field,
    Page,
    client_host,
    language,
    page_action,
    page_response,
    read_form,
    refusal_status,
    too_large,
)

PATH = "/second-factor"
_COOKIE = "camcha_enrolment"


def routes(services: Services) -> list[Route]:
    """The page and what its buttons do."""
    page = _SecondFactorPage(services)
    return [Route(PATH, page.show), Route(PATH, page.submit, methods=["POST"])]


@dataclass(frozen=True)
class _SecondFactorPage:
    services: Services

    async def show(self, request: Request) -> Response:
        """Ask for the address and the password."""
        return page_response(request, _SIGN_IN_PAGE)

    async def submit(self, request: Request) -> Response:
        """Sign in and show the secret, or confirm it with its first code."""
        form = await read_form(request, PASSWORD_FORM_BYTES)
        if form is None:
            return too_large(request)
        try:
            if "code" in form:
                return await self._confirm(request, form["code"])
            return await self._begin(request, form.get("email", ""), form.get("password", ""))
        except (Refusal, Throttled) as error:
            return self._refused(request, _SIGN_IN_PAGE, error)

    async def _begin(self, request: Request, email: str, password: str) -> Response:
        auth, action = self.services.auth, page_action(request, self.services)
        user = await authenticate(
            action, auth, email=email, password=password, code=None, peer=client_host(request)
        )
        tokens = await sessions.sign_in(user, None, False, action, can_refresh=False)
        action = page_action(request, self.services, user)
        await enrolment.begin_totp(action, auth, tokens.session, password)
        response = page_response(request, await self._secret_page(user))
        response.set_cookie(
            _COOKIE,
            tokens.access,
            max_age=int(sessions.ACCESS_LIFETIME.total_seconds()),
            path=PATH,
            secure=self.services.base_url.startswith("https://"),
            httponly=True,
            samesite="strict",
        )
        return response

    async def _confirm(self, request: Request, code: str) -> Response:
        token = request.cookies.get(_COOKIE, "")
        session = await sessions.find_by_access_token(token, self.services.clock.now())
        if session is None:
            return page_response(request, replace(_SIGN_IN_PAGE, text=_EXPIRED), 403)
        user = await User.get(pk=session.user_id)
        action = page_action(request, self.services, user)
        try:
            enrolled = await enrolment.confirm_totp(action, self.services.auth, session, code)
        except (Refusal, Throttled) as error:
            if user.second_factor:
                raise
            return self._refused(request, await self._secret_page(user), error)
        await sessions.sign_out(session, action)
        response = page_response(
            request,
            replace(
                _DONE_PAGE,
                codes=tuple(enrolled.recovery_codes or ()),
                continues=user.staff is None,
            ),
        )
        response.delete_cookie(_COOKIE, path=PATH)
        return response

    async def _secret_page(self, user: User) -> Page:
        secret = await enrolment.pending_secret(self.services.auth, user)
        image = totp.qr_svg(totp.provisioning_uri(user, secret))
        return replace(
            _SECRET_PAGE,
            highlight=" ".join(re.findall(".{1,4}", secret)),  # easier to type; apps ignore spaces
            image=Markup(image),  # noqa: S704 - drawn by segno, without any text
        )

    def _refused(self, request: Request, page: Page, error: Refusal | Throttled) -> Response:
        locale = language(request)
        page = replace(page, notice=_notice(error, locale))
        return page_response(request, page, refusal_status(error))


def _notice(error: Refusal | Throttled, locale: Locale) -> str:
    if error.code == IdentityErrorCode.SECOND_FACTOR_REQUIRED:
        return text(_("This account already has a second factor."), locale)
    return message_for(error, locale)


_SIGN_IN_PAGE = Page(
    _("Set up a second factor"),
    _("Sign in with your password. You need a phone with an authenticator app."),
    fields=(
        Field("email", _("Email address"), "email", "username"),
        Field("password", _("Password"), "password", "current-password"),
    ),
    buttons=(("begin", _("Continue")),),
)
_EXPIRED = _("Too much time has passed. Sign in again.")
_SECRET_PAGE = Page(
    _("Scan the code with your authenticator app"),
    _("Or type the key above into the app. Then enter the six digits that the app shows."),
    fields=(Field("code", _("Six-digit code"), "text", "one-time-code"),),
    buttons=(("confirm", _("Confirm")),),
)
_DONE_PAGE = Page(
    _("Your second factor is set up"),
    _(
        "Keep these recovery codes in a safe place. Each one replaces a code of the app once, and "
        "they are not shown again."
    ),
)
