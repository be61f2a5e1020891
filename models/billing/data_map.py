"""What the tables of the billing domain hold: see models/data_map.py."""

from models.data_map import ACCOUNTING, PURCHASES, Category, Kept, OnErasure, Table, public

_PURCHASE = (
    "quantity promotion_periods_left status anchor base_index base_months next_period_index "
    "bills_on trial_ends_on cancel_at_period_end canceled_at ended_on paused_at resumes_on "
    "past_due_since suspended_at created_at activated_at"
)

TABLES: dict[str, Table] = {
    "allocation": Table(
        ACCOUNTING, Kept.ACCOUNTING, OnErasure.KEPT, {Category.PAYMENT: "amount_cents created_at"}
    ),
    "bank_line": Table(
        ACCOUNTING,
        Kept.INVOICES,
        OnErasure.KEPT,
        {
            Category.PAYMENT: (
                "iban booked_on value_on amount_cents is_reversal bank_reference "
                "end_to_end_id structured_reference text counterparty_name "
                "counterparty_iban return_reason"
            ),
            Category.TECHNICAL: "position fingerprint status problem match decided_at created_at",
        },
        not_in_archive="belongs to the company, whose owners see and export it",
    ),
    "bank_statement": Table(
        ACCOUNTING,
        Kept.ACCOUNTING,
        OnErasure.KEPT,
        {Category.PAYMENT: "sha256 name format created_at line_count new_count pending_count"},
        not_in_archive="belongs to the company, whose owners see and export it",
    ),
    "billing_item": Table(
        ACCOUNTING,
        Kept.ACCOUNTING,
        OnErasure.KEPT,
        {
            Category.PAYMENT: (
                "kind description_key data quantity unit_net_cents tax_category starts_on "
                "ends_on created_at"
            )
        },
    ),
    "billing_period": Table(
        ACCOUNTING,
        Kept.ACCOUNTING,
        OnErasure.KEPT,
        {Category.PAYMENT: "index starts_on ends_on created_at"},
    ),
    "billing_profile": Table(
        ACCOUNTING,
        Kept.INVOICES,
        OnErasure.KEPT,
        {
            Category.COMPANY: (
                "legal_name siren siret registration_number vat_number vat_checked_at "
                "vat_proof territory street postal_code city country billing_street "
                "billing_postal_code billing_city billing_country order_number"
            ),
            Category.TECHNICAL: "version created_at",
        },
    ),
    "collection_report": Table(
        ACCOUNTING,
        Kept.ACCOUNTING,
        OnErasure.KEPT,
        {
            Category.PAYMENT: "amount_cents bands state collected_at",
            Category.TECHNICAL: "flow_id attempts next_attempt_at error",
        },
    ),
    "counter": public("series last_position last_issued_at"),
    "dispute": Table(
        PURCHASES,
        Kept.ACCOUNTING,
        OnErasure.KEPT,
        {Category.PAYMENT: "reason status created_at decided_at"},
        not_in_archive="belongs to the company, whose owners see and export it",
    ),
    "document_request": Table(
        ACCOUNTING,
        Kept.ACCOUNTING,
        OnErasure.KEPT,
        {Category.TECHNICAL: "next_attempt_at attempts traceparent"},
    ),
    "dunning_step": Table(
        PURCHASES, Kept.ACCOUNTING, OnErasure.KEPT, {Category.PAYMENT: "days completed_at"}
    ),
    "invoice": Table(
        ACCOUNTING,
        Kept.INVOICES,
        OnErasure.KEPT,
        {
            Category.PAYMENT: (
                "type number issued_at issued_on due_on net_cents vat_cents gross_cents "
                "currency treatment reference facts xml"
            ),
            Category.CHOICES: "locale",
            Category.TECHNICAL: "series position",
        },
    ),
    "invoice_delivery": Table(
        ACCOUNTING,
        Kept.ACCOUNTING,
        OnErasure.KEPT,
        {
            Category.PAYMENT: (
                "channel state status status_at reason_code reason created_at sent_at"
            ),
            Category.TECHNICAL: "flow_id attempts next_attempt_at error",
        },
    ),
    "invoice_document": Table(
        ACCOUNTING,
        Kept.INVOICES,
        OnErasure.KEPT,
        {Category.PAYMENT: "pdf", Category.TECHNICAL: "sha256 created_at"},
    ),
    "invoice_line": Table(
        ACCOUNTING,
        Kept.ACCOUNTING,
        OnErasure.KEPT,
        {
            Category.PAYMENT: (
                "label quantity unit unit_net_cents net_cents vat_rate tax_category "
                "treatment starts_on ends_on"
            ),
            Category.TECHNICAL: "position",
        },
    ),
    "invoice_recipient": Table(
        ACCOUNTING,
        Kept.ACCOUNT,
        OnErasure.DELETED,
        {
            Category.IDENTITY: "email",
            Category.CHOICES: "locale",
            Category.ACTIVITY: "created_at confirmed_at refused_at",
        },
        not_in_archive="belongs to the company, whose owners see and export it",
    ),
    "ledger_entry": Table(
        ACCOUNTING,
        Kept.ACCOUNTING,
        OnErasure.KEPT,
        {Category.PAYMENT: "journal number day at label_key piece"},
    ),
    "ledger_line": Table(
        ACCOUNTING,
        Kept.ACCOUNTING,
        OnErasure.KEPT,
        {Category.PAYMENT: "code debit_cents credit_cents", Category.TECHNICAL: "position"},
    ),
    "offer": public("slug segment position texts status publishes_on withdraws_on"),
    "offer_trial": Table(
        PURCHASES, Kept.ALWAYS, OnErasure.KEPT, {Category.PAYMENT: "company started_at"}
    ),
    "payment": Table(
        ACCOUNTING,
        Kept.ACCOUNTING,
        OnErasure.CLEARED,
        {
            Category.PAYMENT: (
                "kind status amount_cents method provider provider_reference decline_code "
                "brand last_four created_at settled_at refunded_cents"
            ),
            Category.TECHNICAL: (
                "confirmation_url is_off_session attempt expires_at next_check_at "
                "invoice_draft return_url"
            ),
        },
        kept_columns={
            "kind status amount_cents provider provider_reference decline_code created_at "
            "settled_at refunded_cents": "accounting records"
        },
    ),
    "payment_customer": Table(
        PURCHASES, Kept.ACCOUNT, OnErasure.KEPT, {Category.TECHNICAL: "provider reference"}
    ),
    "payment_method": Table(
        PURCHASES,
        Kept.ACCOUNT,
        OnErasure.CLEARED,
        {
            Category.PAYMENT: (
                "kind brand last_four expires_on iban_last_four mandate_reference status "
                "is_default created_at removed_at"
            ),
            Category.CREDENTIALS: "token",
            Category.TECHNICAL: "provider setup_reference decline_code notice_days detached_at",
        },
    ),
    "platform_cursor": public("platform updated_after claimed_until failing_since"),
    "platform_status": Table(
        ACCOUNTING,
        Kept.ACCOUNTING,
        OnErasure.KEPT,
        {Category.PAYMENT: "status at reason_code reason", Category.TECHNICAL: "flow_id stored_at"},
    ),
    "price": public(
        "interval net_cents vat_rate currency tax_category trial_days "
        "trial_requires_payment_method is_public valid_from valid_until"
    ),
    "promotion": public(
        "code basis_points amount_cents periods valid_from valid_until "
        "max_redemptions once_per_company segment interval offer_ids "
        "minimum_quantity created_at deactivated_at"
    ),
    "promotion_redemption": Table(
        PURCHASES, Kept.ALWAYS, OnErasure.KEPT, {Category.PAYMENT: "company redeemed_at"}
    ),
    "provider_event": Table(
        PURCHASES,
        Kept.PROVIDER_EVENTS,
        OnErasure.KEPT,
        {
            Category.PAYMENT: "provider event_id type subject reference key body status",
            Category.ACTIVITY: "received_at",
            Category.TECHNICAL: "handled_at attempts next_attempt_at error",
        },
    ),
    "purchase": Table(
        PURCHASES,
        Kept.ACCOUNTING,
        OnErasure.CLEARED,
        {
            Category.PAYMENT: _PURCHASE,
            Category.CONTENT: "cancel_reason",
            Category.TECHNICAL: "trial_reminded_at resume_reminded_for expires_at",
        },
        kept_columns={_PURCHASE: "accounting records"},
        not_in_archive="belongs to the company, whose owners see and export it",
    ),
    "purchase_change": Table(
        PURCHASES,
        Kept.ACCOUNTING,
        OnErasure.KEPT,
        {
            Category.PAYMENT: (
                "kind is_immediate quantity former_quantity anchor resumes_on gross_cents "
                "effective_on sets_payment_method created_at applied_at canceled_at"
            )
        },
    ),
    "receivable": Table(
        ACCOUNTING,
        Kept.ACCOUNTING,
        OnErasure.KEPT,
        {
            Category.PAYMENT: "due_on gross_cents open_cents credited_cents disputed_at settled_at",
            Category.TECHNICAL: "next_dunning_on",
        },
    ),
    "refund": Table(
        ACCOUNTING,
        Kept.ACCOUNTING,
        OnErasure.KEPT,
        {
            Category.PAYMENT: (
                "amount_cents status provider_reference failure_code created_at settled_at"
            ),
            Category.TECHNICAL: "next_check_at",
        },
    ),
    "sandbox_charge": public(
        "key reference amount_cents method status decline_code return_url settles_at"
    ),
    "sandbox_dispute": public("reference charge_reference amount_cents status reason"),
    "sandbox_refund": public(
        "key reference charge_reference amount_cents status failure_code fails_at"
    ),
    "sandbox_setup": public(
        "key reference kind status method saved_method decline_code return_url saved_at removed_at"
    ),
    "tax_rule": public("territory category valid_since rate treatment exemption_code mention"),
}
