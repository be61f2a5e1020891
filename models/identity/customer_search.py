"""Search for customers by parts of their name, their email address, their company's name or its
SIREN.

Every word of a search must occur in the text of the person or of one of their companies. Both are
normalized in Python (`models.text.fold_text`), so that SQLite and PostgreSQL return the same rows.
Normalized words contain no LIKE wildcards.

A word may match anywhere in the text, so no index can be used: each word scans both `searched`
columns. That is why the number of words is limited, and why only staff may search.
See docs/decisions/0018-staff.md.
"""

from tortoise.expressions import Q, Subquery
from tortoise.queryset import QuerySet

from models.accounts.account import Membership
from models.errors import BadInput
from models.identity.email_address import normalized_email
from models.identity.user import User
from models.text import fold_text
from models.translations import _

MAX_WORDS = 5
MIN_LENGTH, MAX_LENGTH = 2, 100


def search_customers(search: str) -> QuerySet[User]:
    """Return the customers that match a search. Raises BadInput when it is too short, too long or
    has too many words.
    """
    # People are stored with the domains of their addresses in their own script.
    parts = [normalized_email(part) if "xn--" in part.lower() else part for part in search.split()]
    words = fold_text(" ".join(parts)).split()
    if len(search) > MAX_LENGTH or max(map(len, words), default=0) < MIN_LENGTH:
        message = _("“%(argument)s” must have %(minimum)s to %(maximum)s characters.")
        raise BadInput("search", message, minimum=MIN_LENGTH, maximum=MAX_LENGTH)
    if len(words) > MAX_WORDS:
        raise BadInput(
            "search", _("“%(argument)s” can have at most %(maximum)s words."), maximum=MAX_WORDS
        )
    users: QuerySet[User] = User.filter(staff=None)
    for word in words:
        account_members = Membership.filter(account__searched__contains=word).values("user_id")
        users = users.filter(Q(searched__contains=word) | Q(id__in=Subquery(account_members)))
    return users
