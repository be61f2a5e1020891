"""What automations know about a ticket, and whether that meets their conditions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient

from models.accounts.account import Account
from models.billing.purchase import RENEWING_STATUSES, Purchase
from models.identity.user import User
from models.support.automation import AutomationVersion, ConditionMatch
from models.support.message import Message
from models.support.opening_hours import OpeningHours
from models.support.search_entry import stems_of
from models.support.tag import TicketTag
from models.support.team import team_hours
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus


@dataclass(frozen=True)
class Facts:
    """A ticket when something happened in it. `values` has the single values by the names of the
    conditions, `groups` the sets of values, and `stems` the stems of the subject and of a message.
    """

    values: Mapping[str, Any]
    groups: Mapping[str, frozenset[Any]]
    stems: Sequence[str]

    def meets(self, version: AutomationVersion) -> bool:
        """Whether the facts meet the conditions of an automation."""
        met = [self._meets(name, wanted) for name, wanted in version.conditions.items()]
        is_met = any(met) if version.match is ConditionMatch.ANY and met else all(met)
        return is_met and not any(
            self._meets(name, wanted) for name, wanted in version.exceptions.items()
        )

    def _meets(self, name: str, wanted: Any) -> bool:
        if name == "contains":
            return any(self._contains(stems_of(phrase)) for phrase in wanted)
        if name in self.groups:
            return not self.groups[name].isdisjoint(wanted)
        return self.values[name] in (wanted if isinstance(wanted, list) else [wanted])

    def _contains(self, phrase: Sequence[str]) -> bool:
        """Whether the words of a phrase follow each other, in any of their forms."""
        count = len(phrase)
        starts = range(len(self.stems) - count + 1)
        return count > 0 and any([*self.stems[at : at + count]] == [*phrase] for at in starts)


@dataclass(frozen=True)
class TicketFacts:
    """The facts about a ticket that don't depend on when something happened in it, as `facts_of`
    reads them.
    """

    ticket: Ticket
    values: Mapping[str, Any]
    groups: Mapping[str, frozenset[Any]]
    latest_body: str
    hours: OpeningHours

    def at(
        self, happened_at: datetime, message: Message | None, status: TicketStatus | None = None
    ) -> Facts:
        """The facts at the time of an event: a message or, when it is None, something else, for
        which the customer's latest message counts. `status` replaces the current one.
        """
        values = {
            **self.values,
            "status": (status or self.ticket.status).value,
            "within_opening_hours": self.hours.is_open(happened_at),
        }
        body = message.body if message else self.latest_body
        return Facts(values, self.groups, _stems([self.ticket.subject, body]))


async def facts_of(ticket: Ticket, db: BaseDBAsyncClient | None = None) -> TicketFacts:
    """The facts about a ticket in its current state."""
    rows: Any = (
        Account.filter(pk=ticket.account_id),
        User.filter(pk=ticket.requester_id),
        TicketTag.filter(ticket_id=ticket.pk),
        Purchase.filter(account_id=ticket.account_id, status__in=RENEWING_STATUSES).select_related(
            "price"
        ),
        Message.filter(ticket_id=ticket.pk, from_staff=False).order_by("-sequence").limit(1),
    )
    accounts, users, tags, purchases, messages = [
        await (each.using_db(db) if db else each) for each in rows
    ]
    values = {
        "channel": ticket.channel.value,
        "category": ticket.category.value,
        "priority": ticket.priority.value,
        "team_id": ticket.team_id,
        "assignee_id": ticket.assignee_id,
        "assigned": ticket.assignee_id is not None,
        "reply_awaited": ticket.reply_awaited_since is not None,
        "legal_request": ticket.deadline_at is not None,
        "locale": users[0].locale.value,
        "organization": accounts[0].organization.value,
        "country": accounts[0].country,
    }
    groups = {
        "tags": frozenset(row.tag for row in tags),
        "offer_id": frozenset(row.price.offer_id for row in purchases),
    }
    body = messages[0].body if messages else ""
    return TicketFacts(ticket, values, groups, body, await team_hours(ticket.team_id, db))


def _stems(texts: Iterable[str]) -> list[str]:
    """The stems of texts, separated so that no phrase spans two texts."""
    stems: list[str] = []
    for text in texts:
        stems += [*stems_of(text), ""]
    return stems
