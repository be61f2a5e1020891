"""The pages where a recipient outside a company agrees to receive its invoices, or unsubscribes.
Only a button changes anything.
"""

from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billing import invoice_emails
from models.errors import Refusal
from models.translations import _
from resolvers.context import Services
from web.page import Page, link_token, not_found, page_action, page_response, read_form, too_large


def routes(services: Services) -> list[Route]:
    """The pages and what their buttons do."""
    pages = [
        ("/invoices/receive", _AnswerPage(services, True, _RECEIVE_PAGE, _RECEIVED_PAGE)),
        ("/invoices/stop", _AnswerPage(services, False, _STOP_PAGE, _STOPPED_PAGE)),
    ]
    return [
        route
        for path, page in pages
        for route in (Route(path, page.show), Route(path, page.submit, methods=["POST"]))
    ]


@dataclass(frozen=True)
class _AnswerPage:
    """A page whose button confirms or refuses."""

    services: Services
    accepts: bool
    question: Page
    result: Page

    async def show(self, request: Request) -> Response:
        """Show the button if the link is valid."""
        try:
            recipient = await invoice_emails.recipient_of(
                page_action(request, self.services), self.services.auth.signer, link_token(request)
            )
        except Refusal:
            return not_found(request)
        return page_response(
            request, replace(self.question, highlight=recipient.account.legal_name)
        )

    async def submit(self, request: Request) -> Response:
        """Record the answer."""
        if await read_form(request) is None:
            return too_large(request)
        action, signer = page_action(request, self.services), self.services.auth.signer
        try:
            await invoice_emails.answer(action, signer, link_token(request), accepts=self.accepts)
        except Refusal:
            return not_found(request)
        return page_response(request, self.result)


_RECEIVE_PAGE = Page(
    _("Receive this company’s invoices"),
    _("Each invoice will be sent to your address by email. You can stop this at any time."),
    buttons=(("receive", _("Receive the invoices")),),
)
_RECEIVED_PAGE = Page(
    _("You will receive the invoices"),
    _("Each email contains a link to stop them."),
)
_STOP_PAGE = Page(
    _("Stop receiving this company’s invoices"),
    _("The company can’t ask you again."),
    buttons=(("stop", _("Stop the invoices")),),
)
_STOPPED_PAGE = Page(
    _("You will receive no further invoices"),
    _("We won’t send this company’s invoices to your address."),
)
