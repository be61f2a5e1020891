"""Stems of French words, so that a search finds a word in its other forms: plural, feminine, and
the common forms of verbs.

A light stemmer like J. Savoy's ("Light stemming approaches for the French, Portuguese, German and
Hungarian languages", 2006): it removes endings by rules, without a dictionary. Words are folded
first (`models.text.fold_text`), so accents don't matter. Both databases store the same stems, which
is why this isn't left to PostgreSQL's dictionary: SQLite has none. English plurals work as well.
"""

MIN_STEM = 3


def stem(word: str) -> str:
    """The stem of a folded word. A word with digits is its own stem."""
    if len(word) <= MIN_STEM or not word.isalpha():
        return word
    if word.endswith("aux") and not word.endswith("eaux") and len(word) > MIN_STEM + 2:
        return word[:-2] + "l"  # travaux, travail is another matter; journaux, journal
    for endings in ("sx", "rz", "e", "e"):  # the order in which endings follow each other
        if word[-1] in endings and len(word) > MIN_STEM and _may_drop(word):
            word = word[:-1]
    if len(word) > MIN_STEM and word[-1] == word[-2]:
        word = word[:-1]  # actuelle, actuel
    return word


def _may_drop(word: str) -> bool:
    return word[-1] not in "rz" or word[-2] == "e"  # payer, payez; but not jour
