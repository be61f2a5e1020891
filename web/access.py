"""Pages that emails about access to an account link to: a new password, a change of address,
unlocking. Only a button changes anything.
"""

from dataclasses import dataclass, replace
from functools import partial

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
from models.translations import _, text
from resolvers.context import Services
from web import second_factor
from web.page import (
    PASSWORD_FORM_BYTES,
    Field,
    Page,
    client_host,
    language,
    link_invalid,
    link_token,
    not_found,
    page_action,
    page_response,
    read_form,
    refusal_status,
    too_large,
    username_field,
)


def routes(services: Services) -> list[Route]:
    """The pages and what their buttons do."""
    password_reset_page, email_change_page, unlock_page = (
        _PasswordResetPage(services),
        _EmailChangePage(services),
        _UnlockPage(services),
    )
    return [
        *second_factor.routes(services),
        Route("/unlock", unlock_page.show),
        Route("/unlock", unlock_page.submit, methods=["POST"]),
        Route("/reset", password_reset_page.show),
        Route("/reset", password_reset_page.submit, methods=["POST"]),
        Route("/email", email_change_page.show),
        Route("/email", email_change_page.confirm, methods=["POST"]),
    ]


@dataclass(frozen=True)
class _PasswordResetPage:
    """The page where a user sets a new password."""

    services: Services

    async def show(self, request: Request) -> Response:
        """Show the form if the link is valid."""
        try:
            user = await change.user_for_token(
                page_action(request, self.services), link_token(request)
            )
        except Refusal:
            return await link_invalid(request)
        return _form(request, user)

    async def submit(self, request: Request) -> Response:
        """Set the password, or show the form again with the error."""
        form = await read_form(request, PASSWORD_FORM_BYTES)
        if form is None:
            return too_large(request)
        action = page_action(request, self.services)
        try:
            user = await change.user_for_token(action, link_token(request))
            return await self._reset_password(request, action, user, form)
        except Refusal:
            return await link_invalid(request, form, partial(self._request, request))

    async def _request(self, request: Request, email: str) -> None:
        action, peer = page_action(request, self.services), client_host(request)
        await change.request_reset(action, self.services.auth, email=email, peer=peer)

    async def _reset_password(
        self, request: Request, action: Action, user: User, form: dict[str, str]
    ) -> Response:
        password, code = form.get("password", ""), form.get("code")
        auth = self.services.auth
        try:
            await change.reset(
                action, auth, token=link_token(request), password=password, code=code
            )
        except (Refusal, Throttled) as error:
            if error.code == IdentityErrorCode.TOKEN_INVALID:
                raise
            return _form(request, user, error)
        page = _PASSWORD_SAVED_PAGE
        if user.staff and not user.second_factor:  # which the role needs
            label = text(_("Set up a second factor"), language(request))
            page = replace(page, links=((label, second_factor.PATH),), continues=False)
        return page_response(request, page)


@dataclass(frozen=True)
class _EmailChangePage:
    """The page where the new and the current address confirm a change."""

    services: Services

    async def show(self, request: Request) -> Response:
        """Show the button if the link is valid."""
        try:
            requested_change = await email_change.change_for_token(
                page_action(request, self.services), link_token(request)
            )
        except Refusal:
            return not_found(request, _EMAIL_CHANGE_ADVICE)
        return page_response(request, replace(_EMAIL_CHANGE_PAGE, highlight=requested_change.email))

    async def confirm(self, request: Request) -> Response:
        """Confirm the change."""
        if await read_form(request) is None:
            return too_large(request)
        try:
            is_complete = await email_change.confirm(
                page_action(request, self.services), link_token(request)
            )
        except Refusal:
            return not_found(request, _EMAIL_CHANGE_ADVICE)
        return page_response(
            request, _EMAIL_CHANGED_PAGE if is_complete else _CONFIRMATION_RECORDED_PAGE
        )


@dataclass(frozen=True)
class _UnlockPage:
    """The page that unlocks sign-in: its button lets the next sign-in from this browser succeed at
    once.
    """

    services: Services

    async def show(self, request: Request) -> Response:
        """Show the button if the link is valid."""
        return await self._show_if_valid(request, _UNLOCK_PAGE)

    async def submit(self, request: Request) -> Response:
        """Store the token in this browser for sign-ins on our pages."""
        form = await read_form(request)
        if form is None:
            return too_large(request)
        response = await self._show_if_valid(request, _UNLOCKED_PAGE, form)
        if response.status_code == 200 and "email" not in form:
            cookies = Cookies(
                None, secure=self.services.base_url.startswith("https://"), is_trusted=lambda: True
            )
            cookies.set_unlock_token(link_token(request), int(unlocking.LIFETIME.total_seconds()))
            response.raw_headers += cookies.headers()
        return response

    async def _request(self, request: Request, email: str) -> None:
        action, peer = page_action(request, self.services), client_host(request)
        await unlocking.request(action, self.services.auth, email=email, peer=peer)

    async def _show_if_valid(
        self, request: Request, page: Page, form: dict[str, str] | None = None
    ) -> Response:
        try:
            await unlocking.require_valid(page_action(request, self.services), link_token(request))
        except Refusal:
            return await link_invalid(request, form, partial(self._request, request))
        return page_response(request, page)


def _form(request: Request, user: User, error: DomainError | None = None) -> Response:
    fields = _RESET_FIELDS if user.second_factor else _RESET_FIELDS[:1]
    fields = (username_field(user.email), *fields)
    page = replace(
        _RESET_PAGE, fields=fields, notice=message_for(error, language(request)) if error else ""
    )
    return page_response(request, page, refusal_status(error) if error else 200)


_RESET_PAGE = Page(
    _("Choose a new password"),
    _("Use 12 to 128 characters that are hard to guess. All your devices will be signed out."),
    buttons=(("set", _("Save")),),
)
_RESET_FIELDS = (
    Field("password", _("New password"), "password", "new-password"),
    Field(
        "code", _("Code from your authenticator app, or a recovery code"), "text", "one-time-code"
    ),
)
_UNLOCK_PAGE = Page(
    _("Sign in without waiting"),
    _("Do this in the browser you sign in with. You will be asked for your password as usual."),
    buttons=(("allow", _("Continue")),),
)
_UNLOCKED_PAGE = Page(
    _("You can sign in now"),
    _(
        "For the next 30 minutes, other people’s failed attempts won’t make you wait in this "
        "browser."
    ),
    continues=True,
)
_PASSWORD_SAVED_PAGE = Page(
    _("Your password has been saved"), _("Sign in with the new password."), continues=True
)
_EMAIL_CHANGE_ADVICE = _(
    "It may have expired, or part of it may be missing. Request the change again in your customer "
    "space."
)
_EMAIL_CHANGE_PAGE = Page(
    _("Confirm the new email address"),
    _("If you didn’t request this, close this page. Without your confirmation, nothing changes."),
    buttons=(("move", _("Confirm this address")),),
)
_EMAIL_CHANGED_PAGE = Page(
    _("Your email address was changed"),
    _("From now on, sign in with the new address."),
    continues=True,
)
_CONFIRMATION_RECORDED_PAGE = Page(
    _("Your confirmation has been recorded"),
    _("One step remains: confirm from the other address, where a message is waiting for you."),
    continues=True,
)
