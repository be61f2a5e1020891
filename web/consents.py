"""The page where somebody withdraws a consent by the link of an email, without signing in.

Opening the page changes nothing, because mail scanners follow links: its button withdraws. So does
the request that mail programs send for their own button, to the same address (RFC 8058).
"""

from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mail.message import WITHDRAWAL_PATH
from models.errors import Refusal
from models.privacy.consent import PURPOSE_LABELS, ConsentPurpose
from models.translations import _, text
from privacy import consents
from resolvers.context import Services
from web.page import (
    Page,
    language,
    link_token,
    not_found,
    page_action,
    page_response,
    read_form,
    too_large,
)


def routes(services: Services) -> list[Route]:
    """The page and what its button does."""
    page, path = _WithdrawalPage(services), f"/{WITHDRAWAL_PATH}"
    return [Route(path, page.show), Route(path, page.submit, methods=["POST"])]


@dataclass(frozen=True)
class _WithdrawalPage:
    services: Services

    async def show(self, request: Request) -> Response:
        """Show the button if the link is valid."""
        action, signer = page_action(request, self.services), self.services.auth.signer
        try:
            link = consents.link_of_token(action, signer, link_token(request))
        except Refusal:
            return not_found(request)
        return _response(request, _QUESTION_PAGE, link.purpose)

    async def submit(self, request: Request) -> Response:
        """Withdraw the consent, whatever the body says: a mail program sends other fields."""
        if await read_form(request) is None:
            return too_large(request)
        action, signer = page_action(request, self.services), self.services.auth.signer
        try:
            purpose = await consents.withdraw_by_link(action, signer, link_token(request))
        except Refusal:
            return not_found(request)
        return _response(request, _WITHDRAWN_PAGE, purpose)


def _response(request: Request, page: Page, purpose: ConsentPurpose) -> Response:
    label = text(PURPOSE_LABELS[purpose], language(request))
    return page_response(request, replace(page, highlight=label))


_QUESTION_PAGE = Page(
    _("Stop these emails"),
    _("You won’t get any more emails of this kind. You can agree to them again at any time."),
    buttons=(("withdraw", _("Stop the emails")),),
)
_WITHDRAWN_PAGE = Page(
    _("You won’t get these emails anymore"),
    _("Your consent has been withdrawn. You can give it again in the customer space."),
    continues=True,
)
