"""Sessions and their tokens."""

from datetime import datetime

import strawberry

import models.identity.session
from resolvers.identity import sessions as session_resolvers
from schema.fields import field, viewer_field
from schema.identity.users import User
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors


@strawberry.type(description="A device on which the viewer is signed in.")
@backed_by(models.identity.session.Session)
class Session(Node):
    created_at: datetime = field("When the user signed in.")
    last_used_at: datetime = field(
        "When the session's tokens were last refreshed, which happens about every 15 minutes while "
        "it is in use.",
        lambda root: root.last_used_at or root.created_at,
        needs=("last_used_at", "created_at"),
    )
    expires_at: datetime = field(
        "When the session expires unless it is used again. Every session ends after its maximum "
        "lifetime: 90 days, or 12 hours for staff."
    )
    device: str | None = field(
        "The browser and operating system used to sign in, such as `Firefox, Windows`. Null when "
        "unknown."
    )
    current: bool = viewer_field(
        session_resolvers.current,
        description="Whether this is the session of the request.",
        needs=("id",),
    )


@strawberry.type(description="The tokens of a session.")
class SessionTokens:
    access_token: str | None = field(
        "The access token, for the header `Authorization: Bearer ...`. Valid for 15 minutes. Null "
        "when it was set as a cookie.",
        lambda root: root.access,
    )
    refresh_token: str | None = field(
        "The refresh token, which `sessionRefresh` exchanges for new tokens. Works once, apart "
        "from a repeat of the same request within 30 seconds. Null when it was set as a cookie.",
        lambda root: root.refresh,
    )
    access_expires_at: datetime = field("When the access token expires.")


@strawberry.type(description="The result of signing in.")
class SessionSignInPayload:
    session: SessionTokens | None = field(
        "The tokens of the new session.", lambda root: root.tokens
    )
    user: User | None = field("The signed-in user.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of refreshing a session.")
class SessionRefreshPayload:
    session: SessionTokens | None = field("The new tokens. The previous ones no longer work.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of switching to another company.")
class SessionSwitchAccountPayload:
    session: SessionTokens | None = field(
        "The new tokens. The previous ones no longer work, and their WebSocket connections are "
        "closed."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of ending a session.")
class SessionSignOutPayload:
    signed_out: bool | None = field("True when the session has ended.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of confirming one's identity.")
class SessionStepUpPayload:
    step_up_expires_at: datetime | None = field(
        "The time until which sensitive operations are allowed without another `sessionStepUp`."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of ending a session.")
class SessionEndPayload:
    ended: bool | None = field(
        "True when the session has ended, including when it had ended before."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of ending several sessions.")
class SessionEndOthersPayload:
    ended: int | None = field("The number of sessions that were ended.")
    user_errors: list[UserError] = errors()


@strawberry.type(
    description="The result of a request that doesn't reveal whether the email address is known."
)
class SessionRequestUnlockPayload:
    accepted: bool | None = field(
        "True when the request was accepted. An email is on its way if the address is known."
    )
    user_errors: list[UserError] = errors()
