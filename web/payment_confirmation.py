"""The page that leads a customer to their bank's page, when a renewal has to be confirmed. Only its
button asks the bank, because mail scanners follow links.
"""

from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billing.collection import CONFIRMATION_PATH
from billing.payment_confirmation import begin_confirmation, payment_of
from models.billing.payment import Payment, PaymentStatus
from models.errors import Refusal
from models.translations import _, text
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
    page = _ConfirmationPage(services)
    return [
        Route(f"/{CONFIRMATION_PATH}", page.show),
        Route(f"/{CONFIRMATION_PATH}", page.submit, methods=["POST"]),
    ]


@dataclass(frozen=True)
class _ConfirmationPage:
    services: Services

    async def show(self, request: Request) -> Response:
        """Show the amount and the button, unless the payment needs no confirmation any more."""
        payment = await self._payment(request)
        return _payment_page(request, payment) if payment else not_found(request)

    async def submit(self, request: Request) -> Response:
        """Begin the confirmation, and link to the bank's page."""
        if await read_form(request) is None:
            return too_large(request)
        payment = await self._payment(request)
        if payment is None:
            return not_found(request)
        action = page_action(request, self.services)
        try:
            payment = await begin_confirmation(action, self.services.checkout, payment)
        except Refusal:
            return page_response(request, _UNAVAILABLE_PAGE, 503)
        if payment.status is not PaymentStatus.REQUIRES_ACTION or not payment.confirmation_url:
            return _payment_page(request, payment)
        label = text(_("Continue to your bank"), language(request))
        links = ((label, payment.confirmation_url),)
        return page_response(
            request, replace(_with_amount(request, _BANK_PAGE, payment), links=links)
        )

    async def _payment(self, request: Request) -> Payment | None:
        action, signer = page_action(request, self.services), self.services.auth.signer
        try:
            return await payment_of(action, signer, link_token(request))
        except Refusal:
            return None


def _payment_page(request: Request, payment: Payment) -> Response:
    waits = payment.status is PaymentStatus.REQUIRES_ACTION
    page = _QUESTION_PAGE if waits else _SETTLED_PAGE
    return page_response(request, _with_amount(request, page, payment))


def _with_amount(request: Request, page: Page, payment: Payment) -> Page:
    return replace(page, highlight=payment.amount.formatted(language(request).value))


_QUESTION_PAGE = Page(
    _("Confirm your payment with your bank"),
    _("Your bank asks you to confirm this payment before it accepts it."),
    buttons=(("continue", _("Continue")),),
)
_BANK_PAGE = Page(_("Your bank is ready"), _("Confirm the payment on its page."))
_SETTLED_PAGE = Page(
    _("This payment no longer needs a confirmation"),
    _("You don’t need to confirm anything."),
    continues=True,
)
_UNAVAILABLE_PAGE = Page(
    _("The payment service isn’t responding"),
    _("Try again in a moment. You won’t be charged twice."),
    buttons=(("continue", _("Continue")),),
)
