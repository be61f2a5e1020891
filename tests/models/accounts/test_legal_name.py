"""P1.1: whether two spellings name the same company."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.accounts.legal_name import comparable_name, has_plain_characters, same_name


@pytest.mark.parametrize(
    ("asked", "registered"),
    [
        ("Le Fournil d'Aubry", "LE FOURNIL D AUBRY"),
        ("Établissements Lefèvre & Fils", "ETABLISSEMENTS LEFEVRE ET FILS"),
        ("Cœur d’Artisan", "COEUR D ARTISAN"),
        ("Le Fournil d'Aubry SARL", "LE FOURNIL D'AUBRY"),
        ("S.A.R.L. Le Fournil d'Aubry", "LE FOURNIL D'AUBRY"),
        ("SARL Dupont", "DUPONT SARL"),
        ("Dupont EURL", "DUPONT SARL"),
        ("Dupont, société par actions simplifiée", "DUPONT SAS"),
        ("Dupont SASU", "SOCIETE PAR ACTIONS SIMPLIFIEE DUPONT"),
        ("Jean-Pierre Martin", "JEAN PIERRE MARTIN"),
        ("J.P. Martin", "JP MARTIN"),
        ("SA", "S.A."),
        ("Ayşe Kılıç", "AYSE KILIC"),
    ],
)
def test_p1_1_case_accents_and_legal_form_make_no_difference(asked: str, registered: str) -> None:
    assert same_name(asked, registered)
    assert same_name(registered, asked)


@pytest.mark.parametrize(
    ("asked", "registered"),
    [
        ("Le Fournil d'Aubry", "LE FOURNIL"),
        ("Dupont SARL", "DUPONT SAS"),
        ("Dupont & Fils", "DUPONT FILS"),
        ("SARL", "SAS"),
        ("SARL", "DUPONT SARL"),
        ("", ""),
        ("!!!", "???"),
        ("Sasha", "HA"),
        ("Sci-fi", "FI"),
        ("Dupont 2", "DUPONT"),
        ("Ｄupont Ⅳ", "DUPONT V"),
    ],
)
def test_p1_1_another_name_is_another_name(asked: str, registered: str) -> None:
    assert not same_name(asked, registered)
    assert not same_name(registered, asked)


@pytest.mark.parametrize(
    "name", ["Établissements Lefèvre & Fils", "L’Été, S.A. (n° 2)", "Dupont – Œuvres", "ŁÓDŹ", "E\u0301TE"]
)
def test_p1_1_a_name_as_one_writes_it_prints_plainly(name: str) -> None:
    assert has_plain_characters(name)


@pytest.mark.parametrize("name", ["𝐃upont", "Ｄupont", "Dupont ²", "Du\u0337pont", "Dupont 🎁", "Dupont\u20dd", "ﬁn"])
def test_p1_1_what_is_compared_as_another_word_than_it_shows_does_not(name: str) -> None:
    assert not has_plain_characters(name)


WORD = st.text(st.characters(categories=["Lu", "Ll", "Nd"], max_codepoint=0x17F), min_size=1, max_size=8)


@given(
    st.lists(WORD, min_size=1, max_size=4), st.sampled_from(["upper", "lower", "title", "swapcase"]), st.sampled_from("-',. ")
)
def test_p1_1_spelling_never_matters(words: list[str], case: str, between: str) -> None:
    """P1.1, whatever the words: as one writes them, and as a register does in capitals with blanks."""
    name = " ".join(words)
    assert same_name(name, getattr(f"{between} ".join(words), case)()) is bool(comparable_name(name).words)


@given(st.text(max_size=40), st.text(max_size=40))
def test_p1_1_the_comparison_is_symmetric_and_never_fails(one: str, other: str) -> None:
    assert same_name(one, other) == same_name(other, one)
    if same_name(one, other):
        assert comparable_name(one).words == comparable_name(other).words


@given(st.text(min_size=1, max_size=40))
def test_p1_1_a_name_matches_itself_or_holds_no_word(name: str) -> None:
    assert same_name(name, name) is bool(comparable_name(name).words)
