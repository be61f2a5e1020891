"""The files of billing and of support behind signed links, sent while they are made."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from billing.document_requests import document_of
from billing.exports.fec import fec, fec_file_name
from billing.exports.invoices_zip import DocumentBytes, invoices_zip
from billing.movements import movements_csv
from models.action import Action
from models.billing.invoice import Invoice
from models.clock import local_date
from models.locale import Locale
from operations.analytics.export import query_csv
from operations.analytics.parquet import query_parquet
from operations.analytics.query import AnalyticsQuery
from privacy.archive import personal_archive
from privacy.message_export import ExportFormat, MessageExport, messages_json, messages_pdf
from privacy.notice_documents import NoticeFormat, notice_file
from resolvers.context import Services
from storage.store import Store


@dataclass(frozen=True)
class Export:
    """A file to send: its name, its media type and its content in pieces."""

    name: str
    media_type: str
    content: AsyncIterator[bytes]


def find_export(services: Services, data: dict[str, Any], store: Store) -> Export | None:
    """The file that the data of a link describe. None when they describe something else. `store` is
    that of the uploaded files.
    """
    match data:
        case {"movements": int(key), "since": str(since), "before": str(before), "locale": locale}:
            days = date.fromisoformat(since), date.fromisoformat(before)
            return Export(
                f"camcha-{since}-{before}.csv",
                "text/csv; charset=utf-8",
                movements_csv(key, *days, Locale(locale)),
            )
        case {"invoices": int(key), "year": int(year), "locale": locale}:
            return Export(
                f"camcha-{year}.zip",
                "application/zip",
                invoices_zip(key, year, Locale(locale), _document_reader(services)),
            )
        case {"messages": int(key), "ticket": ticket, "format": format_, "locale": locale}:
            export = MessageExport(key, ticket, bool(data["notes"]))
            return _message_export(services, export, ExportFormat(format_), Locale(locale))
        case {"person": int(key)}:
            now = services.clock.now()
            return Export(
                f"camcha-{local_date(now)}.zip",
                "application/zip",
                personal_archive(key, store, now),
            )
        case {"analytics": dict(query), "format": "parquet"}:
            today = local_date(services.clock.now())
            return Export(
                f"camcha-{query['fact']}-{today}.parquet",
                "application/vnd.apache.parquet",
                query_parquet(
                    AnalyticsQuery.from_json(query), today, services.analytics.min_companies
                ),
            )
        case {"analytics": dict(query)}:
            today = local_date(services.clock.now())
            return Export(
                f"camcha-{query['fact']}-{today}.csv",
                "text/csv; charset=utf-8",
                query_csv(AnalyticsQuery.from_json(query), today, services.analytics.min_companies),
            )
        case {"notice": int(key), "format": format_, "name": str(name)}:
            file_format = NoticeFormat(format_)
            return Export(
                f"{name}.{file_format.extension}",
                file_format.media_type,
                notice_file(key, file_format, services.seller.party, services.clock.now()),
            )
        case {"fec": int(year)}:
            return Export(
                fec_file_name(services.seller.party.siren, date(year, 12, 31)),
                "text/plain; charset=iso-8859-15",
                fec(year),
            )
    return None


def _message_export(
    services: Services, export: MessageExport, format_: ExportFormat, locale: Locale
) -> Export:
    now = services.clock.now()
    name = f"camcha-messages-{local_date(now)}"
    if format_ is ExportFormat.PDF:
        return Export(f"{name}.pdf", "application/pdf", messages_pdf(export, locale, now))
    return Export(f"{name}.json", "application/json", messages_json(export, now))


def _document_reader(services: Services) -> DocumentBytes:
    """Reads the PDF of an invoice, which is made when it is missing."""

    async def read(invoice: Invoice) -> bytes | None:
        action = Action(None, services.clock.now(), services.hub)
        document = await document_of(
            action, services.auth.signer, invoice.pk, services.delivery_channel
        )
        return document.pdf if document else None

    return read
