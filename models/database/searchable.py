"""Models with a column for full-text search, which is kept up to date whenever a row is saved."""

from collections.abc import Iterable
from typing import ClassVar

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model


class Searchable(Model):
    """A model whose column `search_text` is derived from the columns in `searched_columns`.

    Saving a row updates it. A bulk UPDATE of one of these columns has to set `search_text` as well.
    """

    searched_columns: ClassVar[frozenset[str]]
    search_text: str | None

    class Meta:
        abstract = True

    def build_search_text(self) -> str:
        """Return the normalized text that a search is matched against."""
        raise NotImplementedError  # each model has its own

    async def save(
        self,
        using_db: BaseDBAsyncClient | None = None,
        update_fields: Iterable[str] | None = None,
        force_create: bool = False,
        force_update: bool = False,
    ) -> None:
        """Save the row, and update `search_text` if one of the columns it depends on is saved."""
        fields = None if update_fields is None else {*update_fields}
        if fields is None or fields & self.searched_columns:
            self.search_text = self.build_search_text()
            fields = fields and fields | {"search_text"}
        await super().save(using_db, fields, force_create, force_update)
