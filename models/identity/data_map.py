"""What the tables of the identity domain hold: see models/data_map.py."""

from models.data_map import ACCOUNTS, SECURITY, Category, Kept, OnErasure, Table

TABLES: dict[str, Table] = {
    "authenticator": Table(
        SECURITY,
        Kept.PERSON,
        OnErasure.DELETED,
        {
            Category.CONNECTION: "name kind",
            Category.ACTIVITY: "created_at confirmed_at last_used_at",
            Category.CREDENTIALS: "secret credential_id public_key",
            Category.TECHNICAL: "last_step sign_count",
        },
        person="user_id",
    ),
    "email_change": Table(
        ACCOUNTS,
        Kept.LINKS,
        OnErasure.DELETED,
        {
            Category.IDENTITY: "email",
            Category.CREDENTIALS: "new_token_hash old_token_hash",
            Category.TECHNICAL: "new_confirmed_at old_confirmed_at expires_at",
            Category.KEYS: "session_id",
        },
        person="user_id",
    ),
    "password_reset": Table(
        SECURITY,
        Kept.LINKS,
        OnErasure.DELETED,
        {Category.CREDENTIALS: "token_hash", Category.TECHNICAL: "expires_at"},
    ),
    "recovery_code": Table(
        SECURITY,
        Kept.PERSON,
        OnErasure.DELETED,
        {Category.CREDENTIALS: "code_hash", Category.TECHNICAL: "used_at"},
    ),
    "refresh_token": Table(
        SECURITY,
        Kept.TOKENS,
        OnErasure.DELETED,
        {Category.CREDENTIALS: "token_hash successor", Category.TECHNICAL: "used_at"},
    ),
    "session": Table(
        SECURITY,
        Kept.SESSIONS,
        OnErasure.DELETED,
        {
            Category.CONNECTION: "device",
            Category.ACTIVITY: "created_at ended_at last_used_at",
            Category.CREDENTIALS: "access_hash",
            Category.TECHNICAL: "access_expires_at expires_at second_factor step_up_expires_at",
        },
        person="user_id",
    ),
    "sign_in_unlock": Table(
        SECURITY,
        Kept.LINKS,
        OnErasure.DELETED,
        {Category.CREDENTIALS: "token_hash", Category.TECHNICAL: "expires_at"},
    ),
    "user": Table(
        ACCOUNTS,
        Kept.USED_PERSON,
        OnErasure.CLEARED,
        {
            Category.IDENTITY: "email name",
            Category.CHOICES: "locale",
            Category.CREDENTIALS: "password_hash",
            Category.ACTIVITY: (
                "staff email_verified_at second_factor_at authenticators_changed_at created_at "
                "erased_at restricted_at restricted_until objected_at"
            ),
            Category.TECHNICAL: "search_text unused_warned_at unused_reminded_at",
        },
        person="id",
        withheld={"staff": "staff get no archive", "erased_at": "no archive is left then"},
    ),
    "webauthn_challenge": Table(
        SECURITY,
        Kept.CHALLENGES,
        OnErasure.DELETED,
        {Category.CREDENTIALS: "challenge_hash", Category.TECHNICAL: "expires_at"},
    ),
}
