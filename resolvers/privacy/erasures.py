"""Scheduled and completed erasures."""

from collections.abc import Sequence

from tortoise.queryset import QuerySet

from models.clock import local_date
from models.identity.user import User
from models.privacy.erasure import Erasure
from privacy.erasure import Eraser
from resolvers.context import Context, Info, Services
from resolvers.paging import After, Before, First, Last, OnePage, Order, Window, page
from resolvers.rows import ByKey
from storage.store import Store

LATEST = Order("id", descending=True)


def eraser(services: Services, store: Store) -> Eraser:
    """What erasing needs, by what the law wants today."""
    return Eraser(store, services.seller.retention_on(local_date(services.clock.now())))


def erasures(info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None) -> OnePage:
    """Every scheduled deletion, the latest first."""
    viewer = info.context.viewer
    return page(Erasure.visible_to(viewer), LATEST, Window(first, after, last, before), viewer)


def invoices_kept(root: Erasure) -> int | None:
    """How many invoices are kept, once it is known."""
    return root.invoices_kept if root.started_at else None


def removed(root: Erasure) -> list[dict[str, object]]:
    """What went, by kind."""
    return [{"kind": kind, "count": count} for kind, count in sorted(root.removed.items())]


def schedulers(context: Context, parents: Sequence[Erasure]) -> ByKey:
    """Which agent scheduled each."""
    return ByKey(parents, "scheduler_id", QuerySet(User))
