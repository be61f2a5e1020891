"""The sandbox bank's pages, where customers confirm what a real bank or payment platform would ask
them to confirm. GET changes nothing.
"""

import re
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billing import checkout, payment_methods
from billing.checkout import CheckoutServices
from billing.gateways.gateway import SetupStatus
from billing.gateways.sandbox import METHODS, Sandbox
from models.billing.money import Money
from models.billing.payment import Payment, PaymentStatus
from models.billing.payment_method import PaymentMethod
from models.billing.sandbox import SandboxCharge, SandboxSetup
from models.translations import Translatable, _, text
from resolvers.context import Services
from web.page import (
    UNREADABLE_FORM_PAGE,
    Page,
    language,
    not_found,
    page_action,
    page_response,
    read_form,
    too_large,
)

_REFERENCE_PATTERN = re.compile(r"sandbox_[A-Za-z0-9_-]{1,56}")
_DECISIONS = {"approve": True, "refuse": False}


def routes(services: Services) -> list[Route]:
    """The pages, which exist only when the sandbox is the payment provider."""
    if not isinstance(services.gateway, Sandbox):
        return []
    bank_page = _BankPage(services, services.gateway)
    path = "/sandbox/bank/{reference}"
    return [Route(path, bank_page.show), Route(path, bank_page.submit, methods=["POST"])]


@dataclass(frozen=True)
class _BankPage:
    """The page where a bank asks its customer to confirm a payment or a saved card, as with 3-D
    Secure, and where they choose a card to save.
    """

    services: Services
    sandbox: Sandbox

    async def show(self, request: Request) -> Response:
        """Show what is asked and two buttons, or the earlier decision."""
        if charge := await _find_charge(request):
            return _charge_page(request, charge)
        setup = await _find_setup(request)
        return _setup_page(request, setup) if setup else not_found(request)

    async def submit(self, request: Request) -> Response:
        """Store the decision, of which only the first counts, and apply it at once."""
        form = await read_form(request)
        if form is None:
            return too_large(request)
        choice = form.get("outcome", "")
        if await _find_charge(request):
            if choice not in _DECISIONS:
                return page_response(request, UNREADABLE_FORM_PAGE, 400)
            return await self._decide_charge(request, _DECISIONS[choice])
        setup = await _find_setup(request)
        if setup is None:
            return not_found(request)
        if choice not in _DECISIONS and (
            choice not in METHODS or METHODS[choice].kind is not setup.kind
        ):
            return page_response(request, UNREADABLE_FORM_PAGE, 400)
        return await self._decide_setup(request, choice)

    async def _decide_charge(self, request: Request, is_approved: bool) -> Response:
        charge = await self.sandbox.decide(request.path_params["reference"], is_approved)
        if charge is None:
            return not_found(request)
        services = self.services
        payment = await Payment.get_or_none(provider_reference=charge.reference)
        if payment:
            checkout_services = CheckoutServices(
                services.gateway, services.seller, services.auth.signer
            )
            await checkout.refresh(page_action(request, services), checkout_services, payment)
        return _charge_page(request, charge)

    async def _decide_setup(self, request: Request, choice: str) -> Response:
        reference = request.path_params["reference"]
        setup = (
            await self.sandbox.decide_setup(reference, _DECISIONS[choice])
            if choice in _DECISIONS
            else await self.sandbox.choose_method(reference, choice)
        )
        if setup is None:
            return not_found(request)
        method = await PaymentMethod.get_or_none(setup_reference=reference)
        if method:
            action = page_action(request, self.services)
            await payment_methods.refresh(action, self.services.gateway, method)
        return _setup_page(request, setup)


async def _find_charge(request: Request) -> SandboxCharge | None:
    reference = request.path_params["reference"]
    return (
        await SandboxCharge.get_or_none(reference=reference)
        if _REFERENCE_PATTERN.fullmatch(reference)
        else None
    )


async def _find_setup(request: Request) -> SandboxSetup | None:
    reference = request.path_params["reference"]
    return (
        await SandboxSetup.get_or_none(reference=reference)
        if _REFERENCE_PATTERN.fullmatch(reference)
        else None
    )


def _charge_page(request: Request, charge: SandboxCharge) -> Response:
    title, content = _CHARGE_TEXTS[charge.status]
    is_pending = charge.status is PaymentStatus.REQUIRES_ACTION
    page = Page(
        title,
        content,
        Money(charge.amount_cents).formatted(language(request).value),
        _BUTTONS if is_pending else (),
        _("Sandbox bank"),
        continues=not is_pending and charge.return_url is None,
    )
    return _with_return_link(request, page, None if is_pending else charge.return_url)


def _setup_page(request: Request, setup: SandboxSetup) -> Response:
    status = SetupStatus(setup.status)
    title, content = _SETUP_TEXTS[status]
    buttons: tuple[tuple[str, Translatable], ...] = (
        _BUTTONS if status is SetupStatus.REQUIRES_ACTION else ()
    )
    if status is SetupStatus.REQUIRES_METHOD:
        buttons = tuple(
            (name, _METHOD_LABELS[name])
            for name, method in METHODS.items()
            if method.kind is setup.kind
        )
    page = Page(title, content, buttons=buttons, sender=_("Sandbox bank"))
    return _with_return_link(request, page, None if buttons else setup.return_url)


def _with_return_link(request: Request, page: Page, return_url: str | None) -> Response:
    label = text(_("Return to the shop"), language(request))
    return page_response(
        request, replace(page, links=((label, return_url),)) if return_url else page
    )


_BUTTONS = (("approve", _("Approve")), ("refuse", _("Decline")))
_NO_MONEY = _("This is a sandbox bank. No money changes hands.")
_CHARGE_TEXTS = {
    PaymentStatus.REQUIRES_ACTION: (_("Do you confirm this payment to CAMCHA?"), _NO_MONEY),
    PaymentStatus.PROCESSING: (
        _("The payment is being processed"),
        _("You don’t need to do anything."),
    ),
    PaymentStatus.SUCCEEDED: (
        _("Payment approved"),
        _("Your purchase is active, and you will receive the invoice by email."),
    ),
    PaymentStatus.DECLINED: (
        _("Payment declined"),
        _("You haven’t been charged. You can try another payment method."),
    ),
    PaymentStatus.CANCELED: (
        _("Payment canceled"),
        _("You haven’t been charged. You can try another payment method."),
    ),
    PaymentStatus.EXPIRED: (
        _("Payment canceled"),
        _("You haven’t been charged. You can try another payment method."),
    ),
}
_SETUP_TEXTS = {
    SetupStatus.REQUIRES_METHOD: (_("Which payment method do you want to save?"), _NO_MONEY),
    SetupStatus.REQUIRES_ACTION: (
        _("Do you allow CAMCHA to charge this payment method?"),
        _NO_MONEY,
    ),
    SetupStatus.PROCESSING: (
        _("The payment method is being saved"),
        _("You don’t need to do anything."),
    ),
    SetupStatus.SUCCEEDED: (
        _("Payment method saved"),
        _("Your purchases can now renew with it."),
    ),
    SetupStatus.DECLINED: (
        _("Payment method not saved"),
        _("You can try another payment method."),
    ),
    SetupStatus.CANCELED: (
        _("Payment method not saved"),
        _("You can try another payment method."),
    ),
}
_METHOD_LABELS = {
    "pm_sandbox_success": _("Card that always pays"),
    "pm_sandbox_declined": _("Card without sufficient funds"),
    "pm_sandbox_stolen": _("Stolen card"),
    "pm_sandbox_expired": _("Expired card"),
    "pm_sandbox_expiring": _("Card that expires next month"),
    "pm_sandbox_unsavable": _("Card that can’t be saved"),
    "pm_sandbox_confirmation": _("Card with 3-D Secure"),
    "pm_sandbox_reconfirmation": _("Card with 3-D Secure for each renewal"),
    "pm_sandbox_processing": _("Card whose payments take a minute"),
    "pm_sandbox_processing_declined": _("Card that is declined after a minute"),
    "pm_sandbox_unrefundable": _("Card that can’t be refunded"),
    "pm_sandbox_debit": _("Bank account that pays"),
    "pm_sandbox_debit_declined": _("Bank account without sufficient funds"),
    "pm_sandbox_wallet": _("Wallet"),
}
