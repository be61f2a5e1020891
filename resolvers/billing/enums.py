"""Enums of billing."""

from enum import StrEnum

from billing.movements import MovementKind
from models.billing.bank import BankLineMatch, BankLineProblem, BankLineStatus, StatementFormat
from models.billing.invoice_recipient import InvoiceRecipientStatus
from models.billing.offer import Interval, OfferStatus, Segment
from models.billing.payment import PaymentStatus
from models.billing.payment_method import PaymentKind, PaymentMethodStatus
from models.billing.provider_event import ProviderEventStatus
from models.billing.purchase import PurchaseStatus
from models.billing.purchase_change import PurchaseChangeKind, PurchaseChangeStatus
from models.billing.tax_rule import TaxCategory
from resolvers.descriptions import describe_enum

describe_enum(
    Segment,
    "The size of business that an offer is for.",
    {
        "TPE": "Very small businesses (TPE) with fewer than 10 employees.",
        "PME": "Small and medium-sized businesses (PME) with 10 to 249 employees.",
    },
)


describe_enum(
    OfferStatus,
    "Whether an offer can be bought.",
    {
        "DRAFT": "The offer isn't published. Only operators see it.",
        "ON_SALE": "The offer can be bought.",
        "WITHDRAWN": "The offer can no longer be bought. Existing purchases keep renewing.",
    },
)


describe_enum(
    TaxCategory,
    "The category of a price, which determines its VAT rate where the buyer is.",
    {
        "STANDARD": "The standard rate, 20% in metropolitan France.",
        "INTERMEDIATE": "The intermediate rate, 10% in metropolitan France.",
        "REDUCED": "The reduced rate, 5.5% in metropolitan France.",
    },
)


describe_enum(
    Interval,
    "The interval at which a purchase renews.",
    {
        "MONTH": "Renews every month on the anniversary.",
        "YEAR": "Renews every year on the anniversary.",
    },
)


describe_enum(
    PurchaseStatus,
    "The status of a purchase.",
    {
        "DRAFT": "An offer was chosen. The billing details are the next step.",
        "BILLING_CONFIRMED": "The billing details are confirmed. The payment is the next step.",
        "PAYMENT_PENDING": "A payment is in progress.",
        "TRIALING": "The offer can be used free of charge until the trial ends.",
        "ACTIVE": "The purchase is paid. The offer can be used and renews on its anniversary.",
        "PAST_DUE": "An invoice is overdue. The offer can still be used.",
        "PAUSED": "The purchase is paused by the customer: it isn't billed, and the offer can't be "
        "used until it is resumed.",
        "SUSPENDED": "An invoice is long overdue. The offer can't be used until it is paid.",
        "CANCELED": "The purchase was canceled and has ended.",
        "EXPIRED": "The draft was not paid in time.",
    },
)


describe_enum(
    PurchaseChangeKind,
    "The kind of a change of a purchase.",
    {
        "UPGRADE": "A price that costs more.",
        "DOWNGRADE": "A price that doesn't cost more.",
        "QUANTITY": "Another quantity of the same price.",
        "INTERVAL": "A price with another interval.",
        "ANCHOR": "Another billing day.",
        "PAUSE": "A pause.",
        "RESUME": "The end of a pause.",
    },
)


describe_enum(
    PurchaseChangeStatus,
    "The status of a change of a purchase.",
    {
        "AWAITING_PAYMENT": "The change takes effect once its payment succeeds.",
        "SCHEDULED": "The change takes effect on `effectiveOn`. It can be canceled until then.",
        "APPLIED": "The change has taken effect.",
        "CANCELED": "The change was canceled or replaced, or its payment failed.",
    },
)


describe_enum(
    PaymentStatus,
    "The status of a payment.",
    {
        "PROCESSING": "The payment provider hasn't answered yet.",
        "REQUIRES_ACTION": "The customer has to confirm the payment with their bank, at "
        "`confirmationUrl`.",
        "SUCCEEDED": "The money was collected.",
        "DECLINED": "The bank or the customer declined the payment. Another payment method can be "
        "used.",
        "CANCELED": "The customer canceled the payment before it was confirmed.",
        "EXPIRED": "The payment wasn't confirmed with the bank in time.",
    },
)


describe_enum(
    InvoiceRecipientStatus,
    "Whether a recipient outside the company receives its invoices.",
    {
        "PENDING": "The recipient was asked by email and hasn't answered.",
        "CONFIRMED": "The recipient receives every invoice.",
        "REFUSED": "The recipient declined or unsubscribed, and isn't asked again.",
    },
)


describe_enum(
    StatementFormat,
    "The format of a bank statement's file.",
    {
        "CAMT_053": "The XML message camt.053 of ISO 20022, in any version.",
        "CSV": "The CSV export of a bank's website.",
    },
)


describe_enum(
    BankLineStatus,
    "The status of a line of a bank statement.",
    {
        "NEW": "The line was imported and will be matched.",
        "UNMATCHED": "The line waits for a person. `problem` says why.",
        "MATCHED": "The line is the payment of a company.",
        "DISMISSED": "The line isn't the payment of a customer.",
        "TO_RETURN": "The money is to be sent back.",
        "REVERSED": "The bank took the money back; the payment was reversed.",
        "REVERSAL": "The line reverses an earlier one.",
        "OUTGOING": "The money went out of the account. Only day and amount are stored.",
    },
)


describe_enum(
    BankLineMatch,
    "How a line was matched with what it pays.",
    {
        "REFERENCE_AND_AMOUNT": "By the reference or the number of an invoice, with the exact "
        "amount.",
        "REFERENCE": "By the ISO 11649 reference of an invoice, with another amount.",
        "IBAN_AND_AMOUNT": "By the payer's account, which paid for this company before, with the "
        "exact amount.",
        "MANUAL": "By a member of the staff.",
    },
)


describe_enum(
    BankLineProblem,
    "Why a line waits for a person.",
    {
        "NO_REFERENCE": "The line has no reference, and the payer's account doesn't identify an "
        "invoice.",
        "UNKNOWN_REFERENCE": "No invoice has the reference.",
        "AMOUNT_DIFFERS": "The line names an invoice by its number, which has no check digits, "
        "and the amount isn't what is open on it.",
        "SEVERAL_CUSTOMERS": "The line refers to invoices of several companies.",
        "ACCOUNT_ERASED": "The company's account was erased.",
        "POSSIBLE_DUPLICATE": "A statement in another format has a line with the same day and "
        "amount, which may be the same movement.",
        "ORIGINAL_NOT_FOUND": "The line reverses an earlier one, but doesn't say which.",
        "UNDONE": "An earlier decision about the line was undone.",
        "PURCHASE_ENDED": "Nothing is open on the invoice, and its purchase has ended, so that "
        "nothing is left to pay: send the money back, or keep it on the company's balance.",
    },
)


class BankLineDismissal(StrEnum):
    """Why a line is set aside, as the status that it gets."""

    DISMISSED = "DISMISSED"
    TO_RETURN = "TO_RETURN"


describe_enum(
    BankLineDismissal,
    "Why a line is set aside.",
    {
        "DISMISSED": "It isn't the payment of a customer.",
        "TO_RETURN": "The money is to be sent back.",
    },
)


describe_enum(
    MovementKind,
    "The kinds of movements of money.",
    {
        "INVOICE": "An invoice was issued.",
        "CREDIT_NOTE": "A credit note was issued.",
        "INVOICE_REPLACED": (
            "The rest of an invoice was canceled because a corrective invoice replaces it."
        ),
        "PAYMENT": "Money was received.",
        "PAYMENT_REVERSED": "A payment was reversed by the bank, or was recorded by mistake.",
        "REFUND": "Money was paid back.",
        "REFUND_FAILED": "A refund was returned.",
    },
)


describe_enum(
    PaymentMethodStatus,
    "Whether a payment method can be charged.",
    {
        "PENDING": "The customer hasn't finished saving it. It is dropped after 24 hours.",
        "ACTIVE": "It can be charged.",
        "REMOVED": "It was removed, or couldn't be saved.",
    },
)


describe_enum(
    ProviderEventStatus,
    "The status of a payment provider's notification.",
    {
        "RECEIVED": "It will be handled soon, or retried after an error.",
        "APPLIED": "The state of its object was read from the provider and applied.",
        "IGNORED": "It is about an object that isn't known here, or a change that isn't needed.",
        "FAILED": "Every attempt to handle it failed, for three days.",
    },
)


describe_enum(
    PaymentKind,
    "The kind of a payment method.",
    {
        "CARD": "A payment card.",
        "TRANSFER": "A bank transfer, which the customer makes. It can't be saved.",
        "DIRECT_DEBIT": "A SEPA direct debit from the customer's bank account.",
        "WALLET": "An account with a payment platform, such as PayPal.",
    },
)
