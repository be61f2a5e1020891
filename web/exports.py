"""The files of billing behind signed links, sent while they are made."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from billing.exports.fec import fec, fec_file_name
from billing.exports.invoices_zip import invoices_zip
from billing.movements import movements_csv
from models.billing.invoice import Invoice, InvoiceDocument
from models.locale import Locale
from resolvers.context import Services


@dataclass(frozen=True)
class Export:
    """A file to send: its name, its media type and its content in pieces."""

    name: str
    media_type: str
    content: AsyncIterator[bytes]


def find_export(services: Services, data: dict[str, Any]) -> Export | None:
    """The file that the data of a link describe. None when they are of something else."""
    match data:
        case {"movements": int(key), "since": str(since), "until": str(until), "locale": locale}:
            days = date.fromisoformat(since), date.fromisoformat(until)
            return Export(
                f"camcha-{since}-{until}.csv",
                "text/csv; charset=utf-8",
                movements_csv(key, *days, Locale(locale)),
            )
        case {"invoices": int(key), "year": int(year), "locale": locale}:
            return Export(
                f"camcha-{year}.zip",
                "application/zip",
                invoices_zip(key, year, Locale(locale), _document_bytes),
            )
        case {"fec": int(year)}:
            return Export(
                fec_file_name(services.seller.party.siren, date(year, 12, 31)),
                "text/plain; charset=iso-8859-15",
                fec(year),
            )
    return None


async def _document_bytes(invoice: Invoice) -> bytes:
    document = await InvoiceDocument.get(invoice_id=invoice.pk)
    return document.pdf
