"""What the tables of the accounts domain hold: see models/data_map.py."""

from models.data_map import ACCOUNTS, Category, Kept, OnErasure, Table

TABLES: dict[str, Table] = {
    "account": Table(
        ACCOUNTS,
        Kept.USED_ACCOUNT,
        OnErasure.CLEARED,
        {
            Category.COMPANY: (
                "legal_name trade_name siren registration_number street postal_code city "
                "country nic vat_number organization registry_verdict search_text"
            ),
            Category.ACTIVITY: "created_at status erases_at",
            Category.TECHNICAL: "registry_due_at unused_warned_at unused_reminded_at",
        },
    ),
    "api_key": Table(
        ACCOUNTS,
        Kept.API_KEYS,
        OnErasure.DELETED,
        {
            Category.COMPANY: "name",
            Category.CREDENTIALS: "key_hash",
            Category.ACTIVITY: "created_at last_used_at revoked_at",
            Category.TECHNICAL: "prefix scopes expires_at reminded_at",
        },
        not_in_archive="belongs to the company, not to the members who created or revoked it",
    ),
    "invitation": Table(
        ACCOUNTS,
        Kept.INVITATIONS,
        OnErasure.DELETED,
        {
            Category.IDENTITY: "email",
            Category.CHOICES: "locale",
            Category.CREDENTIALS: "token_hash",
            Category.ACTIVITY: "role created_at sent_at expires_at accepted_at revoked_at",
        },
        not_in_archive="belongs to the company, whose owners see and export it",
    ),
    "legal_name_change": Table(
        ACCOUNTS,
        Kept.ACCOUNT,
        OnErasure.DELETED,
        {
            Category.COMPANY: "previous_name legal_name registered_name",
            Category.CONTENT: "reason",
            Category.ACTIVITY: "status verdict created_at updated_at decided_at",
            Category.TECHNICAL: "next_check_at checks",
        },
        not_in_archive="belongs to the company, whose owners see and export it",
    ),
    "membership": Table(
        ACCOUNTS,
        Kept.ACCOUNT,
        OnErasure.DELETED,
        {Category.ACTIVITY: "role created_at"},
        person="user_id",
    ),
    "service_account": Table(
        ACCOUNTS,
        Kept.ACCOUNT,
        OnErasure.DELETED,
        {Category.COMPANY: "name description created_at"},
        not_in_archive="belongs to the company, not to the member who created it",
    ),
    "vat_check": Table(
        ACCOUNTS,
        Kept.ACCOUNT,
        OnErasure.DELETED,
        {
            Category.COMPANY: "vat_number registered_name",
            Category.ACTIVITY: "status checked_at consultation_number",
            Category.TECHNICAL: "due_at failures",
        },
    ),
}
