"""Resolves access tokens to viewers as the server does."""

from datetime import datetime

from auth.caller import Callers
from models.viewer import Viewer
from realtime.hub import Hub
from tests.conftest import MovableClock


async def viewer_of(
    access_token: str | None, at: datetime, accept_language: str | None = None
) -> Viewer:
    """The viewer that the token identifies at this time, without a cache. Raises
    Unauthenticated.
    """
    return await Callers(Hub(), MovableClock(at)).viewer_of(access_token, accept_language)
