"""Card numbers are masked in every format in which people write them, and other text stays
unchanged.
"""

from datetime import UTC, datetime

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as some
from stdnum import ean, luhn
from stdnum.fr import siren

from models.card_numbers import contains_card_number, mask_card_numbers

VISA = "4242424242424242"
GROUPED = "4242 4242 4242 4242"

# The test numbers of payment providers, and how such cards group them.
CARDS = {
    "4242424242424242": (4, 4, 4, 4),
    "4000056655665556": (4, 4, 4, 4),
    "4970101122334422": (4, 4, 4, 4),
    "4222222222222": (4, 3, 3, 3),
    "4000000000000000006": (4, 4, 4, 4, 3),
    "5555555555554444": (4, 4, 4, 4),
    "2223003122003222": (4, 4, 4, 4),
    "378282246310005": (4, 6, 5),
    "371449635398431": (4, 6, 5),
    "6011111111111117": (4, 4, 4, 4),
    "3056930009020004": (4, 4, 4, 4),
    "30569309025904": (4, 6, 4),
    "36227206271667": (4, 6, 4),
    "38520000023237": (4, 6, 4),
    "6555900000604105": (4, 4, 4, 4),
    "3566002020360505": (4, 4, 4, 4),
    "6200000000000005": (4, 4, 4, 4),
    "6205500000000000004": (4, 4, 4, 4, 3),
    "6759649826438453": (4, 4, 4, 4),
    "2200240880740606": (4, 4, 4, 4),
}
DASHES = "-‐‑‒–—―−⁃﹘﹣－⸺⸻〜"
SPACES = " \u00a0\u2002\u2003\u2007\u2008\u2009\u200a\u202f\u205f\u3000\t"
SEPARATORS = [
    *DASHES,
    *SPACES,
    *(f" {dash} " for dash in DASHES),
    *(space * 5 for space in SPACES),
    *("\n", "\r\n", " \r\n ", "\u2028", "\n\n", "<br>"),
    *("|", " | ", "\t|\t", "│", " ¦ ", "｜", " |\r\n| "),
    *("_", "**", "** **", "_ _", "` `", "`", "~~ ~~", "***"),
    *(".", "·", "/", "\\", " . ", "・"),
    *("•", " • ", " ∙ ", "\n> ", "\r\n>> ", "&ensp;", "&thinsp;", "\u0332"),
    *("\u200b", "\u00ad", "\ufeff", "\u2060", "\u200d", " \u200b ", "\u200e", "&nbsp;"),
]
ZEROS = "0０٠۰०๐𝟎𝟘"  # of decimal digits in other scripts


def in_groups(card: str, separator: str) -> str:
    parts, position = [], 0
    for size in CARDS[card]:
        parts.append(card[position : position + size])
        position += size
    return separator.join(parts)


def masked_text(card: str) -> str:
    return f"•••• {card[-4:]}"


@pytest.mark.parametrize("card", CARDS)
def test_a_card_is_masked_in_every_format(card: str) -> None:
    for separator in ("", *SEPARATORS):
        assert mask_card_numbers(in_groups(card, separator)) == masked_text(card), repr(separator)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Ma carte : ", ", exp. 12/27"),
        ("2026 ", ""),
        ("1 2 3 4 5 6 7 8 9 0 " * 40, ""),
        ("", " 12/27 123"),
        ("", " 1227 123"),
        ("carte_", ".png"),
        ("scan-", "-recto.pdf"),
        ("**", "**"),
        ("(", ")"),
        ("n°", "."),
        ("carte", "merci"),
        ("06 12 34 56 78 ; ", " ; 06 12 34 56 78"),
        ("Bonjour,\n", "\nMerci"),
        ("Bonjour,\n", "\n06 12 34 56 78\n12/27"),
        ("5555555555554444 et ", " et 378282246310005"),
        ("", "exp12/27cvv123"),
        ("CB", "Exp1227"),
        ("> Ma carte :\n> ", "\n> Merci"),
        ("id;card;cvc\n1;", ";123"),
    ],
)
def test_surrounding_text_does_not_hide_a_card(before: str, after: str) -> None:
    for card in (VISA, "378282246310005", "30569309025904"):
        for separator in ("", *SEPARATORS):
            text = mask_card_numbers(before + in_groups(card, separator) + after)
            expected = mask_card_numbers(before) + masked_text(card) + mask_card_numbers(after)
            assert text == expected, (card, separator)


@pytest.mark.parametrize("zero_digit", ZEROS)
def test_digits_of_other_scripts_are_digits(zero_digit: str) -> None:
    for text in (VISA, GROUPED):
        digits = "".join(chr(ord(zero_digit) + int(c)) if c.isdigit() else c for c in text)
        assert mask_card_numbers(digits) == masked_text(VISA)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        (f"{GROUPED} {GROUPED}", "•••• 4242 •••• 4242"),
        (f"{GROUPED}\n{GROUPED}", "•••• 4242\n•••• 4242"),
        (f"{VISA},5555555555554444;{VISA}", "•••• 4242,•••• 4444;•••• 4242"),
        (f"{GROUPED}\n1234 5678 9012 3456", "•••• 4242\n1234 5678 9012 3456"),
        ("4242 4242\n4242 4242", "•••• 4242"),
        ("4242-4242-\n4242-4242", "•••• 4242"),
        ("4242 42424242 4242", "•••• 4242"),
        ("424242 4242424242", "•••• 4242"),
        ("4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2", "•••• 4242"),
        (f"| Carte | {GROUPED} |", "| Carte | •••• 4242 |"),
        (f"+{VISA}", "+•••• 4242"),
        ("> 4242 4242\n> 4242 4242", "> •••• 4242"),
        (f"SIRET {VISA}", "SIRET •••• 4242"),
        (f"IMEI : {VISA}", "IMEI : •••• 4242"),
        (f"EAN {VISA} PRM n°{VISA}", "EAN •••• 4242 PRM n°•••• 4242"),
        ("colis 378282246310005", "colis •••• 0005"),
        (f"Numéro de suivi n° {VISA}", "Numéro de suivi n° •••• 4242"),
        (f"suivi {GROUPED}", "suivi •••• 4242"),
        ("\u0336".join(VISA) + "\u0336", "•••• 4242\u0336"),
        ("".join(f"{digit}\ufe0f\u20e3" for digit in VISA), "•••• 4242\ufe0f\u20e3"),
        (
            "| 4242 | 4242 | 4242 | 4242 |\n| 5555 | 5555 | 5555 | 4444 |",
            "| •••• 4242 |\n| •••• 4444 |",
        ),
        ("Carte\t4242\t4242\t4242\t4242\nNom\tDupont", "Carte\t•••• 4242\nNom\tDupont"),
    ],
)
def test_cards_are_masked_one_by_one(text: str, result: str) -> None:
    assert mask_card_numbers(text) == result


@pytest.mark.parametrize(
    "text",
    [
        "",
        "06 12 34 56 78",
        "06 12 34 56 78 / 06 98 76 54 32",
        "0612345678 0698765432",
        "+33 6 12 34 56 78, +33 1 42 68 53 00",
        "+378 2822 4631 0005",
        "+3782 822463 10005",
        "SIREN 404 833 048",
        "SIRET 404 833 048 00022",
        "SIRET 40483304800022",
        "SIRET : 38012986648625",
        "38012986600013",
        "SIRET 380 129 866 48625",
        "TVA FR83404833048",
        "FR14 2004 1010 0505 0001 3M02 606",
        "FR7630006000011234567890189",
        "FR76 3000 6000 0112 3456 7890 189",
        "fr76 3000 6000 0112 3456 7890 189 merci",
        "FR76 3000 6000 0112 3456 7890 188",  # mistyped
        "DE89 3704 0044 0532 0130 00",
        "BE68 5390 0754 7034",
        "DE82.6505.8696.9222.9916.71",
        "DE81  6042  8203  5647  6606  40",
        "SE33 7513 6295 5324\r\n0739 5253",
        "PL21-5643-3099-4610-\n5682-9383-9080",
        "IBANAT604242424242424242",
        "IBAN : AT60\u00a04242\u00a04242\u00a04242\u00a04242, merci",
        "RF18 5390 0754 7034",
        "RF18539007547034",
        "RF97 4242 4242 4242 4242",
        "30004 00123 00001234567 89",
        "2 85 05 78 006 084 36",
        "CAM-2026-000123",
        "FA-2026-000042",
        "6A12345678901",
        "JJD014600003456789012",
        "1Z9994242424242424242",
        "9400 1000 0000 0000 0000 00",
        "550e8400-e29b-41d4-a716-446655440000",
        "42424242-4242-4242-8242-424242424242",
        "39704611-2798-4916-8798-825239937516",
        "GTIN 38781166495383",
        "SSCC : 600214808980529411",
        "IMEI n° 3528078722921221",
        "PRM 30001610071843",
        "numéro de suivi : 38193297134511",
        "a94242424242424242f",
        "1764423281000",
        "1764423281000123",
        "20261129142208",
        "20261129142208123",
        "2026-11-29T14:22:08.123456Z",
        "IMG_20261129_142208123.jpg",
        "4006381333931",  # an EAN
        "978-2-07-036822-8",
        "4242424242424241",
        "9999999999999995",
        "42424242424242424242424242424242",
        "0.4242424242424242",
        "0,4242424242424242",
        "48.8566140000, 2.3522219000",
        "12 345 678,90 EUR",
        "4 242 424 242 424 242 €",
        "4242,4242,4242,4242",
        "4242, 4242, 4242, 4242",
        "4242; 4242; 4242; 4242",
        "4242 € 4242 € 4242 € 4242 €",
        "4242 4242 4242 4242 €",
        "€ 4242 4242 4242 4242",
        "4242+4242+4242+4242",
        "4242 à 4242 et 4242 à 4242",
        "4242 4242 / 4242 4242",
        "4242,42\n4242,42\n4242,42\n4242,42",
        "4242.42\n4242.42\n4242.42\n4242.42",
        "Tarifs :\n4242\n4242\n4242\n4242",
        "4242\n4242\n4242\n4242\nTotal : 16 968 EUR",
        "4242\n4242\n4242\n4242\n4242",
        "4242 4242\n4242 4242\n4242 4242",
        "Voici mes chiffres :\n4242\n4242\n4242\n4242",
        "CA : 4242 4242 4242 4242 k€",
        "| 4242 | 4242 | 4242 | 4242 |\n| 5892 | 7212 | 9816 | 1286 |",
        "| 2023 | 2024 | 2025 | 2026 |\n|---|---|---|---|\n| 4242 | 4242 | 4242 | 4242 |",
        "Nord\t4242\t4242\t4242\t4242\nSud\t7498\t6233\t2338\t2296",
        "Nord │ 3091 │ 9999 │ 1028 │ 6343\r\nSud │ 4242 │ 4242 │ 4242 │ 4242",
        "2021 2022 2023 2024 2025 2026",
        "4242 4343 4444 4545 4646 4747 4848 4949",
        "42 42 42 42 42 42 42 42",
        "5 4 5 3 2 1 5 4 5 3 2 1 5 4 5 3 2 1 5 4 5",
    ],
)
def test_other_numbers_are_unchanged(text: str) -> None:
    assert mask_card_numbers(text) == text
    assert not contains_card_number(text)


# Ordinary text, put together from what people write.

phones = some.lists(some.integers(0, 99), min_size=4, max_size=4).map(
    lambda pairs: " ".join(["06", *(f"{pair:02}" for pair in pairs)])
)
prices = some.tuples(some.integers(0, 99_999), some.integers(0, 99), some.sampled_from(",.")).map(
    lambda price: f"{price[0]:,}".replace(",", "\u202f") + f"{price[2]}{price[1]:02}"
)
dates = some.datetimes().map(lambda at: at.strftime("%d/%m/%Y %H:%M"))
milliseconds = some.integers(10**12, 3 * 10**12).map(str)
timestamps = some.integers(0, 4 * 10**9).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d%H%M%S")
)
sirens = some.integers(10**6, 10**8 - 1).map(lambda n: f"{n:08}" + luhn.calc_check_digit(f"{n:08}"))
sirets = some.tuples(sirens, some.integers(1, 99)).map(
    lambda pair: f"{pair[0]}{pair[1]:04}" + luhn.calc_check_digit(f"{pair[0]}{pair[1]:04}")
)
eans = some.integers(10**11, 10**12 - 1).map(lambda n: f"{n}{ean.calc_check_digit(str(n))}")
ibans = some.text("0123456789", min_size=23, max_size=23).map(
    lambda bban: f"FR{98 - int(bban + '152700') % 97:02}{bban}"
)
grouped_ibans = ibans.map(lambda iban: " ".join(iban[at : at + 4] for at in range(0, 27, 4)))
references = some.text("0123456789", min_size=4, max_size=21).map(
    lambda body: f"RF{98 - int(body + '271500') % 97:02}{body}"
)
orders = some.integers(0, 10**9).map(lambda n: f"CMD-{n:010}")
words = some.sampled_from(["Bonjour", "facture", "du", "euros", "n°", "pour", "à", "merci", "le"])
ordinary_numbers = some.one_of(
    phones,
    prices,
    dates,
    timestamps,
    milliseconds,
    sirens,
    sirets,
    eans,
    ibans,
    grouped_ibans,
    references,
    orders,
)


@given(
    some.lists(ordinary_numbers, min_size=1, max_size=4),
    some.sampled_from([", ", " ; ", " et ", "\n- "]),
)
def test_ordinary_text_is_unchanged(numbers: list[str], separator: str) -> None:
    text = separator.join(numbers)
    assert mask_card_numbers(text) == text


@given(
    some.one_of(
        some.lists(prices, min_size=2, max_size=8),
        some.lists(phones, min_size=2, max_size=8),
        some.lists(dates, min_size=2, max_size=8),
        some.lists(orders, min_size=2, max_size=8),
    ),
    some.sampled_from(["\n", "\r\n", " ", "  ", "\t", " / ", " - ", " | ", "\n\n"]),
)
def test_lists_are_unchanged(numbers: list[str], separator: str) -> None:
    text = separator.join(numbers)
    assert mask_card_numbers(text) == text


@given(some.lists(some.integers(1_000, 9_999), min_size=5, max_size=12))
def test_columns_of_numbers_are_unchanged(numbers: list[int]) -> None:
    text = "\n".join(map(str, numbers))
    assert mask_card_numbers(text) == text


# Cards, put together from the issuers' ranges.

LENGTHS = {
    13: ["4"],
    14: ["300", "36", "38"],
    15: ["34", "37"],
    16: ["4", "51", "55", "2221", "2720", "6011", "65", "3528", "50", "81", "2204"],
    17: ["67"],
    18: ["6759"],
    19: ["4", "62"],
}


@some.composite
def cards(draw: some.DrawFn) -> str:
    length = draw(some.sampled_from([*LENGTHS]))
    prefix = draw(some.sampled_from(LENGTHS[length]))
    size = length - len(prefix) - 1
    body = prefix + draw(some.text("0123456789", min_size=size, max_size=size))
    card = body + luhn.calc_check_digit(body)
    assume(length != 14 or not siren.is_valid(card[:9]))  # it may be a SIRET
    assume(length != 13 or not ean.is_valid(card))
    return card


sizes = {13: (4, 3, 3, 3), 14: (4, 6, 4), 15: (4, 6, 5), 16: (4, 4, 4, 4)} | {
    17: (4, 4, 4, 5),
    18: (4, 4, 4, 6),
    19: (4, 4, 4, 7),
}


@given(cards(), some.sampled_from(["", *SEPARATORS]), some.lists(words, max_size=4))
@example("4000000000000002", " ", ["Bonjour"])
def test_every_card_is_masked(card: str, separator: str, sentence: list[str]) -> None:
    parts, position = [], 0
    for size in sizes[len(card)]:
        parts.append(card[position : position + size])
        position += size
    text_without_currency = " ".join(word for word in sentence if word != "euros")
    text = f"{text_without_currency} : {separator.join(parts)}, {text_without_currency}"
    assert (
        mask_card_numbers(text)
        == f"{text_without_currency} : {masked_text(card)}, {text_without_currency}"
    )
    assert contains_card_number(text)


@given(some.one_of(some.text(), some.text("0123456789 -|\n€4,")))
def test_masking_is_idempotent(text: str) -> None:
    masked_once = mask_card_numbers(text)
    assert mask_card_numbers(masked_once) == masked_once
    assert contains_card_number(text) is (masked_once != text)
