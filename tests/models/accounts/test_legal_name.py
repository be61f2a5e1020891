"""P1.1: whether two spellings name the same company."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.accounts.legal_name import comparable_name, has_plain_characters, is_same_name


@pytest.mark.parametrize(
    ("requested_name", "registered_name"),
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
def test_p1_1_case_accents_and_legal_form_make_no_difference(
    requested_name: str, registered_name: str
) -> None:
    assert is_same_name(requested_name, registered_name)
    assert is_same_name(registered_name, requested_name)


@pytest.mark.parametrize(
    ("requested_name", "registered_name"),
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
def test_p1_1_different_names_do_not_match(requested_name: str, registered_name: str) -> None:
    assert not is_same_name(requested_name, registered_name)
    assert not is_same_name(registered_name, requested_name)


@pytest.mark.parametrize(
    "name",
    ["Établissements Lefèvre & Fils", "L’Été, S.A. (n° 2)", "Dupont – Œuvres", "ŁÓDŹ", "E\u0301TE"],
)
def test_p1_1_usual_spellings_have_plain_characters(name: str) -> None:
    assert has_plain_characters(name)


@pytest.mark.parametrize(
    "name", ["𝐃upont", "Ｄupont", "Dupont ²", "Du\u0337pont", "Dupont 🎁", "Dupont\u20dd", "ﬁn"]
)
def test_p1_1_lookalike_characters_are_not_plain(name: str) -> None:
    assert not has_plain_characters(name)


WORD = st.text(
    st.characters(categories=["Lu", "Ll", "Nd"], max_codepoint=0x17F), min_size=1, max_size=8
)


@given(
    st.lists(WORD, min_size=1, max_size=4),
    st.sampled_from(["upper", "lower", "title", "swapcase"]),
    st.sampled_from("-',. "),
)
def test_p1_1_case_and_separators_make_no_difference(
    words: list[str], case: str, separator: str
) -> None:
    """P1.1: a name as people write it matches the same name in capitals with spaces, as in a
    register.
    """
    name = " ".join(words)
    assert is_same_name(name, getattr(f"{separator} ".join(words), case)()) is bool(
        comparable_name(name).words
    )


@given(st.text(max_size=40), st.text(max_size=40))
def test_p1_1_the_comparison_is_symmetric_and_accepts_any_text(name: str, other_name: str) -> None:
    assert is_same_name(name, other_name) == is_same_name(other_name, name)
    if is_same_name(name, other_name):
        assert comparable_name(name).words == comparable_name(other_name).words


@given(st.text(min_size=1, max_size=40))
def test_p1_1_a_name_with_words_matches_itself(name: str) -> None:
    assert is_same_name(name, name) is bool(comparable_name(name).words)
