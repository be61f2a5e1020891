"""Search for customers by parts of their name, their email address, their company's name or its
SIREN, or by the number of one of their tickets or invoices.

Every word of a search must occur in what is known about the person or one of their companies. Both
sides are normalized in Python (`models.text.search_text`), so that SQLite and PostgreSQL return the
same rows; no wildcard of LIKE is left in a word.

A part may be anywhere in a word, so no index helps: each word costs one scan of the two
`search_text` columns, which is why a search has few words, and why only staff may search. See
docs/decisions/0018-staff.md.
"""

from tortoise.expressions import Q, Subquery
from tortoise.queryset import QuerySet

from models.accounts.account import Membership
from models.billing.invoice import Invoice, canonical_invoice_number
from models.errors import BadInput
from models.identity.email_address import normalized_email
from models.identity.user import User
from models.support.ticket import Ticket
from models.support.ticket_number import has_number
from models.text import match_word, search_words
from models.translations import _

MAX_WORDS = 5
MIN_LENGTH, MAX_LENGTH = 2, 100


def search_customers(search: str) -> QuerySet[User]:
    """Return the customers that match a search. Raises BadInput when it is too short, too long or
    has too many words.
    """
    # People are stored with the domains of their addresses in their own script.
    texts = [normalized_email(text) if "xn--" in text.lower() else text for text in search.split()]
    words = search_words(" ".join(texts))
    if len(search) > MAX_LENGTH or _longest(words) < MIN_LENGTH:
        message = _("“%(argument)s” must have %(minimum)s to %(maximum)s characters.")
        raise BadInput("search", message, minimum=MIN_LENGTH, maximum=MAX_LENGTH)
    if len(words) > MAX_WORDS:
        raise BadInput(
            "search", _("“%(argument)s” can have at most %(maximum)s words."), maximum=MAX_WORDS
        )
    matches = Q()
    for parts in words:
        accounts = match_word("account__search_text", parts)
        members = Membership.filter(accounts).values("user_id")
        matches &= match_word("search_text", parts) | Q(id__in=Subquery(members))
    return User.filter(Q(staff=None) & (matches | _has_number(search)))


def _longest(words: list[tuple[str, ...]]) -> int:
    return max((len("".join(parts)) for parts in words), default=0)


def _has_number(search: str) -> Q:
    """The condition that a user opened the ticket of this number, or belongs to the company that
    the invoice of this number was issued to.
    """
    if invoice_number := canonical_invoice_number(search):
        accounts = Invoice.filter(number=invoice_number).values("account_id")
        members = Membership.filter(account_id__in=Subquery(accounts)).values("user_id")
        return Q(id__in=Subquery(members))
    tickets = Ticket.filter(has_number(search)).values("requester_id")
    return Q(id__in=Subquery(tickets))
