"""The payment providers that the operator configured."""

from dataclasses import dataclass, field

from auth.http_client import is_server_url
from billing.gateways.gateway import ChargeGateway, Gateway
from billing.gateways.paypal import API_URL as PAYPAL_URL
from billing.gateways.paypal import PaypalGateway
from billing.gateways.sandbox import Sandbox
from models.clock import Clock

_LIVE_KEYS = ("sk_live_", "rk_live_")
_KEYS = (*_LIVE_KEYS, "sk_test_", "rk_test_")


@dataclass(frozen=True)
class StripeOptions:
    """The settings of Stripe: the secret or restricted API key, the secret of the webhook endpoint,
    and the URL of another server with Stripe's API, for tests.
    """

    key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    url: str | None

    @property
    def is_live(self) -> bool:
        """Whether money is collected."""
        return self.key.startswith(_LIVE_KEYS) and self.url is None

    @property
    def errors(self) -> list[str]:
        """What is wrong, each starting with the name of a variable."""
        errors = []
        if not self.key.startswith(_KEYS):
            errors.append("CAMCHA_STRIPE_KEY: must be a secret or restricted key of Stripe")
        if not self.webhook_secret.startswith("whsec_"):
            errors.append(
                "CAMCHA_STRIPE_WEBHOOK_SECRET: must be the signing secret (whsec_...) of the "
                "webhook endpoint"
            )
        if self.url and not is_server_url(self.url):
            errors.append("CAMCHA_STRIPE_URL: must be https://host")
        return errors


@dataclass(frozen=True)
class PaypalOptions:
    """The settings of PayPal: the ID and the secret of a REST API app, and the URL of its sandbox,
    or of another server with its API, for tests.
    """

    client_id: str
    client_secret: str = field(repr=False)
    url: str = PAYPAL_URL

    @property
    def is_live(self) -> bool:
        """Whether money is collected."""
        return self.url.rstrip("/") == PAYPAL_URL

    @property
    def errors(self) -> list[str]:
        """What is wrong, each starting with the name of a variable."""
        values = (("CLIENT_ID", self.client_id), ("CLIENT_SECRET", self.client_secret))
        errors = [
            f"CAMCHA_PAYPAL_{name}: required to offer PayPal" for name, value in values if not value
        ]
        if not is_server_url(self.url):
            errors.append("CAMCHA_PAYPAL_URL: must be https://host")
        return errors


def configured_paypal(paypal: PaypalOptions | None, return_url: str) -> ChargeGateway | None:
    """PayPal, None when it isn't offered. Customers return to `return_url` from PayPal when a
    request names no other page.
    """
    if paypal is None:
        return None
    return PaypalGateway(paypal.client_id, paypal.client_secret, return_url, paypal.url)


def configured_gateway(
    stripe: StripeOptions | None, base_url: str, return_url: str, clock: Clock, secret_key: str
) -> Gateway:
    """Stripe if it is configured, else the sandbox. Customers return to `return_url` from their
    bank when a request names no other page.
    """
    if stripe is None:
        return Sandbox(base_url, clock, secret_key)
    # Stripe's library takes half a second and 15 MB to load.
    from billing.gateways.stripe import API_URL, StripeGateway

    return StripeGateway(stripe.key, stripe.webhook_secret, return_url, stripe.url or API_URL)
