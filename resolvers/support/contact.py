"""Contact details of support."""

from types import SimpleNamespace

from models.content.policy import PolicyKind
from models.translations import _, text
from resolvers.content.policies import page_url
from resolvers.context import Info

OPENING_HOURS = _("Monday to Friday, 9:00 to 18:00 Paris time, except French public holidays")


async def contact(info: Info) -> SimpleNamespace:
    """The contact details of the vendor's configuration."""
    seller = info.context.services.seller
    base_url = info.context.services.base_url
    return SimpleNamespace(
        email=seller.support_email,
        phone=seller.support_phone,
        opening_hours=text(OPENING_HOURS, info.context.viewer.locale),
        privacy_policy_url=page_url(base_url, PolicyKind.PRIVACY),
        terms_url=page_url(base_url, PolicyKind.TERMS),
    )
