"""Pages that emails about access to an account link to: a new password, a change of address,
unlocking. Only a button changes anything.
"""

from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from auth import email_change
from auth.cookies import Cookies
from auth.passwords import change
from auth.throttle import unlocking
from models.action import Action
from models.errors import DomainError, Refusal, Throttled, message_for
from models.identity.errors import IdentityErrorCode
from models.identity.user import User
from models.translations import _
from resolvers.context import Services
from web.page import (
    Field,
    Page,
    language,
    not_found,
    page_action,
    page_response,
    read_form,
    too_large,
)

_FORM_BYTES = 4096  # a password of 128 characters takes up to 1,536, as browsers write it


def routes(services: Services) -> list[Route]:
    """The pages and what their buttons do."""
    reset, move, unlock = _Reset(services), _EmailChangePage(services), _Unlock(services)
    return [
        Route("/unlock", unlock.ask),
        Route("/unlock", unlock.allow, methods=["POST"]),
        Route("/reset", reset.ask),
        Route("/reset", reset.set, methods=["POST"]),
        Route("/email", move.ask),
        Route("/email", move.confirm, methods=["POST"]),
    ]


@dataclass(frozen=True)
class _Reset:
    """The page where a user sets a new password."""

    services: Services

    async def ask(self, request: Request) -> Response:
        """Show the form if the link is valid."""
        try:
            user = await change.user_of_token(page_action(request, self.services), _token(request))
        except Refusal:
            return not_found(request)
        return _form(request, user)

    async def set(self, request: Request) -> Response:
        """Set the password, or show the form again with what is wrong."""
        given = await read_form(request, _FORM_BYTES)
        if given is None:
            return too_large(request)
        action = page_action(request, self.services)
        try:
            user = await change.user_of_token(action, _token(request))
            return await self._reset_password(request, action, user, given)
        except Refusal:
            return not_found(request)

    async def _reset_password(
        self, request: Request, action: Action, user: User, given: dict[str, str]
    ) -> Response:
        password, code = given.get("password", ""), given.get("code")
        auth = self.services.auth
        try:
            await change.reset(action, auth, token=_token(request), password=password, code=code)
        except (Refusal, Throttled) as fault:
            if fault.code == IdentityErrorCode.TOKEN_INVALID:
                raise
            return _form(request, user, fault)
        return page_response(request, _SET)


@dataclass(frozen=True)
class _EmailChangePage:
    """The page where the new and the current address confirm a change."""

    services: Services

    async def ask(self, request: Request) -> Response:
        """Show the button if the link is valid."""
        try:
            wish = await email_change.change_of_token(
                page_action(request, self.services), _token(request)
            )
        except Refusal:
            return not_found(request)
        return page_response(request, replace(_MOVE, figure=wish.email))

    async def confirm(self, request: Request) -> Response:
        """Confirm the change."""
        if await read_form(request) is None:
            return too_large(request)
        try:
            done = await email_change.confirm(page_action(request, self.services), _token(request))
        except Refusal:
            return not_found(request)
        return page_response(request, _MOVED if done else _NOTED)


@dataclass(frozen=True)
class _Unlock:
    """The page that unlocks sign-in: its button lets the next sign-in from this browser succeed at
    once.
    """

    services: Services

    async def ask(self, request: Request) -> Response:
        """Show the button if the link is valid."""
        return await self._show_if_valid(request, _UNLOCK)

    async def allow(self, request: Request) -> Response:
        """Store the token in this browser, for sign-ins from our pages."""
        if await read_form(request) is None:
            return too_large(request)
        answer = await self._show_if_valid(request, _UNLOCKED)
        if answer.status_code == 200:
            cookies = Cookies(
                None, secure=self.services.base_url.startswith("https://"), trusted=lambda: True
            )
            cookies.unlocked(_token(request), int(unlocking.LIFETIME.total_seconds()))
            answer.raw_headers += cookies.headers()
        return answer

    async def _show_if_valid(self, request: Request, page: Page) -> Response:
        try:
            await unlocking.require_valid(page_action(request, self.services), _token(request))
        except Refusal:
            return not_found(request)
        return page_response(request, page)


def _token(request: Request) -> str:
    return request.query_params.get("token", "")


def _form(request: Request, user: User, fault: DomainError | None = None) -> Response:
    fields = _FIELDS if user.second_factor else _FIELDS[:1]
    page = replace(
        _RESET, fields=fields, notice=message_for(fault, language(request)) if fault else ""
    )
    return page_response(
        request, page, 200 if fault is None else 429 if isinstance(fault, Throttled) else 422
    )


_RESET = Page(
    _("Choose a new password"),
    _("Use 12 to 128 characters that are hard to guess. All your devices will be signed out."),
    buttons=(("set", _("Save")),),
)
_FIELDS = (
    Field("password", _("New password"), "password", "new-password"),
    Field(
        "code", _("Code from your authenticator app, or a recovery code"), "text", "one-time-code"
    ),
)
_UNLOCK = Page(
    _("Sign in without waiting"),
    _("Do this in the browser you sign in with. You will be asked for your password as usual."),
    buttons=(("allow", _("Continue")),),
)
_UNLOCKED = Page(
    _("You can sign in now"),
    _(
        "For the next 30 minutes, other people’s failed attempts won’t make you wait in this "
        "browser."
    ),
)
_SET = Page(_("Your password has been saved"), _("You can close this page and sign in."))
_MOVE = Page(
    _("Confirm the new email address"),
    _("If you didn’t request this, close this page. Without your confirmation, nothing changes."),
    buttons=(("move", _("Confirm this address")),),
)
_MOVED = Page(_("Your email address was changed"), _("From now on, sign in with the new address."))
_NOTED = Page(
    _("Your confirmation has been recorded"),
    _("One step remains: confirm from the other address, where a message is waiting for you."),
)
