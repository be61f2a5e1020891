"""The actions that macros and automations take on a ticket."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Self

from models.support.classification import Category, Priority
from models.support.ticket_status import FINISHED_STATUSES, TicketStatus


class TicketActionKind(StrEnum):
    """One of the actions that a macro or an automation takes, declared in the order in which they
    are taken.
    """

    REPLY = "REPLY"
    ASSIGN = "ASSIGN"
    STATUS = "STATUS"
    CATEGORY = "CATEGORY"
    PRIORITY = "PRIORITY"
    TAGS = "TAGS"
    NOTE = "NOTE"
    SNOOZE = "SNOOZE"


@dataclass(frozen=True)
class TicketActions:
    """A set of actions. None or an empty value means no action.

    Texts contain the variables of canned replies. A reply in one language is used for all
    customers. `assigns_actor` is whether the ticket is assigned to the person who applies the
    actions.
    """

    reply_fr: str | None = None
    reply_en: str | None = None
    note: str | None = None
    category: Category | None = None
    priority: Priority | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    team_id: int | None = None
    assignee_id: int | None = None
    assigns_actor: bool = False
    status: TicketStatus | None = None
    snooze_minutes: int | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The actions as `to_json` returned them."""
        known = dict(values)
        if "category" in known:
            known["category"] = Category(known["category"])
        if "priority" in known:
            known["priority"] = Priority(known["priority"])
        if "status" in known:
            known["status"] = TicketStatus(known["status"])
        for name in ("add_tags", "remove_tags"):
            known[name] = tuple(known.get(name, ()))
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """The actions as they are stored, without those that aren't taken."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if value
        }

    @property
    def has_reply(self) -> bool:
        """Whether the customer gets a message."""
        return bool(self.reply_fr or self.reply_en)

    @property
    def assigns(self) -> bool:
        """Whether the ticket goes to a team or a person."""
        return bool(self.team_id or self.assignee_id or self.assigns_actor)

    @property
    def finishes(self) -> bool:
        """Whether the ticket is solved or closed."""
        return self.status in FINISHED_STATUSES

    @property
    def snooze_time(self) -> timedelta | None:
        """How long the ticket is snoozed for."""
        return None if self.snooze_minutes is None else timedelta(minutes=self.snooze_minutes)

    @property
    def kinds(self) -> list[TicketActionKind]:
        """The actions that are taken, in order."""
        done = {
            TicketActionKind.REPLY: self.has_reply,
            TicketActionKind.ASSIGN: self.assigns,
            TicketActionKind.STATUS: self.status,
            TicketActionKind.CATEGORY: self.category,
            TicketActionKind.PRIORITY: self.priority,
            TicketActionKind.TAGS: self.add_tags or self.remove_tags,
            TicketActionKind.NOTE: self.note,
            TicketActionKind.SNOOZE: self.snooze_minutes,
        }
        return [kind for kind, value in done.items() if value]
