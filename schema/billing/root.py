"""The billing domain's part of the roots."""

import strawberry

from auth.rules import agent, anyone, buyer
from models.billing.audit_actions import BillingAuditAction
from resolvers.billing import invoices as invoice_resolvers
from resolvers.billing import offers as offer_resolvers
from resolvers.billing import payments as payment_resolvers
from resolvers.billing import purchases as purchase_resolvers
from schema.billing.invoices import Invoice
from schema.billing.offers import Offer
from schema.billing.purchases import PaymentPayload, Purchase, PurchasePayload
from schema.fields import mutation, query
from schema.nodes import Connection


@strawberry.type
class BillingQuery:
    offers: Connection[Offer] = query(offer_resolvers.offers, allow=anyone, description="The catalogue, in the vendor's order.")
    offer: Offer | None = query(offer_resolvers.offer, allow=anyone, description="One offer by its slug.")
    purchases: Connection[Purchase] = query(
        purchase_resolvers.purchases, allow=buyer | agent, description="What was bought, the latest first."
    )
    invoices: Connection[Invoice] = query(
        invoice_resolvers.invoices, allow=buyer | agent, description="Invoices, the latest first."
    )


@strawberry.type
class BillingMutation:
    purchase_draft: PurchasePayload = mutation(
        purchase_resolvers.draft,
        "purchase",
        allow=buyer,
        audit=BillingAuditAction.PURCHASE_DRAFT,
        description="Begin to buy an offer.",
    )
    purchase_confirm_billing: PurchasePayload = mutation(
        purchase_resolvers.confirm_billing,
        "purchase",
        allow=buyer,
        audit=BillingAuditAction.PURCHASE_CONFIRM_BILLING,
        description="Say whom and where to bill.",
    )
    purchase_pay: PaymentPayload = mutation(
        payment_resolvers.pay,
        "purchase",
        "payment",
        allow=buyer,
        audit=BillingAuditAction.PURCHASE_PAY,
        description="Pay; the purchase becomes active and is invoiced.",
    )
    payment_refresh: PaymentPayload = mutation(
        payment_resolvers.refresh_payment,
        "purchase",
        "payment",
        allow=buyer,
        audit=BillingAuditAction.PAYMENT_CHANGE,
        description="Ask the bank again about a payment.",
    )
