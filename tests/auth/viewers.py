"""The viewer of an access token, found as the server does it."""

from datetime import datetime

from auth.caller import Callers
from models.viewer import Viewer
from realtime.hub import Hub
from tests.conftest import MovableClock


async def viewer_of(access_token: str | None, at: datetime, accept_language: str | None = None) -> Viewer:
    """The viewer that the token stands for at this time, by a server that has cached nothing. Raises Unauthenticated."""
    return await Callers(Hub(), MovableClock(at)).viewer_of(access_token, accept_language)
