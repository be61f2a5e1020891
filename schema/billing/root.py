"""The billing domain's part of the roots."""

import strawberry

from auth.rules import agent, anyone, buyer, has_scope, operator
from models.accounts.service_account import ApiKeyScope
from models.billing.audit_actions import BillingAuditAction
from resolvers.billing import bank as bank_resolvers
from resolvers.billing import catalogue as catalogue_resolvers
from resolvers.billing import changes as change_resolvers
from resolvers.billing import corrections as correction_resolvers
from resolvers.billing import credit_notes as credit_resolvers
from resolvers.billing import deliveries as delivery_resolvers
from resolvers.billing import disputes as dispute_resolvers
from resolvers.billing import exports as export_resolvers
from resolvers.billing import invoice_recipients as recipient_resolvers
from resolvers.billing import invoices as invoice_resolvers
from resolvers.billing import movements as movement_resolvers
from resolvers.billing import offers as offer_resolvers
from resolvers.billing import payment_methods as payment_method_resolvers
from resolvers.billing import payments as payment_resolvers
from resolvers.billing import promotions as promotion_resolvers
from resolvers.billing import provider_events as provider_event_resolvers
from resolvers.billing import purchases as purchase_resolvers
from resolvers.billing import quotes as quote_resolvers
from resolvers.billing import reconciliation as reconciliation_resolvers
from resolvers.billing import refunds as refund_resolvers
from resolvers.billing import transfers as transfer_resolvers
from schema.billing.bank import (
    BankLine,
    BankLinePayload,
    BankStatement,
    BankStatementImportPayload,
)
from schema.billing.corrections import InvoiceCorrectionPreview, InvoiceCorrectPayload
from schema.billing.deliveries import InvoiceDelivery, InvoiceDeliveryPayload
from schema.billing.disputes import Dispute, DisputePayload, PaymentReportNoAccessPayload
from schema.billing.invoice_recipients import (
    InvoiceRecipientAddPayload,
    InvoiceRecipientRemovePayload,
)
from schema.billing.invoices import Invoice
from schema.billing.movements import ExportPayload, MoneyMovement
from schema.billing.offers import Offer, OfferPayload, OfferReorderPayload, PricePayload
from schema.billing.payment_methods import PaymentMethodPayload, PaymentMethodSetupPayload
from schema.billing.promotions import Promotion, PromotionPayload
from schema.billing.provider_events import ProviderEvent, ProviderEventPayload
from schema.billing.purchases import (
    PaymentPayload,
    Purchase,
    PurchaseChangePayload,
    PurchasePayByTransferPayload,
    PurchasePayload,
)
from schema.billing.quotes import PurchaseChangePreview, PurchaseQuote
from schema.billing.reconciliation import Reconciliation
from schema.billing.refunds import InvoiceCreditPayload, Refund, RefundPayload
from schema.fields import mutation, query
from schema.nodes import Connection


@strawberry.type
class BillingQuery:
    offers: Connection[Offer] | None = query(
        offer_resolvers.offers,
        allow=anyone,
        description="The offers on sale, in the vendor's order. Operators can ask for others by "
        "their status.",
    )
    offer: Offer | None = query(
        offer_resolvers.offer,
        allow=anyone,
        description="The offer on sale with the given slug. Operators see any offer.",
    )
    purchase: Purchase | None = query(
        purchase_resolvers.purchase,
        allow=buyer | agent | has_scope(ApiKeyScope.READ_BILLING),
        description="The purchase with the given ID. Null when it doesn't exist or the viewer "
        "can't see it.",
    )
    invoice: Invoice | None = query(
        invoice_resolvers.invoice,
        allow=buyer | agent | operator | has_scope(ApiKeyScope.READ_BILLING),
        description="The invoice with the given number. Null when it doesn't exist or the viewer "
        "can't see it. Only operators see those that are kept of erased companies.",
    )
    purchase_quote: PurchaseQuote | None = query(
        quote_resolvers.purchase_quote,
        allow=buyer,
        description="What a purchase would cost the viewer's company today, before anything is "
        "stored. Null for a price that isn't on sale.",
    )
    purchase_change_preview: PurchaseChangePreview | None = query(
        change_resolvers.preview,
        allow=buyer,
        description="What a change of a purchase would do and cost today. `purchaseChange` does "
        "and charges the same.",
    )
    purchase_resume_preview: PurchaseChangePreview | None = query(
        change_resolvers.resume_preview,
        allow=buyer,
        description="What resuming a paused purchase would cost today. `purchaseResume` charges "
        "the same.",
    )
    promotions: Connection[Promotion] | None = query(
        promotion_resolvers.promotions,
        allow=operator,
        description="The promotion codes, most recent first.",
    )
    promotion: Promotion | None = query(
        promotion_resolvers.promotion,
        allow=operator,
        description="The promotion with the given code. Null when there is none.",
    )
    purchases: Connection[Purchase] | None = query(
        purchase_resolvers.purchases,
        allow=buyer | agent | has_scope(ApiKeyScope.READ_BILLING),
        description="Purchases, most recent first.",
    )
    invoices: Connection[Invoice] | None = query(
        invoice_resolvers.invoices,
        allow=buyer | agent | operator | has_scope(ApiKeyScope.READ_BILLING),
        description="Invoices, most recent first. To operators, those that are kept of erased "
        "companies.",
    )
    bank_lines: Connection[BankLine] | None = query(
        bank_resolvers.bank_lines,
        allow=agent | operator,
        description="The lines of imported bank statements, oldest first. Those whose status is "
        "UNMATCHED wait for an operator.",
    )
    bank_statements: Connection[BankStatement] | None = query(
        bank_resolvers.bank_statements,
        allow=agent | operator,
        description="The imported bank statements, most recent first.",
    )
    money_movements: Connection[MoneyMovement] | None = query(
        movement_resolvers.money_movements,
        allow=buyer | agent | has_scope(ApiKeyScope.READ_BILLING),
        description=(
            "The movements of money that changed what companies owe: invoices, credit notes, "
            "payments and refunds, most recent first, each with the balance after it."
        ),
    )
    refunds: Connection[Refund] | None = query(
        refund_resolvers.refunds,
        allow=agent | operator,
        description="The refunds of all companies, oldest first. Those that are PENDING and have a "
        "`bankLine` wait for an operator, who transfers the money back.",
    )
    reconciliation: Reconciliation | None = query(
        reconciliation_resolvers.reconciliation,
        allow=operator,
        cost=1_000,
        description="Compares the ledger with documents, payments and bank statements. The command "
        "`reconcile` does the same for millions of them.",
    )

    invoice_correction_preview: InvoiceCorrectionPreview | None = query(
        correction_resolvers.preview,
        allow=agent | operator,
        cost=100,
        description="What `invoiceCorrect` would issue today. Null for an invoice that doesn't "
        "exist or that the viewer can't see.",
    )
    disputes: Connection[Dispute] | None = query(
        dispute_resolvers.all_disputes,
        allow=agent | operator,
        description="The disputes of all companies, oldest first. Those whose status is OPEN wait "
        "for a decision of an agent, and the dunning of their invoices has stopped.",
    )
    invoice_deliveries: Connection[InvoiceDelivery] | None = query(
        delivery_resolvers.invoice_deliveries,
        allow=agent | operator,
        description="The deliveries of invoices, most recent first. Those whose state is FAILED "
        "wait for an operator, who can repeat them with `invoiceDeliveryRetry`.",
    )
    provider_events: Connection[ProviderEvent] | None = query(
        provider_event_resolvers.provider_events,
        allow=operator,
        description="The payment provider's notifications of the last 90 days, most recent first. "
        "Those whose status is FAILED can be handled again with `providerEventRetry`.",
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
    purchase_apply_promotion: PurchasePayload | None = mutation(
        purchase_resolvers.apply_promotion,
        "purchase",
        allow=buyer,
        audit=BillingAuditAction.PURCHASE_APPLY_PROMOTION,
        description="Applies a promotion code to a draft, or removes it. The code is redeemed when "
        "the purchase is paid or starts, and has to be valid then.",
    )
    purchase_start: PurchasePayload | None = mutation(
        purchase_resolvers.start,
        "purchase",
        allow=buyer,
        audit=BillingAuditAction.PURCHASE_START,
        description="Starts a purchase for which nothing is to be paid today: with the trial of "
        "its price, or because a promotion makes its first period free. At the end of a trial the "
        "first period is billed. Until then `purchaseCancel` ends the purchase without a charge.",
    )
    purchase_discard: PurchasePayload | None = mutation(
        purchase_resolvers.discard,
        "purchase",
        allow=buyer,
        audit=BillingAuditAction.PURCHASE_DISCARD,
        description="Discards a purchase that isn't paid: a draft, or an order by bank transfer, "
        "whose invoice is credited.",
    )
    purchase_cancel: PurchasePayload | None = mutation(
        purchase_resolvers.cancel,
        "purchase",
        allow=buyer,
        audit=BillingAuditAction.PURCHASE_CANCEL,
        description=(
            "Cancels a purchase at the end of the paid period, along with any change scheduled "
            "for that day. Until then, the purchase can be used and the cancellation can be "
            "undone. A paused purchase ends at once."
        ),
    )
    purchase_undo_cancellation: PurchasePayload | None = mutation(
        purchase_resolvers.undo_cancellation,
        "purchase",
        allow=buyer,
        audit=BillingAuditAction.PURCHASE_UNDO_CANCELLATION,
        description=(
            "Undoes the cancellation of a purchase that hasn't ended, so that it renews again. A "
            "change that was canceled with it isn't restored: order it again."
        ),
    )
    purchase_change: PurchaseChangePayload | None = mutation(
        change_resolvers.change,
        "purchase",
        "change",
        "payment",
        allow=buyer,
        audit=BillingAuditAction.PURCHASE_CHANGE,
        description=(
            "Changes the price, the quantity or the billing day of a purchase. A change that "
            "costs more takes effect once it is paid, with the payment method of the purchase or "
            "another one: the rest of the period is credited at the former price and charged at "
            "the new one, by day. A change that doesn't cost more, another interval or another "
            "billing day takes effect at the end of the paid period. A new change replaces a "
            "scheduled one, except that an immediate change keeps a scheduled pause."
        ),
    )
    purchase_cancel_change: PurchasePayload | None = mutation(
        change_resolvers.cancel_change,
        "purchase",
        allow=buyer,
        audit=BillingAuditAction.PURCHASE_CANCEL_CHANGE,
        description="Cancels the scheduled change of a purchase.",
    )
    purchase_pause: PurchasePayload | None = mutation(
        change_resolvers.pause,
        "purchase",
        allow=buyer,
        audit=BillingAuditAction.PURCHASE_PAUSE,
        description=(
            "Pauses a purchase at the end of the paid period. Until then, `purchaseCancelChange` "
            "cancels the pause. Nothing is billed during the pause, and the offer can't be used."
        ),
    )
    purchase_resume: PurchaseChangePayload | None = mutation(
        change_resolvers.resume,
        "purchase",
        "change",
        "payment",
        allow=buyer,
        audit=BillingAuditAction.PURCHASE_CHANGE,
        description=(
            "Resumes a paused purchase at once: a new period starts and is billed, and later "
            "periods are counted from that day."
        ),
    )
    purchase_update_billing: PurchasePayload | None = mutation(
        change_resolvers.update_billing,
        "purchase",
        allow=buyer,
        audit=BillingAuditAction.PURCHASE_UPDATE_BILLING,
        description=(
            "Sets the billing address and the order number of a purchase that renews, for its "
            "next invoices. Issued invoices never change. If the VAT territory changes, it "
            "applies from the next period on."
        ),
    )
    invoice_pay: PaymentPayload | None = mutation(
        payment_resolvers.pay_invoice,
        "purchase",
        "payment",
        allow=buyer,
        audit=BillingAuditAction.INVOICE_PAY,
        description=(
            "Pays what is open on an invoice. Suspended purchases are active again once nothing "
            "is overdue."
        ),
    )
    invoice_retry_payment: PaymentPayload | None = mutation(
        payment_resolvers.retry_invoice,
        "purchase",
        "payment",
        allow=agent,
        audit=BillingAuditAction.INVOICE_RETRY_PAYMENT,
        description=(
            "Charges what is open on an invoice again, without the customer, with the payment "
            "method of its purchase. This is in addition to the attempts of the dunning schedule. "
            "A payment method that the bank has refused for good isn't charged again. Requires a "
            "step-up."
        ),
    )
    purchase_reprice: PurchasePayload | None = mutation(
        purchase_resolvers.reprice,
        "purchase",
        allow=buyer,
        audit=BillingAuditAction.PURCHASE_REPRICE,
        description=(
            "Accepts the current price of a draft and holds it for 30 days. An expired draft can "
            "then be paid again."
        ),
    )
    payment_cancel: PaymentPayload | None = mutation(
        payment_resolvers.cancel_payment,
        "purchase",
        "payment",
        allow=buyer,
        audit=BillingAuditAction.PAYMENT_CHANGE,
        description=(
            "Cancels a payment that waits for a confirmation with the bank, so that the purchase "
            "can be paid by another means. `purchasePay` does this automatically."
        ),
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
    purchase_pay_by_transfer: PurchasePayByTransferPayload | None = mutation(
        transfer_resolvers.pay_by_transfer,
        "purchase",
        "invoice",
        allow=buyer,
        audit=BillingAuditAction.PURCHASE_PAY_BY_TRANSFER,
        description="Issues the invoice of a purchase, to be paid by bank transfer. The purchase "
        "is active once the money has arrived, or at once if the vendor allows it.",
    )
    payment_refresh: PaymentPayload | None = mutation(
        payment_resolvers.refresh_payment,
        "purchase",
        "payment",
        allow=buyer | agent,
        audit=BillingAuditAction.PAYMENT_CHANGE,
        description="Queries the payment provider for the current status of a payment.",
    )
    payment_confirm: PaymentPayload | None = mutation(
        payment_resolvers.confirm,
        "purchase",
        "payment",
        allow=buyer,
        audit=BillingAuditAction.PAYMENT_CONFIRM,
        description=(
            "Starts the confirmation of a renewal that the customer's bank requires (3-D Secure). "
            "Send the customer to the payment's `confirmationUrl`."
        ),
    )
    payment_method_add: PaymentMethodSetupPayload | None = mutation(
        payment_method_resolvers.add,
        "payment_method",
        "confirmation_url",
        "client_secret",
        allow=buyer,
        audit=BillingAuditAction.PAYMENT_METHOD_ADD,
        description=(
            "Starts saving a payment method, with which purchases renew. Requires a recent "
            "`sessionStepUp`. The customer continues in the provider's script with "
            "`clientSecret`, or at `confirmationUrl`; then call `paymentMethodConfirm`. With a "
            "`token`, it may be saved at once. The first one becomes the default."
        ),
    )
    payment_method_replace: PaymentMethodSetupPayload | None = mutation(
        payment_method_resolvers.replace,
        "payment_method",
        "confirmation_url",
        "client_secret",
        allow=buyer,
        audit=BillingAuditAction.PAYMENT_METHOD_REPLACE,
        description=(
            "Starts saving a payment method, like `paymentMethodAdd`. Once saved, it replaces "
            "another one, which is removed."
        ),
    )
    payment_method_confirm: PaymentMethodSetupPayload | None = mutation(
        payment_method_resolvers.confirm,
        "payment_method",
        "confirmation_url",
        "client_secret",
        allow=buyer,
        audit=BillingAuditAction.PAYMENT_METHOD_CHANGE,
        description=(
            "Asks the payment provider whether a payment method is saved. Without this call, the "
            "result is known a minute later."
        ),
    )
    payment_method_set_default: PaymentMethodPayload | None = mutation(
        payment_method_resolvers.set_default,
        "payment_method",
        allow=buyer,
        audit=BillingAuditAction.PAYMENT_METHOD_SET_DEFAULT,
        description="Makes a payment method the default. Requires a recent `sessionStepUp`.",
    )
    payment_method_remove: PaymentMethodPayload | None = mutation(
        payment_method_resolvers.remove,
        "payment_method",
        allow=buyer,
        audit=BillingAuditAction.PAYMENT_METHOD_REMOVE,
        description="Removes a payment method, here and at the provider. Purchases that it paid "
        "are paid with the default from now on. The only one can't be removed while a purchase "
        "renews with it. Requires a recent `sessionStepUp`.",
    )
    invoice_correct: InvoiceCorrectPayload | None = mutation(
        correction_resolvers.correct,
        "corrective_invoice",
        "invoice",
        allow=agent | operator,
        audit=BillingAuditAction.INVOICE_CORRECT,
        description=(
            "Issues a corrective invoice, which cancels and replaces an invoice to correct its "
            "buyer, order number or wording or to lower its amounts. It takes over the payments. "
            "The limits by role are those of `invoiceCredit`. `invoiceCorrectionPreview` shows "
            "the result beforehand. Requires a step-up."
        ),
    )
    invoice_delivery_retry: InvoiceDeliveryPayload | None = mutation(
        delivery_resolvers.retry,
        "invoice_delivery",
        allow=operator,
        audit=BillingAuditAction.INVOICE_DELIVERY_RETRY,
        description=(
            "Retries the delivery of an invoice to the invoicing platform, whether the platform "
            "refused it or it is still waiting, and that of the reports of its payments."
        ),
    )
    provider_event_retry: ProviderEventPayload | None = mutation(
        provider_event_resolvers.retry,
        "provider_event",
        allow=operator,
        audit=BillingAuditAction.PROVIDER_EVENT_RETRY,
        description="Retries handling a payment provider's notification that failed.",
    )
    invoice_credit: InvoiceCreditPayload | None = mutation(
        credit_resolvers.credit,
        "credit_note",
        "invoice",
        allow=agent | operator,
        audit=BillingAuditAction.INVOICE_CREDIT,
        description=(
            "Issues a credit note for an invoice: for all of it, for lines or for an amount. It "
            "mirrors the VAT of the invoice, and all credit notes together never exceed the "
            "invoice. It settles what is open first; `refund` decides what happens to the part "
            "that was already paid. If nothing is left of the invoice, its open dispute is "
            "accepted. An agent may credit up to €200 of an invoice, a supervisor up to €1,000, an "
            "operator all of it. Requires a step-up."
        ),
    )
    invoice_dispute: DisputePayload | None = mutation(
        dispute_resolvers.dispute_invoice,
        "dispute",
        allow=buyer,
        audit=BillingAuditAction.INVOICE_DISPUTE,
        description="Disputes an invoice: opens a ticket, and stops the dunning of the invoice "
        "until the staff has decided.",
    )
    dispute_accept: DisputePayload | None = mutation(
        dispute_resolvers.accept,
        "dispute",
        allow=agent,
        audit=BillingAuditAction.DISPUTE_DECIDE,
        description="Accepts a dispute with a credit note, within the same limits as "
        "`invoiceCredit`. Requires a step-up.",
    )
    dispute_reject: DisputePayload | None = mutation(
        dispute_resolvers.reject,
        "dispute",
        allow=agent,
        audit=BillingAuditAction.DISPUTE_DECIDE,
        description=(
            "Rejects a dispute. What is open on the invoice is due again, and its due date moves "
            "by the number of days that the dispute took."
        ),
    )
    payment_report_no_access: PaymentReportNoAccessPayload | None = mutation(
        dispute_resolvers.report_no_access,
        "ticket",
        "payment",
        allow=buyer,
        audit=BillingAuditAction.PAYMENT_REPORT_NO_ACCESS,
        description=(
            "Opens a ticket about a purchase that can't be used although it was paid. Its message "
            "contains the details of the payment, the purchase and the invoice."
        ),
    )
    purchase_grant_access: PurchasePayload | None = mutation(
        dispute_resolvers.grant_access,
        "purchase",
        allow=agent,
        audit=BillingAuditAction.PURCHASE_GRANT_ACCESS,
        description="Lets a company use a purchase that is past due or suspended, although an "
        "invoice is open. Requires a step-up.",
    )
    offer_create: OfferPayload | None = mutation(
        catalogue_resolvers.create_offer,
        "offer",
        allow=operator,
        audit=BillingAuditAction.OFFER_CREATE,
        description="Drafts an offer. It is on sale once it has a price and is published. Requires "
        "a step-up.",
    )
    offer_update: OfferPayload | None = mutation(
        catalogue_resolvers.update_offer,
        "offer",
        allow=operator,
        audit=BillingAuditAction.OFFER_UPDATE,
        description="Changes the segment or the texts of an offer. Issued invoices keep theirs; "
        "the next invoices of purchases have the new texts. Requires a step-up.",
    )
    offer_publish: OfferPayload | None = mutation(
        catalogue_resolvers.publish_offer,
        "offer",
        allow=operator,
        audit=BillingAuditAction.OFFER_PUBLISH,
        description=(
            "Puts an offer on sale, at once or on a given day. First checks that an invoice can "
            "be issued with its texts and prices. A planned withdrawal is canceled, unless the "
            "last price of the offer ends: then `withdrawsOn` is the day on which it does. "
            "Requires a step-up."
        ),
    )
    offer_withdraw: OfferPayload | None = mutation(
        catalogue_resolvers.withdraw_offer,
        "offer",
        allow=operator,
        audit=BillingAuditAction.OFFER_WITHDRAW,
        description=(
            "Withdraws an offer from sale, at once or on a given day. Existing purchases keep "
            "renewing, and drafts of purchases keep their price until they expire. A planned "
            "publication is canceled. Requires a step-up."
        ),
    )
    offer_reorder: OfferReorderPayload | None = mutation(
        catalogue_resolvers.reorder_offers,
        "offers",
        allow=operator,
        audit=BillingAuditAction.OFFER_REORDER,
        description="Changes the order of the catalogue. Requires a step-up.",
    )
    price_create: PricePayload | None = mutation(
        catalogue_resolvers.create_price,
        "price",
        allow=operator,
        audit=BillingAuditAction.PRICE_CREATE,
        description=(
            "Adds a version of an offer's price, valid at once or from a given day. It ends the "
            "former version of the interval; existing purchases keep the version that they were "
            "made with. Requires a step-up."
        ),
    )
    price_end: PricePayload | None = mutation(
        catalogue_resolvers.end_price,
        "price",
        allow=operator,
        audit=BillingAuditAction.PRICE_END,
        description=(
            "Stops selling the price of one interval, at once or on a given day, while the "
            "offer's other prices stay on sale. Existing purchases keep renewing at it, and their "
            "quantity can be changed. Drafts of purchases keep it until they expire. Until that "
            "day, another day can be set; to sell the interval again, add a version. The last "
            "price of an offer on sale can't be ended: withdraw the offer instead. Requires a "
            "step-up."
        ),
    )
    promotion_create: PromotionPayload | None = mutation(
        promotion_resolvers.create,
        "promotion",
        allow=operator,
        audit=BillingAuditAction.PROMOTION_CREATE,
        description="Creates a promotion code. Requires a step-up.",
    )
    promotion_deactivate: PromotionPayload | None = mutation(
        promotion_resolvers.deactivate,
        "promotion",
        allow=operator,
        audit=BillingAuditAction.PROMOTION_DEACTIVATE,
        description="Deactivates a promotion code. Purchases for which it was redeemed keep it. "
        "Requires a step-up.",
    )
    price_delete: OfferPayload | None = mutation(
        catalogue_resolvers.delete_price,
        "offer",
        allow=operator,
        audit=BillingAuditAction.PRICE_DELETE,
        description="Deletes a version of a price that was never on sale. The former version "
        "continues in its place. Requires a step-up.",
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
    bank_statement_import: BankStatementImportPayload | None = mutation(
        bank_resolvers.import_file,
        "statement",
        "is_repeated",
        allow=operator,
        audit=BillingAuditAction.BANK_STATEMENT_IMPORT,
        description=(
            "Imports a statement of the vendor's bank account, and matches its lines with "
            "invoices. Files and lines that were imported before are ignored. A file with errors "
            "isn't imported at all, and each error names the line. Requires a step-up."
        ),
    )
    bank_line_match: BankLinePayload | None = mutation(
        bank_resolvers.match,
        "line",
        allow=operator,
        audit=BillingAuditAction.BANK_LINE_MATCH,
        description=(
            "Records an unmatched line as a payment of a company: for invoices, in full or in "
            "part, or for its balance. Requires a step-up."
        ),
    )
    bank_line_match_reversal: BankLinePayload | None = mutation(
        bank_resolvers.match_reversal,
        "line",
        allow=operator,
        audit=BillingAuditAction.BANK_LINE_REVERSE,
        description=(
            "Matches an unmatched reversal with the line that it reverses. The payment of that "
            "line is reversed, and its invoices are open again. Requires a step-up."
        ),
    )
    bank_line_dismiss: BankLinePayload | None = mutation(
        bank_resolvers.dismiss,
        "line",
        allow=operator,
        audit=BillingAuditAction.BANK_LINE_DISMISS,
        description="Sets an unmatched line aside, because it isn't a customer's payment or is to "
        "be returned. Requires a step-up.",
    )
    bank_line_undo: BankLinePayload | None = mutation(
        bank_resolvers.undo,
        "line",
        allow=operator,
        audit=BillingAuditAction.BANK_LINE_UNDO,
        description=(
            "Undoes a match or the setting aside of a line, which then waits for a person again. "
            "The payment of a match is reversed. When a reversal is undone, the line that it "
            "reversed waits again as well. Requires a step-up."
        ),
    )
    refund_mark_sent: RefundPayload | None = mutation(
        refund_resolvers.mark_sent,
        "refund",
        allow=operator,
        audit=BillingAuditAction.REFUND_CHANGE,
        description=(
            "Records that the refund of a transfer was sent from the vendor's account. Repeating "
            "the request changes nothing. Requires a step-up."
        ),
    )
    refund_mark_failed: RefundPayload | None = mutation(
        refund_resolvers.mark_failed,
        "refund",
        allow=operator,
        audit=BillingAuditAction.REFUND_CHANGE,
        description=(
            "Records that the refund of a transfer can't be sent, or was returned. The money is "
            "added to the company's balance and pays open invoices, and the company is notified "
            "by email. Requires a step-up."
        ),
    )
    account_export_movements: ExportPayload | None = mutation(
        export_resolvers.export_movements,
        "url",
        allow=buyer | agent,
        audit=BillingAuditAction.ACCOUNT_EXPORT_MOVEMENTS,
        description="Creates a link to a company's movements of money as CSV, with balances.",
    )
    account_export_invoices: ExportPayload | None = mutation(
        export_resolvers.export_invoices,
        "url",
        allow=buyer | agent,
        audit=BillingAuditAction.ACCOUNT_EXPORT_INVOICES,
        description=(
            "Creates a link to a company's invoices and credit notes of one year: a ZIP of PDFs "
            "with an index as CSV."
        ),
    )
    fec_export: ExportPayload | None = mutation(
        export_resolvers.export_fec,
        "url",
        allow=operator,
        audit=BillingAuditAction.FEC_EXPORT,
        description=(
            "Creates a link to the file of accounting entries (FEC) of one year, which the tax "
            "office may ask for (Livre des procédures fiscales, A47 A-1). Requires a step-up."
        ),
    )
