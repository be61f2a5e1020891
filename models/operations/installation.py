"""What an installation knows about itself: the secret key that it was set up with, and whether it
is a copy that must not send anything.

A restored backup contains emails that have been sent since, payments that have been settled and
erasures that have been done. A server that starts on it would do all of that again. So the row
records the identity of the database in which it was written. In a copy made by pg_restore, or by
SQLite's VACUUM INTO or backup, the identity is another one, and external jobs are held
until an operator releases them. Copies of PostgreSQL's files, such as snapshots, have the same
identity; there an operator holds the jobs before the server starts.
"""

import asyncio
import os
from datetime import datetime
from secrets import token_hex

from tortoise import fields
from tortoise.models import Model

from models.action import Action
from models.database.sql import dialect, execute, fetch_records
from models.operations.audit_actions import OperationsAuditAction

_CREATE = "INSERT INTO installation (id) VALUES (1) ON CONFLICT (id) DO NOTHING"
# With the timeline of the server's log, which another server that takes over begins anew.
_POSTGRES_EPOCH = """SELECT epoch, substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS timeline
    FROM installation WHERE id = 1"""
_EPOCH = "SELECT epoch FROM installation WHERE id = 1"
_HELD = "SELECT 1 FROM installation WHERE id = 1 AND held_at IS NOT NULL"
_POSTGRES_IDENTITY = """SELECT system_identifier AS server,
    'installation'::regclass::oid AS relation,
    (SELECT oid FROM pg_database WHERE datname = current_database()) AS database
    FROM pg_control_system()"""


class Installation(Model):
    """The single row of an installation. key_fingerprint identifies its secret key,
    database_identity the database in which it was written. While held_at is set, jobs that reach
    outside don't run. `reference` tells other parties' servers this installation from others that
    use the same account there, and is kept by copies. `epoch` is the stored part of the streams'
    epoch. `backed_up_at` is when the last backup that was finished began.
    """

    id = fields.IntField(primary_key=True)
    key_fingerprint = fields.CharField(max_length=64, null=True)
    database_identity = fields.CharField(max_length=100, null=True)
    held_at: datetime | None = fields.DatetimeField(null=True)
    reference = fields.CharField(max_length=16, null=True)
    epoch = fields.CharField(max_length=16, null=True)
    backed_up_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "installation"

    @classmethod
    async def current(cls) -> "Installation":
        """The row, which is created when it is missing."""
        await execute(_CREATE)
        return await cls.get(pk=1)

    @classmethod
    async def current_reference(cls) -> str:
        """The reference, which is chosen at random when it is missing."""
        await cls.current()
        await cls.filter(pk=1, reference=None).update(reference=token_hex(8))
        return str((await cls.get(pk=1)).reference)

    @classmethod
    async def stream_epoch(cls) -> str:
        """The epoch of the streams: as long as it is the same, they have only got longer. A new one
        begins when a backup is restored, when an operator holds the jobs, and on PostgreSQL when a
        standby takes over or the server is recovered to an earlier time.
        """
        statement = _POSTGRES_EPOCH if dialect() == "postgres" else _EPOCH
        rows = await execute(statement)
        if not rows or rows[0]["epoch"] is None:
            await cls.current()
            await cls.filter(pk=1, epoch=None).update(epoch=token_hex(8))
            rows = await execute(statement)
        return "-".join(rows[0].values())

    @classmethod
    async def is_held(cls) -> bool:
        """Whether external jobs must not run."""
        # Not built by the ORM: some ten jobs ask each second.
        return bool(await fetch_records(_HELD))

    @classmethod
    async def recognize_database(cls, action: Action) -> bool:
        """Hold the jobs when this database is a copy. Returns whether they are held now."""
        installation, identity = await cls.current(), await _database_identity()
        if installation.database_identity is None:
            await cls.filter(pk=1).update(database_identity=identity)
        elif installation.database_identity != identity:
            await cls.hold(action)
        return await cls.is_held()

    @classmethod
    async def record_backup(cls, at: datetime) -> None:
        """Record that a backup which began at this time was finished."""
        await execute(_CREATE)
        await cls.filter(pk=1).update(backed_up_at=at)

    @classmethod
    async def record_migration(cls, was_recognized: bool) -> None:
        """Record the identity after a migration, because migrating changes that of an SQLite
        file.
        """
        if was_recognized:
            await execute(_CREATE)
            await cls.filter(pk=1).update(database_identity=await _database_identity())

    @classmethod
    async def hold(cls, action: Action) -> None:
        """Stop the external jobs, in all processes, and start a new epoch of the streams, for this
        may be a copy from which events are missing.
        """
        installation = await cls.current()
        await cls.filter(pk=1).update(epoch=token_hex(8))
        if installation.held_at is None:
            async with action.transaction() as tx:
                await cls.filter(pk=1).using_db(tx.db).update(held_at=action.at)
                tx.audit(OperationsAuditAction.INSTALLATION_HOLD)

    @classmethod
    async def release(cls, action: Action) -> None:
        """Let the jobs run again, and recognize this database from now on."""
        identity = await _database_identity()
        async with action.transaction() as tx:
            await cls.filter(pk=1).using_db(tx.db).update(held_at=None, database_identity=identity)
            tx.audit(OperationsAuditAction.INSTALLATION_RELEASE)

    @classmethod
    async def is_recognized(cls) -> bool:
        """Whether the row was written in this database, or in no database so far."""
        # The columns of later migrations may be missing.
        rows = await execute("SELECT database_identity FROM installation WHERE id = 1")
        identity = rows[0]["database_identity"] if rows else None
        return identity in (None, await _database_identity())


async def _database_identity() -> str:
    if dialect() == "postgres":
        (row,) = await execute(_POSTGRES_IDENTITY)
        return "postgres:{server}:{database}:{relation}".format(**row)
    (file,) = [row["file"] for row in await execute("PRAGMA database_list") if row["seq"] == 0]
    (row,) = await execute("PRAGMA schema_version")  # VACUUM INTO increments it
    return f"sqlite:{(await asyncio.to_thread(os.stat, file)).st_ino}:{row['schema_version']}"
