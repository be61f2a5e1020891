"""Calendar files of webinars (RFC 5545), with the time zone Europe/Paris.

Those in emails are invitations and cancellations (RFC 5546). The participant has accepted already,
and no answer is expected. Every change of a webinar has a higher SEQUENCE, so that calendars update
their entries.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from icalendar import Calendar, Event, Timezone, vCalAddress, vText

from models.clock import PARIS
from models.content.article import Article
from models.identity.user import User
from models.locale import Locale

# The rule of the European Union since 1996. Those that icalendar makes of a zone say the time after
# a change of the clocks, not the one before (RFC 5545, 3.6.5).
_PARIS = """\
BEGIN:VTIMEZONE
TZID:Europe/Paris
BEGIN:DAYLIGHT
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
TZNAME:CEST
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
END:DAYLIGHT
BEGIN:STANDARD
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
TZNAME:CET
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
END:VTIMEZONE
"""


class CalendarMethod(StrEnum):
    """What a calendar program does with the file."""

    PUBLISH = "PUBLISH"
    REQUEST = "REQUEST"
    CANCEL = "CANCEL"


@dataclass(frozen=True)
class Organizer:
    """The organizer of the webinars: the vendor's name, and support's address."""

    name: str
    email: str

    @property
    def address(self) -> vCalAddress:
        """The value of ORGANIZER."""
        address = vCalAddress(f"mailto:{self.email}")
        address.params["CN"] = vText(self.name)
        return address


def calendar_file(
    at: datetime,
    organizer: Organizer,
    article: Article,
    locale: Locale,
    method: CalendarMethod = CalendarMethod.PUBLISH,
    attendee: User | None = None,
) -> str:
    """The calendar file of a webinar. Only an attendee's file contains the link to join."""
    calendar = Calendar()
    calendar.add("prodid", "-//CAMCHA//Webinars//FR")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", method.value)
    calendar.add_component(Timezone.from_ical(_PARIS))
    calendar.add_component(_event(at, organizer, article, locale, method, attendee))
    return str(calendar.to_ical(), "utf-8")


def _event(
    at: datetime,
    organizer: Organizer,
    article: Article,
    locale: Locale,
    method: CalendarMethod,
    attendee: User | None,
) -> Event:
    assert article.starts_at, "webinars have a date"  # noqa: S101
    assert article.ends_at, "and an end"  # noqa: S101
    texts, event = article.text(locale), Event()
    event.add("uid", f"webinar-{article.pk}@{organizer.email.rpartition('@')[2]}")
    event.add("sequence", article.calendar_sequence)
    event.add("dtstamp", at.astimezone(UTC))
    event.add("dtstart", article.starts_at.astimezone(PARIS))
    event.add("dtend", article.ends_at.astimezone(PARIS))
    event.add("summary", texts["title"], {"LANGUAGE": locale.value})
    event.add("description", texts["summary"], {"LANGUAGE": locale.value})
    event["organizer"] = organizer.address
    is_canceled = method is CalendarMethod.CANCEL or article.canceled_at is not None
    event.add("status", "CANCELLED" if is_canceled else "CONFIRMED")
    if attendee:
        event.add("attendee", _attendee(attendee), encode=False)
        if article.join_url and not is_canceled:
            event.add("location", article.join_url)
            event.add("url", article.join_url)
    return event


def _attendee(user: User) -> vCalAddress:
    address = vCalAddress(f"mailto:{user.email}")
    address.params["CN"] = vText(user.name)
    address.params["ROLE"] = vText("REQ-PARTICIPANT")
    address.params["PARTSTAT"] = vText("ACCEPTED")
    address.params["RSVP"] = vText("FALSE")
    return address
