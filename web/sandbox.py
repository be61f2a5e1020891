"""The sandbox bank's pages, where customers confirm what a real bank or payment platform would ask
them to confirm. GET changes nothing.
"""

import re
from dataclasses import dataclass, replace
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billing import charging, payment_methods
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
_EXPIRE = "expire"
_CHARGE_DECISIONS = (*_DECISIONS, _EXPIRE)


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
        """Show what is asked and a button for each outcome, or the earlier decision."""
        if charge := await _find(request, SandboxCharge):
            return _charge_page(request, charge)
        setup = await _find(request, SandboxSetup)
        return _setup_page(request, setup) if setup else not_found(request)

    async def submit(self, request: Request) -> Response:
        """Store the decision and apply it at once; only the first decision counts."""
        form = await read_form(request)
        if form is None:
            return too_large(request)
        choice = form.get("outcome", "")
        if charge := await _find(request, SandboxCharge):
            if choice not in _CHARGE_DECISIONS:
                return page_response(request, UNREADABLE_FORM_PAGE, 400)
            return await self._decide_charge(request, charge, choice)
        setup = await _find(request, SandboxSetup)
        if setup is None:
            return not_found(request)
        if choice not in _DECISIONS and (
            choice not in METHODS or METHODS[choice].kind is not setup.kind
        ):
            return page_response(request, UNREADABLE_FORM_PAGE, 400)
        return await self._decide_setup(request, setup.reference, choice)

    async def _decide_charge(
        self, request: Request, charge: SandboxCharge, choice: str
    ) -> Response:
        if choice == _EXPIRE:
            await self.sandbox.cancel(charge.reference)
        else:
            await self.sandbox.decide(charge.reference, _DECISIONS[choice])
        payment = await Payment.get_or_none(provider_reference=charge.reference)
        if payment:
            action = page_action(request, self.services)
            await charging.refresh(action, self.services.checkout, payment)
        await charge.refresh_from_db()
        return _charge_page(request, charge)

    async def _decide_setup(self, request: Request, reference: str, choice: str) -> Response:
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
        return _setup_page(request, setup, is_refused=choice in METHODS)


Record = TypeVar("Record", SandboxCharge, SandboxSetup)


async def _find(request: Request, model: type[Record]) -> Record | None:
    reference = request.path_params["reference"]
    if not _REFERENCE_PATTERN.fullmatch(reference):
        return None
    return await model.get_or_none(reference=reference)


def _charge_page(request: Request, charge: SandboxCharge) -> Response:
    title, content = _CHARGE_TEXTS[charge.status]
    is_pending = charge.status is PaymentStatus.REQUIRES_ACTION
    page = Page(
        title,
        content,
        Money(charge.amount_cents).formatted(language(request).value),
        _CHARGE_BUTTONS if is_pending else (),
        _("Sandbox bank"),
        continues=not is_pending and charge.return_url is None,
    )
    return _with_return_link(request, page, None if is_pending else charge.return_url)


def _setup_page(request: Request, setup: SandboxSetup, *, is_refused: bool = False) -> Response:
    """The page to save a method. `is_refused` is whether a method was just chosen: if another one
    has to be chosen, that one couldn't be saved.
    """
    status = SetupStatus(setup.status)
    title, content = _SETUP_TEXTS[status]
    if is_refused and status is SetupStatus.REQUIRES_METHOD:
        title, content = _REFUSED_METHOD
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
_CHARGE_BUTTONS = (*_BUTTONS, (_EXPIRE, _("Let it expire")))
_REFUSED_METHOD = (
    _("This payment method can’t be saved"),
    _("Choose another one."),
)
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
    "pm_sandbox_renewal_declined": _("Card whose renewals are declined"),
    "pm_sandbox_unsavable": _("Card that can’t be saved"),
    "pm_sandbox_confirmation": _("Card with 3-D Secure"),
    "pm_sandbox_reconfirmation": _("Card with 3-D Secure for each renewal"),
    "pm_sandbox_processing": _("Card whose payments take a minute"),
    "pm_sandbox_processing_declined": _("Card that is declined after a minute"),
    "pm_sandbox_unrefundable": _("Card that can’t be refunded"),
    "pm_sandbox_refund_returned": _("Card whose refunds come back after a minute"),
    "pm_sandbox_debit": _("Bank account that pays"),
    "pm_sandbox_debit_declined": _("Bank account without sufficient funds"),
    "pm_sandbox_wallet": _("Wallet"),
}
