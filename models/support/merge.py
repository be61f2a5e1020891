"""Tickets that were merged into others, because both are about the same.

A merged ticket is closed and keeps everything that was written in it: nothing is moved or copied,
so that its stream has no gaps and the merge can be undone. What is written to it from then on is
posted in the ticket that it was merged into. A row is changed by whoever has locked the merged
ticket.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model
from tortoise.queryset import QuerySet

if TYPE_CHECKING:
    from models.support.ticket import Ticket
    from models.viewer import Viewer

UNDO_PERIOD = timedelta(days=1)
_MAX_CHAIN = 100


class TicketMerge(Model):
    """The merge of `ticket` into `target`. `before` has the former values of what the merge changed
    in the ticket and its clocks, for undoing it.
    """

    id = fields.BigIntField(primary_key=True)
    ticket: fields.OneToOneRelation["Ticket"] = fields.OneToOneField(
        "models.Ticket", related_name=False
    )
    target: fields.ForeignKeyRelation["Ticket"] = fields.ForeignKeyField(
        "models.Ticket", related_name=False, db_index=True
    )
    before: dict[str, Any] = fields.JSONField(default=dict)
    at: datetime = fields.DatetimeField()

    ticket_id: int
    target_id: int

    class Meta:
        table = "ticket_merge"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["TicketMerge"]:
        """Those who see a ticket see what it was merged into: both belong to the same company."""
        if viewer.is_agent:
            return QuerySet(cls)
        return cls.filter(ticket__account_id=viewer.support_account_id)


async def merge_targets(ticket_id: int, db: BaseDBAsyncClient | None = None) -> list[int]:
    """The tickets that a ticket was merged into, one after the other: what is written to the ticket
    is posted in the last of them. Empty for a ticket that wasn't merged.
    """
    targets: list[int] = []
    while len(targets) < _MAX_CHAIN:
        merges = TicketMerge.filter(ticket_id=targets[-1] if targets else ticket_id)
        merge = await (merges.using_db(db) if db else merges).first()
        if merge is None:
            break
        targets.append(merge.target_id)
    return targets


async def merged_ticket_ids(ticket_id: int, db: BaseDBAsyncClient | None = None) -> list[int]:
    """The tickets that were merged into a ticket, directly or through others."""
    found: list[int] = []
    level = [ticket_id]
    while level:
        merges = TicketMerge.filter(target_id__in=level)
        merges = merges.using_db(db) if db else merges
        level = [int(str(key)) for key in await merges.values_list("ticket_id", flat=True)]
        found += level
    return found
