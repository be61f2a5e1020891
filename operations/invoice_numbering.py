"""Verifying that invoice numbers are as the law requires: one sequence per series, without gaps, in
the order of the dates.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from itertools import pairwise
from typing import NamedTuple

from models.billing.invoice import Counter, Invoice, Series, invoice_number


class NumberedInvoice(NamedTuple):
    """The columns of an invoice that are verified."""

    position: int
    number: str
    issued_on: date
    issued_at: datetime


async def numbering_errors() -> list[str]:
    """What is wrong with the numbers of all issued invoices, as sentences. Empty when all are
    correct.
    """
    return [
        error
        for series in Series
        for error in series_errors(
            series, await _numbered_invoices(series), await _last_position(series)
        )
    ]


async def _numbered_invoices(series: Series) -> list[NumberedInvoice]:
    invoices = Invoice.filter(series=series).order_by("position", "id")
    return [
        NumberedInvoice(*row)
        for row in await invoices.values_list("position", "number", "issued_on", "issued_at")
    ]


async def _last_position(series: Series) -> int:
    counter = await Counter.get_or_none(series=series.value)
    return counter.last_position if counter else 0


def series_errors(series: Series, invoices: list[NumberedInvoice], last_position: int) -> list[str]:
    """What is wrong with one series, whose invoices are given in the order of their positions."""
    return [
        *_sequence_errors(series, invoices, last_position),
        *_date_errors(invoices),
        *_format_errors(series, invoices),
    ]


def _sequence_errors(
    series: Series, invoices: list[NumberedInvoice], last_position: int
) -> Iterator[str]:
    positions = [0, *(invoice.position for invoice in invoices)]
    for before, after in pairwise(positions):
        if after == before:
            yield f"{series}: position {after} was given twice"
        elif after != before + 1:
            yield f"{series}: missing between positions {before} and {after}"
    if positions[-1] != last_position:
        yield (
            f"{series}: the last invoice has position {positions[-1]}, "
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
