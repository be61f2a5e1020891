"""The content of a new installation is complete, in two languages, and not copied."""

import re
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

import pytest

from seed.content import (
    PARIS,
    ArticleContent,
    ArticleText,
    OfferText,
    demonstration_articles,
    offers,
)

SHINGLE_WORDS = 8  # words

# One line per paragraph of the public FAQ: its promise, its subject, and the article that answers
# it.
FAQ_COVERAGE = [
    ("P1.1", "company name", "change-company-name"),
    ("P1.2", "pause or deletion", "pause-or-delete-account"),
    ("P1.3", "e-mail address", "change-email-address"),
    ("P2.4", "automatic invoices", "invoices-by-email"),
    ("P2.2", "purchase", "buy-an-offer"),
    ("P2.1", "details of an offer", "read-an-offer"),
    ("P2.5", "payment without access", "billed-without-access"),
    ("P2.1", "range of offers", "offers-for-small-firms"),
    ("P2.3", "means of payment", "means-of-payment"),
    ("P3.1", "cards", "manage-payment-methods"),
    ("P3.2", "dispute", "dispute-an-invoice"),
    ("P3.3", "billing address", "change-billing-address"),
    ("P3.4", "history of transactions", "find-past-invoices"),
    ("P3.5", "security of payments", "payment-security"),
    ("P3.6", "anniversary", "billing-date"),
    ("P3.7", "late payment", "late-payment"),
    ("P4.1", "RGPD", "gdpr-rights"),
    ("P4.2", "purposes and consent", "use-of-personal-data"),
    ("P4.3", "second factor and passwords", "strengthen-security"),
    ("P4.4", "privacy policy", "privacy-policy"),
    ("P4.5", "data breach", "report-data-breach"),
    ("P5.1", "channels", "contact-support"),
    ("P5.2", "past exchanges", "support-history"),
    ("P5.3", "daily board", "follow-a-request"),
    ("P5.4", "escalation", "escalate-a-problem"),
    ("P5.5", "live chat", "use-live-chat"),
    ("P5.6", "answer times", "answer-times"),
    ("P5.7", "library", "resource-library"),
    ("P4.5", "data breach, repeated under support", "report-data-breach"),
    ("P5.8", "scope of technical support", "technical-support-scope"),
]
IMPLIED_COVERAGE = [("P1.4", "several people in one company", "invite-colleagues")]
PROMISES = {
    f"P{part}.{n}" for part, last in enumerate((4, 5, 7, 5, 8), 1) for n in range(1, last + 1)
}

FIGURES = [
    ("answer-times", "24 à 48 heures", "24 to 48 hours"),
    ("contact-support", "de 9 h à 18 h", "9:00 to 18:00"),
    ("strengthen-security", "12 à 128 caractères", "12 to 128 characters"),
    (
        "billing-date",
        "31 janvier 2027 → 28 février → 31 mars",
        "31 January 2027 → 28 February → 31 March",
    ),
    ("late-payment", "télécharger vos factures", "download your invoices"),
    ("late-payment", "jour 14 | services suspendus", "day 14 | services are suspended"),
    ("report-data-breach", "72 heures", "72-hour"),
    ("read-your-invoice", "33,87 € HT, soit 6,77 €", "€33.87 net, and €6.77"),
]

ARTICLES = {each.slug: each for each in demonstration_articles()}
TEXTS = [
    pytest.param(text, id=f"{each.slug}.{language}")
    for each in ARTICLES.values()
    for language, text in (("fr", each.fr), ("en", each.en))
]
FRENCH_TEXTS = [pytest.param(each.fr, id=each.slug) for each in ARTICLES.values()]


@pytest.mark.parametrize(("promise", "subject", "slug"), FAQ_COVERAGE)
def test_each_faq_paragraph_has_its_article(promise: str, subject: str, slug: str) -> None:
    assert ARTICLES[slug].kind == "FAQ", f"{promise}, {subject}"


def test_each_promise_to_customers_is_answered() -> None:
    assert {promise for promise, _, _ in FAQ_COVERAGE + IMPLIED_COVERAGE} == PROMISES


def test_the_library_has_articles_of_every_kind() -> None:
    kinds = Counter(each.kind for each in ARTICLES.values())
    assert kinds["FAQ"] >= len({slug for _, _, slug in FAQ_COVERAGE + IMPLIED_COVERAGE})
    assert min(kinds["GUIDE"], kinds["VIDEO"], kinds["WEBINAR"]) >= 3


@pytest.mark.parametrize(("slug", "french", "english"), FIGURES)
def test_articles_state_the_right_figures(slug: str, french: str, english: str) -> None:
    assert french in ARTICLES[slug].fr.body.replace("\N{NO-BREAK SPACE}", " ")
    assert english in ARTICLES[slug].en.body


@pytest.mark.parametrize("text", FRENCH_TEXTS)
def test_nothing_is_copied_from_the_faq(text: ArticleText) -> None:
    faq_hashes = faq_shingles()
    assert [
        words
        for words, digest in shingles(f"{text.title} {text.summary} {text.body}")
        if digest in faq_hashes
    ] == []


def faq_shingles() -> set[bytes]:
    """Four-byte hashes of all sequences of eight words in the FAQ, whose text we may not
    publish.
    """
    hashes = b64decode(Path(__file__).with_name("faq_shingles.txt").read_text())
    return {hashes[at : at + 4] for at in range(0, len(hashes), 4)}


def shingles(text: str) -> Iterator[tuple[str, bytes]]:
    words = re.findall(r"\w+", text.lower())
    for start in range(len(words) - SHINGLE_WORDS + 1):
        sequence = " ".join(words[start : start + SHINGLE_WORDS])
        yield sequence, blake2b(sequence.encode(), digest_size=4).digest()


def test_a_copied_sentence_is_detected() -> None:
    copied_sentence = "Un agent de support sera disponible pour répondre"
    assert [digest in faq_shingles() for _, digest in shingles(copied_sentence)] == [True]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_have_a_readable_length(text: ArticleText) -> None:
    assert 80 <= len(text.body.split()) <= 250
    assert len(text.title) <= 80
    assert len(text.summary) <= 120


@pytest.mark.parametrize("text", TEXTS)
def test_links_resolve(text: ArticleText) -> None:
    targets = re.findall(r"\]\(([^)]*)\)", text.body)
    assert [target for target in targets if target.removeprefix("/articles/") not in ARTICLES] == []
    assert all(target.startswith("/articles/") for target in targets)


@pytest.mark.parametrize("slug", ARTICLES)
def test_both_languages_have_the_same_structure(slug: str) -> None:
    assert outline(ARTICLES[slug].fr.body) == outline(ARTICLES[slug].en.body)


def outline(body: str) -> list[str]:
    """The Markdown structure: links, list items, table rows and quotes, in order."""
    return re.findall(r"(?m)^(?:\d\.|-|\||>)|/articles/[\w-]+", body)


@pytest.mark.parametrize("text", FRENCH_TEXTS)
def test_texts_follow_french_typography(text: ArticleText) -> None:
    french = f"{text.title}\n{text.summary}\n{text.body}"
    assert re.findall(r".{9} [:;?!»]|« .{9}|\w'\w.{9}|\d [€%]", french) == []


def test_titles_are_unique() -> None:
    for language in ("fr", "en"):
        titles = Counter(getattr(each, language).title for each in ARTICLES.values())
        assert titles.most_common(1)[0][1] == 1


def test_transcripts_fit_their_duration() -> None:
    for video in (each for each in ARTICLES.values() if each.kind == "VIDEO"):
        assert video.duration_seconds is not None
        assert video.media == f"videos/{video.slug.removeprefix('video-')}"
        for text in (video.fr, video.en):
            assert 90 <= len(text.body.split()) * 60 / video.duration_seconds <= 170


def webinars() -> list[ArticleContent]:
    return sorted((each for each in ARTICLES.values() if each.webinar), key=lambda each: each.slug)


@pytest.mark.parametrize("installed_on", [date(2026, 12, day) for day in range(1, 8)])
def test_webinars_are_on_a_future_working_day(installed_on: date) -> None:
    for each in webinars():
        assert each.webinar is not None
        start = each.webinar.start_time(installed_on)
        assert start.weekday() < 5
        assert 9 <= start.hour < 18
        assert 0 <= (start.date() - installed_on).days - each.webinar.starts_in_days <= 2


def test_a_webinar_keeps_its_local_time_when_clocks_change() -> None:
    webinar = ARTICLES["webinar-e-invoicing"].webinar
    assert webinar is not None
    assert webinar.start_time(date(2027, 3, 15)) == datetime(2027, 4, 12, 14, 0, tzinfo=PARIS)
    assert webinar.start_time(date(2027, 3, 13)).isoformat() == "2027-04-12T14:00:00+02:00"


def test_each_segment_has_three_offers_with_rising_prices() -> None:
    for segment in ("TPE", "PME"):
        prices = [each.monthly_net_cents for each in offers() if each.segment == segment]
        assert len(prices) == 3
        assert all(low < high for low, high in pairwise(prices))
    assert {2900, 7900} <= {each.monthly_net_cents for each in offers()}


def test_prices_and_trials_follow_the_texts() -> None:
    for each in offers():
        assert each.yearly_net_cents == 10 * each.monthly_net_cents
        assert each.vat_basis_points == 2000
        assert each.trial_days in {0, 14, 30}


def test_offers_have_the_same_content_in_both_languages() -> None:
    for each in offers():
        assert each.fr.name == each.en.name
        assert content_counts(each.fr) == content_counts(each.en)
        assert 4 <= len(each.fr.features) <= 6
        assert 2 <= len(each.fr.advantages) <= 4


def content_counts(text: OfferText) -> tuple[int, int, int]:
    sentences = len(re.findall(r"[.?!](?= |$)", text.description))
    assert 2 <= sentences <= 4
    return sentences, len(text.features), len(text.advantages)


def test_the_library_names_every_offer() -> None:
    for text in (ARTICLES["offers-for-small-firms"].fr, ARTICLES["offers-for-small-firms"].en):
        assert [each.slug for each in offers() if f"*{each.fr.name}*" not in text.body] == []
