"""Which articles may answer a text, such as a ticket that somebody is writing.

Articles are scored by the stems that they share with the text: more for a stem that few articles
have, and for one in the title or the summary. The library is small, so its stems are kept in
memory, until an article changes. The text isn't stored.
"""

import math
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from tortoise.functions import Count, Max

from models.content.article import Article
from models.content.stop_words import STOP_WORDS
from models.identity.user import User
from models.locale import Locale
from models.stemming import stem
from models.support.message import Message
from models.support.ticket import Ticket
from models.text import fold_text

MAX_LENGTH = 8_200  # of a text: a subject and a message
MAX_STEMS = 60
_LATEST_MESSAGES = 3  # of a ticket, by which articles are suggested to agents
_TITLE, _SUMMARY, _BODY = 4.0, 2.0, 1.0  # how much a stem counts there
_MIN_SHARE = 0.2  # of what the whole text would score, so that one common word suggests nothing


@dataclass(frozen=True)
class _Index:
    """The weight of each stem in each article of one language."""

    version: tuple[int, datetime | None]
    weights: dict[int, dict[str, float]]
    rarity: dict[str, float]


_indexes: dict[Locale, _Index] = {}


async def suggest(text: str, locale: Locale, count: int) -> list[int]:
    """The keys of the published articles that may answer a text, best first."""
    stems = _stems(text[:MAX_LENGTH])[:MAX_STEMS]
    if not stems:
        return []
    index = await _index(locale)
    known = [each for each in stems if each in index.rarity]
    best_score = sum(index.rarity[each] * _TITLE for each in known)
    scores = {
        key: sum(index.rarity[each] * weights.get(each, 0) for each in known)
        for key, weights in index.weights.items()
    }
    good = [key for key, score in scores.items() if score > best_score * _MIN_SHARE]
    return sorted(good, key=lambda key: (-scores[key], key))[:count]


async def _index(locale: Locale) -> _Index:
    published = Article.filter(published_at__not_isnull=True)
    found = await published.annotate(count=Count("id"), latest=Max("updated_at")).values(
        "count", "latest"
    )
    version = (int(found[0]["count"]), found[0]["latest"])
    index = _indexes.get(locale)
    if index is None or index.version != version:
        index = _indexes[locale] = _build(version, await published, locale)
    return index


def _build(version: tuple[int, datetime | None], articles: list[Article], locale: Locale) -> _Index:
    weights = {}
    for article in articles:
        texts = article.text(locale)
        found = dict.fromkeys(_stems(texts["body"]), _BODY)
        found |= dict.fromkeys(_stems(texts["summary"]), _SUMMARY)
        weights[article.pk] = found | dict.fromkeys(_stems(texts["title"]), _TITLE)
    frequencies = Counter(each for found in weights.values() for each in found)
    rarity = {
        each: math.log(1 + len(weights) / frequency) for each, frequency in frequencies.items()
    }
    return _Index(version, weights, rarity)


def _stems(text: str) -> list[str]:
    """The different stems of a text, without those of words that say nothing."""
    words = (word for word in fold_text(text).split() if word not in STOP_WORDS)
    return list(dict.fromkeys(stem(word) for word in words))


async def suggest_for_ticket(ticket: Ticket, count: int) -> list[int]:
    """The keys of the published articles that may answer a ticket: by its subject and what the
    customer wrote last, in the requester's language.
    """
    messages = Message.filter(ticket_id=ticket.pk, from_staff=False, deleted_at=None)
    latest = await messages.order_by("-sequence").limit(_LATEST_MESSAGES)
    text = "\n".join([ticket.subject, *(message.body for message in latest)])
    requester = await User.get(pk=ticket.requester_id)
    return await suggest(text, requester.locale, count)
