"""The full-text index of tickets: the stems of each subject, message and note.

SQLite searches it by an FTS5 table, PostgreSQL by a GIN index over the text-search vector. Both are
created by the migration, and contain the stems that models/stemming.py computes. The index is
filled by a job (support/search.py), so posting a message doesn't wait for it.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from tortoise import fields
from tortoise.models import Model

from models.database.sql import dialect, fetch_records
from models.errors import BadInput
from models.stemming import stem
from models.support.message import Message
from models.support.note import Note
from models.text import fold_text
from models.translations import _

if TYPE_CHECKING:
    from models.support.ticket import Ticket
    from models.viewer import Viewer

MAX_LENGTH, MAX_WORDS = 200, 10
MAX_JOINED_LENGTH = 40  # characters of a word that is found without its punctuation
MAX_TICKETS = 1_000  # that a search finds: those with the most recent numbers


class SearchEntry(Model):
    """The stems of a ticket's subject, of a message or of a note. Those of notes are `internal`, so
    that customers don't find them.
    """

    id = fields.BigIntField(primary_key=True)
    ticket: fields.ForeignKeyRelation["Ticket"] = fields.ForeignKeyField(
        "models.Ticket", related_name=False, db_index=True
    )
    message: fields.OneToOneNullableRelation[Message] = fields.OneToOneField(
        "models.Message", null=True, related_name=False
    )
    note: fields.OneToOneNullableRelation[Note] = fields.OneToOneField(
        "models.Note", null=True, related_name=False
    )
    internal = fields.BooleanField()
    stems = fields.TextField()

    ticket_id: int

    class Meta:
        table = "search_entry"


class _Word(NamedTuple):
    """The stems of a word's parts, and that of the word without the punctuation that divides it."""

    stems: tuple[str, ...]
    joined: str | None


def stems_of(text: str) -> list[str]:
    """The stems of the words of a text, in their order."""
    return [each for word in text.split() for each in _analyse(word).stems]


def indexed_stems(text: str) -> str:
    """What the index contains for a text: its stems and, for words with punctuation in them, also
    the stems without it, so that `email` finds `e-mail`.
    """
    words = [_analyse(word) for word in _words(text)]
    stems = [each for word in words for each in word.stems]
    return " ".join([*stems, *(word.joined for word in words if word.joined)])


def _words(text: str) -> list[str]:
    """The words of a text. In French, an apostrophe separates two words: `l’e-mail`."""
    return text.replace("’", " ").replace("'", " ").split()


def _analyse(word: str) -> _Word:
    return _cached_word(word) if len(word) <= _CACHED_LENGTH else _new_word(word)


_CACHED_LENGTH = 30


@lru_cache(maxsize=10_000)  # most words of a message occurred in earlier ones
def _cached_word(word: str) -> _Word:
    return _new_word(word)


def _new_word(word: str) -> _Word:
    parts = fold_text(word).split()
    is_joined = len(parts) > 1 and len(word) <= MAX_JOINED_LENGTH
    return _Word(tuple(map(stem, parts)), stem("".join(parts)) if is_joined else None)


_MATCH = {
    "sqlite": "e.id IN (SELECT rowid FROM search_entry_fts WHERE search_entry_fts MATCH ?)",
    "postgres": "to_tsvector('simple', e.stems) @@ to_tsquery('simple', ?)",
}
_TERM = {"sqlite": '"{}"*', "postgres": "{}:*"}
_AND = {"sqlite": " AND ", "postgres": " & "}
_OR = {"sqlite": " OR ", "postgres": " | "}


async def search_tickets(viewer: "Viewer", search: str) -> list[int]:
    """The keys of the tickets that the viewer may see and that contain every word of the search,
    the last one also as a prefix. Customers find nothing by notes. Raises BadInput for a search
    that is too long.
    """
    words = dict.fromkeys(
        parts for word in _words(search[: MAX_LENGTH + 1]) if (parts := tuple(stems_of(word)))
    )
    if len(search) > MAX_LENGTH or sum(map(len, words)) > MAX_WORDS:
        message = _("“%(argument)s” can have at most %(maximum)s words.")
        raise BadInput("search", message, maximum=MAX_WORDS)
    if not words or not (viewer.is_agent or viewer.support_account_id is not None):
        return []
    condition, params = _conditions(viewer, [_expression(parts) for parts in words])
    records = await fetch_records(
        f"SELECT t.id FROM ticket t WHERE {condition} ORDER BY t.id DESC LIMIT {MAX_TICKETS}",  # noqa: S608 - our own texts
        *params,
    )
    return [int(record[0]) for record in records]


def _expression(parts: tuple[str, ...]) -> str:
    """The full-text expression for a word of a search: all parts that punctuation divides it into,
    or the word without its punctuation.
    """
    terms = [_TERM[dialect()].format(part) for part in parts]
    if len(parts) == 1:
        return terms[0]
    joined = _TERM[dialect()].format(stem("".join(parts)))
    return f"({_AND[dialect()].join(terms)}){_OR[dialect()]}{joined}"


def _conditions(viewer: "Viewer", expressions: list[str]) -> tuple[str, list[object]]:
    """The SQL conditions of a search, and their parameters."""
    public = "" if viewer.is_agent else " AND NOT e.internal"
    conditions = [
        f"t.id IN (SELECT e.ticket_id FROM search_entry e WHERE {_MATCH[dialect()]}{public})"  # noqa: S608 - our own texts
    ] * len(expressions)
    params: list[object] = list(expressions)
    if not viewer.is_agent:
        conditions.append("t.account_id = ?")
        params.append(viewer.support_account_id or 0)
    return " AND ".join(conditions), params
