"""Live updates of what people see of chats, for all who watch in one process.

The job `refresh` looks at the queues once for all watchers, with a few queries however many there
are, and wakes those for whom something has changed. The customers of the first 20 chats of a queue
are told about each change. The further back a chat is, the less often its customer is told: from
place 320 on, at most every 15 seconds. So a moving long queue costs about as much as a short one.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from math import inf
from time import monotonic

from models.clock import Clock
from models.errors import NotFound
from models.event import INBOX
from models.support.classification import Category
from models.support.live_chat import CHATS, ChatState
from realtime.hub import Hub
from support.chat_views import ChatService, ChatView, chat_service, chat_views

ServiceKey = tuple[Category | None, int | None]  # and the key of a team

_CHAT, _SERVICE = "chat:", "chat service:"
_NEXT_PLACES = 20
_SECONDS_PER_PLACE = 0.05
_MAX_SECONDS = 15.0
_CACHE_SECONDS = 1.0


class ChatWatch:
    """The watchers of chats in this process. `seconds` is a monotonic clock."""

    def __init__(self, hub: Hub, clock: Clock, seconds: Callable[[], float] = monotonic) -> None:
        self._hub, self._clock, self._seconds = hub, clock, seconds
        self._cached: dict[ServiceKey, tuple[float, ChatService]] = {}
        hub.add_observer(self._on_announcement)
        self._services: dict[str, ChatService] = {}
        self._views: dict[str, ChatView] = {}
        self._changed_at: dict[str, float] = {}

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
        ticket_ids = {int(key.removeprefix(_CHAT)): key for key in keys}
        views = await chat_views(ticket_ids, self._clock.now()) if keys else {}
        changed = {
            key: views[ticket_id]
            for ticket_id, key in ticket_ids.items()
            if ticket_id in views and self._is_due(key, views[ticket_id])
        }
        self._views = {key: self._views[key] for key in keys if key in self._views} | changed
        self._changed_at = {key: self._changed_at.get(key, 0.0) for key in self._views}
        self._changed_at |= dict.fromkeys(changed, self._seconds())
        self._hub.notify(changed)

    def _is_due(self, key: str, view: ChatView) -> bool:
        """Whether a chat has changed and its customer should be told now."""
        former = self._views.get(key)
        if former is None or former.state is not view.state is ChatState.WAITING:
            return former != view
        places = max(0, (view.position or 0) - _NEXT_PLACES)
        pause = min(places * _SECONDS_PER_PLACE, _MAX_SECONDS)
        return former != view and self._seconds() - self._changed_at[key] >= pause

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


def _service_key(key: str) -> ServiceKey:
    category, team_id = key.removeprefix(_SERVICE).split(":")
    return Category(category) if category else None, int(team_id) if team_id else None
