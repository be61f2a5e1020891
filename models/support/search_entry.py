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
# Numbers of tickets, for a search in PostgreSQL.
_SAMPLE = 1_000
_FREQUENT = 0.05  # the share of tickets with a word from which on texts are compared
_NEWER = 50_000


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
    find = _indexed if dialect() == "sqlite" else _newest_first
    return await find(viewer, list(words))


async def _newest_first(viewer: "Viewer", words: list[tuple[str, ...]]) -> list[int]:
    """PostgreSQL's index finds all tickets with a word, which may be most of a million. So the
    texts of the newest tickets are compared, if a sample of them says that this finds enough.
    Otherwise the index is read, for agents in newer tickets first.
    """
    compare = _compared if viewer.is_agent else _compared_of_company
    for newest in (_SAMPLE, int(MAX_TICKETS / _FREQUENT)):
        found = await compare(viewer, words, newest)
        if len(found) == MAX_TICKETS or not await _has_more_tickets(viewer, newest):
            return found
        if len(found) < _FREQUENT * newest:
            break
    if viewer.is_agent:
        found = await _indexed(viewer, words, _NEWER)
        if len(found) == MAX_TICKETS:
            return found
    return await _indexed(viewer, words)


async def _compared(viewer: "Viewer", words: list[tuple[str, ...]], newest: int) -> list[int]:
    """The matching tickets among the `newest` ones, without the index, for agents."""
    comparisons, params = _comparisons(words)
    records = await fetch_records(
        "SELECT e.ticket_id FROM search_entry e"  # noqa: S608 - our own texts
        f" WHERE e.ticket_id > (SELECT MAX(id) - ? FROM ticket) AND ({' OR '.join(comparisons)})"
        f" GROUP BY e.ticket_id HAVING {_all_met(comparisons)}"
        f" ORDER BY e.ticket_id DESC LIMIT {MAX_TICKETS}",
        *(newest, *params, *params),
    )
    return [int(record[0]) for record in records]


async def _compared_of_company(
    viewer: "Viewer", words: list[tuple[str, ...]], newest: int
) -> list[int]:
    """The same for the viewer's company. The entries of each ticket are searched, from the newest
    ticket on: the LIMIT keeps the planner from joining the tables, which would read all entries.
    """
    comparisons, params = _comparisons(words)
    records = await fetch_records(
        "WITH own AS MATERIALIZED (SELECT id FROM ticket WHERE account_id = ?)"  # noqa: S608 - our own texts
        " SELECT t.id FROM (SELECT id FROM own ORDER BY id DESC LIMIT ?) t"
        f" WHERE (SELECT {_all_met(comparisons)} FROM search_entry e"
        f" WHERE e.ticket_id = t.id AND NOT e.internal) LIMIT {MAX_TICKETS}",
        *(viewer.support_account_id or 0, newest, *params),
    )
    return [int(record[0]) for record in records]


def _comparisons(words: list[tuple[str, ...]]) -> tuple[list[str], list[str]]:
    """SQL conditions on an entry for each word, and their parameters."""
    params = [f" {each}" for parts in words for each in (*parts, *_joined(parts))]
    return [f"({_comparison(parts)})" for parts in words], params


def _all_met(comparisons: list[str]) -> str:
    """SQL for whether each condition is met by one of the entries of a ticket."""
    return " AND ".join(f"BOOL_OR{each}" for each in comparisons)


def _comparison(parts: tuple[str, ...]) -> str:
    """SQL for what the full-text expression of a word means: each stem is the start of one."""
    starts = "STRPOS(' ' || e.stems, ?) > 0"
    return " OR ".join([" AND ".join([starts] * len(parts)), *([starts] * len(_joined(parts)))])


async def _has_more_tickets(viewer: "Viewer", number: int) -> bool:
    """Whether there are more tickets that the viewer may see."""
    condition, params = (
        ("TRUE", []) if viewer.is_agent else ("account_id = ?", [viewer.support_account_id or 0])
    )
    statement = f"SELECT id FROM ticket WHERE {condition} LIMIT 1 OFFSET ?"  # noqa: S608 - our own texts
    return bool(await fetch_records(statement, *params, number))


async def _indexed(
    viewer: "Viewer", words: list[tuple[str, ...]], newest: int | None = None
) -> list[int]:
    """The matching tickets, by the index: of all, or of the newest ones. The entries with a word
    are found before anything else: PostgreSQL expects many, and would rather read the tickets from
    the newest on until it has enough.
    """
    condition = f"{_MATCH[dialect()]}{'' if viewer.is_agent else ' AND NOT e.internal'}"
    if newest is not None:
        condition += f" AND e.ticket_id > (SELECT MAX(id) - {newest} FROM ticket)"  # noqa: S608 - our own texts
    entries = f"AS MATERIALIZED (SELECT e.ticket_id FROM search_entry e WHERE {condition})"  # noqa: S608 - our own texts
    names = [f"word{index}" for index in range(len(words))]
    params: list[object] = list(map(_expression, words))
    tickets = [f"SELECT ticket_id FROM {name}" for name in names]  # noqa: S608 - our own names
    if not viewer.is_agent:
        tickets.append("SELECT id FROM ticket WHERE account_id = ?")
        params.append(viewer.support_account_id or 0)
    records = await fetch_records(
        f"WITH {', '.join(f'{name} {entries}' for name in names)}"  # noqa: S608 - our own texts
        f" SELECT ticket_id FROM ({' INTERSECT '.join(tickets)}) AS found"
        f" GROUP BY ticket_id ORDER BY ticket_id DESC LIMIT {MAX_TICKETS}",
        *params,
    )
    return [int(record[0]) for record in records]


def _expression(parts: tuple[str, ...]) -> str:
    """The full-text expression for a word of a search: all parts that punctuation divides it into,
    or the word without its punctuation.
    """
    terms = [_TERM[dialect()].format(part) for part in parts]
    joined = [_TERM[dialect()].format(each) for each in _joined(parts)]
    return _OR[dialect()].join([f"({_AND[dialect()].join(terms)})", *joined])


def _joined(parts: tuple[str, ...]) -> list[str]:
    """The stem of a word without the punctuation that divides it."""
    return [stem("".join(parts))] if len(parts) > 1 else []
