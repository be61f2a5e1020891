"""Pages that emails link to: verifying an address, and invitations (invitation.py). GET changes
nothing.

Mail scanners follow links before people do. So GET shows what would happen, and POST does it.
"""

from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from accounts import registration
from auth.tokens import Purpose
from models.errors import Refusal
from models.translations import _
from resolvers.context import Services
from web.invitation import InvitationPage
from web.page import (
    Page,
    client_host,
    link_invalid,
    link_token,
    page_action,
    page_response,
    read_form,
    too_large,
)


def routes(services: Services) -> list[Route]:
    """The pages."""
    verification_page = _VerificationPage(services)
    invitation_page = InvitationPage(services)
    return [
        Route("/verify", verification_page.show),
        Route("/verify", verification_page.confirm, methods=["POST"]),
        Route("/invitation", invitation_page.show),
        Route("/invitation", invitation_page.submit, methods=["POST"]),
    ]


@dataclass(frozen=True)
class _VerificationPage:
    """The page that a verification email links to."""

    services: Services

    async def show(self, request: Request) -> Response:
        """Show the button if the link is valid."""
        try:
            self.services.auth.signer.read(
                Purpose.VERIFY_EMAIL, link_token(request), self.services.clock.now()
            )
        except Refusal:
            return await link_invalid(request)
        return page_response(request, _VERIFY_PAGE)

    async def confirm(self, request: Request) -> Response:
        """Verify the address."""
        form = await read_form(request)
        if form is None:
            return too_large(request)
        try:
            await registration.verify_email(
                page_action(request, self.services), self.services.auth, link_token(request)
            )
        except Refusal:
            return await link_invalid(request, form, partial(self._request, request))
        return page_response(request, _VERIFIED_PAGE)

    async def _request(self, request: Request, email: str) -> None:
        action, peer = page_action(request, self.services), client_host(request)
        await registration.request_verification(action, self.services.auth, email=email, peer=peer)


_VERIFY_PAGE = Page(
    _("Confirm your email address"),
    _("One click, and you can sign in. If you didn’t create an account, close this page."),
    buttons=(("verify", _("Confirm my address")),),
)
_VERIFIED_PAGE = Page(
    _("Your email address is confirmed"), _("You can sign in now."), continues=True
)
