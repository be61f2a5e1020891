"""The billing domain's part of the roots."""

import strawberry

from auth.rules import agent, anyone, buyer
from models.billing.audit_actions import BillingAuditAction
from resolvers.billing import invoice_recipients as recipient_resolvers
from resolvers.billing import invoices as invoice_resolvers
from resolvers.billing import offers as offer_resolvers
from resolvers.billing import payments as payment_resolvers
from resolvers.billing import purchases as purchase_resolvers
from schema.billing.invoice_recipients import (
    InvoiceRecipientAddPayload,
    InvoiceRecipientRemovePayload,
)
from schema.billing.invoices import Invoice
from schema.billing.offers import Offer
from schema.billing.purchases import PaymentPayload, Purchase, PurchasePayload
from schema.fields import mutation, query
from schema.nodes import Connection


@strawberry.type
class BillingQuery:
    offers: Connection[Offer] | None = query(
        offer_resolvers.offers,
        allow=anyone,
        description="The offers on sale, in the vendor's order.",
    )
    offer: Offer | None = query(
        offer_resolvers.offer, allow=anyone, description="The offer with the given slug."
    )
    purchase: Purchase | None = query(
        purchase_resolvers.purchase,
        allow=buyer | agent,
        description="The purchase with the given ID. Null when it doesn't exist or the viewer "
        "can't see it.",
    )
    invoice: Invoice | None = query(
        invoice_resolvers.invoice,
        allow=buyer | agent,
        description="The invoice with the given number. Null when it doesn't exist or the viewer "
        "can't see it.",
    )
    purchases: Connection[Purchase] | None = query(
        purchase_resolvers.purchases,
        allow=buyer | agent,
        description="Purchases, most recent first.",
    )
    invoices: Connection[Invoice] | None = query(
        invoice_resolvers.invoices, allow=buyer | agent, description="Invoices, most recent first."
    )


@strawberry.type
class BillingMutation:
    purchase_draft: PurchasePayload | None = mutation(
        purchase_resolvers.draft,
        "purchase",
        allow=buyer,
        audit=BillingAuditAction.PURCHASE_DRAFT,
        description="Starts the purchase of an offer.",
    )
    purchase_confirm_billing: PurchasePayload | None = mutation(
        purchase_resolvers.confirm_billing,
        "purchase",
        allow=buyer,
        audit=BillingAuditAction.PURCHASE_CONFIRM_BILLING,
        description="Sets the billing details of a purchase.",
    )
    purchase_pay: PaymentPayload | None = mutation(
        payment_resolvers.pay,
        "purchase",
        "payment",
        allow=buyer,
        audit=BillingAuditAction.PURCHASE_PAY,
        description="Pays for a purchase. Once the payment succeeds, the purchase is active and an "
        "invoice is issued.",
    )
    payment_refresh: PaymentPayload | None = mutation(
        payment_resolvers.refresh_payment,
        "purchase",
        "payment",
        allow=buyer,
        audit=BillingAuditAction.PAYMENT_CHANGE,
        description="Queries the payment provider for the current status of a payment.",
    )
    invoice_recipient_add: InvoiceRecipientAddPayload | None = mutation(
        recipient_resolvers.add,
        "recipient",
        allow=buyer,
        audit=BillingAuditAction.INVOICE_RECIPIENT_ADD,
        description="Adds a recipient of the company's invoices outside the company, such as its "
        "accountant. Sends an email with a confirmation link. A company has at most 5 recipients.",
    )
    invoice_recipient_remove: InvoiceRecipientRemovePayload | None = mutation(
        recipient_resolvers.remove,
        "removed",
        allow=buyer,
        audit=BillingAuditAction.INVOICE_RECIPIENT_REMOVE,
        description="Removes a recipient, who receives no further invoices.",
    )
