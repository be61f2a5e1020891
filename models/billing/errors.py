"""Error codes of the billing domain."""

from models.errors import ErrorCode
from models.translations import _


class BillingErrorCode(ErrorCode):
    """Error codes of the billing domain."""

    PAYMENT_DECLINED = (
        "PAYMENT_DECLINED",
        _("The bank declined the payment. Try another payment method."),
    )
    PAYMENT_UNAVAILABLE = (
        "PAYMENT_UNAVAILABLE",
        _("The payment service isn’t responding. You can try again without being charged twice."),
    )
