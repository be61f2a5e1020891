"""Rows that a search finds by their names: what it looks through follows the names whenever a row is saved."""

from collections.abc import Iterable
from typing import ClassVar

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model


class Searched(Model):
    """A row with a column `searched`, made of `sought_in`. An UPDATE that changes one of these must set it itself."""

    sought_in: ClassVar[frozenset[str]]
    searched: str | None

    class Meta:
        abstract = True

    @property
    def sought(self) -> str:
        """What a search looks through."""
        raise NotImplementedError  # each kind of row has its own

    async def save(
        self,
        using_db: BaseDBAsyncClient | None = None,
        update_fields: Iterable[str] | None = None,
        force_create: bool = False,
        force_update: bool = False,
    ) -> None:
        """Save the row, what is searched included."""
        fields = None if update_fields is None else {*update_fields}
        if fields is None or fields & self.sought_in:
            self.searched = self.sought
            fields = fields and fields | {"searched"}
        await super().save(using_db, fields, force_create, force_update)
