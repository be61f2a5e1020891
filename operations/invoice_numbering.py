"""Verifying that invoice numbers are as the law requires: one sequence per series, without gaps, in
the order of the dates.
"""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from itertools import pairwise
from typing import NamedTuple

from models.billing.invoice import Counter, Invoice, Series, invoice_number
from models.database.reading import read
from models.database.workload import Workload, workload

MAX_ERRORS = 1_000
_PAGE_SIZE = 1_000


class NumberedInvoice(NamedTuple):
    """The columns of an invoice that are verified."""

    position: int
    number: str
    issued_on: date
    issued_at: datetime


async def numbering_errors() -> list[str]:
    """The errors in the numbers of all issued invoices, as sentences: the first MAX_ERRORS. Empty
    when all are correct.

    Reads a page at a time, as a report, and verifies it in a thread: a million invoices neither
    fill the memory nor hold up other requests.
    """
    errors = [error for series in Series for error in await _series_errors(series)]
    return errors[:MAX_ERRORS]


async def _series_errors(series: Series) -> list[str]:
    errors: list[str] = []
    last: NumberedInvoice | None = None
    while len(errors) < MAX_ERRORS:
        counter_before = await _last_position(series)
        if page := await _next_page(series, last):
            errors += await asyncio.to_thread(_page_errors, series, last, page)
            last = page[-1]
        # Invoices may be issued during the verification, so the counter is read before the page
        # that has to contain what it has counted.
        elif last_error := list(_counter_errors(series, last, counter_before)):
            return errors + last_error
        else:
            return errors
    return errors


async def _next_page(series: Series, last: NumberedInvoice | None) -> list[NumberedInvoice]:
    invoices = Invoice.filter(series=series.value, position__gt=last.position if last else 0)
    with workload(Workload.REPORTS):
        rows = await read(invoices, ("id", *NumberedInvoice._fields), "position", limit=_PAGE_SIZE)
    return [NumberedInvoice(row.position, row.number, row.issued_on, row.issued_at) for row in rows]


async def _last_position(series: Series) -> int:
    counter = await Counter.get_or_none(series=series.value)
    return counter.last_position if counter else 0


def series_errors(series: Series, invoices: list[NumberedInvoice], last_position: int) -> list[str]:
    """The errors in one series, whose invoices are given in the order of their positions."""
    last = invoices[-1] if invoices else None
    return [*_page_errors(series, None, invoices), *_counter_errors(series, last, last_position)]


def _page_errors(
    series: Series, last: NumberedInvoice | None, page: list[NumberedInvoice]
) -> list[str]:
    """The errors in a page of invoices, which follows the invoice `last`."""
    invoices = [last, *page] if last else page
    return [
        *_sequence_errors(series, last, page),
        *_date_errors(invoices),
        *_format_errors(series, page),
    ]


def _sequence_errors(
    series: Series, last: NumberedInvoice | None, page: list[NumberedInvoice]
) -> Iterator[str]:
    positions = [last.position if last else 0, *(invoice.position for invoice in page)]
    for before, after in pairwise(positions):
        if after == before:
            yield f"{series}: position {after} was given twice"
        elif after != before + 1:
            yield f"{series}: missing between positions {before} and {after}"


def _counter_errors(
    series: Series, last: NumberedInvoice | None, last_position: int
) -> Iterator[str]:
    position = last.position if last else 0
    if position != last_position:
        yield (
            f"{series}: the last invoice has position {position}, "
            f"but the counter stands at {last_position}"
        )


def _date_errors(invoices: Iterable[NumberedInvoice]) -> Iterator[str]:
    for before, after in pairwise(invoices):
        if after.issued_on < before.issued_on or after.issued_at < before.issued_at:
            yield f"{after.number}: issued {after.issued_at.isoformat()}, before {before.number}"


def _format_errors(series: Series, invoices: Iterable[NumberedInvoice]) -> Iterator[str]:
    for invoice in invoices:
        expected = invoice_number(series, invoice.issued_on, invoice.position)
        if invoice.number != expected:
            yield (
                f"{invoice.number}: position {invoice.position} of {invoice.issued_on.year} "
                f"must read {expected}"
            )
