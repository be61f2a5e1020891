"""The description of a backup, with the state of the database when it was made."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import orjson

from models.database.migrations import migration_names
from operations.backup.encryption import BackupError

FORMAT = 1
# Each returns one row: what is compared after a restoration.
SELECT_AUDIT_END = "SELECT last_sequence, last_hash FROM audit_chain WHERE id = 1"
SELECT_COUNTERS = "SELECT series, last_position FROM counter ORDER BY series"
SELECT_STREAMS = "SELECT COUNT(*), COALESCE(SUM(last_sequence), 0) FROM stream"
SELECT_MIGRATIONS = "SELECT name FROM tortoise_migrations WHERE app = 'models' ORDER BY name"


@dataclass(frozen=True)
class Heads:
    """The state of a database: the end of its audit log as `NUMBER:HASH`, the last number of each
    series of invoices and journal, and the number of streams with the sum of their ends.
    """

    audit: str
    counters: dict[str, int]
    streams: tuple[int, int]

    @classmethod
    def of_rows(
        cls, audit: Iterable[Any], counters: Iterable[Iterable[Any]], streams: Iterable[Any]
    ) -> "Heads":
        """Create the heads from the rows of SELECT_AUDIT_END, SELECT_COUNTERS and
        SELECT_STREAMS.
        """
        sequence, hash_ = audit
        stream_count, event_count = streams
        positions = {str(series): int(position) for series, position in counters}
        return cls(f"{sequence}:{hash_}", positions, (int(stream_count), int(event_count)))


@dataclass(frozen=True)
class Snapshot:
    """What a copy of a database is a copy of: the kind of database (`sqlite` or `postgres`) and its
    version, the last migration, and the heads.
    """

    database: str
    database_version: str
    migration: str
    heads: Heads


@dataclass(frozen=True)
class Manifest:
    """The contents of `manifest.json`: when the backup was made and by which version of this
    program, whether it contains the stored files, and what the database is a copy of.
    """

    created_at: datetime
    version: str
    has_files: bool
    database: str
    database_version: str
    migration: str
    heads: Heads

    def encode(self) -> bytes:
        """The manifest as JSON."""
        fields = {"format": FORMAT, **asdict(self)}
        return orjson.dumps(fields, option=orjson.OPT_INDENT_2)

    @classmethod
    def decode(cls, content: bytes) -> "Manifest":
        """Parse the JSON of `encode`. Raises BackupError for another format."""
        try:
            fields = orjson.loads(content)
            if fields.pop("format") != FORMAT:
                raise BackupError("the backup was made by a newer version: restore it with that")
            heads = fields.pop("heads")
            return cls(
                **fields | {"created_at": datetime.fromisoformat(fields["created_at"])},
                heads=Heads(heads["audit"], heads["counters"], tuple(heads["streams"])),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BackupError("the backup's manifest.json can't be read") from None

    def require_known_migration(self) -> None:
        """Raise BackupError when the database is newer than this program."""
        if self.migration not in migration_names():
            raise BackupError(
                f"the backup was made by version {self.version}, whose migration {self.migration} "
                f"this version doesn't have: restore it with that version or a later one"
            )
