"""The page where the requester of a ticket rates it, which an email links to with a score. Only its
button rates, because mail scanners follow links.
"""

from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from models.checks import Checks
from models.errors import Refusal, message_for
from models.identity.user import User
from models.support.rating import SCORE_LABELS, TicketRating
from models.support.ticket import Ticket
from models.translations import _, text
from resolvers.context import Services
from support import ratings
from web.page import (
    HEADERS,
    Page,
    language,
    link_token,
    not_found,
    page_action,
    page_response,
    read_form,
    refusal_status,
    render,
    too_large,
)

_FORM_BYTES = 32_768  # a comment of 2,000 characters, as browsers write them


def routes(services: Services) -> list[Route]:
    """The page and what its button does."""
    page = _RatingPage(services)
    return [Route("/rate", page.show), Route("/rate", page.submit, methods=["POST"])]


@dataclass(frozen=True)
class _RatingPage:
    services: Services

    async def show(self, request: Request) -> Response:
        """Show the form, with the score of the link, if the link is valid."""
        try:
            ticket, _user = await self._ticket(request)
        except Refusal:
            return not_found(request)
        try:
            rating = await ratings.rating_of(page_action(request, self.services), ticket)
        except Refusal as error:
            return _refusal_page(request, error)
        chosen = request.query_params.get("score") or str(rating.score or "")
        return _form(request, ticket, chosen, rating.comment or "")

    async def submit(self, request: Request) -> Response:
        """Rate the ticket, or show the form again with the error."""
        form = await read_form(request, _FORM_BYTES)
        if form is None:
            return too_large(request)
        try:
            ticket, user = await self._ticket(request)
        except Refusal:
            return not_found(request)
        score, comment = form.get("score", ""), form.get("comment", "").strip()
        try:
            rating = await self._rate(request, user, ticket, score, comment)
        except Refusal as error:
            if error.field[-1] == "ticketId":
                return _refusal_page(request, error)
            return _form(request, ticket, score, comment, error)
        return _thanks_page(request, rating)

    async def _ticket(self, request: Request) -> tuple[Ticket, User]:
        action, signer = page_action(request, self.services), self.services.auth.signer
        return await ratings.ticket_of_token(action, signer, link_token(request))

    async def _rate(
        self, request: Request, user: User, ticket: Ticket, score: str, comment: str
    ) -> TicketRating:
        number = int(score) if score in _SCORES else 0
        with Checks() as check:
            cleaned_comment = ratings.rating_values(check, number, comment)
        action = page_action(request, self.services, user)
        return await ratings.rate(action, user, ticket, number, cleaned_comment)


_SCORES = {str(score) for score in SCORE_LABELS}


def _form(
    request: Request, ticket: Ticket, chosen: str, comment: str, error: Refusal | None = None
) -> Response:
    locale = language(request)
    html = render(
        request,
        "rating.html",
        locale,
        title=text(_TITLE, locale),
        intro=text(_REQUEST, locale, number=ticket.number, subject=ticket.subject),
        scores=[(str(score), text(label, locale)) for score, label in SCORE_LABELS.items()],
        chosen=chosen,
        comment=comment,
        comment_length=ratings.COMMENT_LENGTH,
        notice=message_for(error, locale) if error else "",
    )
    headers = HEADERS | {"Content-Language": locale.value}
    return HTMLResponse(html, refusal_status(error) if error else 200, headers=headers)


def _thanks_page(request: Request, rating: TicketRating) -> Response:
    label = SCORE_LABELS[rating.score or 0]
    highlight = f"{rating.score} – {text(label, language(request))}"
    return page_response(request, replace(_THANKS_PAGE, highlight=highlight))


def _refusal_page(request: Request, error: Refusal) -> Response:
    page = replace(_REFUSAL_PAGE, text=error.message, values=error.values)
    return page_response(request, page, refusal_status(error))


_TITLE = _("How satisfied are you with our support?")
_REQUEST = _("Your request %(number)s: %(subject)s")
_THANKS_PAGE = Page(
    _("Thank you for your rating"),
    _("Our support team will read it. The same link lets you change it for 7 days."),
    continues=True,
)
_REFUSAL_PAGE = Page(_("This request can’t be rated now"), _REQUEST, continues=True)
