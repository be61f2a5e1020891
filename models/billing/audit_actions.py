"""Audited actions of the billing domain."""

from models.audit_action import AuditAction


class BillingAuditAction(AuditAction):
    """Actions of the billing domain."""

    INVOICE_ISSUE = "invoice.issue", "An invoice was issued."
    INVOICE_RECIPIENT_ADD = (
        "invoice_recipient.add",
        "A member added a recipient of invoices, who was sent a confirmation email.",
    )
    INVOICE_RECIPIENT_ANSWER = (
        "invoice_recipient.answer",
        "A recipient of invoices confirmed or declined (`accepted`).",
    )
    INVOICE_RECIPIENT_REMOVE = "invoice_recipient.remove", "A recipient of invoices was removed."
    PAYMENT_CHANGE = "payment.change", "The status of a payment changed."
    PURCHASE_CONFIRM_BILLING = (
        "purchase.confirm_billing",
        "The billing details of a purchase were confirmed.",
    )
    PURCHASE_DRAFT = "purchase.draft", "A purchase was drafted."
    PURCHASE_PAY = "purchase.pay", "A payment of a purchase was attempted."
