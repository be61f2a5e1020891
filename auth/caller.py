"""Who is calling: from an access token to a viewer, and whether long-lived sockets may stay."""

from collections.abc import Collection
from datetime import datetime

from tortoise.expressions import F

from auth.sessions import hashed, standing
from models.account import Role
from models.errors import Unauthenticated
from models.locale import preferred
from models.session import Session
from models.viewer import Viewer
from realtime.hub import Hub


async def viewer_of(access_token: str | None, at: datetime, accept_language: str | None = None) -> Viewer:
    """Whoever the token stands for, in one statement; nobody without a token. Raises Unauthenticated for a token that
    does not work (any more). The language is the header's when it names one of ours, else the person's own."""
    if access_token is None:
        return Viewer(locale=preferred(accept_language))
    session = await _signed_in(access_token, at)
    if session is None:
        raise Unauthenticated
    role = session.__dict__["role"]  # annotated below
    return Viewer(
        user=session.user, account=session.account, session=session,
        role=Role(role) if role else None, locale=preferred(accept_language, session.user.locale),
    )  # fmt: skip


async def _signed_in(access_token: str, at: datetime) -> Session | None:
    found = standing(at).filter(access_hash=hashed(access_token), access_expires_at__gt=at)
    return await found.annotate(role=F("account__memberships__role")).select_related("user", "account").first()


async def still_valid(session_ids: Collection[int], at: datetime) -> set[int]:
    """Which of these sessions still count, in one statement. The others' sockets must close."""
    found = await standing(at).filter(pk__in=list(session_ids)).values_list("id", flat=True)
    return {int(str(session_id)) for session_id in found}


async def end_sockets(hub: Hub, at: datetime) -> None:
    """Wake the sockets of sessions that no longer count, wherever they were ended: in another process, or by the clock."""
    keys = {int(key.partition(":")[2]): key for key in hub.listened("session:")}
    if keys:
        hub.announce(keys[session_id] for session_id in keys.keys() - await still_valid(keys.keys(), at))
