"""Payment methods that customers save."""

from collections.abc import Sequence
from typing import Any

from billing import payment_methods
from billing.gateways.gateway import Consent, Setup, SetupStatus
from billing.payment_methods import NewMethod
from models.accounts.account import Account
from models.billing.errors import BillingErrorCode
from models.billing.payment_method import PaymentMethod, PaymentMethodStatus
from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.text import client_key, line
from resolvers.billing.inputs import (
    PaymentMethodAddInput,
    PaymentMethodConfirmInput,
    PaymentMethodRemoveInput,
    PaymentMethodReplaceInput,
    PaymentMethodSetDefaultInput,
)
from resolvers.billing.payments import declined_message
from resolvers.context import Context, Info
from resolvers.ids import load_visible
from resolvers.rows import RowsByParent

TOKEN_LENGTH = 255


async def add(info: Info, input: PaymentMethodAddInput) -> dict[str, Any]:
    """Begin to save a payment method."""
    with Checks() as check:
        new = _new_method(info.context, input, check)
        key = check(client_key, input.idempotency_key)
    return await _begin(info.context, new, key)


async def replace(info: Info, input: PaymentMethodReplaceInput) -> dict[str, Any]:
    """Begin to save a payment method that replaces another one."""
    with Checks() as check:
        replaced = await check.wait(_load(info.context, input.payment_method_id))
        new = _new_method(info.context, input, check, replaced)
        key = check(client_key, input.idempotency_key)
    return await _begin(info.context, new, key)


def _new_method(
    context: Context,
    input: PaymentMethodAddInput | PaymentMethodReplaceInput,
    check: Checks,
    replaced: PaymentMethod | None = None,
) -> NewMethod:
    token = check(line, input.token, "token", TOKEN_LENGTH) if input.token is not None else None
    return_url = check(context.services.return_urls.check_optional, input.return_url)
    consent = Consent(context.client_address, context.user_agent)
    return NewMethod(input.kind, token, return_url, consent, replaced)


async def _begin(context: Context, new: NewMethod, key: str) -> dict[str, Any]:
    method, setup = await payment_methods.add(
        context.action(),
        context.services.gateway,
        context.session,
        context.account,
        context.user,
        new,
        key,
    )
    return _payload(method, setup)


async def confirm(info: Info, input: PaymentMethodConfirmInput) -> dict[str, Any]:
    """Query the payment provider whether a method is saved."""
    method = await _load(info.context, input.payment_method_id)
    method, setup = await payment_methods.refresh(
        info.context.action(), info.context.services.gateway, method
    )
    return _payload(method, setup)


async def set_default(info: Info, input: PaymentMethodSetDefaultInput) -> PaymentMethod:
    """Make a payment method the default."""
    context = info.context
    method = await _load(context, input.payment_method_id)
    return await payment_methods.set_default(context.action(), context.session, method)


async def remove(info: Info, input: PaymentMethodRemoveInput) -> PaymentMethod:
    """Remove a payment method."""
    context = info.context
    method = await _load(context, input.payment_method_id)
    return await payment_methods.remove(
        context.action(), context.services.gateway, context.session, method
    )


async def _load(context: Context, global_id: Any) -> PaymentMethod:
    """A payment method of the viewer's own company: agents may only view them."""
    method = await load_visible(PaymentMethod, global_id, context.viewer, "paymentMethodId")
    if method.account_id != context.account.pk:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "paymentMethodId")
    return method


def _payload(method: PaymentMethod, setup: Setup | None) -> dict[str, Any]:
    is_declined = method.decline_code or (setup and setup.status is SetupStatus.DECLINED)
    refusals = (
        [
            Refusal(
                BillingErrorCode.PAYMENT_METHOD_DECLINED,
                "input",
                message=declined_message(method.decline_code),
            )
        ]
        if is_declined and method.status is PaymentMethodStatus.REMOVED
        else []
    )
    waits = method.status is PaymentMethodStatus.PENDING and setup is not None
    return {
        "payment_method": method,
        "confirmation_url": setup.confirmation_url if setup and waits else None,
        "client_secret": setup.client_secret if setup and waits else None,
        "refusals": refusals,
    }


def account_payment_methods(context: Context, parents: Sequence[Account]) -> RowsByParent:
    """The methods of each company that the viewer may see, in the order in which they were
    added.
    """
    methods = PaymentMethod.visible_to(context.viewer).exclude(status=PaymentMethodStatus.REMOVED)
    return RowsByParent(parents, methods, "account_id", "id")
