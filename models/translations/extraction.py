"""Keep the catalogues up to date with the texts in code and templates: `python -m cli messages`,
and a test.

A text belongs to the domain that its file's path names (`billing/checkout.py`,
`mail/templates/billing/invoice_issued.jinja`), and is common when no domain is named there, or when
files of several domains use it.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from models.locale import Locale
from models.translations import FOLDER

ROOT = FOLDER.parents[1]
LANGUAGES = tuple(locale for locale in Locale if locale is not Locale.EN)
COMMON = "common"
DOMAINS = (
    "identity",
    "accounts",
    "content",
    "billing",
    "support",
    "privacy",
    "analytics",
    "operations",
)
_DOMAIN_OF_LAYER = {"auth": "identity"}
_EXCLUDED_FOLDERS = {"bench", "bin", "docs", "migrations", "node_modules", "seed", "tests", "var"}
_PLURAL, _CONTEXT = (1, 2), ((1, "c"), 2)
_KEYWORDS = {
    "_": None,
    "_n": _PLURAL,
    "_p": _CONTEXT,
    "gettext": None,
    "ngettext": _PLURAL,
    "pgettext": _CONTEXT,
}
_EXTRACTION_METHODS: dict[str, Any] = {
    ".py": "python",
    ".html": babel_extract,
    ".jinja": babel_extract,
}
_OPTIONS = {"trimmed": "true", "silent": "false"}
_PLACEHOLDER = re.compile(r"%\(\w+\)s|%%|%")
_HEADER = """\
msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plural}\\n"
"""


class Key(NamedTuple):
    """The key of a text: the English text, its plural and its context, which are empty when it has
    none.
    """

    english: str
    plural: str
    context: str


def update_catalogues(folder: Path = FOLDER) -> None:
    """Rewrite the catalogues: new texts are added untranslated, unused ones are removed, and moved
    ones keep their translation.
    """
    sources = source_texts()
    for language in LANGUAGES:
        (folder / language.value).mkdir(parents=True, exist_ok=True)
        translations = {key: message.string for _, key, message in entries(language, folder)}
        for domain in (COMMON, *DOMAINS):
            _write(
                folder / language.value / f"{domain}.po",
                language,
                sources.get(domain, {}),
                translations,
            )


def problems(folder: Path = FOLDER) -> Iterator[str]:
    """The problems of the catalogues, one sentence each: missing, unused, fuzzy, misplaced, or with
    different placeholders.
    """
    domains = {key: domain for domain, keys in source_texts().items() for key in keys}
    for language in LANGUAGES:
        catalogue = list(entries(language, folder))
        for domain, key, message in catalogue:
            for problem in _entry_problems(key, message, domain, domains.get(key)):
                yield f"{language.value}/{domain}.po: {key.english!r} {problem}"
        for key in domains.keys() - {key for _, key, _ in catalogue}:
            yield f"{language.value}/{domains[key]}.po: {key.english!r} is missing"


def _entry_problems(
    key: Key, message: Any, domain: str, expected_domain: str | None
) -> Iterator[str]:
    forms = [message.string] if isinstance(message.string, str) else list(message.string)
    if expected_domain is None:
        yield "is not used"
    elif expected_domain != domain:
        yield f"belongs to {expected_domain}"
    if message.fuzzy:
        yield "is fuzzy"
    if not all(forms):
        yield "is not translated"
    elif not _has_same_placeholders(key, forms):
        yield "has other placeholders"


@cache
def source_texts() -> dict[str, dict[Key, list[str]]]:
    """The English texts by domain, each with the files that use it."""
    paths: defaultdict[Key, list[str]] = defaultdict(list)
    for path in source_files():
        for key in _keys(path):
            paths[key].append(path.relative_to(ROOT).as_posix())
    sources: defaultdict[str, dict[Key, list[str]]] = defaultdict(dict)
    for key, files_ in paths.items():
        domains = {domain_of(file) for file in files_}
        sources[domains.pop() if len(domains) == 1 else COMMON][key] = sorted(set(files_))
    return dict(sources)


def entries(language: Locale, folder: Path = FOLDER) -> Iterator[tuple[str, Key, Any]]:
    """Each entry of a language's catalogues: its domain, its key, and Babel's message. An obsolete
    entry counts as unused.
    """
    for path in sorted((folder / language.value).glob("*.po")):
        with path.open("rb") as file:
            catalogue = read_po(file, language.value)
        for message in [*catalogue, *catalogue.obsolete.values()]:
            if message.id:
                yield path.stem, _key(message.id, message.context), message


def domain_of(file: str) -> str:
    """The domain that a path from the root names, else `common`."""
    for part in Path(file).with_suffix("").parts:
        if part in DOMAINS or part in _DOMAIN_OF_LAYER:
            return _DOMAIN_OF_LAYER.get(part, part)
    return COMMON


def source_files() -> Iterator[Path]:
    """Our own code and templates."""
    for path in sorted(ROOT.iterdir()):
        if path.is_dir() and path.name not in _EXCLUDED_FOLDERS and not path.name.startswith("."):
            yield from (
                file for file in sorted(path.rglob("*")) if file.suffix in _EXTRACTION_METHODS
            )
        elif path.suffix == ".py":
            yield path


def _keys(path: Path) -> Iterator[Key]:
    content = path.read_bytes()
    if b"_(" in content or b"_n(" in content or b"_p(" in content or path.suffix != ".py":
        for _, english, _, context in extract(
            _EXTRACTION_METHODS[path.suffix], BytesIO(content), _KEYWORDS, options=_OPTIONS
        ):
            yield _key(english, context)


def _key(english: Any, context: str | None) -> Key:
    singular, plural = english if isinstance(english, list | tuple) else (english, "")
    return Key(singular, plural, context or "")


def _has_same_placeholders(key: Key, forms: list[str]) -> bool:
    """Whether each form has its source's placeholders. A singular form may say the number in a
    word.
    """
    *_, plural = forms
    allowed = [_placeholders(key.english), _placeholders(key.plural or key.english)]
    return _placeholders(plural) == allowed[1] and all(
        _placeholders(form) in allowed for form in forms
    )


def _placeholders(template: str) -> list[str]:
    return sorted(_PLACEHOLDER.findall(template))


def _write(
    path: Path, language: Locale, keys: dict[Key, list[str]], translations: dict[Key, Any]
) -> None:
    catalogue = Catalog(language.value)
    for key, paths in sorted(keys.items(), key=lambda item: item[1]):
        catalogue.add(
            (key.english, key.plural) if key.plural else key.english,
            translations.get(key, ""),
            locations=[(file, 0) for file in paths],
            context=key.context or None,
        )
    buffer = BytesIO()
    write_po(buffer, catalogue, width=120, omit_header=True, include_lineno=False)
    header = _HEADER.format(language=language.value, plural=catalogue.plural_forms)
    path.write_text(f"{header}\n{buffer.getvalue().decode().strip()}\n", encoding="utf-8")
