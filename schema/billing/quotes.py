"""Quotes of purchases."""

from datetime import date

import strawberry

from models.billing.payment_method import PaymentKind
from models.billing.purchase_change import PurchaseChangeKind
from schema.billing.money import Money
from schema.billing.payment_methods import PaymentMethod
from schema.billing.purchases import Period, PurchaseDiscount
from schema.fields import field


@strawberry.type(description="A line of a quote, as it will be on the invoice.")
class QuotedLine:
    label: str = field("What is billed: the name of the offer.")
    description: str = field(
        "The details of the line: what the offer includes, or how many days of the period the "
        "line covers. Empty when there are none."
    )
    quantity: int = field("The number of units.")
    unit_net: Money = field("The price per unit, excluding VAT.")
    net: Money = field("The amount of the line, excluding VAT.")
    vat_rate: int = field("The VAT rate in hundredths of a percent: 2000 is 20%.")


@strawberry.type(description="The VAT of all lines that share a rate.")
class QuotedVat:
    rate: int = field("The VAT rate in hundredths of a percent: 2000 is 20%.")
    net: Money = field("The sum of the lines, excluding VAT.")
    vat: Money = field("The VAT on that sum, rounded once.")


@strawberry.type(
    description="How a purchase would be paid by bank transfer. The reference to quote is known "
    "once the invoice is issued (`Invoice.transfer`)."
)
class QuotedTransfer:
    iban: str = field("The account to pay to.")
    bic: str = field("The BIC of the account's bank.")
    due_on: date = field(
        "The day by which the money has to arrive if bank transfer is chosen today."
    )
    starts_on_payment: bool = field(
        "Whether the purchase starts when the money has arrived. Otherwise it starts at once."
    )


@strawberry.type(
    description="How a purchase starts with a trial (`purchaseStart`), which each company has once "
    "for an offer."
)
class QuotedTrial:
    ends_on: date = field("The day on which the trial ends and the first period is billed.")
    requires_payment_method: bool = field(
        "Whether the trial starts only with a saved payment method."
    )
    due_today: Money = field("The total including VAT that is charged today: nothing.")
    due_at_end: Money = field("The total including VAT that is charged when the trial ends.")


@strawberry.type(
    description="What a purchase costs the viewer's company when it is paid today. The invoice has "
    "the same amounts."
)
class PurchaseQuote:
    lines: list[QuotedLine] = field("The lines of the future invoice.")
    net: Money = field("The total excluding VAT.")
    vat: Money = field("The total VAT, calculated and rounded once per rate.")
    gross: Money = field("The total including VAT, which is charged.")
    vat_by_rate: list[QuotedVat] = field("The VAT by rate, highest rate first.")
    vat_mention: str | None = field(
        "The legal mention that says why no VAT is charged, in French. Null when VAT is charged."
    )
    is_vat_number_pending: bool = field(
        "Whether VAT is charged only because the tax authorities haven't confirmed the company's "
        "VAT number, or don't know it (`Account.vatNumberCheck`)."
    )
    period: Period = field("The first period, which is billed at once.")
    next_dates: list[date] = field("The days on which the next three periods are billed.")
    transfer: QuotedTransfer | None = field(
        "How to pay by bank transfer. Null when the vendor doesn't accept transfers."
    )
    trial: QuotedTrial | None = field(
        "The trial with which the purchase can start instead of being paid today. Null when the "
        "price has none, or the company has already tried the offer."
    )
    discount: PurchaseDiscount | None = field(
        "What the promotion code takes off, for how many periods. Null without a code."
    )
    undiscounted_gross: Money | None = field(
        "The total including VAT of a period without the discount, as it is charged when the "
        "promotion has ended. Null without a code."
    )
    accepts_paypal: bool = field(
        "Whether the purchase can be paid with PayPal: `purchasePay` with `paypal` as "
        "`paymentMethod`. PayPal isn't charged for renewals: they are charged to the default "
        "payment method, or, if there is none, invoiced to be paid each time. False in a preview."
    )


@strawberry.type(description="What a change of a purchase does and costs when it is ordered today.")
class PurchaseChangePreview:
    kind: PurchaseChangeKind = field("The kind of the change.")
    is_immediate: bool = field(
        "Whether the change takes effect once it is paid. Otherwise, it takes effect at the end "
        "of the paid period."
    )
    effective_on: date = field("The day from which the change counts.")
    quote: PurchaseQuote = field(
        "What is invoiced: an immediate change for the rest of the period, now; any other change "
        "for the first period with it, on `effectiveOn`. Pass its total as `expectedGrossCents` "
        "to the mutation."
    )
    renewal: PurchaseQuote = field("The invoice of the first whole period with the change.")
    payment_kind: PaymentKind | None = field(
        "How the change is paid when it is ordered: with the payment method in the arguments, or "
        "else with that of the purchase. TRANSFER means that an invoice is issued to be paid. "
        "Null when nothing is charged then."
    )
    payment_method: PaymentMethod | None = field(
        "The saved payment method that is charged. Null when it isn't saved, for a bank transfer, "
        "and when nothing is charged."
    )
