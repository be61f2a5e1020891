"""Deciding disputes of invoices. The decision is written in the ticket of the dispute.

A credit note that leaves nothing of the invoice, and a corrective invoice, decide its open dispute
as well: nothing would be left to accept it with.
"""

from models.action import Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.dispute import Dispute, DisputeStatus
from models.billing.invoice import DocumentType, Invoice
from models.billing.receivable import Receivable
from models.clock import local_date
from models.errors import CommonErrorCode, Refusal
from models.identity.user import User
from models.support.ticket import Ticket
from models.translations import Translatable, _, text

_ACCEPTED = _("We accept your dispute of invoice %(number)s. Credit note: %(document)s.")
_CORRECTED = _("We accept your dispute of invoice %(number)s. Corrective invoice: %(document)s.")


async def accept_open_dispute(
    tx: Transaction, actor: User, invoice: Invoice
) -> tuple[Dispute, Ticket] | None:
    """Accept the open dispute of an invoice that is going to be corrected or credited completely,
    whose receivable is locked. Returns it with its ticket, None when there is none.
    """
    disputes = Dispute.filter(invoice_id=invoice.pk, status=DisputeStatus.OPEN)
    dispute = await disputes.using_db(tx.db).first()
    if dispute is None:
        return None
    dispute, ticket = await lock_open(tx, dispute)
    await decide(tx, dispute, actor, DisputeStatus.ACCEPTED)
    return dispute, ticket


async def settle_accepted(
    tx: Transaction,
    actor: User,
    accepted: tuple[Dispute, Ticket],
    invoice: Invoice,
    document: Invoice,
) -> None:
    """Write into the ticket of an accepted dispute which credit note or corrective invoice settles
    it.
    """
    dispute, ticket = accepted
    dispute.credit_note_id = document.pk
    await dispute.save(using_db=tx.db, update_fields=["credit_note_id"])
    is_credit = document.type is DocumentType.CREDIT_NOTE
    message = _ACCEPTED if is_credit else _CORRECTED
    await answer(
        tx, actor, dispute, ticket, message, number=invoice.number, document=document.number
    )


async def lock_open(tx: Transaction, dispute: Dispute) -> tuple[Dispute, Ticket]:
    """Lock a dispute that isn't decided yet, and its ticket, or the one that it was merged into.
    Raises TRANSITION_ILLEGAL.
    """
    dispute = await tx.lock(Dispute, dispute.pk)
    require_open(dispute)
    ticket = await Ticket.get(pk=dispute.ticket_id, using_db=tx.db)
    return dispute, await ticket.lock_with_target(tx)


def require_open(dispute: Dispute) -> None:
    """Raise TRANSITION_ILLEGAL for a dispute that has been decided."""
    if dispute.status is not DisputeStatus.OPEN:
        raise Refusal(
            CommonErrorCode.TRANSITION_ILLEGAL,
            "input",
            "disputeId",
            message=_("This dispute has already been decided."),
        )


async def decide(tx: Transaction, dispute: Dispute, actor: User, status: DisputeStatus) -> None:
    """Store a decision. The due date of what is still open is postponed by the duration of the
    dispute, so that dunning goes on from where it was.
    """
    dispute.status, dispute.decided_at, dispute.decider_id = status, tx.action.at, actor.pk
    await dispute.save(using_db=tx.db)
    receivable = await Receivable.get(invoice_id=dispute.invoice_id, using_db=tx.db)
    pause = tx.action.day - local_date(receivable.disputed_at or tx.action.at)
    receivable.disputed_at = None
    receivable.due_on += pause
    if receivable.next_dunning_on:
        receivable.next_dunning_on += pause
    await receivable.save(
        using_db=tx.db, update_fields=["disputed_at", "due_on", "next_dunning_on"]
    )
    tx.audit(BillingAuditAction.DISPUTE_DECIDE, dispute, status=status.value)


async def answer(
    tx: Transaction,
    actor: User,
    dispute: Dispute,
    ticket: Ticket,
    message: Translatable,
    **values: str,
) -> None:
    """Write the decision into the dispute's ticket, and solve it, unless it was merged into another
    one, which is about something else as well. A ticket that was solved or closed meanwhile gets
    the message as well.
    """
    requester = await User.get(pk=ticket.requester_id, using_db=tx.db)
    body = text(message, requester.locale, **values)
    key = f"dispute-decision:{dispute.pk}"
    await ticket.post(tx, actor, body, key, origin=dispute.ticket_id, is_final=True)
    if ticket.pk == dispute.ticket_id:
        await ticket.mark_solved(tx)
