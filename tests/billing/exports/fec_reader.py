"""A reader of the file of accounting entries (FEC), written from the text of art. A47 A-1 of the
Livre des procédures fiscales, independently of the code that writes it.
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

NAMES = re.findall(
    r"\w+",
    """
    JournalCode JournalLib EcritureNum EcritureDate CompteNum CompteLib CompAuxNum CompAuxLib
    PieceRef PieceDate EcritureLib Debit Credit EcritureLet DateLet ValidDate Montantdevise Idevise
    """,
)
OPTIONAL = {"CompAuxNum", "CompAuxLib", "EcritureLet", "DateLet", "Montantdevise", "Idevise"}
REQUIRED = [name for name in NAMES if name not in OPTIONAL]


@dataclass(frozen=True)
class FecLine:
    """One line, with its values by column."""

    number: int
    values: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    @property
    def amount(self) -> Decimal:
        return _decimal(self["Debit"]) - _decimal(self["Credit"])


def read_fec(name: str, content: bytes) -> list[FecLine]:
    """The lines of a file. Raises ValueError with every violation of the article."""
    text = content.decode("iso8859-15")
    header, *rows = text.removesuffix("\r\n").split("\r\n")
    errors = []
    if not re.fullmatch(r"\d{9}FEC\d{8}\.txt", name):
        errors.append(f"the file is named {name}")
    if header.split("\t") != NAMES:
        errors.append(f"the first line is {header}")
    lines = []
    for number, row in enumerate(rows, 2):
        cells = row.split("\t")
        if len(cells) != len(NAMES):
            errors.append(f"line {number}: {len(cells)} columns")
            continue
        line = FecLine(number, dict(zip(NAMES, cells, strict=True)))
        errors += [f"line {number}: {error}" for error in _line_errors(line)]
        lines.append(line)
    if not errors:
        errors = [*_entry_errors(lines), *_letter_errors(lines)]
    if errors:
        raise ValueError("\n".join(errors))
    return lines


def _line_errors(line: FecLine) -> list[str]:
    errors = [f"{name} is missing" for name in REQUIRED if not line[name]]
    for name in ("EcritureDate", "PieceDate", "DateLet", "ValidDate"):
        if line[name] and not _is_day(line[name]):
            errors.append(f"{name} is {line[name]}")
    for name in ("Debit", "Credit"):
        if not re.fullmatch(r"-?\d+(,\d+)?", line[name]):
            errors.append(f"{name} is {line[name]}")
    if not re.match(r"\d{3}", line["CompteNum"]):
        errors.append(f"CompteNum is {line['CompteNum']}")
    for first, second in (
        ("CompAuxNum", "CompAuxLib"),
        ("EcritureLet", "DateLet"),
        ("Montantdevise", "Idevise"),
    ):
        if bool(line[first]) != bool(line[second]):
            errors.append(f"{first} without {second}")
    return errors


def _entry_errors(lines: list[FecLine]) -> list[str]:
    """Check that entries balance, have one date, and are in the order of their validation."""
    errors = []
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    days: dict[tuple[str, str], set[str]] = defaultdict(set)
    numbers: dict[str, list[int]] = defaultdict(list)
    for line in lines:
        entry = (line["JournalCode"], line["EcritureNum"])
        if entry not in sums:
            numbers[entry[0]].append(int(re.sub(r"\D", "", entry[1])))
        sums[entry] += line.amount
        days[entry] |= {line["EcritureDate"]}
    errors += [f"{entry} has a balance of {total}" for entry, total in sums.items() if total]
    errors += [f"{entry} has several dates" for entry, dates in days.items() if len(dates) > 1]
    for journal, values in numbers.items():
        if values != list(range(values[0], values[0] + len(values))):
            errors.append(f"{journal} is numbered {values}")
    validated = [line["ValidDate"] for line in lines]
    if validated != sorted(validated):
        errors.append("the lines are not in the order of their validation")
    return errors


def _letter_errors(lines: list[FecLine]) -> list[str]:
    """Check that lines with the same letter settle each other, unless some of them are in another
    year's file.
    """
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in lines:
        if line["EcritureLet"]:
            sums[line["CompAuxNum"], line["EcritureLet"]] += line.amount
    return [f"{letter} has a balance of {total}" for letter, total in sums.items() if total]


def _is_day(text: str) -> bool:
    try:
        return bool(re.fullmatch(r"\d{8}", text)) and _parse_day(text) >= date(1900, 1, 1)
    except ValueError:
        return False


def _parse_day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a day without a time


def _decimal(text: str) -> Decimal:
    return Decimal(text.replace(",", "."))
