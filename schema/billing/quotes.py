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
        "The details of the line: what the offer includes, or for how many days of the period the "
        "line is. Empty without any."
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
    due_on: date = field("The day by which the money has to arrive, when the choice is made today.")
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
    lines: list[QuotedLine] = field("The lines of the invoice to be.")
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
        "payment method, and without one each is an invoice to pay. False in a preview."
    )


@strawberry.type(description="What a change of a purchase does and costs when it is ordered today.")
class PurchaseChangePreview:
    kind: PurchaseChangeKind = field("The kind of the change.")
    is_immediate: bool = field(
        "Whether the change takes effect once it is paid. Otherwise it takes effect when the "
        "period that is paid ends."
    )
    effective_on: date = field("The day from which the change counts.")
    quote: PurchaseQuote = field(
        "What is invoiced: for the rest of the period at once, otherwise for the first period with "
        "the change, on `effectiveOn`. Its total is `expectedGrossCents` of the mutation."
    )
    renewal: PurchaseQuote = field("The invoice of the first whole period with the change.")
    payment_kind: PaymentKind | None = field(
        "How the change is paid when it is ordered: with what the arguments name, otherwise with "
        "the payment method of the purchase. TRANSFER is an invoice that is due. Null when nothing "
        "is charged then."
    )
    payment_method: PaymentMethod | None = field(
        "The saved payment method that is charged. Null when it isn't saved, for a bank transfer, "
        "and when nothing is charged."
    )
