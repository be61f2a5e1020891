"""Finding customers by what an agent has heard of them: parts of a name, an address, a company, a
SIREN.

Every word of a search must occur in what is known of the person, or of a company of theirs. Both
sides are folded in Python (`models.text.fold_text`), so that SQLite and PostgreSQL find the same;
nothing is left in a word that LIKE takes for a wildcard.

A part may lie anywhere in a word, so no index leads there: each word costs one look through the two
`searched` columns, which is why a search has few words, and why people of staff alone may make one.
See docs/decisions/0018-staff.md.
"""

from tortoise.expressions import Q, Subquery
from tortoise.queryset import QuerySet

from models.accounts.account import Membership
from models.errors import BadInput
from models.identity.user import User
from models.text import fold_text
from models.translations import _

MOST_WORDS = 5
SHORTEST, LONGEST = 2, 100


def search_customers(search: str) -> QuerySet[User]:
    """The customers that a search finds. Raises BadInput for one that is too short, too long, or of
    too many words.
    """
    words = fold_text(search).split()
    if len(search) > LONGEST or max(map(len, words), default=0) < SHORTEST:
        message = _("“%(argument)s” must have %(minimum)s to %(maximum)s characters.")
        raise BadInput("search", message, minimum=SHORTEST, maximum=LONGEST)
    if len(words) > MOST_WORDS:
        raise BadInput("search", _("“%(argument)s” can have at most %(maximum)s words."), maximum=MOST_WORDS)
    found: QuerySet[User] = User.filter(staff=None)
    for word in words:
        theirs = Membership.filter(account__searched__contains=word).values("user_id")
        found = found.filter(Q(searched__contains=word) | Q(id__in=Subquery(theirs)))
    return found
