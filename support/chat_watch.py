"""Live updates of what people see of chats, for all who watch in one process.

The job `refresh` looks at the queues once for all watchers, with a few queries however many there
are, and wakes those for whom something has changed. The first 20 chats of a queue are looked at
each time. The further back a chat is, the less often it is looked at: from place 1,220 on, once a
minute, unless its state changes. Places from 100 on are rounded (support/chat_views.py). So when
the first of 10,000 chats gets an agent, 100 customers are told within seconds, and of the others
only those whose rounded place has changed.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime, timedelta
from math import inf
from time import monotonic

from models.clock import Clock
from models.errors import NotFound
from models.event import INBOX
from models.support.classification import Category
from models.support.live_chat import CHATS, ChatState, LiveChat
from realtime.hub import Hub
from support.chat_views import ChatService, ChatView, chat_service, chat_views

ServiceKey = tuple[Category | None, int | None]  # and the key of a team

_CHAT, _SERVICE = "chat:", "chat service:"
_NEXT_PLACES = 20
_SECONDS_PER_PLACE = 0.05
_MAX_SECONDS = 60.0
_MAX_COMMIT = timedelta(seconds=30)  # from the time of a change until others can read it
_CACHE_SECONDS = 1.0


class ChatWatch:
    """The watchers of chats in this process. `seconds` is a monotonic clock."""

    def __init__(self, hub: Hub, clock: Clock, seconds: Callable[[], float] = monotonic) -> None:
        self._hub, self._clock, self._seconds = hub, clock, seconds
        self._cached: dict[ServiceKey, tuple[float, ChatService]] = {}
        hub.add_observer(self._on_announcement)
        self._services: dict[str, ChatService] = {}
        self._views: dict[str, ChatView] = {}
        self._next_look: dict[str, float] = {}

    def _on_announcement(self, key: str) -> None:
        if key in (CHATS, INBOX):
            self._cached.clear()

    async def service(
        self, category: Category | None = None, team_id: int | None = None
    ) -> ChatService:
        """Whether chats of a category or a team are answered, as it was within the last second. It
        is cached because every page of a site may request it.
        """
        key = (category, team_id)
        expires_at, service = self._cached.get(key, (-inf, None))
        if service is None or self._seconds() >= expires_at:
            service = await chat_service(self._clock.now(), *key)
            self._cached[key] = (self._seconds() + _CACHE_SECONDS, service)
        return service

    async def refresh(self) -> None:
        """Wake those for whom something has changed."""
        await self._refresh_services(self._hub.keys(_SERVICE))
        await self._refresh_views(self._hub.keys(_CHAT))

    async def _refresh_services(self, keys: list[str]) -> None:
        now = self._clock.now()
        services = {key: await chat_service(now, *_service_key(key)) for key in keys}
        former, self._services = self._services, services
        self._hub.notify(key for key in keys if former.get(key) != services[key])

    async def _refresh_views(self, keys: list[str]) -> None:
        now, seconds = self._clock.now(), self._seconds()
        watched = {int(key.removeprefix(_CHAT)): key for key in keys}
        ticket_ids = {
            ticket_id
            for ticket_id, key in watched.items()
            if seconds >= self._next_look.get(key, 0)
        }
        if len(ticket_ids) < len(watched):
            ticket_ids |= watched.keys() & await _changed_since(now - _MAX_COMMIT)
        views = await chat_views(ticket_ids, now) if ticket_ids else {}
        found = {watched[ticket_id]: view for ticket_id, view in views.items()}
        changed = [key for key, view in found.items() if self._views.get(key) != view]
        self._views = {key: self._views[key] for key in keys if key in self._views} | found
        self._next_look = {key: self._next_look[key] for key in keys if key in self._next_look}
        self._next_look |= {key: seconds + _pause(view) for key, view in found.items()}
        self._hub.notify(changed)

    async def watch_service(
        self, category: Category | None = None, team_id: int | None = None
    ) -> AsyncGenerator[ChatService, None]:
        """Whether chats of a category or a team are answered, and again at each change."""
        key, delivered = f"{_SERVICE}{category or ''}:{team_id or ''}", None
        with self._hub.listen(key) as changed:
            while True:
                service = self._services.get(key)
                service = service or await chat_service(self._clock.now(), category, team_id)
                if service != delivered:
                    delivered = service
                    yield service
                await changed.wait()
                changed.clear()

    async def watch_chat(
        self, ticket_id: int, require_access: Callable[[], Awaitable[None]]
    ) -> AsyncGenerator[ChatView, None]:
        """The state of a chat, and its changes. Raises NotFound for a ticket that isn't a chat, and
        what `require_access` raises; it is called before each delivery.
        """
        key, delivered = f"{_CHAT}{ticket_id}", None
        with self._hub.listen(key) as changed:
            while True:
                await require_access()
                view = self._views.get(key) or (
                    await chat_views([ticket_id], self._clock.now())
                ).get(ticket_id)
                if view is None:
                    raise NotFound
                if view != delivered:
                    delivered = view
                    yield view
                await changed.wait()
                changed.clear()


async def _changed_since(at: datetime) -> set[int]:
    """The tickets of the chats that have stopped waiting."""
    states = [state for state in ChatState if state is not ChatState.WAITING]
    rows = LiveChat.filter(state__in=states, since__gte=at)
    return {int(str(key)) for key in await rows.values_list("ticket_id", flat=True)}


def _pause(view: ChatView) -> float:
    """The seconds until a chat is looked at again. One that doesn't wait is looked at each time."""
    places = max(0, (view.position or 0) - _NEXT_PLACES)
    return min(places * _SECONDS_PER_PLACE, _MAX_SECONDS)


def _service_key(key: str) -> ServiceKey:
    category, team_id = key.removeprefix(_SERVICE).split(":")
    return Category(category) if category else None, int(team_id) if team_id else None
