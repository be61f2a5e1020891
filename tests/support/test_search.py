"""The stems that a search compares."""

import pytest

from models.support.search_entry import stems_of


@pytest.mark.parametrize(
    "words",
    [
        "facture factures Factures",
        "payer payé payée payées payez payés",
        "journal journaux",
        "actuel actuelle actuels actuelles",
        "bloqué bloquée bloquer",
        "email emails",
        "déjà deja DÉJÀ",
    ],
)
def test_forms_of_a_word_have_the_same_stem(words: str) -> None:
    assert len(set(stems_of(words))) == 1


@pytest.mark.parametrize("words", ["carte cas", "jour jours-là", "prix prise", "as à", "2026 202"])
def test_other_words_keep_apart(words: str) -> None:
    assert len(set(stems_of(words))) > 1
