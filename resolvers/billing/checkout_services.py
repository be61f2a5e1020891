"""The services that a checkout needs, from the context of an operation."""

from billing.checkout import CheckoutServices
from resolvers.context import Context


def checkout_services(context: Context) -> CheckoutServices:
    """The services that payments need."""
    return context.services.checkout
