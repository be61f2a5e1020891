"""The file of accounting entries (fichier des écritures comptables, FEC) that the tax office asks
for: art. A47 A-1 of the Livre des procédures fiscales, VII and VIII for the 18 columns, III for the
characters, X for the name.

The ledger has the sales and what was received for them, so the file is the part of the accounts
that CAMCHA keeps. A year begins with the balances that the year before left (journal AN).

A customer's lines have a letter when the invoices, credit notes, payments and refunds that are
allocated to each other settle each other completely. The letter is made from the oldest of these
invoices, so it is the same in each file.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from tortoise.expressions import Q

from billing.ledger import BANK, CUSTOMERS, REVENUE, VAT_COLLECTED
from models.accounts.account import Account
from models.billing.invoice import Invoice
from models.billing.ledger import Journal, LedgerEntry, LedgerLine
from models.billing.money import to_decimal
from models.billing.receivable import Allocation
from models.billing.refund import Refund
from models.database.reading import read
from models.database.sql import execute
from models.database.workload import Workload, workload
from models.locale import Locale
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
    yield _encode(await _opening_rows(date(year, 1, 1)))
    last: LedgerEntry | None = None
    while entries := await _next_entries(year, last):
        yield _encode(await _rows(entries))
        last = entries[-1]


def _encode(rows: Iterable[Sequence[str]]) -> bytes:
    """Rows without tabs and line breaks in them; characters that the encoding lacks become `?`."""
    lines = ("\t".join(" ".join(cell.split()) for cell in row) for row in rows)
    return "".join(f"{line}\r\n" for line in lines).encode(ENCODING, "replace")


async def _next_entries(year: int, last: LedgerEntry | None) -> list[LedgerEntry]:
    entries = LedgerEntry.filter(day__gte=date(year, 1, 1), day__lt=date(year + 1, 1, 1))
    if last:
        entries = entries.filter(Q(day__gt=last.day) | Q(day=last.day, id__gt=last.pk))
    with workload(Workload.REPORTS):
        return await read(entries, None, "day", "id", limit=_PAGE_SIZE)


async def _rows(entries: Sequence[LedgerEntry]) -> list[tuple[str, ...]]:
    """The rows of some entries, in their order."""
    by_entry: dict[int, list[LedgerLine]] = defaultdict(list)
    lines: list[LedgerLine] = await read(
        LedgerLine.all(), None, "position", where_in=("entry_id", {each.pk for each in entries})
    )
    for line in lines:
        by_entry[line.entry_id].append(line)
    names = await _customer_names(line.account_id for line in lines)
    invoices = await _issue_days(entry.invoice_id for entry in entries)
    letters = await _letters(entries)
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


async def _opening_rows(day: date) -> list[tuple[str, ...]]:
    """The entry that carries the balances of earlier years forward, by customer for 411. What they
    earned is in the account of the result.
    """
    with workload(Workload.REPORTS):
        balances = await execute(
            "SELECT code, line.account_id, SUM(debit_cents - credit_cents) AS cents "
            "FROM ledger_line line JOIN ledger_entry entry ON entry.id = line.entry_id "
            "WHERE entry.day < ? GROUP BY code, line.account_id ORDER BY code, line.account_id",
            day,
        )
    carried = [(row["code"], row["account_id"], int(row["cents"])) for row in balances]
    kept = [each for each in carried if not each[0].startswith(("6", "7")) and each[2]]
    if result := -sum(cents for _code, _account, cents in kept):
        kept.append((_RESULT, None, result))
    names = await _customer_names(account_id for _code, account_id, _cents in kept)
    return [
        (
            _OPENING_JOURNAL,
            "À nouveaux",
            f"{_OPENING_JOURNAL}000001",
            _day(day),
            code,
            _ACCOUNT_NAMES.get(code, code),
            _customer_code(account_id),
            names.get(account_id or 0, ""),
            f"{_OPENING_JOURNAL}{day.year}",
            _day(day),
            "À nouveaux",
            _amount(max(cents, 0)),
            _amount(max(-cents, 0)),
            "",
            "",
            _day(day),
            "",
            "",
        )
        for code, account_id, cents in kept
    ]


async def _customer_names(account_ids: Iterable[int | None]) -> dict[int, str]:
    keys = {key for key in account_ids if key is not None}
    rows = await read(Account.all(), ("id", "legal_name"), where_in=("id", keys)) if keys else []
    return {row.pk: row.legal_name for row in rows}


async def _issue_days(invoice_ids: Iterable[int | None]) -> dict[int, date]:
    keys = {key for key in invoice_ids if key is not None}
    rows = await read(Invoice.all(), ("id", "issued_on"), where_in=("id", keys)) if keys else []
    return {row.pk: row.issued_on for row in rows}


async def _letters(entries: Sequence[LedgerEntry]) -> dict[int, _Lettering]:
    """The letters of entries, by entry: of those whose whole group of allocations is settled."""
    paid_by = await _refunded_payments(Q(id__in=_keys(entry.refund_id for entry in entries)))
    invoices = _keys(entry.invoice_id for entry in entries)
    payments = _keys(entry.payment_id for entry in entries) | set(paid_by.values())
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
        for allocation in await _allocations(new_invoices, new_payments):
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
    groups = {node: root(node) for node in list(group_of)}
    return await _letters_of_groups(entries, groups, invoices, payments)


def _keys(values: Iterable[int | None]) -> set[int]:
    return {value for value in values if value}


async def _allocations(invoices: set[int], payments: set[int]) -> list[Allocation]:
    conditions = Q(
        Q(invoice_id__in=list(invoices)),
        Q(credit_note_id__in=list(invoices)),
        Q(payment_id__in=list(payments)),
        join_type=Q.OR,
    )
    return list(await Allocation.filter(conditions))


async def _refunded_payments(conditions: Q) -> dict[int, int]:
    """The payment of each refund."""
    return {refund.pk: refund.payment_id for refund in await Refund.filter(conditions)}


async def _letters_of_groups(
    entries: Sequence[LedgerEntry],
    groups: Mapping[_Node, _Node],
    invoices: set[int],
    payments: set[int],
) -> dict[int, _Lettering]:
    """The letter of each entry in a group whose lines of 411 add up to nothing."""
    paid_by = await _refunded_payments(Q(payment_id__in=list(payments)))
    related = await LedgerEntry.filter(
        Q(invoice_id__in=list(invoices))
        | Q(payment_id__in=list(payments))
        | Q(refund_id__in=list(paid_by))
    )
    lines = await LedgerLine.filter(entry_id__in=[each.pk for each in related], code=CUSTOMERS)
    cents_of: dict[int, int] = defaultdict(int)
    for line in lines:
        cents_of[line.entry_id] += line.debit_cents - line.credit_cents
    sums: dict[_Node, int] = defaultdict(int)
    days: dict[_Node, date] = {}
    for entry in related:
        group = groups.get(_node(entry, paid_by))
        if group:
            sums[group] += cents_of[entry.pk]
            days[group] = max(days.get(group, entry.day), entry.day)
    return {
        entry.pk: _Lettering(_letter_code(group[1]), days[group])
        for entry in entries
        if (group := groups.get(_node(entry, paid_by))) and not sums[group]
    }


def _node(entry: LedgerEntry, paid_by: Mapping[int, int]) -> _Node:
    """What an entry is about: a refund belongs to the payment that it gives back."""
    payment_id = paid_by.get(entry.refund_id) if entry.refund_id else entry.payment_id
    return ("payment", payment_id) if payment_id else ("invoice", entry.invoice_id or 0)


def _letter_code(number: int) -> str:
    """Letters for a number: 1 is A, 26 is Z, 27 is AA."""
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
