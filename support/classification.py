"""Priority and tags, by which agents sort tickets. Customers see neither, nor that they changed."""

from collections.abc import Sequence

from models.action import Action, Transaction
from models.errors import CommonErrorCode, Refusal
from models.event import INBOX, EventKind
from models.support.audit_actions import SupportAuditAction
from models.support.classification import Priority
from models.support.sla_clock import follow_policy
from models.support.tag import MAX_TAGS, TicketTag
from models.support.ticket import Ticket


async def classify(
    action: Action,
    ticket: Ticket,
    priority: Priority | None,
    added_tags: Sequence[str],
    removed_tags: Sequence[str],
) -> Ticket:
    """Change the priority of a ticket unless it is None, and add and remove tags. A repeat changes
    nothing. Raises TOO_MANY tags.
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
