"""Error codes of the billing domain."""

from models.errors import ErrorCode
from models.translations import _


class BillingErrorCode(ErrorCode):
    """Error codes of the billing domain."""

    ALREADY_RECIPIENT = (
        "ALREADY_RECIPIENT",
        _("This address already receives your invoices, was already asked, or has declined them."),
    )
    RECIPIENTS_FULL = (
        "RECIPIENTS_FULL",
        _("A company can have at most %(maximum)s additional recipients. Remove one first."),
    )
    PAYMENT_DECLINED = (
        "PAYMENT_DECLINED",
        _("The bank declined the payment. Try another payment method."),
    )
    PAYMENT_UNAVAILABLE = (
        "PAYMENT_UNAVAILABLE",
        _("The payment service isn’t responding. You can try again without being charged twice."),
    )
