"""The start page. It redirects to the customer space, or explains how to get there and how to
contact support.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from models.support.calendar import default_hours
from models.translations import _
from resolvers.context import Services
from support.opening_hours_text import hours_text
from web.page import Page, language, page_response


def routes(services: Services) -> list[Route]:
    """The route of the start page, which our other pages and our emails link to."""
    return [Route("/", _HomePage(services).show)]


@dataclass(frozen=True)
class _HomePage:
    services: Services

    async def show(self, request: Request) -> Response:
        """Redirect to the customer space, or show the page."""
        if url := self.services.customer_space.link(""):
            return RedirectResponse(url, 303, headers={"Cache-Control": "no-store"})
        seller = self.services.seller
        phone = seller.support_phone
        links = [
            (seller.support_email, f"mailto:{seller.support_email}"),
            (phone, f"tel:{''.join(phone.split())}"),
        ]
        if self.services.demonstration:
            links.append(("GraphiQL", f"{request.scope.get('root_path', '')}/graphql"))
        hours = hours_text(await default_hours(), language(request))
        return page_response(request, Page(_TITLE, _TEXT, details=hours, links=tuple(links)))


_TITLE = _("Your CAMCHA customer space")
_TEXT = _(
    "Sign in on the site or in the application where you signed up. If you can’t find it or need "
    "help, our support will answer you:"
)
