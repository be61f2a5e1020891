"""Contact details of support, and when it is open."""

from datetime import datetime

import strawberry

from schema.fields import field
from schema.support.calendars import WeeklyHours


@strawberry.type(description="How to contact the vendor's support.")
class Contact:
    email: str = field("The email address of support. Emails are answered within 24 to 48 hours.")
    phone: str = field(
        "The phone number of support. Calls are answered immediately during opening hours."
    )
    opening_hours: str = field(
        "The hours in which chat and phone are answered, in the viewer's language."
    )
    weekly_hours: list[WeeklyHours] = field(
        "These hours for each day of the week, from Monday on. Public holidays and closures are "
        "exceptions: `isOpen` and `opensAt` consider them."
    )
    time_zone: str = field("The time zone of these hours, such as Europe/Paris.")
    is_open: bool = field("Whether chat and phone are answered now.")
    opens_at: datetime | None = field(
        "When chat and phone will be answered next. Null while they are, or if it isn't planned."
    )
    closes_at: datetime | None = field(
        "Until when chat and phone are answered today. Null while they aren't, or around the clock."
    )
    privacy_policy_url: str = field("The URL of the privacy policy in force, for use in footers.")
    terms_url: str = field("The URL of the terms in force.")
