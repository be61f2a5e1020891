"""The services of other companies that checkout, renewals and collection use."""

from dataclasses import dataclass

from auth.tokens import Signer
from billing.gateways.gateway import PAYPAL, ChargeGateway, Gateway, GatewayUnavailable
from billing.seller import Seller
from models.billing.payment import Payment


@dataclass(frozen=True)
class CheckoutServices:
    """The services that checkout needs: the payment provider, the seller, the signer of download
    links, and PayPal, None when it isn't offered.
    """

    gateway: Gateway
    seller: Seller
    signer: Signer
    paypal: ChargeGateway | None = None

    @property
    def gateways(self) -> tuple[ChargeGateway, ...]:
        """All payment providers."""
        return (self.gateway, self.paypal) if self.paypal else (self.gateway,)

    def gateway_for(self, token: str) -> ChargeGateway:
        """The provider that a token belongs to."""
        return self.paypal if self.paypal and token == PAYPAL else self.gateway

    def gateway_of(self, payment: Payment) -> ChargeGateway:
        """The provider of a payment. Raises GatewayUnavailable when it isn't configured any
        more.
        """
        for gateway in self.gateways:
            if gateway.name == payment.provider:
                return gateway
        raise GatewayUnavailable
