"""A year's invoices and credit notes of a company as one ZIP, with an index as CSV.

The archive is written as it is sent: one document at a time is in memory. Documents aren't
compressed again.
"""

import csv
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from io import RawIOBase, StringIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from models.billing.invoice import DocumentType, Invoice
from models.billing.money import to_decimal
from models.locale import Locale
from models.translations import _, text

DocumentBytes = Callable[[Invoice], Awaitable[bytes | None]]
INDEX = "index.csv"
_HEADER = (
    _("File"),
    _("Number"),
    _("Kind"),
    _("Date of issue"),
    _("Due date"),
    _("Net (EUR)"),
    _("VAT (EUR)"),
    _("Total (EUR)"),
)
_KINDS = {
    DocumentType.INVOICE: _("Invoice"),
    DocumentType.CREDIT_NOTE: _("Credit note"),
    DocumentType.CORRECTIVE_INVOICE: _("Corrective invoice"),
}


class ZipBuffer(RawIOBase):
    """A stream that can't be rewound, from which the written bytes are taken."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override] # zipfile writes bytes only
        self._chunks.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """What was written since the last call."""
        content, self._chunks = b"".join(self._chunks), []
        return content


async def invoices_zip(
    account_id: int, year: int, locale: Locale, document_bytes: DocumentBytes
) -> AsyncIterator[bytes]:
    """The archive in pieces: each document under its number, in order, then the index. Invoices
    without a document, whose buyer was removed after ten years, are in the index only.
    """
    buffer, index = ZipBuffer(), StringIO(newline="")
    rows = csv.writer(index, delimiter=";", lineterminator="\r\n")
    rows.writerow(text(name, locale) for name in _HEADER)
    with ZipFile(buffer, "w") as archive:
        async for invoice in _invoices(account_id, year):
            content = await document_bytes(invoice)
            name = f"{invoice.number}.pdf" if content is not None else ""
            if content is not None:
                archive.writestr(_entry(name, invoice, ZIP_STORED), content)
            rows.writerow(_row(name, invoice, locale))
            yield buffer.take()
        rows_of_index = b"\xef\xbb\xbf" + index.getvalue().encode()
        archive.writestr(ZipInfo(INDEX, (year, 12, 31, 0, 0, 0)), rows_of_index, ZIP_DEFLATED)
    yield buffer.take()


async def _invoices(account_id: int, year: int) -> AsyncIterator[Invoice]:
    """The documents of a year in the order of their keys, one at a time."""
    last_id = 0
    while invoice := (
        await Invoice.filter(
            account_id=account_id,
            issued_on__gte=date(year, 1, 1),
            issued_on__lt=date(year + 1, 1, 1),
            id__gt=last_id,
        )
        .order_by("id")
        .first()
    ):
        yield invoice
        last_id = invoice.pk


def _entry(name: str, invoice: Invoice, compression: int) -> ZipInfo:
    day = invoice.issued_on
    entry = ZipInfo(name, (day.year, day.month, day.day, 0, 0, 0))
    entry.compress_type = compression
    return entry


def _row(name: str, invoice: Invoice, locale: Locale) -> list[str]:
    sign = -1 if invoice.type == DocumentType.CREDIT_NOTE else 1
    amounts = (sign * invoice.net_cents, sign * invoice.vat_cents, sign * invoice.gross_cents)
    return [
        name,
        invoice.number,
        text(_KINDS[DocumentType(invoice.type)], locale),
        invoice.issued_on.isoformat(),
        invoice.due_on.isoformat(),
        *(_amount(cents, locale) for cents in amounts),
    ]


def _amount(cents: int, locale: Locale) -> str:
    amount = str(to_decimal(cents))
    return amount.replace(".", ",") if locale is Locale.FR else amount
