"""What the tables of the content domain hold: see models/data_map.py."""

from models.data_map import LIBRARY, RIGHTS, Category, Kept, OnErasure, Table, public

TABLES: dict[str, Table] = {
    "article": public(
        "slug kind category position texts search_text_fr search_text_en media "
        "duration_seconds starts_at stems_fr stems_en video_url updated_at "
        "published_at latest_version published_version scheduled_version "
        "scheduled_at capacity join_url canceled_at calendar_sequence"
    ),
    "article_feedback": Table(
        LIBRARY,
        Kept.PERSON,
        OnErasure.DELETED,
        {
            Category.CONTENT: "is_useful reason comment",
            Category.CONNECTION: "visitor",
            Category.ACTIVITY: "version at",
        },
        person="user_id",
        withheld={"visitor": "only of visitors who are not signed in"},
    ),
    "article_version": public("number texts created_at published_at"),
    "policy": public("kind version effective_on text_fr text_en sha256 installed_at"),
    "policy_acceptance": Table(
        RIGHTS,
        Kept.PROOF,
        OnErasure.KEPT,
        {Category.CHOICES: "accepted_at locale channel"},
        person="user_id",
    ),
    "webinar_sign_up": Table(
        LIBRARY,
        Kept.PERSON,
        OnErasure.DELETED,
        {
            Category.ACTIVITY: "is_waiting signed_up_at",
            Category.TECHNICAL: "reminder_at notified_sequence",
        },
        person="user_id",
    ),
}
