"""Find card numbers in text, so that they never reach the database (PCI DSS SAQ A).

What people write is full of long numbers, and one in ten has a card's check digit. A card number is
recognized by all of these:

- its first digits belong to an issuer, and it has one of that issuer's lengths (`_ISSUERS`);
- it is written without gaps, or in groups as on cards (`_GROUPINGS`);
- its groups are separated by what people and programs put there: spaces, dashes, bars, line breaks,
  Markdown (`_GAP`). Commas, letters, colons, plus signs and currencies separate numbers;
- it is not part of something else: an IBAN, an ISO 11649 reference, a SIRET, an EAN, a UUID, a
  decimal fraction, an identifier of letters and digits, a list of numbers, a column of prices, a
  table.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import stdnum.ean
import stdnum.fr.siren
import stdnum.iban
import stdnum.iso11649
from stdnum import luhn

_VISA, _LONG = (13, 16, 19), (16, 17, 18, 19)
# The first and the last prefix of a range, and its lengths: ISO/IEC 7812, and the issuers' tables.
_ISSUERS = [
    ("1800", "1800", (15,)),  # JCB
    ("2131", "2131", (15,)),  # JCB
    ("2200", "2204", _LONG),  # Mir
    ("2221", "2720", (16,)),  # Mastercard
    ("300", "305", (14, *_LONG)),  # Diners Club
    ("3095", "3095", (14, *_LONG)),  # Diners Club
    ("34", "34", (15,)),  # American Express
    ("3528", "3589", _LONG),  # JCB
    ("36", "36", (14, *_LONG)),  # Diners Club
    ("37", "37", (15,)),  # American Express
    ("38", "39", (14, *_LONG)),  # Diners Club
    ("4", "4", _VISA),
    ("50", "50", _LONG),  # Maestro, RuPay, Verve
    ("5018", "5018", (13, 15)),  # Maestro
    ("5020", "5020", (13, 15)),
    ("5038", "5038", (13, 15)),
    ("51", "55", (16,)),  # Mastercard
    ("56", "58", _LONG),  # Maestro
    ("5893", "5893", (13, 15)),
    ("60", "60", _LONG),  # Discover, RuPay, Hipercard
    ("62", "63", _LONG),  # UnionPay, Maestro
    ("6304", "6304", (13, 15)),
    ("644", "649", _LONG),  # Discover
    ("65", "65", _LONG),  # Discover, RuPay
    ("67", "67", _LONG),  # Maestro
    ("6759", "6763", (13, 15)),
    ("81", "82", (16,)),  # UnionPay, RuPay
    ("9792", "9792", (16,)),  # Troy
]
_LENGTHS = range(13, 20)
# How many digits each group has: without gaps, as on cards, with groups that run together.
_GROUPINGS = {(length,) for length in _LENGTHS} | {
    tuple(map(int, sizes.split("-")))
    for sizes in re.findall(
        r"\S+",
        "4-3-3-3 4-4-5 4-6-4 4-4-4-2 4-6-5 4-4-4-3 4-4-4-4 4-4-4-4-1 4-4-4-5 4-4-4-4-2 4-4-4-6 "
        "6-6-6 4-4-4-4-3 4-4-4-7 4-4-8 4-8-4 8-4-4 4-12 12-4 6-10 6-12 6-13",
    )
}

_INVISIBLE = (
    "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff"
    # Also what underlines, strikes through or frames a digit.
    "\u0300-\u036f\u20d0-\u20f0"
)
_DASHES = (
    "\\-\u02d7\u058a\u05be\u1400\u1806\u2010-\u2015\u2043\u207b\u208b\u2212\u23af\u2500\u2501\u2796"
    "\u2e17\u2e1a\u2e3a\u2e3b\u2e40\u2e5d\u301c\u3030\u30a0\ufe31\ufe32\ufe58\ufe63\uff0d"
    "\U00010ead\U00010d6e"
)
_BARS = "|\u00a6\u2016\u2223\u2225\u2502\u2503\u2551\u2758\uff5c\uffe4\uffe8"
_DOTS = ".\u00b7\u2023\u2024\u2027\u2219\u22c5\u25aa\u25cf\u25e6\u30fb\uff0e\uff61\uff65"
_SLASHES = "/\\\\\u2044\u2215\uff0f\uff3c"
_BLANKS = r"\s\u115f\u1160\u2800\u3164\uffa0"
_MARKDOWN = "*_`~\uff3f\uff0a"
_BREAK = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]|<br ?/?>")
_GAP = re.compile(
    rf"(?:[{_INVISIBLE}{_DASHES}{_BARS}{_DOTS}{_SLASHES}{_BLANKS}{_MARKDOWN}]"
    # One bullet: several stand for digits that are masked. And how emails quote a line.
    r"|(?<!\u2022)\u2022(?!\u2022)|(?<=[\n\r>])>|(?<=> )>"
    r"|&(?:nbsp|e[mn]sp|thinsp);|<br ?/?>){1,60}"
)
_KINDS = [re.compile(f"[{kind}]") for kind in (_DASHES, _BARS, _DOTS, _SLASHES)]
_DIGIT = re.compile(r"\d")
# Digits, which invisible characters don't interrupt.
_GROUP = re.compile(rf"\d+(?:[{_INVISIBLE}]+\d+)*")

# What a bank or a creditor numbers in groups of four.
_REFERENCE = re.compile(
    r"(?:(?<![^\W_])|(?<=IBAN))[A-Z]{2}\d{2}"
    r"(?:[ \t\r\n\u00a0\u2007\u2009\u202f.\u2010-\u2014-]{0,3}[A-Z0-9]{1,4}){1,12}",
    re.A | re.I,
)
_UUID = re.compile(r"(?<![^\W_])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![^\W_])", re.A | re.I)
_EXPIRY = re.compile(r"(?<!\d)(?<!\d[./-])(?:0[1-9]|1[0-2]) ?[/-] ?(?:\d{2}|20\d{2})(?![\d/.-])")
_CURRENCY = r"(?:[kM]?[€$£¥₣]|(?:k?EUR|USD|GBP|CHF|euros?|HT|TTC)\b|%)"
_PRECEDING_AMOUNT = re.compile(rf"{_CURRENCY}[\s]*$", re.I)
_FOLLOWING_AMOUNT = re.compile(rf"[\s]*(?:[.,]\d\d)?[\s]*{_CURRENCY}", re.I)
_PRICES = re.compile(
    rf"{_CURRENCY}|\b(?:prix|tarifs?|montants?|totals?|totaux|prices?|amounts?|chiffres?|figures"
    r"|ventes?|sales|recettes?|revenues?|d[ée]penses?|expenses|co[uû]ts?|costs?|loyers?|salaires?"
    r"|budgets?|quantit[ée]s?|stocks?)\b",
    re.I,
)
# What is numbered, before its number: companies, articles, parcels, devices, meters. A number of
# another length than theirs is a card's.
_IDENTIFIED = [
    (re.compile(rf"(?:{labels})\W*(?:(?:n[°ºo]?|num[ée]ro|number)\W*)?$", re.I), lengths)
    for labels, lengths in (
        ("siret|gtin|prm|pdl|pce", {14}),
        ("urssaf|suivi|colis|tracking", {13, 14, 17, 18, 19}),
        ("ean", {13}),
        ("sscc", {18}),
    )
]
_IMEISV = re.compile(r"imei(?:sv)?\W*(?:(?:n[°ºo]?|num[ée]ro|number)\W*)?$", re.I)
# What people write after a card's number without a space.
_CARD_DETAILS = re.compile(r"(?:exp|fin|val|date|cv[vc]|crypto)[^\W\d_]*\d", re.I)
_ACCOUNT = re.compile(r"(?<![^\W_])[A-Za-z]{2}\d\d[ \u00a0\u202f]$")
_CONTEXT_LENGTH = 80  # characters around a column of numbers
_ROW_LENGTH = 400  # characters of the rows above and below
_COLUMN = re.compile(rf"[\t{_BARS}]")


@dataclass(frozen=True)
class _Group:
    """A number without gaps, and its position in the text."""

    start: int
    end: int
    digits: str
    gap: str | None  # what separates it from the group before; None when something else does


def mask_card_numbers(text: str) -> str:
    """Replace each card number by dots and its last four digits."""
    while cards := _find_cards(text):
        parts, position = [], 0
        for start, end, last_four in cards:
            parts += [text[position:start], f"•••• {last_four}"]
            position = end
        text = "".join(parts) + text[position:]
    return text


def contains_card_number(text: str) -> bool:
    """Whether there is a card number in the text."""
    return bool(_find_cards(text))


def _find_cards(text: str) -> list[tuple[int, int, str]]:
    """The start, the end and the last four digits of each card number."""
    if len(_DIGIT.findall(text)) < _LENGTHS[0]:
        return []
    cards = []
    for run in _runs(text):
        windows = list(_windows(text, run))
        is_standalone_by_window = _have_few_other_numbers(run, windows)
        for window, is_standalone in zip(windows, is_standalone_by_window, strict=True):
            groups = run[window]
            if len(groups) == 1 or (is_standalone and _is_single_number(text, run, window)):
                digits = "".join(group.digits for group in groups)
                cards.append((groups[0].start, groups[-1].end, digits[-4:]))
    return cards


def _runs(text: str) -> Iterator[list[_Group]]:
    """The runs of numbers that only gaps separate, each as a list."""
    run: list[_Group] = []
    for group in _groups(text):
        if group.gap is None and run:
            yield run
            run = []
        run.append(group)
    if run:
        yield run


def _groups(text: str) -> Iterator[_Group]:
    excluded_spans = sorted(
        (
            *_references(text),
            *(match.span() for match in _UUID.finditer(text)),
            *(match.span() for match in _EXPIRY.finditer(text)),
        )
    )
    previous: int | None = None
    position = 0
    for match in _GROUP.finditer(text):
        start, end = match.span()
        while position < len(excluded_spans) and excluded_spans[position][1] <= start:
            position += 1
            previous = None
        if position < len(excluded_spans) and excluded_spans[position][0] < end:
            previous = None
            continue
        gap = text[previous : min(start, previous + 100)] if previous is not None else ""
        digits = "".join(str(unicodedata.decimal(c)) for c in match[0] if c.isdecimal())
        yield _Group(start, end, digits, gap if _GAP.fullmatch(gap) else None)
        previous = end


def _references(text: str) -> Iterator[tuple[int, int]]:
    """The positions of IBANs and ISO 11649 references: country or RF, and two check digits."""
    for match in _REFERENCE.finditer(text):
        for end in range(match.end(), match.start() + 4, -1):
            if not text[end : end + 1].isalnum() and _is_reference(text[match.start() : end]):
                yield match.start(), end
                break


def _is_reference(text: str) -> bool:
    characters = [c for c in text if c.isalnum()]
    digits = "".join(str(int(c, 36)) for c in (*characters[4:], *characters[:4]))
    if int(digits) % 97 != 1:  # ISO/IEC 7064; stdnum's own check takes ten times as long
        return False
    reference = "".join(characters)
    return bool(stdnum.iban.is_valid(reference) or stdnum.iso11649.is_valid(reference))


def _windows(text: str, run: Sequence[_Group]) -> Iterator[slice]:
    """The groups of a run that together make a number like a card's, one window after the other."""
    first = 0
    while first < len(run):
        window = _window_at(text, run, first)
        if window:
            yield window
        first = window.stop if window else first + 1


def _window_at(text: str, run: Sequence[_Group], first: int) -> slice | None:
    longest_window, digits, sizes = None, "", []
    # One by one only if nothing else is in the run.
    is_single = first == 0 and len(run) in _LENGTHS and {len(group.digits) for group in run} == {1}
    for stop in range(first + 1, min(len(run), first + (19 if is_single else 5)) + 1):
        digits += run[stop - 1].digits
        sizes.append(len(run[stop - 1].digits))
        if len(digits) > _LENGTHS[-1]:
            break
        if (
            (tuple(sizes) in _GROUPINGS or (is_single and stop == len(run)))
            and _has_issuer(digits)
            and luhn.is_valid(digits)
            and not _is_other_kind_of_number(text, run[first:stop], digits)
        ):
            longest_window = slice(first, stop)
    return longest_window


def _have_few_other_numbers(run: Sequence[_Group], windows: Sequence[slice]) -> list[bool]:
    """Whether there are at most two other numbers of four digits in a window's line, such as a
    year; with more of them it is a list.
    """
    lines, line = [], 0
    for group in run:
        line += _BREAK.search(group.gap or "") is not None
        lines.append(line)
    covered_indices = {index for window in windows for index in range(window.start, window.stop)}
    number_counts = Counter(
        lines[index]
        for index, group in enumerate(run)
        if index not in covered_indices and len(group.digits) == 4
    )
    return [
        number_counts[lines[window.start]] + number_counts[lines[window.stop - 1]] <= 2
        for window in windows
    ]


def _has_issuer(digits: str) -> bool:
    return any(
        low <= digits[: len(low)] <= high and len(digits) in lengths
        for low, high, lengths in _ISSUERS
    )


def _is_single_number(text: str, run: Sequence[_Group], window: slice) -> bool:
    """Whether the groups form one number, and not a column of a table or prices."""
    groups = run[window]
    start, end = groups[0].start, groups[-1].end
    gaps = [group.gap or "" for group in groups[1:]]
    if (
        not _is_uniform(gaps, single_digits=len(groups[0].digits) == 1)
        or _PRECEDING_AMOUNT.search(text[max(0, start - 20) : start])
        or _FOLLOWING_AMOUNT.match(text[end : end + 20])
    ):
        return False
    has_break = [_BREAK.search(gap) is not None for gap in gaps]
    if not any(has_break):
        return not (any(map(_COLUMN.search, gaps)) and _is_row_of_table(text, groups))
    # With numbers of the same size in the lines above or below, it is a table.
    if window.start and _continues(groups[0], run[window.start - 1], groups[0]):
        return False
    if run[window.stop :] and _continues(run[window.stop], groups[-1], run[window.stop]):
        return False
    return not (
        all(has_break)
        and _PRICES.search(text[max(0, start - _CONTEXT_LENGTH) : end + _CONTEXT_LENGTH])
    )


def _is_row_of_table(text: str, groups: Sequence[_Group]) -> bool:
    """Whether the line above or below has the same number of groups with the same lengths, also
    divided by tabs or bars, that aren't a card's.
    """
    gap = rf"[\s{_BARS}{_MARKDOWN}]{{1,20}}"
    row = re.compile(
        r"(?<!\d)" + gap.join(rf"(\d{{{len(group.digits)}}})" for group in groups) + r"(?!\d)"
    )
    start, end = groups[0].start, groups[-1].end
    above = text[max(0, start - _ROW_LENGTH) : start].splitlines()[:-1]
    below = text[end : end + _ROW_LENGTH].splitlines()[1:]
    neighbours = [*above[-2:], *below[:2]]  # a line between may divide them
    numbers = ("".join(match.groups()) for line in neighbours for match in row.finditer(line))
    return any(not (_has_issuer(number) and luhn.is_valid(number)) for number in numbers)


def _continues(lower_group: _Group, first_group: _Group, second_group: _Group) -> bool:
    """Whether two neighbouring groups are in different lines and have the same length."""
    return bool(_BREAK.search(lower_group.gap or "")) and len(first_group.digits) == len(
        second_group.digits
    )


def _is_uniform(gaps: Sequence[str], *, single_digits: bool) -> bool:
    """Whether the same punctuation divides all groups; a line break may replace it."""
    if single_digits:
        return len(set(gaps)) == 1 and not _BREAK.search(gaps[0])
    kinds = {tuple(bool(kind.search(gap)) for kind in _KINDS) for gap in gaps}
    if any(map(_BREAK.search, gaps)):
        kinds.discard((False,) * len(_KINDS))
    return len(kinds) <= 1


def _is_other_kind_of_number(text: str, window: Sequence[_Group], digits: str) -> bool:
    """Whether a number that looks like a card's is something else."""
    start, end = window[0].start, window[-1].end
    before = text[max(0, start - 30) : start]
    if before.endswith("+") and len(digits) <= 15:  # a telephone number
        return True
    if window[0].gap == "." and (len(window) == 1 or window[1].gap != "."):  # a fraction
        return True
    if len(window) == 1 and re.search(r"(?<![\d.,])0,$", before):
        return True
    if len(digits) == 13 and stdnum.ean.is_valid(digits):
        return True
    if len(digits) == 14 and len(window) == 1 and stdnum.fr.siren.is_valid(digits[:9]):
        return digits[9:11] == "00" or _has_label(before, digits)
    if len(window) == 1 and _has_label(before, digits):
        return True
    return _is_part_of_a_word(text, start, end)


def _has_label(before: str, digits: str) -> bool:
    """Whether the text before a number says that it is another kind of number of this length."""
    if len(digits) == 16:  # an IMEISV begins with 35, as some cards do, or 86, as none does
        return digits.startswith("35") and _IMEISV.search(before) is not None
    return any(len(digits) in lengths and label.search(before) for label, lengths in _IDENTIFIED)


def _is_part_of_a_word(text: str, start: int, end: int) -> bool:
    """Whether the number is part of a word with other digits, such as a hash or a tracking number,
    or follows the country and the check digits of a bank account.
    """
    left, right = start, end
    while left > max(0, start - 40) and text[left - 1].isalnum():
        left -= 1
    while right < min(len(text), end + 40) and text[right].isalnum():
        right += 1
    following = "" if _CARD_DETAILS.match(text, end) else text[end:right]
    if any(map(str.isdecimal, text[left:start] + following)):
        return True
    return _ACCOUNT.search(text[max(0, start - 10) : start]) is not None
