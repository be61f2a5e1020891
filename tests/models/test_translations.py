"""Texts for people: complete in French, with French typography, and safe whatever the values
are.
"""

import ast
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from babel.messages.pofile import read_po
from jinja2 import Environment

import cli
from models.billing.money import Money
from models.errors import CommonErrorCode, NotFound, Refusal, Throttled, message_for
from models.locale import Locale
from models.translations import (
    FOLDER,
    Translatable,
    _,
    _n,
    _p,
    day,
    duration,
    extraction,
    install,
    text,
)
from resolvers.enums import ERROR_CODES
from tests.log_capture import production_logs

FR, EN = Locale.FR, Locale.EN
_COMMON_WORDS = (
    "the of your you and is are not this that with for to from has have can must by at an"
)
ENGLISH_WORDS = set(_COMMON_WORDS.split())


def test_every_text_is_translated() -> None:
    """Complete, none unused, none fuzzy, each in its domain, with the placeholders of its
    source.
    """
    assert list(extraction.problems()) == []


def test_french_is_typeset_as_french() -> None:
    errors = {
        french: problems
        for french in map(_without_placeholders, _french())
        if (problems := _typographic_errors(french))
    }
    assert errors == {}


def test_french_has_one_word_for_one_thing() -> None:
    """`entreprise`, since associations are customers too, and the headings of the FAQ."""
    other_words = re.compile(r"(?i)votre société|«\s?mes (?:demandes|messages|tickets)")
    assert [each for each in _french() if other_words.search(each)] == []


def _french() -> list[str]:
    strings = [message.string for _, _, message in extraction.entries(FR)]
    return [
        each for string in strings for each in ([string] if isinstance(string, str) else string)
    ]


def _typographic_errors(french: str) -> list[str]:
    words = set(re.findall(r"[a-z]+", re.sub("«.*?»", "", french.lower())))
    checks = {
        "straight apostrophe or quotes": re.search("['\"]", french),
        "no no-break space before : or »": re.search(r"[^\u00a0][:»](?!//|\d)", french),
        "no narrow no-break space before ; ? or !": re.search(r"[^\u202f][;?!]", french),
        "no no-break space after «": re.search("«[^\u00a0]", french),
        "several spaces, or some at the ends": re.search(r"\s{2}|^\s|\s$", french),
        "name of an enum value": re.search(r"\b[A-Z]+_[A-Z_]+\b", french),
        "English words": words & ENGLISH_WORDS,
        "three dots for an ellipsis": "..." in french,
    }
    return [name for name, problem in checks.items() if problem]


@pytest.mark.parametrize(
    "french",
    [
        "l'eau",
        "Quoi ?",
        "Quoi?",
        "« oui\u00a0»",
        "«\u00a0oui »",
        "un  mot",
        "ON_HOLD",
        "Voir the page",
        "Non...",
        "oui ",
    ],
)
def test_typographic_errors_in_french_are_found(french: str) -> None:
    assert len(_typographic_errors(french)) == 1


def test_english_is_typeset_as_english() -> None:
    texts = [text for _, key, _ in extraction.entries(FR) for text in (key.english, key.plural)]
    assert [text for text in texts if re.search(r"['\"\u00a0]|\s{2}|^\s|\s$", text)] == []


def _without_placeholders(template: str) -> str:
    return re.sub(r"%\(\w+\)s", "x", template)


def test_values_are_formatted_for_the_language() -> None:
    message = _("From %(since)s, %(count)s times")
    values: dict[str, Any] = {"since": date(2026, 11, 1), "count": 12_500}
    assert text(message, EN, **values) == "From 1 November 2026, 12,500 times"
    assert text(message, FR, **values) == "From 1er novembre 2026, 12\u202f500 times"
    amount = _("Total: %(total)s")
    assert text(amount, EN, total=Money(3_480)) == "Total: €34.80"
    assert text(amount, FR, total=Money(3_480)) == "Total: 34,80\u00a0€"


def test_values_that_are_texts_are_translated_and_lists_joined() -> None:
    solved, closed = _p("ticket status", "solved"), _p("ticket status", "closed")
    message = _("This ticket is %(status)s. It can only become %(legal)s.")
    assert (
        text(message, EN, status=solved, legal=[closed])
        == "This ticket is solved. It can only become closed."
    )
    sentence = text(message, FR, status=solved, legal=[solved, closed])
    assert sentence == "Cette demande est résolue. Elle peut seulement devenir résolue ou close."


def test_a_plural_form_matches_its_count() -> None:
    message = _n("%(count)s file", "%(count)s files")
    assert [text(message, EN, count=count) for count in (0, 1, 2)] == [
        "0 files",
        "1 file",
        "2 files",
    ]


@pytest.mark.parametrize("value", ["%(code)s", "%s", "{0.__class__}", "%%", "<b>"])
def test_values_are_never_interpreted(value: str) -> None:
    assert text(_("Hello %(name)s"), FR, name=value) == f"Hello {value}"


def test_an_unknown_text_is_its_own_translation() -> None:
    assert text(Translatable("Nobody translates this: 5 %%"), FR) == "Nobody translates this: 5 %"


@pytest.mark.parametrize(
    ("seconds", "french", "english"),
    [
        (0, "1\u00a0seconde", "1 second"),
        (90, "90\u00a0secondes", "90 seconds"),
        (120, "2 minutes", "2 minutes"),
        (121, "3 minutes", "3 minutes"),
        (7_201, "3\u00a0heures", "3 hours"),
        (172_800, "2\u00a0jours", "2 days"),
    ],
)
def test_durations_are_rounded_up(seconds: int, french: str, english: str) -> None:
    assert (duration(timedelta(seconds=seconds), FR), duration(timedelta(seconds=seconds), EN)) == (
        french,
        english,
    )


def test_dates_are_written_in_words() -> None:
    assert [day(date(2026, 11, n), FR) for n in (1, 2, 11)] == [
        "1er novembre 2026",
        "2 novembre 2026",
        "11 novembre 2026",
    ]
    assert day(date(2026, 11, 1), EN) == "1 November 2026"


def test_templates_use_the_same_catalogues_and_escape_values() -> None:
    environment = Environment(autoescape=True)
    install(environment)
    template = environment.from_string(
        "{% trans %}This SIREN isn’t valid.{% endtrans %} {% trans %}Hi {{ name }}{% endtrans %}"
    )
    assert (
        template.render(locale="fr", name="<b>") == "Ce numéro SIREN n’est pas valide. Hi &lt;b&gt;"
    )
    assert template.render(locale="en", name="x") == "This SIREN isn’t valid. Hi x"


def test_errors_are_in_the_readers_language() -> None:
    refusal = Refusal(CommonErrorCode.TOO_LONG, "input", "name", length=200)
    assert (message_for(refusal, EN), message_for(refusal, FR)) == (
        "Use at most 200 characters.",
        "Ne dépassez pas 200 caractères.",
    )
    assert message_for(Throttled(45), FR) == "Trop de tentatives. Réessayez dans 45\u00a0secondes."
    assert message_for(NotFound(), EN) == message_for(
        Refusal(CommonErrorCode.NOT_FOUND, "input", "ticketId"), EN
    )


def test_every_refusal_fills_its_placeholders() -> None:
    """Each call of Refusal with a code whose message has placeholders gives their values, or a
    message of its own.
    """
    codes = [code for enum in ERROR_CODES for code in enum]
    placeholders = {
        code.name: set(re.findall(r"%\((\w+)\)s", code.message.english)) for code in codes
    }
    calls = 0
    for path in [path for path in extraction.source_files() if path.suffix == ".py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "Refusal"
            ):
                code = node.args[0]
                arguments = {keyword.arg for keyword in node.keywords}
                if isinstance(code, ast.Attribute) and "message" not in arguments:
                    calls += 1
                    assert placeholders[code.attr] <= arguments, (path, node.lineno)
    assert calls > 50


def test_updating_keeps_translations_adds_new_texts_and_drops_unused_ones(tmp_path: Path) -> None:
    extraction.update_catalogues(tmp_path)
    assert all(problem.endswith("is not translated") for problem in extraction.problems(tmp_path))
    catalogue = tmp_path / "fr" / "support.po"
    translation = catalogue.read_text(encoding="utf-8").replace(
        'closed"\nmsgstr ""', 'closed"\nmsgstr "close"'
    )
    catalogue.write_text(
        f'{translation}\nmsgid "Nobody says this."\nmsgstr "Personne."\n', encoding="utf-8"
    )
    assert "fr/support.po: 'Nobody says this.' is not used" in set(extraction.problems(tmp_path))
    extraction.update_catalogues(tmp_path)
    with catalogue.open("rb") as file:
        strings = {message.id: message.string for message in read_po(file)}
    assert strings["closed"] == "close"
    assert "Nobody says this." not in strings


@pytest.mark.parametrize(("problems", "status"), [([], 0), (["fr/common.po: 'Save' is fuzzy"], 1)])
def test_the_command_lists_the_problems(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    problems: list[str],
    status: int,
) -> None:
    monkeypatch.setattr(extraction, "problems", lambda: problems)
    with production_logs():  # the command configures them for the whole process
        assert cli.main(["messages", "--check"]) == status
    assert capsys.readouterr().err == "".join(f"error: {problem}\n" for problem in problems)


def test_problems_state_the_translation_and_its_error(tmp_path: Path) -> None:
    extraction.update_catalogues(tmp_path)
    catalogue = tmp_path / "fr" / "common.po"
    content = catalogue.read_text(encoding="utf-8")
    content = content.replace(
        'at most %(length)s characters."\nmsgstr ""',
        'at most %(length)s characters."\nmsgstr "%(longueur)s"',
    )
    content = content.replace(
        'msgid "This value isn’t valid."\nmsgstr ""',
        '#, fuzzy\nmsgid "This value isn’t valid."\nmsgstr "x"',
    )
    catalogue.write_text(content, encoding="utf-8")
    (tmp_path / "fr" / "content.po").write_text(
        'msgid "This field can’t be blank."\nmsgstr "x"\n', encoding="utf-8"
    )
    problems = set(extraction.problems(tmp_path))
    assert "fr/common.po: 'Use at most %(length)s characters.' has other placeholders" in problems
    assert "fr/common.po: 'This value isn’t valid.' is fuzzy" in problems
    assert "fr/content.po: 'This field can’t be blank.' belongs to common" in problems


@pytest.mark.parametrize(
    ("file", "domain"),
    [
        ("billing/checkout.py", "billing"),
        ("models/support/tickets.py", "support"),
        ("schema/accounts.py", "accounts"),
        ("mail/templates/billing/invoice_issued.jinja", "billing"),
        ("auth/passwords.py", "identity"),
        ("web/page.py", "common"),
    ],
)
def test_a_file_belongs_to_the_domain_that_its_path_names(file: str, domain: str) -> None:
    assert extraction.domain_of(file) == domain


def test_no_compiled_catalogue_is_kept() -> None:
    assert list(FOLDER.rglob("*.mo")) == []
