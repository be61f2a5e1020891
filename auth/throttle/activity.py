"""How many tickets and messages one person, one company and one member of staff may send, and how
many purchases they may draft or change.

The limits are far above what people do: nobody types a hundred messages in a minute, and no company
needs twenty answers, or starts sixty purchases, at once. They keep a script, or a stolen session,
from filling the inbox of the agents and the disk. A company has several times the allowance of a
person, so that one member doesn't use up that of the others. Staff answer many customers, and have
limits of their own.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import cache, lru_cache

from auth.throttle import Key, Limit, key
from models.identity.user import User


@dataclass(frozen=True)
class ActivityLimits:
    """The tickets, messages and purchases that are allowed at once. The allowance recovers at the
    rates below.
    """

    messages: int = 120
    messages_per_company: int = 600
    messages_of_staff: int = 600
    tickets: int = 20
    tickets_per_company: int = 100
    purchases: int = 60
    purchases_per_company: int = 200

    def message_keys(self, author: User, account_id: int | None) -> tuple[Key, ...]:
        """The keys under which a message counts. `account_id` is the company that the author acts
        for.
        """
        if author.staff is not None or account_id is None:
            return (_message_key("staff message", self.messages_of_staff, _STAFF_RATE, author.pk),)
        return (
            _message_key("message", self.messages, _PERSON_RATE, author.pk),
            _message_key("company message", self.messages_per_company, _COMPANY_RATE, account_id),
        )

    def ticket_keys(self, requester: User, account_id: int) -> tuple[Key, ...]:
        """The keys under which a new ticket of a company counts."""
        return (
            key(_request_limit("ticket", self.tickets, timedelta(minutes=3)), requester.pk),
            key(
                _request_limit("company ticket", self.tickets_per_company, timedelta(minutes=1)),
                account_id,
            ),
        )

    def purchase_keys(self, buyer: User, account_id: int) -> tuple[Key, ...]:
        """The keys under which a draft or a change of a purchase counts."""
        return (
            key(_request_limit("purchase", self.purchases, timedelta(minutes=1)), buyer.pk),
            key(
                _request_limit(
                    "company purchase", self.purchases_per_company, timedelta(seconds=20)
                ),
                account_id,
            ),
        )


# One message per ...
_PERSON_RATE = timedelta(seconds=2)
_COMPANY_RATE = timedelta(seconds=0.5)
_STAFF_RATE = timedelta(seconds=0.5)


@lru_cache(10_000)  # those who write write again
def _message_key(name: str, free_attempts: int, decay: timedelta, subject: int) -> Key:
    return key(Limit(name, free_attempts, decay, max_wait=timedelta(seconds=30)), subject)


@cache
def _request_limit(name: str, free_attempts: int, decay: timedelta) -> Limit:
    return Limit(name, free_attempts, decay, max_wait=timedelta(minutes=10))
