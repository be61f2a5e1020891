"""The number of a ticket as people read it, such as CAM-2026-000123."""

import re
from datetime import UTC, datetime

from tortoise.expressions import Q

from models.clock import PARIS
from models.text import number_text

_NUMBER = re.compile(r"(?:CAM-?)?([2-8]\d{3})-(\d{1,18})|CAM([2-8]\d{3})(\d{6,18})", re.ASCII)
_NUMBER_WITHOUT_YEAR = re.compile(r"\d{6,18}", re.ASCII)


def ticket_number(ticket_id: int, created_at: datetime) -> str:
    """The number shown to people: the year in Paris and the id, such as CAM-2026-000123."""
    return f"CAM-{created_at.astimezone(PARIS).year}-{ticket_id:06d}"


def has_number(*numbers: str) -> Q:
    """The condition that a ticket has one of these numbers: its id, and a creation time in the
    number's year.
    """
    conditions = [_number_condition(number) for number in numbers]
    return Q(*conditions, join_type=Q.OR) if conditions else Q(id=None)


def _number_condition(text: str) -> Q:
    """The condition for a number as people type it: in any case, without its letters, zeros or
    year, with spaces or with other dashes.
    """
    number = number_text(text)
    if _NUMBER_WITHOUT_YEAR.fullmatch(number):
        return Q(id=int(number))
    match = _NUMBER.fullmatch(number)
    if match is None:
        return Q(id=None)
    year, ticket_id = (int(group) for group in match.groups() if group)
    begin, end = (datetime(year + years, 1, 1, tzinfo=PARIS).astimezone(UTC) for years in (0, 1))
    return Q(id=ticket_id, created_at__gte=begin, created_at__lt=end)
