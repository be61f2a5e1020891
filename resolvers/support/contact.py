"""Contact details of support, and when it is open."""

from types import SimpleNamespace

from models.content.policy import PolicyKind
from models.support.calendar import default_hours
from resolvers.content.policies import page_url
from resolvers.context import Info
from resolvers.support.calendars import weekly_hours
from resolvers.support.status_board import url_for
from support.opening_hours_text import hours_text


async def contact(info: Info) -> SimpleNamespace:
    """The contact details of the vendor's configuration, and the hours of the default calendar."""
    services = info.context.services
    seller, base_url = services.seller, services.base_url
    hours, now = await default_hours(), services.clock.now()
    is_open = hours.is_open(now)
    return SimpleNamespace(
        email=seller.support_email,
        phone=seller.support_phone,
        opening_hours=hours_text(hours, info.context.viewer.locale),
        weekly_hours=weekly_hours(hours.week),
        time_zone=hours.zone.key,
        is_open=is_open,
        opens_at=None if is_open else hours.next_opening(now),
        closes_at=hours.next_closing(now) if is_open else None,
        status_board_url=await url_for(info.context.viewer, base_url),
        privacy_policy_url=page_url(base_url, PolicyKind.PRIVACY),
        terms_url=page_url(base_url, PolicyKind.TERMS),
    )
