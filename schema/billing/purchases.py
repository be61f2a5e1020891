"""Purchases."""

from datetime import date, datetime

import strawberry

import models.billing.purchase
from models.billing.purchase import PurchaseStatus
from resolvers.billing import changes as change_resolvers
from resolvers.billing import invoices as invoice_resolvers
from resolvers.billing import payments as payment_resolvers
from resolvers.billing import promotions as promotion_resolvers
from resolvers.billing import purchases as purchase_resolvers
from schema.billing.changes import PurchaseChange
from schema.billing.invoices import Invoice
from schema.billing.money import Money
from schema.billing.offers import Price
from schema.billing.payments import Payment
from schema.common.addresses import PostalAddress
from schema.fields import edge, field
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors


@strawberry.type(description="A billing period: the days from `start` up to but excluding `end`.")
class Period:
    index: int = field("The index of the period, starting at 0.")
    start: date = field("The first day of the period, on which it is billed.")
    end: date = field("The first day of the next period.")


@strawberry.type(
    description="What a promotion code takes off the net price of the next periods of a purchase."
)
class PurchaseDiscount:
    code: str = field("The code, in uppercase.")
    percent_basis_points: int | None = field(
        "The share that is taken off, in hundredths of a percent: 2000 is 20%. Null for an amount."
    )
    amount: Money | None = field("The net amount that is taken off each period. Null for a share.")
    periods_left: int | None = field(
        "The number of periods that are still to be billed with the discount. Null for all of them."
    )


@strawberry.type(description="An offer that was bought and renews on its anniversary.")
@backed_by(models.billing.purchase.Purchase)
class Purchase(Node):
    status: PurchaseStatus = field("The current status.")
    price: Price = edge(
        purchase_resolvers.price_of,
        needs=("price_id",),
        description="The version of the price that was bought. Later price changes don't affect "
        "it.",
    )
    billing_address: PostalAddress | None = edge(
        purchase_resolvers.billing_addresses,
        needs=("billing_profile_id",),
        description="The address on the invoices of this purchase. Null until "
        "`purchaseConfirmBilling` sets it.",
    )
    order_number: str | None = edge(
        purchase_resolvers.order_numbers,
        needs=("billing_profile_id",),
        description="The buyer's order number.",
    )
    quantity: int = field("The number of units.")
    discount: PurchaseDiscount | None = edge(
        promotion_resolvers.purchase_discounts,
        needs=("promotion_id", "promotion_periods_left"),
        description="What a promotion code takes off the next periods. Null when none does.",
    )
    trial_ends_on: date | None = field(
        "The day on which the trial ends or ended, and the first period is billed. Null without a "
        "trial."
    )
    expires_at: datetime | None = field(
        "When a draft expires, until which it keeps its price. Null for purchases that were paid."
    )
    anchor: date | None = field(
        "The date from which all periods are counted: after a trial, the day on which it ends. "
        "Null until the purchase starts."
    )
    created_at: datetime = field("When the purchase was drafted.")
    activated_at: datetime | None = field(
        "When the purchase was paid and became active, or its trial started. Null until then."
    )
    bills_on: date | None = field(
        "The day on which the next period is billed. Null when the purchase doesn't renew."
    )
    cancel_at_period_end: bool = field(
        "Whether the purchase ends on `billsOn` instead of renewing. Can be undone until then."
    )
    canceled_at: datetime | None = field("When the purchase was canceled. Null unless it was.")
    ended_on: date | None = field("The day on which the purchase ended. Null until then.")
    past_due_since: date | None = field(
        "The day since which an invoice of the purchase is overdue. Null when none is."
    )
    suspended_at: datetime | None = field(
        "When the purchase was suspended because of an overdue invoice. Null unless it is."
    )
    paused_at: datetime | None = field("When the purchase was paused. Null unless it is.")
    resumes_on: date | None = field(
        "The day on which a paused purchase resumes automatically. Null when none was chosen."
    )
    pending_change: PurchaseChange | None = edge(
        change_resolvers.pending_changes,
        description="The change that was ordered and hasn't taken effect. Null when there is none.",
    )
    changes: list[PurchaseChange] = edge(
        change_resolvers.changes_of,
        description="The changes of the purchase, in the order in which they were ordered.",
    )
    periods: list[Period] = edge(
        purchase_resolvers.upcoming_periods,
        needs=(
            "anchor",
            "price_id",
            "status",
            "resumes_on",
            "base_index",
            "base_months",
            "next_period_index",
            "bills_on",
            "cancel_at_period_end",
            "ended_on",
        ),
        description="The current period and the next two, as a scheduled change or cancellation "
        "makes them. Empty until the purchase is active, once it has ended, and while it is paused "
        "without a day on which it resumes.",
    )
    payments: list[Payment] = edge(
        payment_resolvers.payments, description="The payments of the purchase, oldest first."
    )
    invoices: list[Invoice] = edge(
        invoice_resolvers.invoices_of,
        description="The invoices of the purchase, in the order of issue.",
    )


@strawberry.type(description="The result of a change to a purchase.")
class PurchasePayload:
    purchase: Purchase | None = field("The purchase after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of ordering a change of a purchase.")
class PurchaseChangePayload:
    purchase: Purchase | None = field("The purchase, which has changed if the change is applied.")
    change: PurchaseChange | None = field("The change, also when its payment was declined.")
    payment: Payment | None = field(
        "The payment of a change that takes effect at once. When it REQUIRES_ACTION, send the "
        "customer to its `confirmationUrl`. Null when nothing is charged."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of a payment.")
class PaymentPayload:
    purchase: Purchase | None = field("The purchase after the payment.")
    payment: Payment | None = field("The payment, including a declined one.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of choosing to pay by bank transfer.")
class PurchasePayByTransferPayload:
    purchase: Purchase | None = field("The purchase, which starts when the money has arrived.")
    invoice: Invoice | None = field(
        "The invoice to pay. `transfer` has the account and the reference."
    )
    user_errors: list[UserError] = errors()
