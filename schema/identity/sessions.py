"""Sessions and their tokens."""

from datetime import datetime

import strawberry

from resolvers.identity import sessions as session_resolvers
from schema.fields import field, viewer_field
from schema.identity.users import User
from schema.user_errors import UserError, errors


@strawberry.type(description="One signed-in device.")
class Session:
    id: strawberry.ID = field("What `sessionEnd` takes.", session_resolvers.session_id)
    created_at: datetime = field("When it was signed in.")
    last_used_at: datetime = field(
        "When its tokens were last renewed, which happens every 15 minutes or so while it is in use.",
        lambda root: root.last_used_at or root.created_at,
    )
    expires_at: datetime = field(
        "When it ends unless it is used before. However it is used, it ends after its longest life: 90 days, of staff 12 hours."
    )
    device: str | None = field("What it looked like when it was signed in, such as `Firefox, Windows`; null for nothing known.")
    current: bool = viewer_field(session_resolvers.current, description="Whether it is the one that asks.", needs=("id",))


@strawberry.type(description="What a new session is used with.")
class SessionTokens:
    access_token: str | None = field(
        "Goes into the header `Authorization: Bearer ...`; good for minutes. Null where it is in a cookie.",
        lambda root: root.access,
    )
    refresh_token: str | None = field(
        "Gets the next pair by `sessionRefresh`; works once. Null where it is in a cookie.", lambda root: root.refresh
    )
    access_expires_at: datetime = field("When the access token ends.")


@strawberry.type(description="A new session.")
class SessionSignInPayload:
    session: SessionTokens | None = field("The tokens.", lambda root: root.tokens)
    user: User | None = field("Who signed in.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The session's next tokens.")
class SessionRefreshPayload:
    session: SessionTokens | None = field("The tokens; the earlier ones no longer work.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="A session for another company.")
class SessionSwitchAccountPayload:
    session: SessionTokens | None = field("The tokens; the earlier ones no longer work, and their sockets close.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether the session ended.")
class SessionSignOutPayload:
    signed_out: bool | None = field("True when it did.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether the session is fresh.")
class SessionStepUpPayload:
    fresh_until: datetime | None = field("Until when delicate operations are let through.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether the session ended.")
class SessionEndPayload:
    ended: bool | None = field("True when it did, or had before.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The sessions that ended.")
class SessionEndOthersPayload:
    ended: int | None = field("How many did.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The answer is the same whether or not the address was known.")
class SessionRequestUnlockPayload:
    accepted: bool | None = field("True when an email is on its way, if the address is known.")
    user_errors: list[UserError] = errors()
