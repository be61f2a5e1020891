"""The file of accounting entries (fichier des écritures comptables, FEC) that the tax office asks
for: art. A47 A-1 of the Livre des procédures fiscales, VII and VIII for the 18 columns, III for the
characters, X for the name.

The ledger contains the sales and what was received for them, so the file is the part of the
accounts that CAMCHA keeps. A year begins with what the year before left open (journal AN): a
balance for each account, and for customers a line for each document that nothing had settled.

A customer's lines have a letter when the invoices, credit notes, payments and refunds that are
allocated to each other settle each other completely before the end of the year. What happens later
doesn't change the file of a year. The letter is made from the oldest of these invoices, so it is
the same in each file, and what has the same letter in a file adds up to nothing.
"""

import unicodedata
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

from tortoise.expressions import Q

from billing.ledger import BANK, CUSTOMERS, REVENUE, VAT_COLLECTED
from models.accounts.account import Account, AccountStatus
from models.billing.billing_profile import BillingProfile
from models.billing.invoice import Invoice
from models.billing.ledger import Journal, LedgerEntry, LedgerLine
from models.billing.money import to_decimal
from models.billing.receivable import Allocation
from models.billing.refund import Refund
from models.clock import PARIS
from models.database.reading import read
from models.database.sql import execute
from models.database.workload import Workload, workload
from models.locale import Locale
from models.text import remove_accents
from models.translations import Translatable, _, text

COLUMNS = (
    "JournalCode", "JournalLib", "EcritureNum", "EcritureDate", "CompteNum", "CompteLib",
    "CompAuxNum", "CompAuxLib", "PieceRef", "PieceDate", "EcritureLib", "Debit", "Credit",
    "EcritureLet", "DateLet", "ValidDate", "Montantdevise", "Idevise",
)  # fmt: skip
ENCODING = "iso8859-15"
_PAGE_SIZE = 1_000
_OPENING_JOURNAL = "AN"
_RESULT = "120000"
_JOURNAL_NAMES = {
    Journal.SALES: "Ventes",
    Journal.BANK: "Banque",
    Journal.GENERAL: "Opérations diverses",
}
# The names of the Plan comptable général.
_ACCOUNT_NAMES = {
    CUSTOMERS: "Clients",
    REVENUE: "Prestations de services",
    VAT_COLLECTED: "TVA collectée",
    BANK: "Banque",
    _RESULT: "Résultat de l'exercice",
}
_LABELS = {
    "invoice": _("Invoice %(piece)s"),
    "credit_note": _("Credit note %(piece)s"),
    "invoice_replaced": _("Invoice replaced by %(piece)s"),
    "payment": _("Payment received"),
    "payment_reversed": _("Payment reversed"),
    "refund": _("Refund"),
    "refund_failed": _("Refund returned"),
}


# Punctuation that the encoding lacks, as people type it instead.
_PLAIN_PUNCTUATION = str.maketrans(
    {"‘": "'", "’": "'", "‚": ",", "“": '"', "”": '"', "„": '"', "‐": "-", "‑": "-", "–": "-",
     "—": "-", "−": "-", "…": "...", "•": "-", "Ł": "L", "ł": "l", "Đ": "D", "đ": "d"}
)  # fmt: skip
# The customers of whom something is open before a day: who has a balance, or a payment that isn't
# allocated completely. Without these, nobody has an open invoice.
_OPEN_CUSTOMERS = """
SELECT line.account_id AS account_id
FROM ledger_line line JOIN ledger_entry entry ON entry.id = line.entry_id
WHERE line.code = ? AND entry.day < ?
GROUP BY line.account_id HAVING SUM(line.debit_cents - line.credit_cents) <> 0
UNION
SELECT payment.account_id AS account_id FROM payment JOIN (
  SELECT COALESCE(entry.payment_id, refund.payment_id) AS payment_id,
    line.debit_cents - line.credit_cents AS cents
  FROM ledger_line line JOIN ledger_entry entry ON entry.id = line.entry_id
  LEFT JOIN refund ON refund.id = entry.refund_id
  WHERE line.code = ? AND entry.day < ? AND entry.invoice_id IS NULL
  UNION ALL
  SELECT payment_id, amount_cents AS cents FROM allocation
  WHERE payment_id IS NOT NULL AND created_at < ?
) movement ON movement.payment_id = payment.id
GROUP BY payment.id, payment.account_id HAVING SUM(movement.cents) <> 0
"""


_Node = tuple[str, int]  # an invoice or a payment, by key


class _Lettering(NamedTuple):
    code: str
    day: date


def fec_file_name(siren: str, closing_day: date) -> str:
    """The file's name: the SIREN, FEC and the closing day (art. A47 A-1, X)."""
    return f"{siren}FEC{closing_day:%Y%m%d}.txt"


async def fec(year: int) -> AsyncIterator[bytes]:
    """The file of a calendar year in pieces: one row of names, then the lines in the order of
    validation, separated by tabs, with decimal commas, in ISO 8859-15.
    """
    yield _encode([COLUMNS])
    start, end = date(year, 1, 1), date(year + 1, 1, 1)
    yield _encode(await _opening_rows(start, end))
    last: LedgerEntry | None = None
    while entries := await _next_entries(year, last):
        yield _encode(await _rows(entries, end))
        last = entries[-1]


def _encode(rows: Iterable[Sequence[str]]) -> bytes:
    """Encode rows, without the tabs and line breaks in them. Characters that the encoding lacks are
    replaced by plain ones, or by `?`.
    """
    lines = ("\t".join(" ".join(cell.split()) for cell in row) for row in rows)
    content = unicodedata.normalize("NFC", "".join(f"{line}\r\n" for line in lines))
    content = content.translate(_PLAIN_PUNCTUATION)
    try:
        return content.encode(ENCODING)
    except UnicodeEncodeError:
        return b"".join(map(_encode_character, content))


def _encode_character(character: str) -> bytes:
    try:
        return character.encode(ENCODING)
    except UnicodeEncodeError:
        return remove_accents(character).encode(ENCODING, "replace")


async def _next_entries(year: int, last: LedgerEntry | None) -> list[LedgerEntry]:
    entries = LedgerEntry.filter(day__gte=date(year, 1, 1), day__lt=date(year + 1, 1, 1))
    if last:
        entries = entries.filter(Q(day__gt=last.day) | Q(day=last.day, id__gt=last.pk))
    with workload(Workload.REPORTS):
        return await read(entries, None, "day", "id", limit=_PAGE_SIZE)


async def _rows(entries: Sequence[LedgerEntry], end: date) -> list[tuple[str, ...]]:
    """The rows of some entries of the year that ends before a day, in their order."""
    by_entry: dict[int, list[LedgerLine]] = defaultdict(list)
    lines: list[LedgerLine] = await read(
        LedgerLine.all(), None, "position", where_in=("entry_id", {each.pk for each in entries})
    )
    for line in lines:
        by_entry[line.entry_id].append(line)
    names = await _customer_names(line.account_id for line in lines)
    invoices = await _issue_days(entry.invoice_id for entry in entries)
    letters = await _letters(entries, end)
    return [
        _row(entry, line, names, invoices, letters)
        for entry in entries
        for line in by_entry[entry.pk]
    ]


def _row(
    entry: LedgerEntry,
    line: LedgerLine,
    names: Mapping[int, str],
    issue_days: Mapping[int, date],
    letters: Mapping[int, _Lettering],
) -> tuple[str, ...]:
    journal = Journal(entry.journal)
    letter = letters.get(entry.pk) if line.code == CUSTOMERS else None
    label = _LABELS.get(entry.label_key, Translatable("%(piece)s"))
    day = _day(entry.day)
    return (
        journal.value,
        _JOURNAL_NAMES[journal],
        f"{journal.value}{entry.number:06d}",
        day,
        line.code,
        _ACCOUNT_NAMES.get(line.code, line.code),
        _customer_code(line.account_id),
        names.get(line.account_id or 0, ""),
        entry.piece,
        _day(issue_days.get(entry.invoice_id or 0, entry.day)),
        text(label, Locale.FR, piece=entry.piece),
        _amount(line.debit_cents),
        _amount(line.credit_cents),
        letter.code if letter else "",
        _day(letter.day) if letter else "",
        day,
        "",
        "",
    )


async def _opening_rows(start: date, end: date) -> list[tuple[str, ...]]:
    """The opening entry of the year from `start` to `end`, with what earlier years left: the
    documents of customers that nothing had settled, the balances of the other accounts, and the
    result in its own account.
    """
    with workload(Workload.REPORTS):
        balances = await execute(
            "SELECT code, SUM(debit_cents - credit_cents) AS cents "
            "FROM ledger_line line JOIN ledger_entry entry ON entry.id = line.entry_id "
            "WHERE entry.day < ? AND code <> ? GROUP BY code ORDER BY code",
            start,
            CUSTOMERS,
        )
        rows = await _open_rows(start, end)
    carried = {row["code"]: int(row["cents"]) for row in balances}
    result = sum(cents for code, cents in carried.items() if code.startswith(("6", "7")))
    carried = {code: cents for code, cents in carried.items() if not code.startswith(("6", "7"))}
    carried[_RESULT] = result
    rows += [_opening_row(start, code, cents) for code, cents in carried.items() if cents]
    return rows


def _opening_row(
    start: date,
    code: str,
    cents: int,
    *,
    customer: tuple[int, str] | None = None,
    piece: tuple[str, date] | None = None,
    letter: _Lettering | None = None,
) -> tuple[str, ...]:
    name, day = piece or (f"{_OPENING_JOURNAL}{start.year}", start)
    return (
        _OPENING_JOURNAL,
        "À nouveaux",
        f"{_OPENING_JOURNAL}000001",
        _day(start),
        code,
        _ACCOUNT_NAMES.get(code, code),
        _customer_code(customer[0] if customer else None),
        customer[1] if customer else "",
        name,
        _day(day),
        "À nouveaux",
        _amount(max(cents, 0)),
        _amount(max(-cents, 0)),
        letter.code if letter else "",
        _day(letter.day) if letter else "",
        _day(start),
        "",
        "",
    )


async def _open_rows(start: date, end: date) -> list[tuple[str, ...]]:
    """The rows of the customers' documents that nothing had settled when the year began, each with
    its letter in this year.
    """
    customers = await execute(_OPEN_CUSTOMERS, CUSTOMERS, start, CUSTOMERS, start, _midnight(start))
    rows = []
    for account_id in sorted(int(row["account_id"]) for row in customers):
        earlier = LedgerEntry.filter(account_id=account_id, day__lt=start)
        entries: list[LedgerEntry] = await read(earlier, None, "day", "id")
        settled = await _letters(entries, start)
        entries = [entry for entry in entries if entry.pk not in settled]
        cents_of = await _customer_cents(entries)
        issue_days = await _issue_days(entry.invoice_id for entry in entries)
        letters = await _letters(entries, end)
        names = await _customer_names([account_id])
        rows += [
            _opening_row(
                start,
                CUSTOMERS,
                cents_of[entry.pk],
                customer=(account_id, names.get(account_id, "")),
                piece=(entry.piece, issue_days.get(entry.invoice_id or 0, entry.day)),
                letter=letters.get(entry.pk),
            )
            for entry in entries
            if cents_of[entry.pk]
        ]
    return rows


async def _customer_cents(entries: Iterable[LedgerEntry]) -> dict[int, int]:
    """How much each entry changes the balance of its customer, in cents by key."""
    keys = {entry.pk for entry in entries}
    lines = LedgerLine.filter(code=CUSTOMERS)
    cents_of: dict[int, int] = defaultdict(int)
    for line in await read(lines, None, where_in=("entry_id", keys)) if keys else []:
        cents_of[line.entry_id] += line.debit_cents - line.credit_cents
    return cents_of


def _midnight(day: date) -> datetime:
    """The beginning of a day in Europe/Paris."""
    return datetime(day.year, day.month, day.day, tzinfo=PARIS).astimezone(UTC)


async def _customer_names(account_ids: Iterable[int | None]) -> dict[int, str]:
    """The legal names by account. For an erased company, it is the name on its last invoice, which
    is kept.
    """
    keys = {key for key in account_ids if key is not None}
    columns = ("id", "legal_name", "status")
    rows = await read(Account.all(), columns, where_in=("id", keys)) if keys else []
    names = {row.pk: row.legal_name for row in rows}
    erased = {row.pk for row in rows if row.status is AccountStatus.ERASED}
    if erased:
        profiles = await read(
            BillingProfile.all(),
            ("id", "account_id", "legal_name"),
            "version",
            where_in=("account_id", erased),
        )
        names |= {profile.account_id: profile.legal_name for profile in profiles}
    return names


async def _issue_days(invoice_ids: Iterable[int | None]) -> dict[int, date]:
    keys = {key for key in invoice_ids if key is not None}
    rows = await read(Invoice.all(), ("id", "issued_on"), where_in=("id", keys)) if keys else []
    return {row.pk: row.issued_on for row in rows}


async def _letters(entries: Sequence[LedgerEntry], end: date) -> dict[int, _Lettering]:
    """The letters of entries, by key: of those whose whole group of allocations was settled before
    a day.
    """
    refunded = await _refunded_payments(Q(id__in=_keys(entry.refund_id for entry in entries)))
    invoices = _keys(entry.invoice_id for entry in entries)
    payments = _keys(entry.payment_id for entry in entries) | set(refunded.values())
    group_of: dict[_Node, _Node] = {}

    def root(node: _Node) -> _Node:
        while (parent := group_of.setdefault(node, node)) != node:
            node = parent
        return node

    seen_invoices: set[int] = set()
    seen_payments: set[int] = set()
    while invoices - seen_invoices or payments - seen_payments:
        new_invoices, new_payments = invoices - seen_invoices, payments - seen_payments
        seen_invoices |= new_invoices
        seen_payments |= new_payments
        for allocation in await _allocations(new_invoices, new_payments, _midnight(end)):
            first = ("invoice", allocation.invoice_id)
            second = (
                ("payment", allocation.payment_id)
                if allocation.payment_id
                else ("invoice", allocation.credit_note_id or 0)
            )
            first_root, second_root = sorted((root(first), root(second)))
            group_of[second_root] = first_root
            for kind, key in (first, second):
                (invoices if kind == "invoice" else payments).add(key)
    return await _letters_of_groups(entries, root, invoices, payments, end)


def _keys(values: Iterable[int | None]) -> set[int]:
    return {value for value in values if value}


async def _allocations(
    invoices: set[int], payments: set[int], before: datetime
) -> list[Allocation]:
    conditions = Q(
        Q(invoice_id__in=list(invoices)),
        Q(credit_note_id__in=list(invoices)),
        Q(payment_id__in=list(payments)),
        join_type=Q.OR,
    )
    return list(await Allocation.filter(conditions, created_at__lt=before))


async def _refunded_payments(conditions: Q) -> dict[int, int]:
    """The payment that each refund belongs to."""
    return {refund.pk: refund.payment_id for refund in await Refund.filter(conditions)}


async def _letters_of_groups(
    entries: Sequence[LedgerEntry],
    root: Callable[[_Node], _Node],
    invoices: set[int],
    payments: set[int],
    end: date,
) -> dict[int, _Lettering]:
    """The letter of each entry in a group whose lines of 411 add up to nothing."""
    refunded = await _refunded_payments(Q(payment_id__in=list(payments)))
    related = await LedgerEntry.filter(
        Q(invoice_id__in=list(invoices))
        | Q(payment_id__in=list(payments))
        | Q(refund_id__in=list(refunded)),
        day__lt=end,
    )
    cents_of = await _customer_cents(related)
    sums: dict[_Node, int] = defaultdict(int)
    days: dict[_Node, date] = {}
    for entry in related:
        group = root(_node(entry, refunded))
        sums[group] += cents_of[entry.pk]
        days[group] = max(days.get(group, entry.day), entry.day)
    return {
        entry.pk: _Lettering(_letter_code(group), days[group])
        for entry in entries
        if not sums[group := root(_node(entry, refunded))]
    }


def _node(entry: LedgerEntry, refunded: Mapping[int, int]) -> _Node:
    """The document or payment that an entry is about: a refund counts as the payment that it
    returns.
    """
    payment_id = refunded.get(entry.refund_id) if entry.refund_id else entry.payment_id
    return ("payment", payment_id) if payment_id else ("invoice", entry.invoice_id or 0)


def _letter_code(group: _Node) -> str:
    """The letter of a group, made from the key of its first document: for an invoice, 1 is A, 26 is
    Z and 27 is AA. A payment that was refunded without having paid anything is P1, P2, ...
    """
    kind, number = group
    return _letters_of(number) if kind == "invoice" else f"P{number}"


def _letters_of(number: int) -> str:
    letters = ""
    while number:
        number, digit = divmod(number - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters


def _customer_code(account_id: int | None) -> str:
    return f"C{account_id:06d}" if account_id else ""


def _day(day: date) -> str:
    return f"{day:%Y%m%d}"


def _amount(cents: int) -> str:
    """An amount with a decimal comma, without groups: `1034,80`."""
    return str(to_decimal(cents)).replace(".", ",")
