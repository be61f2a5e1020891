"""Texts for people: English is written in the code, French in `fr/*.po`, one catalogue per
domain.

A text is declared once, at import time, with `_` (or `_n` where it depends on a number, `_p` where
English is ambiguous), and rendered when its reader is known, with `text`. Templates use `{% trans
%}` instead; `install` gives it the same catalogues.

Placeholders are `%(name)s` everywhere, and a percent sign is written `%%`. The text is always
one of ours, and `%` can't access attributes, so a value can only be displayed.

After changing a text run `python -m cli messages`, then translate what it adds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from io import BytesIO
from pathlib import Path

from babel.dates import format_date
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations
from babel.units import format_unit
from jinja2 import Environment, pass_context
from jinja2.runtime import Context

from models.billing.money import Money
from models.clock import PARIS
from models.locale import Locale

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Translatable:
    """An English text that can be rendered in every language. `plural` and `context` are empty when
    it has none.
    """

    english: str
    plural: str = ""
    context: str = ""


def _(english: str) -> Translatable:
    """Declare a text."""
    return Translatable(english)


def _n(singular: str, plural: str) -> Translatable:
    """Declare a text whose form depends on the value `count`."""
    return Translatable(singular, plural)


def _p(context: str, english: str) -> Translatable:
    """Declare a text whose translation depends on where it appears; the context is a note to
    translators.
    """
    return Translatable(english, context=context)


def text(message: Translatable, locale: Locale, **values: object) -> str:
    """The message in a language, with its placeholders filled.

    Values that are texts themselves are translated, sequences of texts become "a, b or c", dates,
    durations, amounts and numbers are written as that language writes them; everything else appears
    as `str` gives it.
    """
    template = _translate(message, translations(locale), values.get("count"))
    return template % {name: _format_value(value, locale) for name, value in values.items()}


def _translate(message: Translatable, catalogue: NullTranslations, count: object) -> str:
    if message.plural:
        assert isinstance(count, int), "a text with a plural needs a count"  # noqa: S101
        return catalogue.ngettext(message.english, message.plural, count)
    if message.context:
        return str(catalogue.pgettext(message.context, message.english))
    return catalogue.gettext(message.english)


def _format_value(value: object, locale: Locale) -> str:
    match value:
        case Translatable():
            return text(value, locale)
        case list() | tuple():
            return format_list([_format_value(item, locale) for item in value], "or", locale.value)
        case date():
            return day(value, locale)
        case timedelta():
            return duration(value, locale)
        case Money():
            return value.formatted(locale.value)
        case int():
            return format_decimal(value, locale=locale.value)
    return str(value)


def day(date_: date, locale: Locale) -> str:
    """A day in words: `1er novembre 2026` in French, `1 November 2026` in English."""
    if locale is Locale.EN:
        return format_date(date_, "d MMMM y", locale="en_GB")
    french = format_date(date_, "d MMMM y", locale="fr_FR")
    return f"1er{french[1:]}" if date_.day == 1 else french


def time_of_day(at: datetime, locale: Locale) -> str:
    """The time in Europe/Paris: `14:05`, in French `14 h 05`."""
    time = at.astimezone(PARIS)
    return (
        f"{time:%H:%M}"
        if locale is Locale.EN
        else f"{time.hour}\N{NO-BREAK SPACE}h\N{NO-BREAK SPACE}{time:%M}"
    )


def duration(delta: timedelta, locale: Locale) -> str:
    """A time to wait, rounded up, in the largest unit of which there are at least two: `45
    seconds`, `2 minutes`, `3 heures`.
    """
    seconds = max(1, math.ceil(delta.total_seconds()))
    unit, size = next((pair for pair in _UNITS if seconds >= 2 * pair[1]), ("second", 1))
    return format_unit(math.ceil(seconds / size), unit, locale=locale.value)


_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def install(environment: Environment) -> None:
    """Let `{% trans %}` of a Jinja environment translate into the language in its context's
    `locale`.
    """
    environment.add_extension("jinja2.ext.i18n")
    environment.policies["ext.i18n.trimmed"] = (
        True  # a text may run over several lines of its template
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined] # added by the extension
        _gettext, _ngettext, newstyle=True, pgettext=_pgettext
    )


@pass_context
def _gettext(context: Context, english: str) -> str:
    return translations(Locale(context["locale"])).gettext(english)


@pass_context
def _ngettext(context: Context, singular: str, plural: str, count: int) -> str:
    return translations(Locale(context["locale"])).ngettext(singular, plural, count)


@pass_context
def _pgettext(context: Context, message_context: str, english: str) -> str:
    return str(translations(Locale(context["locale"])).pgettext(message_context, english))


@cache
def translations(locale: Locale) -> NullTranslations:
    """All domains' catalogues of a language as one. English has none: a text is its own
    translation.
    """
    empty_translations = NullTranslations()
    paths = sorted((FOLDER / locale.value).glob("*.po"))
    return empty_translations if not paths else _merge(paths, locale)


def _merge(paths: Sequence[Path], locale: Locale) -> Translations:
    catalogue = _read(paths[0], locale)
    for path in paths[1:]:
        catalogue.merge(_read(path, locale))
    return catalogue


def _read(path: Path, locale: Locale) -> Translations:
    buffer = BytesIO()
    with path.open("rb") as file:
        write_mo(buffer, read_po(file, locale.value))
    buffer.seek(0)
    return Translations(buffer)
