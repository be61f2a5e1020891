"""What the tables of the analytics domain hold: see models/data_map.py."""

from models.data_map import WORK, Category, Kept, OnErasure, Table

TABLES: dict[str, Table] = {
    "query_schedule": Table(
        WORK,
        Kept.STAFF,
        OnErasure.NONE,
        {
            Category.CHOICES: "frequency hour weekday day",
            Category.ACTIVITY: "created_at last_sent_at ended_at end_reason",
            Category.TECHNICAL: "next_due_at claimed_until failures",
        },
        not_in_archive="staff get no archive",
    ),
    "saved_query": Table(
        WORK,
        Kept.STAFF,
        OnErasure.NONE,
        {
            Category.CONTENT: "name",
            Category.CHOICES: "query is_shared",
            Category.ACTIVITY: "created_at updated_at",
        },
        not_in_archive="staff get no archive",
    ),
}
