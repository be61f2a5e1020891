"""Contact details of support, and when it is open."""

from datetime import datetime

import strawberry

from resolvers.support import chats as chat_resolvers
from resolvers.support import sla as sla_resolvers
from schema.fields import edge, field
from schema.support.calendars import WeeklyHours
from schema.support.chats import ChatService
from schema.support.sla import ChannelAnswerTime


@strawberry.type(description="How to contact the vendor's support.")
class Contact:
    email: str = field("The email address of support.")
    phone: str = field("The phone number of support.")
    opening_hours: str = field(
        "The hours in which chat and phone are answered, in the viewer's language."
    )
    weekly_hours: list[WeeklyHours] = field(
        "These hours for each day of the week, starting on Monday. They don't reflect public "
        "holidays and closures; `isOpen` and `opensAt` do."
    )
    time_zone: str = field("The time zone of these hours, such as Europe/Paris.")
    is_open: bool = field(
        "Whether it is within opening hours now. `chat` says whether an agent is available."
    )
    opens_at: datetime | None = field(
        "When chat and phone will be answered next. Null while they are answered, and when no "
        "opening is planned."
    )
    closes_at: datetime | None = field(
        "When chat and phone stop being answered today. Null while they aren't answered, and when "
        "they are answered around the clock."
    )
    chat: ChatService = field(
        "Whether chats are answered now, and how long they wait. The subscription `chatService` "
        "delivers each change.",
        chat_resolvers.service,
        needs=(),
    )
    answer_times: list[ChannelAnswerTime] = edge(
        sla_resolvers.answer_times,
        needs=(),
        description="How soon support answers through each channel: promised and measured.",
    )
    status_board_url: str = field(
        "The URL of the status board, on which the state of requests can be followed: that of the "
        "viewer's company, or else a page that says where to find it."
    )
    privacy_policy_url: str = field("The URL of the privacy policy in force, for use in footers.")
    terms_url: str = field("The URL of the terms in force.")
