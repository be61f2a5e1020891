"""What the tables of the privacy domain hold: see models/data_map.py."""

from models.data_map import BREACHES, MAILINGS, RIGHTS, Category, Kept, OnErasure, Table

TABLES: dict[str, Table] = {
    "buyer_erasure": Table(
        RIGHTS,
        Kept.ALWAYS,
        OnErasure.NONE,
        {
            Category.NOT_PERSONAL: (
                "reason until created_at planned_counts removed_counts finished_at"
            )
        },
    ),
    "consent_change": Table(
        RIGHTS,
        Kept.PROOF,
        OnErasure.KEPT,
        {Category.CHOICES: "purpose given at channel"},
        person="user_id",
    ),
    "data_request": Table(
        RIGHTS,
        Kept.REGISTER,
        OnErasure.CLEARED,
        {
            Category.CONTENT: "details extension_reason answer",
            Category.ACTIVITY: (
                "kind received_at deadline_at extended_at carried_out_at results decision "
                "decided_at"
            ),
            Category.TECHNICAL: "reminder_at",
        },
        person="user_id",
        kept_columns={"results": "numbers of rows"},
    ),
    "erasure": Table(
        RIGHTS,
        Kept.REGISTER,
        OnErasure.KEPT,
        {
            Category.ACTIVITY: (
                "requested_at deadline scheduled_at due_at canceled_at started_at "
                "finished_at invoices_kept kept_until removed_counts"
            )
        },
        not_in_archive="about a company, whose owners are told by email",
    ),
    "incident": Table(
        BREACHES,
        Kept.REGISTER,
        OnErasure.CLEARED,
        {
            Category.IDENTITY: "reporter_name reporter_email",
            Category.CONTENT: "description",
            Category.ACTIVITY: "noticed_at reported_at",
            Category.TECHNICAL: "reminder_at webhook_at webhook_attempts",
            Category.NOT_PERSONAL: (
                "aware_at deadline_at status severity data_categories people_count "
                "record_count consequences measures authority_required authority_reason "
                "authority_notified_at authority_reference authority_delay_reason "
                "people_required people_reason people_notified_at closed_at"
            ),
        },
        person="reporter_id",
    ),
    "incident_entry": Table(
        BREACHES, Kept.REGISTER, OnErasure.KEPT, {Category.NOT_PERSONAL: "at kind text details"}
    ),
    "incident_notice": Table(
        BREACHES,
        Kept.REGISTER,
        OnErasure.NONE,
        {
            Category.NOT_PERSONAL: (
                "audience stage number version status created_at requested_at is_for_everybody "
                "recipient_count unreachable_count sent_at reference"
            ),
            Category.KEYS: "account_ids user_ids",
            Category.TECHNICAL: "last_user_id",
        },
    ),
    "incident_notice_version": Table(
        BREACHES, Kept.REGISTER, OnErasure.NONE, {Category.NOT_PERSONAL: "number at content"}
    ),
    "invoice_tombstone": Table(
        RIGHTS,
        Kept.ALWAYS,
        OnErasure.KEPT,
        {Category.TECHNICAL: "facts_sha256 xml_sha256 pdf_sha256 erased_at"},
    ),
    "mailing": Table(
        MAILINGS,
        Kept.ALWAYS,
        OnErasure.NONE,
        {
            Category.NOT_PERSONAL: (
                "purpose subject_fr subject_en body_fr body_en created_at recipient_count "
                "finished_at stopped_at canceled_count"
            ),
            Category.TECHNICAL: "last_user_id",
        },
    ),
}
