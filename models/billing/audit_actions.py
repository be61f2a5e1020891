"""Audited actions of the billing domain."""

from models.audit_action import AuditAction


class BillingAuditAction(AuditAction):
    """Actions of the billing domain."""

    ACCOUNT_EXPORT_INVOICES = (
        "account.export_invoices",
        "A link to a company's invoices of one year was created.",
    )
    ACCOUNT_EXPORT_MOVEMENTS = (
        "account.export_movements",
        "A link to a company's movements of money was created.",
    )
    BANK_LINE_DISMISS = (
        "bank_line.dismiss",
        "A line of a bank statement was set aside: not a customer's payment, or to be returned.",
    )
    BANK_LINE_MATCH = (
        "bank_line.match",
        "A line of a bank statement was recorded as a payment of a company (`match` says how it "
        "was matched).",
    )
    BANK_LINE_REVERSE = (
        "bank_line.reverse",
        "The bank reversed a line of a statement, and the payment of that line was reversed with "
        "it.",
    )
    BANK_LINE_UNDO = (
        "bank_line.undo",
        "A match of a line of a bank statement was undone, and its payment reversed.",
    )
    BANK_STATEMENT_IMPORT = (
        "bank_statement.import",
        "A bank statement was imported (`lines` is the number of its lines, `new` of those that "
        "were new).",
    )
    DISPUTE_DECIDE = (
        "dispute.decide",
        "A dispute of an invoice was accepted or rejected (`status`).",
    )
    FEC_EXPORT = "fec.export", "A link to the file of accounting entries of one year was created."
    INVOICE_CREDIT = (
        "invoice.credit",
        "A credit note for an invoice was issued (`refund` says what happened to the part that "
        "was already paid).",
    )
    INVOICE_DUN = (
        "invoice.dun",
        "A step of the dunning schedule was taken for a late invoice (`days` is the number of "
        "days after it was due).",
    )
    INVOICE_CORRECT = (
        "invoice.correct",
        "A corrective invoice was issued (`original`, `gross_cents`, `refund`).",
    )
    INVOICE_DELIVER = (
        "invoice.deliver",
        "An invoice was handed over to the platform, or refused by it (`state`).",
    )
    INVOICE_DELIVERY_RETRY = (
        "invoice.delivery_retry",
        "An operator retried the delivery of an invoice or of the reports of its payments.",
    )
    INVOICE_STATUS = (
        "invoice.status",
        "The status of an invoice at the platforms changed (`status`).",
    )
    INVOICE_DISPUTE = "invoice.dispute", "A member of a company disputed an invoice."
    INVOICE_ISSUE = "invoice.issue", "An invoice was issued."
    INVOICE_PAY = "invoice.pay", "A payment of an issued invoice was attempted."
    INVOICE_RETRY_PAYMENT = (
        "invoice.retry_payment",
        "A member of the staff charged what is open on an invoice again.",
    )
    INVOICE_RECIPIENT_ADD = (
        "invoice_recipient.add",
        "A member added a recipient of invoices, who was sent a confirmation email.",
    )
    INVOICE_RECIPIENT_ANSWER = (
        "invoice_recipient.answer",
        "A recipient of invoices confirmed or declined (`accepted`).",
    )
    INVOICE_RECIPIENT_REMOVE = "invoice_recipient.remove", "A recipient of invoices was removed."
    OFFER_CREATE = "offer.create", "An offer was drafted."
    OFFER_PUBLISH = "offer.publish", "An offer was put on sale, or scheduled to be (`day`)."
    OFFER_REORDER = "offer.reorder", "The order of the catalogue was changed."
    OFFER_UPDATE = "offer.update", "The texts or the segment of an offer were changed."
    OFFER_WITHDRAW = (
        "offer.withdraw",
        "An offer was withdrawn from sale, or scheduled to be (`day`).",
    )
    PRICE_CREATE = (
        "price.create",
        "A version of a price was added (`net_cents`), valid from a day on (`day`).",
    )
    PRICE_END = (
        "price.end",
        "A version of a price was taken off sale, or scheduled to be (`day`), and no other "
        "version follows.",
    )
    PRICE_DELETE = "price.delete", "A version of a price that was never on sale was deleted."
    PAYMENT_REPORT_NO_ACCESS = (
        "payment.report_no_access",
        "A member of a company reported that a purchase can't be used although it was paid.",
    )
    PAYMENT_CHANGE = "payment.change", "The status of a payment changed."
    PAYMENT_CONFIRM = "payment.confirm", "The confirmation of a payment was started."
    PAYMENT_TAKE_BACK = (
        "payment.take_back",
        "A customer’s bank reversed a payment, and its invoices are open again.",
    )
    PAYMENT_METHOD_ADD = "payment_method.add", "A member started to save a payment method."
    PAYMENT_METHOD_CHANGE = (
        "payment_method.change",
        "A payment method was saved, removed or changed, or a notice of its expiry was sent.",
    )
    PAYMENT_METHOD_REMOVE = "payment_method.remove", "A payment method was removed by a member."
    PAYMENT_METHOD_REPLACE = (
        "payment_method.replace",
        "A member started to save a payment method that replaces another one.",
    )
    PAYMENT_METHOD_SET_DEFAULT = (
        "payment_method.set_default",
        "A payment method became the default.",
    )
    PROMOTION_CREATE = "promotion.create", "A promotion code was created."
    PROMOTION_DEACTIVATE = (
        "promotion.deactivate",
        "A promotion code was deactivated. Purchases for which it was redeemed keep it.",
    )
    PROVIDER_EVENT_RETRY = (
        "provider_event.retry",
        "A payment provider’s notification that had failed was handled again.",
    )
    PURCHASE_APPLY_PROMOTION = (
        "purchase.apply_promotion",
        "A promotion code was applied to a draft, or removed from it.",
    )
    PURCHASE_CANCEL_CHANGE = (
        "purchase.cancel_change",
        "A change of a purchase was canceled before it took effect.",
    )
    PURCHASE_CHANGE = (
        "purchase.change",
        "A change of a purchase was ordered (`kind`; `gross_cents` with VAT).",
    )
    PURCHASE_CHANGE_APPLY = (
        "purchase.change_apply",
        "A change of a purchase took effect (`kind`).",
    )
    PURCHASE_CONFIRM_BILLING = (
        "purchase.confirm_billing",
        "The billing details of a purchase were confirmed.",
    )
    PURCHASE_DISCARD = "purchase.discard", "A draft was discarded."
    PURCHASE_DRAFT = "purchase.draft", "A purchase was drafted."
    PURCHASE_PAUSE = (
        "purchase.pause",
        "A pause of a purchase was scheduled, or the day on which it ends was changed.",
    )
    PURCHASE_REPRICE = (
        "purchase.reprice",
        "The current price of a draft was accepted (`gross_cents` with VAT).",
    )
    PURCHASE_UPDATE_BILLING = (
        "purchase.update_billing",
        "The billing address or the order number of a purchase that renews was changed.",
    )
    PURCHASE_RESTORE = (
        "purchase.restore",
        "A purchase is active again because nothing is overdue anymore.",
    )
    PURCHASE_GRANT_ACCESS = (
        "purchase.grant_access",
        "The staff let a company use a purchase although an invoice is open (`reason` says why).",
    )
    PURCHASE_START = (
        "purchase.start",
        "A purchase started without a payment: with a trial, or because a promotion covers it.",
    )
    PURCHASE_REMIND_TRIAL = (
        "purchase.remind_trial",
        "The members were told when the trial of a purchase ends.",
    )
    PURCHASE_REMIND_RESUMPTION = (
        "purchase.remind_resumption",
        "The members were told when a paused purchase will resume automatically.",
    )
    PURCHASE_PAY = "purchase.pay", "A payment of a purchase was attempted."
    PURCHASE_PAY_BY_TRANSFER = (
        "purchase.pay_by_transfer",
        "The invoice of a purchase was issued, to be paid by bank transfer.",
    )
    REFUND_CHANGE = (
        "refund.change",
        "A refund was made, refused, or returned by the customer's bank.",
    )
    PURCHASE_END = "purchase.end", "A purchase ended."
    PURCHASE_RENEW = "purchase.renew", "A period of a purchase was billed (`period_index`)."
    PURCHASE_CANCEL = (
        "purchase.cancel",
        "A purchase was canceled as of the end of the paid period.",
    )
    PURCHASE_UNDO_CANCELLATION = (
        "purchase.undo_cancellation",
        "The cancellation of a purchase was undone before it took effect.",
    )
