"""What the tables of the support domain hold: see models/data_map.py."""

from models.data_map import EMAILS, QUALITY, SUPPORT, WORK, Category, Kept, OnErasure, Table, public

TABLES: dict[str, Table] = {
    "agent_presence": Table(
        WORK, Kept.STAFF, OnErasure.NONE, {Category.TECHNICAL: "process expires_at"}
    ),
    "agent_profile": Table(
        WORK,
        Kept.STAFF,
        OnErasure.NONE,
        {
            Category.ACTIVITY: (
                "skills chat_capacity chat_availability chat_availability_since last_chat_at"
            )
        },
    ),
    "answer_time": public(
        "channel answers median_seconds p90_seconds median_business_seconds "
        "p90_business_seconds measured_at"
    ),
    "automation": public(
        "name unique_name position version_number enabled_at created_at updated_at archived_at"
    ),
    "automation_cursor": public("sequence"),
    "automation_run": Table(
        WORK,
        Kept.AUTOMATION,
        OnErasure.DELETED,
        {
            Category.ACTIVITY: "event happened_at at kinds",
            Category.TECHNICAL: "root depth first_sequence last_sequence refusals is_refused",
        },
    ),
    "automation_scan": public("since"),
    "automation_timer": Table(
        WORK,
        Kept.ACCOUNT,
        OnErasure.DELETED,
        {Category.TECHNICAL: "sequence root depth happened_at due_at attempts error"},
    ),
    "automation_version": Table(
        WORK,
        Kept.ALWAYS,
        OnErasure.NONE,
        {
            Category.NOT_PERSONAL: (
                "number event delay_minutes is_delay_business_time match conditions "
                "exceptions actions created_at"
            )
        },
    ),
    "board_entry": Table(
        SUPPORT,
        Kept.ACCOUNT,
        OnErasure.DELETED,
        {Category.ACTIVITY: "day category status opened_at updated_at"},
    ),
    "board_snapshot": public("day as_of"),
    "calendar": public("name time_zone week holidays is_default created_at changed_at"),
    "canned_reply": Table(
        WORK,
        Kept.STAFF,
        OnErasure.NONE,
        {Category.NOT_PERSONAL: "scope shortcut name body_fr body_en search_text updated_at"},
    ),
    "closure": public("starts_at ends_at reason created_at"),
    "draft": Table(
        SUPPORT,
        Kept.ACCOUNT,
        OnErasure.DELETED,
        {
            Category.CONTENT: "body",
            Category.ACTIVITY: "updated_at",
            Category.TECHNICAL: "is_note version",
        },
        person="user_id",
    ),
    "escalation": Table(
        SUPPORT,
        Kept.ACCOUNT,
        OnErasure.DELETED,
        {Category.CONTENT: "details steps_tried history", Category.ACTIVITY: "at resolved_at"},
        not_in_archive="given by the operator who answers a request of access",
    ),
    "file": Table(
        SUPPORT,
        Kept.FILES,
        OnErasure.DELETED,
        {
            Category.CONTENT: "name content_type size sha256",
            Category.ACTIVITY: "created_at",
            Category.TECHNICAL: (
                "key content_key uploaded_at cleared_at infected_at missing_at abandoned_at"
            ),
        },
        person="uploader_id",
    ),
    "incoming_email": Table(
        SUPPORT,
        Kept.INCOMING_EMAILS,
        OnErasure.DELETED,
        {
            Category.IDENTITY: "sender sender_name",
            Category.CONTENT: "subject text html refused_files",
            Category.ACTIVITY: "received_at answered_at",
            Category.TECHNICAL: (
                "source source_key raw_key size is_partial fingerprint message_id status "
                "reason authentication processed_at next_attempt_at attempts"
            ),
            Category.KEYS: "linked_account_id linked_ticket_id",
        },
        person="user_id",
        withheld={"html": "the archive has the text", "refused_files": "they were not kept"},
    ),
    "live_chat": Table(
        SUPPORT,
        Kept.ACCOUNT,
        OnErasure.KEPT,
        {
            Category.ACTIVITY: "state queued_at since first_assigned_at",
            Category.NOT_PERSONAL: "category",
        },
        not_in_archive="agents' work",
    ),
    "macro": Table(
        WORK,
        Kept.STAFF,
        OnErasure.NONE,
        {Category.NOT_PERSONAL: "scope name actions created_at updated_at archived_at"},
    ),
    "macro_use": Table(
        WORK,
        Kept.ACCOUNT,
        OnErasure.DELETED,
        {Category.ACTIVITY: "kinds at"},
        not_in_archive="agents' work",
    ),
    "mention": Table(
        WORK,
        Kept.ACCOUNT,
        OnErasure.DELETED,
        {Category.ACTIVITY: "seen_at"},
        not_in_archive="agents' work",
    ),
    "message": Table(
        SUPPORT,
        Kept.ACCOUNT,
        OnErasure.CLEARED,
        {
            Category.CONTENT: "body",
            Category.ACTIVITY: "from_staff at edited_at deleted_at",
            Category.TECHNICAL: "sequence client_message_id is_final",
        },
        person="author_id",
        withheld={"deleted_at": "a deleted message has no text anymore"},
    ),
    "message_version": Table(
        SUPPORT,
        Kept.ACCOUNT,
        OnErasure.DELETED,
        {Category.CONTENT: "body", Category.ACTIVITY: "replaced_at"},
        person="message__author_id",
    ),
    "note": Table(
        SUPPORT,
        Kept.ACCOUNT,
        OnErasure.DELETED,
        {Category.CONTENT: "body", Category.ACTIVITY: "at"},
        not_in_archive="given by the operator who answers a request of access",
    ),
    "phone_call": Table(
        SUPPORT,
        Kept.CALLS,
        OnErasure.DELETED,
        {
            Category.IDENTITY: "number",
            Category.ACTIVITY: "direction outcome started_at duration_seconds",
            Category.TECHNICAL: "external_id fingerprint dismissed_at created_at",
        },
        person="number",
    ),
    "phone_number": Table(
        SUPPORT,
        Kept.ACCOUNT,
        OnErasure.DELETED,
        {Category.IDENTITY: "number", Category.ACTIVITY: "created_at"},
        person="user_id",
    ),
    "push_device": Table(
        EMAILS,
        Kept.PERSON,
        OnErasure.DELETED,
        {
            Category.CONNECTION: "service name",
            Category.ACTIVITY: "created_at",
            Category.CHOICES: "kinds",
            Category.CREDENTIALS: "endpoint p256dh auth",
            Category.TECHNICAL: "stream sequence attempts next_attempt_at",
        },
        person="user_id",
    ),
    "reaction": Table(
        SUPPORT, Kept.ACCOUNT, OnErasure.DELETED, {Category.CONTENT: "kind"}, person="user_id"
    ),
    "saved_filter": Table(
        WORK,
        Kept.STAFF,
        OnErasure.NONE,
        {Category.CHOICES: "name conditions", Category.TECHNICAL: "updated_at"},
    ),
    "scheduled_reply": Table(
        SUPPORT,
        Kept.ACCOUNT,
        OnErasure.DELETED,
        {
            Category.CONTENT: "body",
            Category.ACTIVITY: "created_at",
            Category.TECHNICAL: (
                "state problem send_at at_next_opening is_holdable seen_sequence "
                "overtaken_at scheduled_at email_pending_since"
            ),
        },
        not_in_archive="agents' work",
    ),
    "search_entry": Table(
        SUPPORT,
        Kept.ACCOUNT,
        OnErasure.DELETED,
        {Category.CONTENT: "stems", Category.TECHNICAL: "internal"},
    ),
    "sla_clock": Table(
        QUALITY,
        Kept.ACCOUNT,
        OnErasure.KEPT,
        {
            Category.ACTIVITY: "started_at started_on stopped_at breached_at",
            Category.TECHNICAL: (
                "measure state target business_time wall_time running_since due_at "
                "check_at warned_at"
            ),
        },
    ),
    "sla_policy": public(
        "channel priority first_response_minutes next_response_minutes "
        "resolution_minutes promised_hours_from promised_hours updated_at"
    ),
    "status_board": Table(
        SUPPORT,
        Kept.ACCOUNT,
        OnErasure.DELETED,
        {Category.CREDENTIALS: "token", Category.TECHNICAL: "updated_at"},
    ),
    "team": public("name categories calendar_changed_at created_at archived_at"),
    "team_member": Table(WORK, Kept.STAFF, OnErasure.NONE, {}),
    "ticket": Table(
        SUPPORT,
        Kept.ACCOUNT,
        OnErasure.CLEARED,
        {
            Category.CONTENT: "subject",
            Category.ACTIVITY: (
                "channel category kind status priority created_at updated_at "
                "first_response_at solved_at closed_at"
            ),
            Category.TECHNICAL: (
                "deadline_at reply_awaited_since answered_at first_response_seconds "
                "opened_on deadline_reminder_at snoozed_until reply_email_pending_since"
            ),
        },
        person="requester_id",
    ),
    "ticket_merge": Table(SUPPORT, Kept.ACCOUNT, OnErasure.KEPT, {Category.TECHNICAL: "before at"}),
    "ticket_position": Table(
        SUPPORT,
        Kept.ACCOUNT,
        OnErasure.KEPT,
        {
            Category.ACTIVITY: (
                "read_sequence delivered_sequence emailed_sequence transferred_at is_staff"
            )
        },
        not_in_archive="which messages were displayed, in tickets that the archive has",
    ),
    "ticket_rating": Table(
        QUALITY,
        Kept.ACCOUNT,
        OnErasure.CLEARED,
        {
            Category.CONTENT: "score comment",
            Category.ACTIVITY: "rated_at",
            Category.TECHNICAL: (
                "finished_at request_at requested_at reminded_at rated_on updated_at"
            ),
        },
        person="rater_id",
    ),
    "ticket_tag": Table(SUPPORT, Kept.ACCOUNT, OnErasure.DELETED, {Category.CONTENT: "tag"}),
}
