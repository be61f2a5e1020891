"""Reads the CSV exports of French banks, which agree on nothing: delimiter, encoding, lines before
the header, names of columns, one signed amount or a debit and a credit.

The header is the first row with a date and an amount by their known names; the seller's file can
name others. A file has no account number that could be trusted, so it is imported for one account.
A column that is only named "IBAN" isn't read: in some exports it is the seller's account, in others
the payer's.
"""

import csv
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from io import StringIO
from typing import cast

from billing.bank.statement import (
    CURRENCY,
    NAME_LENGTH,
    Statement,
    StatementFault,
    StatementInvalid,
    StatementLine,
    clean_iban,
    clean_text,
    parse_cents,
    parse_day,
)
from models.billing.bank import StatementFormat
from models.text import fold_text
from models.translations import Translatable, _

_DELIMITERS = (";", "\t", ",", "|")
_ENCODINGS = ("utf-8-sig", "cp1252")
_MAX_HEADER_ROW = 30  # what stands before it: the owner, the account, the balance
_UNITS = {"eur", "euro", "euros"}
_DATE_FORMATS = ("%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%d/%m/%y", "%Y/%m/%d")

_NO_HEADER = _(
    "Line %(line)s: no row has the columns of a statement: a date, and an amount or a debit and a "
    "credit. Specify the bank’s columns in the seller’s file."
)
_NOT_TEXT = _("Line %(line)s: the file isn’t text in UTF-8 or Windows-1252.")
_NOT_CSV = _("Line %(line)s: the file isn’t valid CSV (%(error)s).")
_BAD_DATE = _("Line %(line)s: “%(date)s” isn’t a date.")
_BAD_AMOUNT = _("Line %(line)s: “%(amount)s” isn’t an amount in euros and cents.")
_NO_AMOUNT = _("Line %(line)s: the row has no amount, or both a debit and a credit.")
_OTHER_CURRENCY = _("Line %(line)s: the currency is %(currency)s. Only euros can be imported.")
_SHORT = _("Line %(line)s: the row has %(count)s columns, but the header has %(expected)s.")


@dataclass(frozen=True)
class CsvColumns:
    """The names under which banks export each column, without regard to case, accents and
    punctuation. The first name that the file has is used.
    """

    booked_on: tuple[str, ...] = (
        "date de comptabilisation", "date comptabilisation", "date comptable", "date operation",
        "date d operation", "date de l operation", "date", "date de la valeur local",
        "booking date",
    )  # fmt: skip
    value_on: tuple[str, ...] = ("date de valeur", "date valeur", "value date")
    amount: tuple[str, ...] = (
        "montant", "montant operation", "montant operation en", "montant de l operation",
        "montant total ttc", "amount",
    )  # fmt: skip
    debit: tuple[str, ...] = ("debit", "montant debit", "montant au debit")
    credit: tuple[str, ...] = ("credit", "montant credit", "montant au credit")
    text: tuple[str, ...] = (
        "libelle complet operation", "libelle operation", "libelle de l operation", "libelle",
        "libelle simplifie", "description", "remittance information",
    )  # fmt: skip
    details: tuple[str, ...] = (
        "informations complementaires", "information complementaire", "detail", "details", "motif",
    )  # fmt: skip
    reference: tuple[str, ...] = ("reference", "reference de l operation", "reference bancaire")
    counterparty_name: tuple[str, ...] = (
        "nom de la contrepartie", "contrepartie", "nom du tiers", "emetteur", "counterparty",
    )  # fmt: skip
    counterparty_iban: tuple[str, ...] = (
        "iban de la contrepartie", "iban contrepartie", "iban du tiers",
    )  # fmt: skip
    currency: tuple[str, ...] = ("devise", "currency")

    @classmethod
    def from_config(cls, config: Mapping[str, str | list[str]]) -> "CsvColumns":
        """The names of a configuration before the known ones. Raises ValueError for a column that
        doesn't exist.
        """
        known = {column.name: cast("tuple[str, ...]", column.default) for column in fields(cls)}
        if unknown := sorted(config.keys() - known.keys()):
            raise ValueError(f"unknown columns: {', '.join(unknown)}")
        configured = {
            name: (names,) if isinstance(names, str) else tuple(names)
            for name, names in config.items()
        }
        return cls(
            **{
                name: tuple(_column_name(each) for each in configured.get(name, ())) + defaults
                for name, defaults in known.items()
            }
        )


@dataclass
class _Table:
    """The rows after the header, with the position of each known column."""

    positions: dict[str, int]
    width: int
    rows: list[tuple[int, list[str]]]
    faults: list[StatementFault] = field(default_factory=list)


def read_csv(
    content: bytes,
    iban: str,
    columns: CsvColumns | None = None,
    own_ibans: Collection[str] = (),
) -> Statement:
    """Read an export of this account's movements. One of the seller's accounts (`iban` and
    `own_ibans`) is never a payer's: where a file states it as the payer's, the payer's IBAN stays
    empty. Raises StatementInvalid with every error.
    """
    own_ibans = {iban, *own_ibans}
    table = _table(_decode(content), columns or CsvColumns())
    lines = [
        line for number, row in table.rows if (line := _line(table, number, row, iban, own_ibans))
    ]
    if table.faults:
        raise StatementInvalid(table.faults)
    return Statement(StatementFormat.CSV, tuple(lines))


def _decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = _ENCODINGS
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise StatementInvalid([StatementFault(1, _NOT_TEXT)])


def _table(text: str, columns: CsvColumns) -> _Table:
    """The table under the first header that is found with any of the delimiters."""
    error: StatementFault | None = None
    for delimiter in _DELIMITERS:
        try:
            rows = list(_rows(text, delimiter))
        except csv.Error as csv_error:
            error = error or StatementFault(1, _NOT_CSV, {"error": str(csv_error)})
            continue
        for index, (_number, row) in enumerate(rows[:_MAX_HEADER_ROW]):
            positions = _positions(row, columns)
            if "booked_on" in positions and {"amount", "debit", "credit"} & positions.keys():
                return _Table(positions, len(row), rows[index + 1 :])
    raise StatementInvalid([error or StatementFault(1, _NO_HEADER)])


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that aren't empty, each with the number of its first line: a text may span
    several.
    """
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    start = 1
    for row in reader:
        if any(cell.strip() for cell in row):
            yield start, row
        start = reader.line_num + 1


def _positions(header: list[str], columns: CsvColumns) -> dict[str, int]:
    names = [_column_name(cell) for cell in header]
    positions: dict[str, int] = {}
    for column in fields(columns):
        for name in getattr(columns, column.name):
            if name in names:
                positions[column.name] = names.index(name)
                break
    return positions


def _column_name(cell: str) -> str:
    words = fold_text(cell.replace("_", " ")).split()
    return " ".join(word for word in words if word not in _UNITS)


def _line(
    table: _Table, number: int, row: list[str], iban: str, own_ibans: Collection[str]
) -> StatementLine | None:
    def refuse(reason: Translatable, **values: object) -> None:
        table.faults.append(StatementFault(number, reason, values))

    def cell(column: str) -> str:
        position = table.positions.get(column)
        return row[position].strip() if position is not None and position < len(row) else ""

    needed = [table.positions[name] for name in table.positions if name != "currency"]
    if len(row) <= max(needed):
        # A row of totals or a note at the end has no date; anything else was cut off.
        if _parse_day(cell("booked_on")) or len(row) > 2:
            refuse(_SHORT, count=len(row), expected=table.width)
        return None
    booked_on = _parse_day(cell("booked_on"))
    if booked_on is None:
        refuse(_BAD_DATE, date=cell("booked_on")[:40])
    if (currency := cell("currency").upper() or CURRENCY) not in (CURRENCY, "€"):
        refuse(_OTHER_CURRENCY, currency=currency[:10])
    cents = None
    try:
        cents = _cents([cell("amount")], cell("debit"), cell("credit"))
        if cents is None:
            refuse(_NO_AMOUNT)
    except ValueError as error:
        refuse(_BAD_AMOUNT, amount=str(error)[:40])
    if booked_on is None or cents is None:
        return None
    texts = dict.fromkeys(filter(None, (cell("text"), cell("details"), cell("reference"))))
    payer_iban = clean_iban(cell("counterparty_iban"))
    return StatementLine(
        line=number,
        iban=iban,
        booked_on=booked_on,
        value_on=_parse_day(cell("value_on")),
        amount_cents=cents,
        bank_reference=clean_text(cell("reference"), NAME_LENGTH),
        text=clean_text(" ".join(texts)),
        counterparty_name=clean_text(cell("counterparty_name"), NAME_LENGTH),
        counterparty_iban="" if payer_iban in own_ibans else payer_iban,
    )


def _cents(amounts: Iterable[str], debit: str, credit: str) -> int | None:
    """The signed amount of a row. None when it states none, or two. Raises ValueError."""
    amount = next(iter(amounts), "")
    values = [_parse_cents(amount)] if amount else []
    # Banks write a debit with or without its sign, and zero in the other column.
    values += [-abs(cents) for text in (debit,) if text and (cents := _parse_cents(text))]
    values += [abs(cents) for text in (credit,) if text and (cents := _parse_cents(text))]
    return values[0] if len(values) == 1 else None


def _parse_cents(text: str) -> int:
    """The cents of an amount as French or English banks write it: `1 234,56`, `-1.234,56 €`,
    `1,234.56`, `+12.5`. Raises ValueError.
    """
    number = re.sub(r"[\s\u00a0\u202f'’]|EUR|€", "", text, flags=re.I).replace("−", "-")
    if not re.fullmatch(r"[+-]?[\d.,]*\d-?", number):
        raise ValueError(text)
    if number.endswith("-"):  # the sign may follow
        number = f"-{number[:-1]}"
    decimal = max(number.rfind(","), number.rfind("."))
    if decimal < 0 or number.count(number[decimal]) > 1:  # no decimals, perhaps groups of thousands
        if decimal >= 0 and not _has_valid_groups(number):
            raise ValueError(text)
        return parse_cents(re.sub(r"[.,]", "", number))
    whole, fraction = number[:decimal], number[decimal + 1 :]
    # Three digits may be thousands or a part of a cent; neither is guessed.
    if len(fraction) > 2 or (re.search(r"[.,]", whole) and not _has_valid_groups(whole)):
        raise ValueError(text)
    return parse_cents(f"{re.sub(r'[.,]', '', whole)}.{fraction}")


def _has_valid_groups(number: str) -> bool:
    return bool(re.fullmatch(r"[+-]?\d{1,3}(?:(?:\.\d{3})+|(?:,\d{3})+)", number))


def _parse_day(text: str) -> date | None:
    text = text.strip()
    for date_format in _DATE_FORMATS:
        try:
            return datetime.strptime(text[:10].split()[0], date_format).date()  # noqa: DTZ007
        except (ValueError, IndexError):
            continue
    try:
        return parse_day(text[:10])
    except ValueError:
        return None
