"""An Atom feed (RFC 4287) of the changes on a status board."""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from lxml import etree

from models.locale import Locale
from models.support.classification import CATEGORY_LABELS
from models.support.ticket_status import CUSTOMER_LABELS
from models.translations import _, text
from support.status_board import StatusChange

_NAMESPACE = "http://www.w3.org/2005/Atom"
_PREFIXES: Any = {None: _NAMESPACE}
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_AUTHOR = "CAMCHA"


def build_feed(
    *,
    url: str,
    feed_url: str,
    title: str,
    updated: datetime,
    locale: Locale,
    changes: Sequence[StatusChange],
) -> bytes:
    """The feed as XML. An entry never changes, so that readers show each of them once."""
    feed = etree.Element(f"{{{_NAMESPACE}}}feed", nsmap=_PREFIXES)
    feed.set(_LANGUAGE, locale.value)
    _add(feed, "id", _tag(url, sha256(url.encode()).hexdigest()[:16]))
    _add(feed, "title", f"{title} – {_AUTHOR}")
    _add(feed, "updated", _timestamp(updated))
    _add(feed, "link", rel="self", type="application/atom+xml", href=feed_url)
    _add(feed, "link", rel="alternate", type="text/html", href=url)
    _add(_add(feed, "author"), "name", _AUTHOR)
    for change in changes:
        _add_entry(feed, url, change, locale)
    return etree.tostring(feed, xml_declaration=True, encoding="utf-8")


def _add_entry(feed: etree._Element, url: str, change: StatusChange, locale: Locale) -> None:
    item, entry = _add(feed, "entry"), change.entry
    values = {"number": entry.number, "status": CUSTOMER_LABELS[entry.status]}
    _add(item, "id", _tag(url, f"{entry.number}/{entry.day.isoformat()}"))
    _add(item, "title", text(_("%(number)s: %(status)s"), locale, **values))
    _add(item, "updated", _timestamp(change.as_of))
    _add(item, "published", _timestamp(change.as_of))
    _add(item, "link", rel="alternate", type="text/html", href=f"{url}?day={entry.day.isoformat()}")
    summary = text(
        _("%(category)s, opened on %(opened)s, updated on %(updated)s."),
        locale,
        category=CATEGORY_LABELS[entry.category],
        opened=entry.opened_on,
        updated=entry.updated_on,
    )
    _add(item, "summary", summary)


def _add(parent: etree._Element, name: str, value: str = "", **attributes: str) -> etree._Element:
    child = etree.SubElement(parent, f"{{{_NAMESPACE}}}{name}", attributes)
    child.text = value or None
    return child


def _tag(url: str, name: str) -> str:
    """An ID that stays the same even if the link is replaced (RFC 4151)."""
    return f"tag:{urlsplit(url).hostname},2026:status-board/{name}"


def _timestamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
