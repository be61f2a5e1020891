"""Error codes of the billing domain."""

from models.errors import ErrorCode
from models.translations import _


class BillingErrorCode(ErrorCode):
    """Error codes of the billing domain."""

    ALREADY_RECIPIENT = (
        "ALREADY_RECIPIENT",
        _(
            "This address already receives your invoices, has already been asked to confirm, or "
            "has declined them."
        ),
    )
    RECIPIENTS_FULL = (
        "RECIPIENTS_FULL",
        _("A company can have at most %(maximum)s additional recipients. Remove one first."),
    )
    INVOICE_SETTLED = ("INVOICE_SETTLED", _("There is nothing left to pay on this invoice."))
    PAYMENT_IN_PROGRESS = (
        "PAYMENT_IN_PROGRESS",
        _("A payment for this invoice is in progress. Wait for its result."),
    )
    INVOICE_NOT_POSSIBLE = (
        "INVOICE_NOT_POSSIBLE",
        _("An invoice can’t be issued at the moment. Nothing was charged. Contact support."),
    )
    PRICE_CHANGED = (
        "PRICE_CHANGED",
        _("The total is now %(total)s. Accept it, or discard the purchase."),
    )
    NOTHING_TO_CHANGE = (
        "NOTHING_TO_CHANGE",
        _("The purchase already has this price and quantity."),
    )
    PAYMENT_DECLINED = (
        "PAYMENT_DECLINED",
        _("The bank declined the payment. Try another payment method."),
    )
    PAYMENT_METHOD_DECLINED = (
        "PAYMENT_METHOD_DECLINED",
        _("This payment method couldn’t be saved. Try another one."),
    )
    PAYMENT_METHOD_INVALID = (
        "PAYMENT_METHOD_INVALID",
        _("The payment service doesn’t know this payment method."),
    )
    PAYMENT_METHOD_IN_USE = (
        "PAYMENT_METHOD_IN_USE",
        _("A purchase that renews is paid with this payment method. Add another one first."),
    )
    VAT_NUMBER_PENDING = (
        "VAT_NUMBER_PENDING",
        _(
            "The tax authorities haven’t confirmed your company’s VAT number. Try again later, or "
            "correct the number."
        ),
    )
    VAT_NUMBER_REQUIRED = (
        "VAT_NUMBER_REQUIRED",
        _("Companies in other countries of the European Union need a VAT number to buy."),
    )
    PAYMENT_UNAVAILABLE = (
        "PAYMENT_UNAVAILABLE",
        _("The payment service isn’t responding. You can try again without being charged twice."),
    )
    BANK_ACCOUNT_UNKNOWN = (
        "BANK_ACCOUNT_UNKNOWN",
        _("This isn’t one of the accounts in the seller’s file."),
    )
    BANK_LINE_DECIDED = (
        "BANK_LINE_DECIDED",
        _("This line was already matched or set aside. Undo that first."),
    )
    BANK_MATCH_TOO_LARGE = (
        "BANK_MATCH_TOO_LARGE",
        _("At most %(maximum)s is open on this invoice."),
    )
    BANK_MATCH_OTHER_CUSTOMER = (
        "BANK_MATCH_OTHER_CUSTOMER",
        _("All invoices of a match must belong to the same company."),
    )
    STATEMENT_INVALID = (
        "STATEMENT_INVALID",
        _("The statement can’t be read."),
    )
    STATEMENT_TOO_LARGE = (
        "STATEMENT_TOO_LARGE",
        _("A statement can have at most %(limit)s MB."),
    )
    TRANSFER_UNAVAILABLE = (
        "TRANSFER_UNAVAILABLE",
        _("Payment by bank transfer isn’t available. Choose another payment method."),
    )
    CREDIT_TOO_LARGE = (
        "CREDIT_TOO_LARGE",
        _("At most %(maximum)s including VAT is left of the invoice after earlier credit notes."),
    )
    CREDIT_LIMIT_EXCEEDED = (
        "CREDIT_LIMIT_EXCEEDED",
        _("Your role can credit at most €%(limit)s of an invoice. Ask an operator to credit it."),
    )
    NOT_CREDITABLE = (
        "NOT_CREDITABLE",
        _("This document can’t be credited. Choose an invoice."),
    )
    REFUND_REQUIRED = (
        "REFUND_REQUIRED",
        _(
            "Part of this has already been paid. Choose whether to refund it or keep it on the "
            "balance."
        ),
    )
    NOT_CORRECTABLE = (
        "NOT_CORRECTABLE",
        _("This can’t be corrected. Choose an invoice that is neither credited nor replaced."),
    )
    CORRECTION_TOO_LARGE = (
        "CORRECTION_TOO_LARGE",
        _(
            "A corrective invoice can’t exceed what is left of the invoice: %(maximum)s including "
            "VAT. Bill a further amount separately."
        ),
    )
    NOT_DISPUTABLE = (
        "NOT_DISPUTABLE",
        _("This can’t be disputed. Choose an invoice that is neither credited nor replaced."),
    )
    ALREADY_DISPUTED = (
        "ALREADY_DISPUTED",
        _("This invoice is already disputed. Reply in the ticket of the dispute."),
    )
    DISPUTE_REJECTED = (
        "DISPUTE_REJECTED",
        _(
            "We have already rejected a dispute of this invoice for this reason. Reply in its "
            "ticket."
        ),
    )
    SLUG_TAKEN = "SLUG_TAKEN", _("Another offer has this identifier. Choose another one.")
    OFFER_WITHOUT_PRICE = (
        "OFFER_WITHOUT_PRICE",
        _("The offer has no price that is valid on that day. Add one first."),
    )
    OFFER_NOT_PRINTABLE = (
        "OFFER_NOT_PRINTABLE",
        _("An invoice can’t be issued with these texts and prices. Change them first."),
    )
    PRICE_OVERLAPS = (
        "PRICE_OVERLAPS",
        _("Another version of this price begins on that day or later. Delete it first."),
    )
    PRICE_IN_USE = (
        "PRICE_IN_USE",
        _("This price has been on sale, so it can’t be deleted. End it instead."),
    )
    DATE_PAST = "DATE_PAST", _("This day has passed. Choose today or a later day.")
    PROMOTION_UNKNOWN = "PROMOTION_UNKNOWN", _("This promotion code doesn’t exist.")
    PROMOTION_EXPIRED = "PROMOTION_EXPIRED", _("This promotion code has expired.")
    PROMOTION_EXHAUSTED = (
        "PROMOTION_EXHAUSTED",
        _("This promotion code has been used as often as it can be."),
    )
    PROMOTION_REDEEMED = (
        "PROMOTION_REDEEMED",
        _("Your company has already used this promotion code."),
    )
    PROMOTION_NOT_APPLICABLE = (
        "PROMOTION_NOT_APPLICABLE",
        _("This promotion code isn’t for this offer, interval or number of units."),
    )
    CODE_TAKEN = "CODE_TAKEN", _("Another promotion has this code. Choose another one.")
    NOTHING_TO_PAY = (
        "NOTHING_TO_PAY",
        _("There is nothing to pay for the first period. Start the purchase without a payment."),
    )
    AMOUNT_TOO_SMALL = (
        "AMOUNT_TOO_SMALL",
        _("Less than %(minimum)s can’t be charged. Pay this amount by bank transfer."),
    )
    AMOUNT_TOO_LARGE = (
        "AMOUNT_TOO_LARGE",
        _("More than %(maximum)s can’t be charged at once. Pay this amount by bank transfer."),
    )
    PAYMENT_REQUIRED = (
        "PAYMENT_REQUIRED",
        _("This purchase has no trial and isn’t free of charge. Pay for it."),
    )
    TRIAL_USED = (
        "TRIAL_USED",
        _("Your company has already tried this offer. Pay for the purchase to use it."),
    )
    PAYMENT_METHOD_REQUIRED = (
        "PAYMENT_METHOD_REQUIRED",
        _("This trial requires a saved payment method. Nothing is charged before it ends."),
    )
