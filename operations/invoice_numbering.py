"""Verifying that invoice numbers are as the law requires: one sequence per series, without gaps, in
the order of the dates.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from itertools import pairwise
from typing import NamedTuple

from models.billing.invoice import Counter, Invoice, Series, invoice_number


class Numbered(NamedTuple):
    """The columns of an invoice that are verified."""

    position: int
    printed: str
    issued_on: date
    issued_at: datetime


async def numbering_faults() -> list[str]:
    """What is wrong with the numbers of all issued invoices, as sentences. Empty when all are
    correct.
    """
    return [
        fault
        for series in Series
        for fault in faults(series, await _issued(series), await _last_given(series))
    ]


async def _issued(series: Series) -> list[Numbered]:
    found = Invoice.filter(series=series).order_by("position", "id")
    return [
        Numbered(*row)
        for row in await found.values_list("position", "number", "issued_on", "issued_at")
    ]


async def _last_given(series: Series) -> int:
    counter = await Counter.get_or_none(series=series.value)
    return counter.last_position if counter else 0


def faults(series: Series, issued: list[Numbered], last_given: int) -> list[str]:
    """What is wrong with one series, whose invoices are given in the order of their positions."""
    return [*_sequence(series, issued, last_given), *_dates(issued), *_printed(series, issued)]


def _sequence(series: Series, issued: list[Numbered], last_given: int) -> Iterator[str]:
    positions = [0, *(each.position for each in issued)]
    for before, after in pairwise(positions):
        if after == before:
            yield f"{series}: position {after} was given twice"
        elif after != before + 1:
            yield f"{series}: missing between positions {before} and {after}"
    if positions[-1] != last_given:
        yield (
            f"{series}: the last invoice has position {positions[-1]}, "
            f"but the counter stands at {last_given}"
        )


def _dates(issued: Iterable[Numbered]) -> Iterator[str]:
    for before, after in pairwise(issued):
        if after.issued_on < before.issued_on or after.issued_at < before.issued_at:
            yield f"{after.printed}: issued {after.issued_at.isoformat()}, before {before.printed}"


def _printed(series: Series, issued: Iterable[Numbered]) -> Iterator[str]:
    for each in issued:
        wanted = invoice_number(series, each.issued_on, each.position)
        if each.printed != wanted:
            yield (
                f"{each.printed}: position {each.position} of {each.issued_on.year} "
                f"must read {wanted}"
            )
