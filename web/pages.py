"""Pages that emails link to: verifying an address, invitations (invitation.py), and the sandbox
bank. GET changes nothing.

Mail scanners follow links before people do. So GET shows what would happen, and POST does it.
"""

import re
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from accounts import registration
from auth.tokens import Purpose
from billing import checkout
from billing.checkout import CheckoutServices
from billing.gateways.sandbox import Sandbox
from models.billing.money import Money
from models.billing.payment import Payment, PaymentStatus, SandboxCharge
from models.errors import Refusal
from models.translations import _
from resolvers.context import Services
from web.invitation import InvitationPage
from web.page import (
    UNREADABLE_FORM_PAGE,
    Page,
    client_host,
    language,
    link_invalid,
    link_token,
    not_found,
    page_action,
    page_response,
    read_form,
    too_large,
)

_REFERENCE_PATTERN = re.compile(r"sandbox_[A-Za-z0-9_-]{1,56}")
_DECISIONS = {"approve": True, "refuse": False}


def routes(services: Services) -> list[Route]:
    """The pages. The bank's page exists only when the sandbox is the payment provider."""
    verification_page = _VerificationPage(services)
    invitation_page = InvitationPage(services)
    pages = [
        Route("/verify", verification_page.show),
        Route("/verify", verification_page.confirm, methods=["POST"]),
        Route("/invitation", invitation_page.show),
        Route("/invitation", invitation_page.submit, methods=["POST"]),
    ]
    if not isinstance(services.gateway, Sandbox):
        return pages
    bank_page = _BankPage(services, services.gateway)
    path = "/sandbox/bank/{reference}"
    return [*pages, Route(path, bank_page.show), Route(path, bank_page.decide, methods=["POST"])]


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


@dataclass(frozen=True)
class _BankPage:
    """The page where a bank asks its customer to confirm a payment, as with 3-D Secure."""

    services: Services
    sandbox: Sandbox

    async def show(self, request: Request) -> Response:
        """Show the amount and two buttons, or the earlier decision."""
        charge = await _find_charge(request)
        return _payment_page(request, charge) if charge else not_found(request)

    async def decide(self, request: Request) -> Response:
        """Store the decision, of which only the first counts, and update the payment at once."""
        form = await read_form(request)
        if form is None:
            return too_large(request)
        is_approved = _DECISIONS.get(form.get("outcome", ""))
        if is_approved is None:
            return page_response(request, UNREADABLE_FORM_PAGE, 400)
        if await _find_charge(request) is None:
            return not_found(request)
        charge = await self.sandbox.decide(request.path_params["reference"], is_approved)
        return await self._settle(request, charge) if charge else not_found(request)

    async def _settle(self, request: Request, charge: SandboxCharge) -> Response:
        services = self.services
        payment = await Payment.get_or_none(provider_reference=charge.reference)
        if payment:
            checkout_services = CheckoutServices(
                services.gateway, services.seller, services.auth.signer
            )
            await checkout.refresh(page_action(request, services), checkout_services, payment)
        return _payment_page(request, charge)


async def _find_charge(request: Request) -> SandboxCharge | None:
    reference = request.path_params["reference"]
    return (
        await SandboxCharge.get_or_none(reference=reference)
        if _REFERENCE_PATTERN.fullmatch(reference)
        else None
    )


def _payment_page(request: Request, charge: SandboxCharge) -> Response:
    title, text = _BANK_TEXTS[charge.status]
    is_pending = charge.status is PaymentStatus.REQUIRES_ACTION
    amount = Money(charge.amount_cents).formatted(language(request).value)
    buttons, sender = _BUTTONS if is_pending else (), _("Sandbox bank")
    page = Page(title, text, amount, buttons, sender, continues=not is_pending)
    return page_response(request, page)


_VERIFY_PAGE = Page(
    _("Confirm your email address"),
    _("One click, and you can sign in. If you didn’t create an account, close this page."),
    buttons=(("verify", _("Confirm my address")),),
)
_VERIFIED_PAGE = Page(
    _("Your email address is confirmed"), _("You can sign in now."), continues=True
)
_BUTTONS = (("approve", _("Approve")), ("refuse", _("Decline")))
_BANK_TEXTS = {
    PaymentStatus.REQUIRES_ACTION: (
        _("Do you confirm this payment to CAMCHA?"),
        _("This is a sandbox bank. No money changes hands."),
    ),
    PaymentStatus.SUCCEEDED: (
        _("Payment approved"),
        _("Your purchase is active, and you will receive the invoice by email."),
    ),
    PaymentStatus.DECLINED: (
        _("Payment declined"),
        _("You haven’t been charged. You can try another payment method."),
    ),
}
