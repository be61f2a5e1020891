"""Which agents are present: those with at least one device connected to one of the processes."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model

from models.database.sql import execute, fetch_records
from models.identity.user import User

LEASE = timedelta(seconds=30)
# Their devices reconnect within seconds, and each time that an access token expires.
LINGER = timedelta(seconds=10)
# From the end of an agent's last lease until their chats go to others.
GRACE_PERIOD = timedelta(seconds=30)
_KEPT = timedelta(hours=1)
_BATCH_SIZE = 500


class AgentPresence(Model):
    """The lease of one agent's connections to one process."""

    id = fields.BigIntField(primary_key=True)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name=False
    )
    process = fields.CharField(max_length=16)
    expires_at: datetime = fields.DatetimeField(db_index=True)

    user_id: int

    class Meta:
        table = "agent_presence"
        unique_together = (("user", "process"),)


async def store_leases(process: str, leases: Mapping[int, datetime]) -> None:
    """Store until when each of these agents is present in a process."""
    ordered_leases = sorted(leases.items())  # so that two processes never deadlock
    for start in range(0, len(ordered_leases), _BATCH_SIZE):
        batch = ordered_leases[start : start + _BATCH_SIZE]
        rows = ", ".join(["(?, ?, ?)"] * len(batch))
        await execute(
            f"INSERT INTO agent_presence (user_id, process, expires_at) VALUES {rows} "  # noqa: S608 - places
            "ON CONFLICT (user_id, process) DO UPDATE SET expires_at = excluded.expires_at",
            *(value for user_id, expires_at in batch for value in (user_id, process, expires_at)),
        )


async def delete_old_leases(at: datetime) -> None:
    """Delete the leases that ended a while ago."""
    await AgentPresence.filter(expires_at__lt=at - _KEPT).delete()


async def present_agent_ids(
    user_ids: list[int], at: datetime, db: BaseDBAsyncClient | None = None
) -> set[int]:
    """Which of these people have a lease that ends after this time."""
    if not user_ids:
        return set()
    places = ", ".join("?" * len(user_ids))
    records = await fetch_records(
        f"SELECT DISTINCT user_id FROM agent_presence WHERE user_id IN ({places}) "  # noqa: S608 - places
        "AND expires_at > ?",
        *user_ids,
        at,
        db=db,
    )
    return {record[0] for record in records}
