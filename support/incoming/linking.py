"""Linking received emails that match no ticket: an agent says which customer wrote."""

from models.accounts.account import Account, AccountMembers
from models.action import Action
from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.identity.user import User
from models.support.audit_actions import SupportAuditAction
from models.support.incoming_email import IncomingEmail, IncomingEmailStatus
from models.support.ticket import Ticket


async def link_email(
    action: Action, email: IncomingEmail, account: Account, requester: User, ticket: Ticket | None
) -> IncomingEmail:
    """Have an email posted in the name of a member of a company: in a ticket of the company, or in
    a new one. The job does it within seconds, with the attachments. A repeat changes nothing.

    Answers go to the member's confirmed address, never to the sender, so a mistake shows nothing to
    a stranger. Raises NOT_FOUND for a person who isn't a member and for another company's ticket,
    and TRANSITION_ILLEGAL for an email that doesn't wait for an agent.
    """
    async with action.transaction() as tx:
        row = await tx.lock(IncomingEmail, email.pk)
        members = await AccountMembers.lock(tx, account.pk)
        with Checks() as check:
            if members.membership(requester.pk) is None:
                check.refuse(Refusal(CommonErrorCode.NOT_FOUND, "input", "requesterId"))
            if ticket and ticket.account_id != account.pk:
                check.refuse(Refusal(CommonErrorCode.NOT_FOUND, "input", "ticketId"))
        ticket_id = ticket.pk if ticket else None
        target = (account.pk, requester.pk, ticket_id)
        if (row.linked_account_id, row.user_id, row.linked_ticket_id) == target:
            return row
        row.require_status(IncomingEmailStatus.UNMATCHED)
        row.linked_account_id, row.user_id, row.linked_ticket_id = target
        row.receive_again(action)
        await row.save(using_db=tx.db)
        details = {"requester": requester.pk} | ({"ticket": ticket_id} if ticket_id else {})
        tx.audit(SupportAuditAction.INCOMING_EMAIL_LINK, row, account.pk, **details)
    return row
