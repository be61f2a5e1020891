"""Priority and tags, by which agents sort tickets: customers see neither, nor that they changed.
And the category, which customers choose and agents correct.
"""

from collections.abc import Sequence

from models.action import Action, Transaction
from models.errors import CommonErrorCode, Refusal
from models.event import INBOX, EventKind
from models.support.audit_actions import SupportAuditAction
from models.support.classification import Category, Priority
from models.support.errors import SupportErrorCode
from models.support.legal_deadlines import LEGAL_DEADLINES
from models.support.live_chat import follow_category
from models.support.sla_clock import follow_policy
from models.support.tag import MAX_TAGS, TicketTag
from models.support.team import Team
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus, require_transition


async def classify(
    action: Action,
    ticket: Ticket,
    priority: Priority | None,
    added_tags: Sequence[str],
    removed_tags: Sequence[str],
) -> Ticket:
    """Change the priority of a ticket, unless that is None, and add and remove tags. A repeat
    changes nothing. Raises TOO_MANY tags.
    """
    async with action.transaction() as tx:
        ticket = await tx.lock(Ticket, ticket.pk)
        has_changed = await change_tags(tx, ticket, added_tags, removed_tags)
        if priority is not None and priority is not ticket.priority:
            has_changed = True
            await set_priority(tx, ticket, priority)
        if has_changed:
            tx.audit(
                SupportAuditAction.TICKET_CLASSIFY,
                ticket,
                account_id=None,
                priority=ticket.priority.value,
            )
            await tx.append(INBOX, EventKind.TICKET_UPDATED, ticket_id=ticket.pk)
    return ticket


async def set_priority(tx: Transaction, ticket: Ticket, priority: Priority) -> None:
    """Change the priority of a ticket, which the caller has locked, and the targets of its SLA."""
    ticket.priority = priority
    await ticket.save(using_db=tx.db, update_fields=["priority"])
    await follow_policy(tx, ticket)


async def change_tags(
    tx: Transaction, ticket: Ticket, added_tags: Sequence[str], removed_tags: Sequence[str]
) -> bool:
    """Add and remove tags of a ticket, which the caller has locked. Returns whether any changed.
    Raises TOO_MANY.
    """
    rows = TicketTag.filter(ticket_id=ticket.pk).using_db(tx.db)
    before = {str(tag) for tag in await rows.values_list("tag", flat=True)}
    after = (before | {*added_tags}) - {*removed_tags}
    if len(after) > MAX_TAGS:
        raise Refusal(CommonErrorCode.TOO_MANY, "input", "addTags", limit=MAX_TAGS)
    if removed := before - after:
        await rows.filter(tag__in=sorted(removed)).delete()
    for tag in sorted(after - before):
        await TicketTag.create(using_db=tx.db, ticket_id=ticket.pk, tag=tag)
    return before != after


async def change_category(action: Action, ticket: Ticket, category: Category) -> Ticket:
    """Correct the category of a ticket. A repeat changes nothing. Raises CATEGORY_FIXED for legal
    requests, and TRANSITION_ILLEGAL for a closed ticket.
    """
    async with action.transaction() as tx:
        ticket = await tx.lock(Ticket, ticket.pk)
        if ticket.category is not category:
            require_category_change(ticket, category)
            await set_category(tx, ticket, category)
    return ticket


def require_category_change(ticket: Ticket, category: Category) -> None:
    """Raise CATEGORY_FIXED when the ticket is a legal request or would become one, whose deadline
    runs from when it was made (`LEGAL_DEADLINES`), and TRANSITION_ILLEGAL when it is closed.
    """
    if ticket.deadline_at or category in LEGAL_DEADLINES:
        raise Refusal(SupportErrorCode.CATEGORY_FIXED, "input", "category")
    require_transition(ticket.status, TicketStatus.OPEN)


async def set_category(tx: Transaction, ticket: Ticket, category: Category) -> None:
    """Change the category of a ticket, which the caller has locked and checked. A ticket without an
    assignee that is still in the team of its former category goes to the team of the new one, as if
    it had been opened with that. An assignee keeps the ticket. Targets don't depend on the
    category.
    """
    before, ticket.category = ticket.category, category
    ticket.updated_at = tx.action.at
    await ticket.save(using_db=tx.db, update_fields=["category", "updated_at"])
    tx.audit(
        SupportAuditAction.TICKET_CHANGE_CATEGORY,
        ticket,
        before=before.value,
        category=category.value,
    )
    await ticket.append_event(tx, EventKind.CATEGORY_CHANGED)
    await follow_category(tx, ticket)
    former_team = await Team.for_category(before, tx.db)
    team = await Team.for_category(category, tx.db)
    team_id = team.pk if team else None
    is_routed = ticket.team_id == (former_team.pk if former_team else None)
    if ticket.assignee_id is None and is_routed and team_id != ticket.team_id:
        await ticket.assign(tx, None, team_id)
