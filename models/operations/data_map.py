"""What the tables of the operations domain hold: see models/data_map.py."""

from models.data_map import EMAILS, OPERATION, SECURITY, Category, Kept, OnErasure, Table, public

TABLES: dict[str, Table] = {
    "audit_chain": public("expired_sequence expired_hash last_sequence last_hash"),
    "audit_entry": Table(
        SECURITY,
        Kept.AUDIT,
        OnErasure.KEPT,
        {
            Category.CONNECTION: "address",
            Category.ACTIVITY: "at staff action object_type",
            Category.TECHNICAL: "details previous_hash hash",
            Category.KEYS: "object_id session_id actor_id account_id",
        },
        person="actor_id",
        withheld={"staff": "staff get no archive"},
    ),
    "clock_offset": public("seconds"),
    "email": Table(
        EMAILS,
        Kept.EMAILS,
        OnErasure.DELETED,
        {
            Category.IDENTITY: "recipient",
            Category.CONTENT: "subject text html calendar",
            Category.ACTIVITY: "template created_at sent_at bounced_at bounce_status",
            Category.CREDENTIALS: "withdrawal_token",
            Category.KEYS: "ticket_id mailing_id",
            Category.TECHNICAL: "purpose message_key thread next_attempt_at attempts priority "
            "traceparent",
        },
        person="user_id",
        withheld={
            "text html calendar": "the person received them, and links in them need no session"
        },
    ),
    "event": Table(
        OPERATION,
        Kept.EVENTS,
        OnErasure.KEPT,
        {Category.ACTIVITY: "kind at status", Category.TECHNICAL: "stream sequence traceparent"},
        not_in_archive="repeats what the other tables say",
    ),
    "idempotency_key": Table(
        OPERATION,
        Kept.IDEMPOTENCY,
        OnErasure.DELETED,
        {
            Category.TECHNICAL: "owner operation key fingerprint created_on",
            Category.KEYS: "created_id",
        },
    ),
    "installation": public(
        "key_fingerprint database_identity held_at reference epoch backed_up_at"
    ),
    "latest_time": public("at"),
    "stream": Table(
        OPERATION, Kept.ALWAYS, OnErasure.KEPT, {Category.TECHNICAL: "key last_sequence"}
    ),
    "webhook_delivery": Table(
        OPERATION,
        Kept.WEBHOOKS,
        OnErasure.DELETED,
        {
            Category.TECHNICAL: "sequence message_id type subject body created_at started_at "
            "next_attempt_at attempts last_attempt_at response_status failure succeeded_at"
        },
    ),
    "webhook_endpoint": Table(
        OPERATION,
        Kept.ACCOUNT,
        OnErasure.DELETED,
        {
            Category.COMPANY: "url description created_at",
            Category.CREDENTIALS: "secret previous_secret",
            Category.TECHNICAL: "kinds previous_secret_until stream sequence failing_since "
            "disabled_at disabled_reason",
        },
        not_in_archive="belongs to the company, not to the member who created it",
    ),
}
